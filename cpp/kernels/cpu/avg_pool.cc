// Means over windows, sliding or adaptive, and the transposes of that: every output's cotangent spread evenly
// over its window.
#include <array>
#include <type_traits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/pair_tiles.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/window.h"

namespace unspool::kernels::cpu {
namespace {

// For every output of a dimension: the inputs [begin, end) that it sees and how many count in the mean.
struct Span {
  std::int64_t begin, end, count;
};

struct Spans {
  Planes from, to;
  const Span* of[3] = {};
  double divisor = 0;       // instead of the counts, unless 0
  std::int64_t stride = 0;  // along the width, where windows inside of the row all have `length` columns
  std::int64_t length = 0;
  std::int64_t inside_begin = 0, inside_end = 0;

  static std::size_t scratch_bytes(const Planes& to) {
    return static_cast<std::size_t>(to.size[0] + to.size[1] + to.size[2]) * sizeof(Span);
  }

  template <class F>
  void fill(std::byte* scratch, const F& span) {
    auto* next = reinterpret_cast<Span*>(scratch);
    for (int d = 0; d < 3; ++d) {
      of[d] = next;
      for (std::int64_t o = 0; o < to.size[d]; ++o) *next++ = span(d, o);
    }
  }

  double share(const Span& depth, const Span& height, const Span& width) const {
    return divisor != 0 ? divisor : static_cast<double>(depth.count * height.count * width.count);
  }
};

// `first` is the place of the attribute kernel; stride, padding, count_include_pad and divisor_override
// follow.
Spans sliding_spans(const Context& context, const KernelCall& call, std::size_t first, const View& in,
                    const View& out) {
  const Window w(call, first, false);
  const bool counts_pads = call.attrs[first + 3].flag();
  Spans s{Planes(in, w.spatial), Planes(out, w.spatial)};
  s.fill(context.scratch, [&](int d, std::int64_t o) {
    const std::int64_t start = w.start(d, o), size = s.from.size[d];
    const std::int64_t end = std::min(start + w.kernel[d], size + w.padding[d]);
    const Span seen{std::max<std::int64_t>(start, 0), std::min(end, size), end - start};
    return counts_pads ? seen : Span{seen.begin, seen.end, seen.end - seen.begin};
  });
  if (!call.attrs[first + 4].is_none()) s.divisor = call.attrs[first + 4].number();
  const Interior inside(w, s.from.width(), s.to.width());
  s.stride = w.stride[2];
  s.length = w.kernel[2];
  s.inside_begin = inside.begin;
  s.inside_end = inside.end;
  return s;
}

Spans adaptive_spans(const Context& context, const View& in, const View& out, int spatial) {
  Spans s{Planes(in, spatial), Planes(out, spatial)};
  s.fill(context.scratch, [&](int d, std::int64_t o) {
    const std::int64_t n = s.from.size[d], m = s.to.size[d];
    const std::int64_t begin = o * n / m, end = divide_up((o + 1) * n, m);
    return Span{begin, end, end - begin};
  });
  return s;
}

// Calls visit(plane, first output of a row, span along the depth, span along the height).
template <class F>
void over_rows(const Context& context, const Spans& s, const F& visit) {
  over_ranges(context, s.to.count, grain_of(std::max(s.from.numel(), s.to.numel())),
              [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t p = begin; p < end; ++p) {
                  std::int64_t at = p * s.to.numel();
                  for (std::int64_t d = 0; d < s.to.depth(); ++d) {
                    for (std::int64_t h = 0; h < s.to.height(); ++h, at += s.to.width()) {
                      visit(p, at, s.of[0][d], s.of[1][h]);
                    }
                  }
                }
              });
}

// Calls visit(line) with the beginning of each input row under a window.
template <class T, class F>
void over_lines(const Planes& plane, T* data, const Span& depth, const Span& height, const F& visit) {
  for (std::int64_t d = depth.begin; d < depth.end; ++d) {
    for (std::int64_t h = height.begin; h < height.end; ++h) {
      visit(data + (d * plane.height() + h) * plane.width());
    }
  }
}

template <class T>
T sum_of(const T* x, std::int64_t n) {
  T total(0);
  std::int64_t i = 0;
  if constexpr (std::is_floating_point_v<T>) {
    using P = Vec<T>;
    if (n >= P::kLanes) {
      P sums(0);
      for (; i + P::kLanes <= n; i += P::kLanes) sums += P::load(x + i);
      total = reduce_add(sums);
    }
  }
  for (; i < n; ++i) total += x[i];
  return total;
}

template <class T>
T window_mean(const Spans& s, const T* plane, const Span& depth, const Span& height, const Span& width) {
  T total(0);
  if (width.end - width.begin == s.from.width()) {  // whole rows lie side by side
    for (std::int64_t d = depth.begin; d < depth.end; ++d) {
      total += sum_of(plane + (d * s.from.height() + height.begin) * s.from.width(),
                      (height.end - height.begin) * s.from.width());
    }
  } else {
    over_lines(s.from, plane, depth, height,
               [&](const T* line) { total += sum_of(line + width.begin, width.end - width.begin); });
  }
  return total / static_cast<T>(s.share(depth, height, width));
}

template <int kStride, class T>
void mean_registers(const Spans& s, const T* plane, const Span& depth, const Span& height, T* out) {
  using P = Vec<T>;
  over_registers<T>(s.inside_begin, s.inside_end, [&](std::int64_t o, auto lanes) {
    P sum(0);
    const Span& width = s.of[2][o];
    over_lines(s.from, plane, depth, height, [&](const T* line) {
      visit_taps<kStride>(line + width.begin, s.length, 1, s.stride, lanes,
                          [&](P value, std::int64_t) { sum += value; });
    });
    (sum / P(static_cast<T>(s.share(depth, height, width)))).store_partial(out + o, lanes);
  });
}

template <class T>
void means(const Context& context, const Spans& s, const T* in, T* out) {
  over_rows(context, s, [&](std::int64_t p, std::int64_t at, const Span& depth, const Span& height) {
    const T* plane = in + p * s.from.numel();
    std::int64_t o = 0;
    const auto singly = [&](std::int64_t end) {
      for (; o < end; ++o) out[at + o] = window_mean(s, plane, depth, height, s.of[2][o]);
    };
    if constexpr (std::is_floating_point_v<T>) {
      if (s.stride == 1 || s.stride == 2) {
        singly(s.inside_begin);
        if (s.stride == 1)
          mean_registers<1>(s, plane, depth, height, out + at);
        else
          mean_registers<2>(s, plane, depth, height, out + at);
        o = s.inside_end;
      }
    }
    singly(s.to.width());
  });
}

// to[i] += value for n elements.
template <class T>
void add_to_all(T* to, T value, std::int64_t n) {
  using P = Vec<T>;
  std::int64_t i = 0;
  for (; i + P::kLanes <= n; i += P::kLanes) (P::load(to + i) + P(value)).store(to + i);
  for (; i < n; ++i) to[i] += value;
}

// Calls run(first, lanes) for registers that cover [begin, end) and do not overlap; full ones have their
// lanes as a constant.
template <class T, class F>
void over_separate_registers(std::int64_t begin, std::int64_t end, const F& run) {
  constexpr std::integral_constant<int, Vec<T>::kLanes> kLanes;
  for (; begin + kLanes <= end; begin += kLanes) run(begin, kLanes);
  if (begin < end) run(begin, static_cast<int>(end - begin));
}

// Inside of a row, stride 1: element i of a line has the cotangents of the outputs from i back to i - length
// + 1, as far as there are such, added in this order.
template <class T>
void spread_registers(const Spans& s, const Span& depth, const Span& height, const T* grad, T* plane) {
  using P = Vec<T>;
  const Span& first = s.of[2][s.inside_begin];
  const T share = static_cast<T>(s.share(depth, height, first));
  const std::int64_t n = s.inside_end - s.inside_begin, reach = s.length - 1;
  grad += s.inside_begin;
  over_lines(s.from, plane, depth, height, [&](T* line) {
    T* const to = line + first.begin;
    const auto singly = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::int64_t o = std::min(i, n - 1); o >= std::max<std::int64_t>(0, i - reach); --o)
          to[i] += grad[o] / share;
      }
    };
    singly(0, reach);
    over_separate_registers<T>(reach, n, [&](std::int64_t i, auto lanes) {
      P sum = P::load_partial(to + i, lanes);
      for (std::int64_t tap = 0; tap <= reach; ++tap)
        sum += P::load_partial(grad + i - tap, lanes) / P(share);
      sum.store_partial(to + i, lanes);
    });
    singly(std::max(n, reach), n + reach);
  });
}

