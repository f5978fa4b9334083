// Resizing of planes by separable interpolation: every output of a dimension is a weighted sum of a few
// inputs (its taps), one dimension after the other; and the transpose of that. Nearest-neighbour resizing
// moves elements of any dtype.
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/remap.h"

namespace unspool::kernels::cpu {
namespace {

// How output positions map to input positions along one dimension. `step` is 1 / scale_factor where the
// caller fixed it, else 0.
struct Axis {
  std::int64_t in, out;
  double step;
  bool corners;

  // Positions are worked out in the precision that weights have: T, and float for nearest.
  template <class T>
  T ratio() const {
    if (corners) return out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
    return step > 0 ? static_cast<T>(step) : static_cast<T>(in) / static_cast<T>(out);
  }
  template <class T>
  T position(std::int64_t o) const {
    const T r = ratio<T>();
    return corners ? r * static_cast<T>(o) : r * (static_cast<T>(o) + T(0.5)) - T(0.5);
  }
};

// Keys 1981, equation 4 with a = -3/4 (-1/2 where it also smooths), at distance x.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

enum class Filter : std::uint8_t { kLinear, kCubic };

// The taps of all outputs of one dimension: `width` of them each, at ascending positions.
template <class T>
struct TapTable {
  std::int64_t width = 1;
  std::int64_t* at = nullptr;
  T* weight = nullptr;

  static std::int64_t width_of(const Axis& a, Filter filter, bool smooths) {
    const std::int64_t support = filter == Filter::kLinear ? 1 : 2;
    if (a.in == a.out && a.out == 1) return 1;
    if (!smooths) return 2 * support;
    const double stretch = std::max(1.0, a.ratio<double>());
    return 2 * static_cast<std::int64_t>(std::ceil(static_cast<double>(support) * stretch)) + 1;
  }

  void fill(const Axis& a, Filter filter, bool smooths) {
    for (std::int64_t o = 0; o < a.out; ++o) {
      if (smooths)
        smoothed(a, filter, o);
      else if (width == 1)
        at[o] = 0, weight[o] = T(1);
      else if (filter == Filter::kLinear)
        linear(a, o);
      else
        keys(a, o);
    }
  }

 private:
  void linear(const Axis& a, std::int64_t o) {
    const T x = std::max(a.position<T>(o), T(0));
    const std::int64_t left = std::min(static_cast<std::int64_t>(x), a.in - 1);
    const T right_share = std::clamp(x - static_cast<T>(left), T(0), T(1));
    at[2 * o] = left;
    at[2 * o + 1] = std::min(left + 1, a.in - 1);
    weight[2 * o] = T(1) - right_share;
    weight[2 * o + 1] = right_share;
  }

  void keys(const Axis& a, std::int64_t o) {
    const T x = a.position<T>(o);
    const T left = std::floor(x), share = x - left;
    for (int k = 0; k < 4; ++k) {
      at[4 * o + k] = std::clamp<std::int64_t>(static_cast<std::int64_t>(left) - 1 + k, 0, a.in - 1);
      weight[4 * o + k] = static_cast<T>(cubic(static_cast<double>(share - static_cast<T>(k - 1)), -0.75));
    }
  }