// Pairs of columns, stride 2: each cotangent goes to two neighbours.
template <class T>
void spread_pairs(const Spans& s, const Span& depth, const Span& height, const T* grad, T* plane) {
  using P = Vec<T>;
  constexpr int kLanes = P::kLanes;
  const std::int64_t start = s.of[2][s.inside_begin].begin - 2 * s.inside_begin;
  const P share(static_cast<T>(s.share(depth, height, s.of[2][s.inside_begin])));
  over_lines(s.from, plane, depth, height, [&](T* line) {
    over_separate_registers<T>(s.inside_begin, s.inside_end, [&](std::int64_t o, auto lanes) {
      const P g = P::load_partial(grad + o, lanes) / share;
      T* to = line + start + 2 * o;
      const int low = std::min(2 * lanes, kLanes), high = std::max(2 * lanes - kLanes, 0);
      (P::load_partial(to, low) + interleave_low(g, g)).store_partial(to, low);
      to += kLanes;
      (P::load_partial(to, high) + interleave_high(g, g)).store_partial(to, high);
    });
  });
}

template <class T>
void spread(const Context& context, const Spans& s, const T* grad, T* out) {
  const bool in_pairs = s.stride == 2 && s.length == 2;
  const bool in_registers = s.inside_begin < s.inside_end && (s.stride == 1 || in_pairs);
  const std::int64_t size = s.to.numel();
  if (size == 0) std::fill_n(out, s.to.count * s.from.numel(), T(0));
  over_rows(context, s, [&](std::int64_t p, std::int64_t at, const Span& depth, const Span& height) {
    T* plane = out + p * s.from.numel();
    if (at == p * size) std::fill_n(plane, s.from.numel(), T(0));
    std::int64_t o = 0;
    const auto singly = [&](std::int64_t end) {
      for (; o < end; ++o) {
        const Span& width = s.of[2][o];
        const T g = grad[at + o] / static_cast<T>(s.share(depth, height, width));
        over_lines(s.from, plane, depth, height,
                   [&](T* line) { add_to_all(line + width.begin, g, width.end - width.begin); });
      }
    };
    if (in_registers) {
      singly(s.inside_begin);
      if (in_pairs)
        spread_pairs(s, depth, height, grad + at, plane);
      else
        spread_registers(s, depth, height, grad + at, plane);
      o = s.inside_end;
    }
    singly(s.to.width());
  });
}

void run_means(const Context& context, const KernelCall& call, const Spans& s) {
  const auto run = [&]<class T>(T) { means(context, s, call.in[0].as<const T>(), call.out[0].as<T>()); };
  switch (call.out[0].dtype) {
    case Dtype::kFloat32:
      return run(float{});
    case Dtype::kFloat64:
      return run(double{});
    default:
      return run(std::int64_t{});
  }
}

void run_spread(const Context& context, const KernelCall& call, const Spans& s) {
  if (call.out[0].dtype == Dtype::kFloat32)
    spread(context, s, call.in[0].as<const float>(), call.out[0].as<float>());
  else
    spread(context, s, call.in[0].as<const double>(), call.out[0].as<double>());
}

// ---- windows two wide that tile the plane ----

template <class T>
T pair_share(const KernelCall& call, const Window& w) {
  return static_cast<T>(call.attrs[5].is_none() ? static_cast<double>(w.volume()) : call.attrs[5].number());
}

template <class T>
void mean_pairs(const Context& context, const KernelCall& call, const Window& w) {
  const Planes from(call.in[0], w.spatial), to(call.out[0], w.spatial);
  const Vec<T> share(pair_share<T>(call, w));
  T* const out = call.out[0].as<T>();
  const auto pool = [&](const auto& over_pairs, auto lanes, std::int64_t at) {
    Vec<T> sum(0);
    over_pairs([&](std::int64_t, Vec<T> left, Vec<T> right) { sum += left, sum += right; });
    (sum / share).store_partial(out + at, lanes);
  };
  const PairTiles<T> tiles(w, from, to);
  over_ranges(context, to.count, grain_of(from.numel()), [&](std::int64_t begin, std::int64_t end) {
    tiles.pool(call.in[0].as<const T>(), begin, end, pool);
  });
}