  // The filter is stretched over as many inputs as an output stands for, and normalised.
  void smoothed(const Axis& a, Filter filter, std::int64_t o) {
    const double ratio = a.ratio<double>(), stretch = std::max(1.0, ratio);
    const double reach = (filter == Filter::kLinear ? 1 : 2) * stretch;
    const double center = ratio * (static_cast<double>(o) + 0.5);
    const auto begin = std::max<std::int64_t>(static_cast<std::int64_t>(std::trunc(center - reach + 0.5)), 0);
    const auto end = std::min(static_cast<std::int64_t>(std::trunc(center + reach + 0.5)), a.in);
    double total = 0;
    for (std::int64_t k = 0; k < width; ++k) {
      const double x = (static_cast<double>(begin + k) - center + 0.5) / stretch;
      const double value = begin + k >= end            ? 0
                           : filter == Filter::kLinear ? std::max(0.0, 1 - std::abs(x))
                                                       : cubic(x, -0.5);
      at[width * o + k] = std::min(begin + k, a.in - 1);
      weight[width * o + k] = static_cast<T>(value);
      total += value;
    }
    for (std::int64_t k = 0; total != 0 && k < width; ++k) {
      weight[width * o + k] = static_cast<T>(static_cast<double>(weight[width * o + k]) / total);
    }
  }
};

std::size_t align_up(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

// Attributes of both directions: size (of the result), mode, align_corners, antialias, step_d, step_h,
// step_w.
template <class T>
struct Plan {
  Planes from, to;  // of the interpolation, whichever way it is run
  TapTable<T> taps[3];
  std::size_t table_bytes = 0;
  Filter filter;
  bool smooths;
  Axis axes[3];

  Plan(const KernelCall& call, const View& in, const View& out)
      : from(in, spatial_of(call)),
        to(out, spatial_of(call)),
        filter(call.attrs[1].text() == std::string_view("cubic") ? Filter::kCubic : Filter::kLinear),
        smooths(call.attrs[3].flag()) {
    for (int d = 0; d < 3; ++d) {
      const auto place = static_cast<std::size_t>(4 + d);
      axes[d] = {from.size[d], to.size[d], call.attrs[place].number(), call.attrs[2].flag()};
      if (d < 3 - spatial_of(call)) axes[d].step = 0;
      taps[d].width = is_used(d) ? TapTable<T>::width_of(axes[d], filter, smooths) : 1;
      table_bytes += align_up(entries(d) * sizeof(std::int64_t)) + align_up(entries(d) * sizeof(T));
    }
  }

  static int spatial_of(const KernelCall& call) { return static_cast<int>(call.attrs[0].dims().size()); }

  bool is_used(int d) const { return from.size[d] != 1 || to.size[d] != 1; }
  std::size_t entries(int d) const { return static_cast<std::size_t>(to.size[d] * taps[d].width); }

  // Room for a plane after the width, and one after the height too.
  std::int64_t wide() const { return from.depth() * from.height() * to.width(); }
  std::int64_t tall() const { return from.depth() * to.height() * to.width(); }
  std::size_t slot_bytes() const {
    return align_up(static_cast<std::size_t>(wide()) * sizeof(T)) +
           align_up(static_cast<std::size_t>(tall()) * sizeof(T));
  }
  // Planes are dealt to a number of slots that follows from the shape alone.
  std::int64_t slots() const { return std::min<std::int64_t>(to.count, 16); }

  std::size_t scratch_bytes() const { return table_bytes + static_cast<std::size_t>(slots()) * slot_bytes(); }

  std::byte* fill(std::byte* scratch) {
    for (int d = 0; d < 3; ++d) {
      taps[d].at = reinterpret_cast<std::int64_t*>(scratch);
      scratch += align_up(entries(d) * sizeof(std::int64_t));
      taps[d].weight = reinterpret_cast<T*>(scratch);
      scratch += align_up(entries(d) * sizeof(T));
      taps[d].fill(axes[d], filter, smooths && is_used(d));
    }
    return scratch;
  }

  // Calls run(plane, memory after the width, memory after the height).
  template <class F>
  void over_planes(const Context& context, std::byte* scratch, const F& run) const {
    const std::int64_t each = divide_up(to.count, std::max<std::int64_t>(slots(), 1));
    context.parallel(slots(), [&](std::int64_t slot) {
      auto* wide_part = reinterpret_cast<T*>(scratch + static_cast<std::size_t>(slot) * slot_bytes());
      auto* tall_part = reinterpret_cast<T*>(reinterpret_cast<std::byte*>(wide_part) +
                                             align_up(static_cast<std::size_t>(wide()) * sizeof(T)));
      const std::int64_t end = std::min(to.count, (slot + 1) * each);
      for (std::int64_t p = slot * each; p < end; ++p) run(p, wide_part, tall_part);
    });
  }
};

// Columns of one row.
template <class T>
void resample_row(const TapTable<T>& taps, std::int64_t width, const T* from, T* to) {
  if (taps.width == 1) {
    for (std::int64_t i = 0; i < width; ++i) to[i] = from[taps.at[i]];
  } else if (taps.width == 2) {
    for (std::int64_t i = 0; i < width; ++i) {
      to[i] = taps.weight[2 * i] * from[taps.at[2 * i]] + taps.weight[2 * i + 1] * from[taps.at[2 * i + 1]];
    }
  } else {
    for (std::int64_t i = 0; i < width; ++i) {
      T sum(0);
      for (std::int64_t k = i * taps.width; k < (i + 1) * taps.width; ++k)
        sum += taps.weight[k] * from[taps.at[k]];
      to[i] = sum;
    }
  }
}

// Whole rows as elements: to[o] = Σ weight * from[at], rows of `length`, in `outer` groups.
template <class T>
void resample_rows(const TapTable<T>& taps, std::int64_t outer, std::int64_t in, std::int64_t out,
                   std::int64_t length, const T* from, T* to) {
  using P = Vec<T>;
  for (std::int64_t g = 0; g < outer; ++g, from += in * length) {
    for (std::int64_t o = 0; o < out; ++o, to += length) {
      const std::int64_t* at = taps.at + o * taps.width;
      const T* weight = taps.weight + o * taps.width;
      for (std::int64_t i = 0; i < length; i += P::kLanes) {
        const int lanes = static_cast<int>(std::min<std::int64_t>(length - i, P::kLanes));
        P sum = P(weight[0]) * P::load_partial(from + at[0] * length + i, lanes);
        for (std::int64_t k = 1; k < taps.width; ++k) {
          sum = fma(P(weight[k]), P::load_partial(from + at[k] * length + i, lanes), sum);
        }
        sum.store_partial(to + i, lanes);
      }
    }
  }
}

template <class T>
void spread_rows(const TapTable<T>& taps, std::int64_t outer, std::int64_t in, std::int64_t out,
                 std::int64_t length, const T* grad, T* to) {
  using P = Vec<T>;
  std::fill_n(to, outer * in * length, T(0));
  for (std::int64_t g = 0; g < outer; ++g, to += in * length) {
    for (std::int64_t o = 0; o < out; ++o, grad += length) {
      for (std::int64_t k = o * taps.width; k < (o + 1) * taps.width; ++k) {
        if (taps.weight[k] == T(0)) continue;
        T* row = to + taps.at[k] * length;
        const P weight(taps.weight[k]);
        for (std::int64_t i = 0; i < length; i += P::kLanes) {
          const int lanes = static_cast<int>(std::min<std::int64_t>(length - i, P::kLanes));
          fma(weight, P::load_partial(grad + i, lanes), P::load_partial(row + i, lanes))
              .store_partial(row + i, lanes);
        }
      }
    }
  }
}

template <class T>
void resample(const Context& context, const KernelCall& call) {
  Plan<T> plan(call, call.in[0], call.out[0]);
  std::byte* rest = plan.fill(context.scratch);
  const Planes &from = plan.from, &to = plan.to;
  plan.over_planes(context, rest, [&](std::int64_t p, T* wide, T* tall) {
    const T* in = call.in[0].as<const T>() + p * from.numel();
    T* out = call.out[0].as<T>() + p * to.numel();
    const bool has_height = plan.is_used(1), has_depth = plan.is_used(0);
    T* after_width = has_height || has_depth ? wide : out;
    for (std::int64_t r = 0; r < from.depth() * from.height(); ++r) {
      resample_row(plan.taps[2], to.width(), in + r * from.width(), after_width + r * to.width());
    }
    T* after_height = has_depth ? tall : out;
    if (has_height)
      resample_rows(plan.taps[1], from.depth(), from.height(), to.height(), to.width(), after_width,
                    after_height);
    else
      after_height = after_width;
    if (has_depth)
      resample_rows(plan.taps[0], 1, from.depth(), to.depth(), to.height() * to.width(), after_height, out);
  });
}

template <class T>
void spread(const Context& context, const KernelCall& call) {
  Plan<T> plan(call, call.out[0], call.in[0]);
  std::byte* rest = plan.fill(context.scratch);
  const Planes &from = plan.from, &to = plan.to;
  plan.over_planes(context, rest, [&](std::int64_t p, T* wide, T* tall) {
    const T* grad = call.in[0].as<const T>() + p * to.numel();
    T* out = call.out[0].as<T>() + p * from.numel();
    if (plan.is_used(0)) {
      T* next = plan.is_used(1) ? tall : wide;
      spread_rows(plan.taps[0], 1, from.depth(), to.depth(), to.height() * to.width(), grad, next);
      grad = next;
    }
    if (plan.is_used(1)) {
      spread_rows(plan.taps[1], from.depth(), from.height(), to.height(), to.width(), grad, wide);
      grad = wide;
    }
    const TapTable<T>& taps = plan.taps[2];
    std::fill_n(out, from.numel(), T(0));
    for (std::int64_t r = 0; r < from.depth() * from.height(); ++r, out += from.width(), grad += to.width()) {
      for (std::int64_t i = 0; i < to.width(); ++i) {
        for (std::int64_t k = i * taps.width; k < (i + 1) * taps.width; ++k)
          out[taps.at[k]] += taps.weight[k] * grad[i];
      }
    }
  });
}

void run_resample(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? resample<float>(context, call) : resample<double>(context, call);
}

void run_spread(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? spread<float>(context, call) : spread<double>(context, call);
}

std::size_t resample_scratch(const KernelCall& call, int) {
  if (call.out[0].dtype == Dtype::kFloat32) return Plan<float>(call, call.in[0], call.out[0]).scratch_bytes();
  return Plan<double>(call, call.in[0], call.out[0]).scratch_bytes();
}

std::size_t spread_scratch(const KernelCall& call, int) {
  if (call.out[0].dtype == Dtype::kFloat32) return Plan<float>(call, call.out[0], call.in[0]).scratch_bytes();
  return Plan<double>(call, call.out[0], call.in[0]).scratch_bytes();
}

// Attributes of both directions: size (of the result), exact, step_d, step_h, step_w.
IndexMap nearest_map(const Context& context, const KernelCall& call, const View& small, const View& large) {
  const auto spatial = static_cast<int>(call.attrs[0].dims().size());
  const bool is_exact = call.attrs[1].flag();
  const Planes in(small, spatial), out(large, spatial);
  return IndexMap(in, out, context.scratch, [&](int d, std::int64_t* table) {
    const double step = d < 3 - spatial ? 0 : call.attrs[static_cast<std::size_t>(2 + d)].number();
    const float ratio = Axis{in.size[d], out.size[d], step, false}.ratio<float>();
    for (std::int64_t o = 0; o < out.size[d]; ++o) {
      const float at = (static_cast<float>(o) + (is_exact ? 0.5f : 0.0f)) * ratio;
      table[o] = std::min(static_cast<std::int64_t>(at), in.size[d] - 1);
    }
  });
}

void run_nearest(const Context& context, const KernelCall& call) {
  const View &in = call.in[0], &out = call.out[0];
  const IndexMap map = nearest_map(context, call, in, out);
  visit_size(size_of(out.dtype), [&](auto word) {
    using W = decltype(word);
    gather_planes(context, map, in.as<const W>(), out.as<W>());
  });
}

void run_nearest_backward(const Context& context, const KernelCall& call) {
  const View &grad = call.in[0], &out = call.out[0];
  const IndexMap map = nearest_map(context, call, out, grad);
  if (out.dtype == Dtype::kFloat32)
    scatter_planes(context, map, grad.as<const float>(), out.as<float>());
  else
    scatter_planes(context, map, grad.as<const double>(), out.as<double>());
}

int map_spatial(const KernelCall& call) { return static_cast<int>(call.attrs[0].dims().size()); }

std::size_t nearest_scratch(const KernelCall& call, int) {
  return IndexMap::scratch_bytes(Planes(call.out[0], map_spatial(call)));
}

std::size_t nearest_backward_scratch(const KernelCall& call, int) {
  return IndexMap::scratch_bytes(Planes(call.in[0], map_spatial(call)));
}

constexpr std::array<Kernel, 4> kKernels = {{
    {"resample", run_resample, resample_scratch},
    {"resample_backward", run_spread, spread_scratch},
    {"resample_nearest", run_nearest, nearest_scratch},
    {"resample_nearest_backward", run_nearest_backward, nearest_backward_scratch},
}};

}  // namespace

std::span<const Kernel> resample_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