template <class T>
void spread_over_pairs(const Context& context, const KernelCall& call, const Window& w) {
  const Planes plane(call.out[0], w.spatial), pooled(call.in[0], w.spatial);
  const Vec<T> share(pair_share<T>(call, w));
  const T* const grad = call.in[0].as<const T>();
  const auto spread = [&](std::int64_t at, std::int64_t, auto lanes) {
    const Vec<T> g = Vec<T>(0) + Vec<T>::load_partial(grad + at, lanes) / share;  // no -0, as everywhere
    return std::pair{g, g};
  };
  const PairTiles<T> tiles(w, plane, pooled);
  over_ranges(context, pooled.count, grain_of(plane.numel()), [&](std::int64_t begin, std::int64_t end) {
    tiles.spread(call.out[0].as<T>(), begin, end, spread);
  });
}

// Runs one or the other where it applies.
template <bool kForward>
bool run_pairs(const Context& context, const KernelCall& call) {
  const Window w(call, 1, false);
  const View &plane = kForward ? call.in[0] : call.out[0], &pooled = kForward ? call.out[0] : call.in[0];
  if (!is_tiled_in_pairs(w, Planes(plane, w.spatial), Planes(pooled, w.spatial))) return false;
  const auto run = [&]<class T>(T) {
    if constexpr (kForward)
      mean_pairs<T>(context, call, w);
    else
      spread_over_pairs<T>(context, call, w);
    return true;
  };
  if (plane.dtype == Dtype::kFloat32) return run(float{});
  return plane.dtype == Dtype::kFloat64 && run(double{});
}

// Attributes of both directions: size (of the result), then those of the window.
void run_avg_pool(const Context& context, const KernelCall& call) {
  if (run_pairs<true>(context, call)) return;
  run_means(context, call, sliding_spans(context, call, 1, call.in[0], call.out[0]));
}

void run_avg_pool_backward(const Context& context, const KernelCall& call) {
  if (run_pairs<false>(context, call)) return;
  run_spread(context, call, sliding_spans(context, call, 1, call.out[0], call.in[0]));
}

int spatial_of(const KernelCall& call) { return static_cast<int>(call.attrs[0].dims().size()); }

void run_adaptive(const Context& context, const KernelCall& call) {
  run_means(context, call, adaptive_spans(context, call.in[0], call.out[0], spatial_of(call)));
}

void run_adaptive_backward(const Context& context, const KernelCall& call) {
  run_spread(context, call, adaptive_spans(context, call.out[0], call.in[0], spatial_of(call)));
}

std::size_t forward_scratch(const KernelCall& call, int) {
  return Spans::scratch_bytes(Planes(call.out[0], spatial_of(call)));
}

std::size_t backward_scratch(const KernelCall& call, int) {
  return Spans::scratch_bytes(Planes(call.in[0], spatial_of(call)));
}

constexpr std::array<Kernel, 4> kKernels = {{
    {"avg_pool", run_avg_pool, forward_scratch},
    {"avg_pool_backward", run_avg_pool_backward, backward_scratch},
    {"adaptive_avg_pool", run_adaptive, forward_scratch},
    {"adaptive_avg_pool_backward", run_adaptive_backward, backward_scratch},
}};

}  // namespace

std::span<const Kernel> avg_pool_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
