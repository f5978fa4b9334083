// Maxima over sliding windows that note, in one byte per output, which place of the window won; gradients are
// sent there and values picked from there. Windows have at most 256 places.
#include <array>

#include "kernels/cpu/families.h"
#include "kernels/cpu/pair_tiles.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/window.h"
#include "kernels/cpu/winners.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
struct MaxPool {
  const Window& w;
  const Planes& from;
  const Planes& to;
  const Interior inside{w, from.width(), to.width()};

  // One row of outputs from the taps of depth and height. kTaps is the width of the window, or 0 for any.
  template <int kStride, int kTaps>
  void row(const T* plane, Taps depth, Taps height, T* out, Place* place) const {
    for (std::int64_t o = 0; o < inside.begin; ++o) border(plane, depth, height, o, out, place);
    const auto taps = [&] {
      if constexpr (kTaps == 0)
        return w.kernel[2];
      else
        return std::integral_constant<int, kTaps>{};
    }();
    over_registers<T>(inside.begin, inside.end, [&](std::int64_t o, auto lanes) {
      Winners<T> winners((depth.begin * w.kernel[1] + height.begin) * w.kernel[2]);
      each_row(plane, depth, height, [&](const T* line, std::int64_t first) {
        // By lines, so that what one gives need not wait for those before it.
        Winners<T> here(Vec<T>{}, 0);
        visit_taps<kStride>(line + w.start(2, o), taps, w.dilation[2], w.stride[2], lanes,
                            [&](Vec<T> value, std::int64_t tap) {
                              if (tap == 0)
                                here.best = value;
                              else
                                here.challenge(value, tap);
                            });
        winners.challenge(here, first);
      });
      winners.store(lanes, out + o, place + o);
    });
    for (std::int64_t o = inside.end; o < to.width(); ++o) border(plane, depth, height, o, out, place);
  }

 private:
  // Calls visit(input row, number of its first tap) for the rows of the window.
  template <class F>
  void each_row(const T* plane, Taps depth, Taps height, const F& visit) const {
    for (std::int64_t d = depth.begin; d < depth.end; ++d) {
      const T* slice = plane + (depth.start + d * w.dilation[0]) * from.height() * from.width();
      for (std::int64_t h = height.begin; h < height.end; ++h) {
        visit(slice + (height.start + h * w.dilation[1]) * from.width(), (d * w.kernel[1] + h) * w.kernel[2]);
      }
    }
  }

  // One output, in all lanes alike: a processor would guess branches on values wrong too often.
  void border(const T* plane, Taps depth, Taps height, std::int64_t o, T* out, Place* place) const {
    const Taps width(w, 2, o, from.width());
    Winners<T> winners((depth.begin * w.kernel[1] + height.begin) * w.kernel[2] + width.begin);
    each_row(plane, depth, height, [&](const T* line, std::int64_t first) {
      for (std::int64_t k = width.begin; k < width.end; ++k) {
        winners.challenge(Vec<T>(line[width.start + k * w.dilation[2]]), first + k);
      }
    });
    out[o] = winners.best[0];
    place[o] = static_cast<Place>(winners.place[0]);
  }
};

template <int kStride, int kTaps, class T>
void max_pool_planes(const Context& context, const Window& w, const Planes& from, const Planes& to,
                     const T* in, T* out, Place* place) {
  const MaxPool<T> pool{w, from, to};
  over_ranges(context, to.count, grain_of(to.numel() * w.volume()),
              [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t p = begin; p < end; ++p) {
                  std::int64_t at = p * to.numel();
                  for (std::int64_t d = 0; d < to.depth(); ++d) {
                    const Taps depth(w, 0, d, from.depth());
                    for (std::int64_t h = 0; h < to.height(); ++h, at += to.width()) {
                      pool.template row<kStride, kTaps>(in + p * from.numel(), depth,
                                                        Taps(w, 1, h, from.height()), out + at, place + at);
                    }
                  }
                }
              });
}

template <class T>
void pool_pairs(const Context& context, const Window& w, const Planes& from, const Planes& to, const T* in,
                T* out, Place* place) {
  const auto pool = [&](const auto& over_pairs, auto lanes, std::int64_t at) {
    Winners<T> winners(0);
    over_pairs([&](std::int64_t line, Vec<T> left, Vec<T> right) {
      if (line == 0)
        winners.best = left;
      else
        winners.challenge(left, 2 * line);
      winners.challenge(right, 2 * line + 1);
    });
    winners.store(lanes, out + at, place + at);
  };
  const PairTiles<T> tiles(w, from, to);
  over_ranges(context, to.count, grain_of(to.numel() * w.volume()),
              [&](std::int64_t begin, std::int64_t end) { tiles.pool(in, begin, end, pool); });
}

// Attributes: size, kernel, stride, padding, dilation.
void run_max_pool(const Context& context, const KernelCall& call) {
  const Window w(call, 1, true);
  const Planes from(call.in[0], w.spatial), to(call.out[0], w.spatial);
  const auto run = [&]<class T>(T) {
    const T* in = call.in[0].as<const T>();
    T* out = call.out[0].as<T>();
    Place* place = call.out[1].as<Place>();
    if (is_tiled_in_pairs(w, from, to)) {
      return pool_pairs(context, w, from, to, in, out, place);
    }
    if (w.stride[2] == 1)
      w.kernel[2] == 3 ? max_pool_planes<1, 3>(context, w, from, to, in, out, place)
                       : max_pool_planes<1, 0>(context, w, from, to, in, out, place);
    else if (w.stride[2] == 2)
      w.kernel[2] == 3 ? max_pool_planes<2, 3>(context, w, from, to, in, out, place)
                       : max_pool_planes<2, 0>(context, w, from, to, in, out, place);
    else
      max_pool_planes<0, 0>(context, w, from, to, in, out, place);
  };
  if (call.out[0].dtype == Dtype::kFloat32)
    run(float{});
  else
    run(double{});
}

// How far each place of the window lies from its first.
struct PlaceOffsets {
  std::array<std::int64_t, 256> of{};

  PlaceOffsets(const Window& w, const Planes& plane) {
    std::size_t code = 0;
    for (std::int64_t d = 0; d < w.kernel[0]; ++d) {
      for (std::int64_t h = 0; h < w.kernel[1]; ++h) {
        for (std::int64_t k = 0; k < w.kernel[2]; ++k) {
          of[code++] =
              (d * w.dilation[0] * plane.height() + h * w.dilation[1]) * plane.width() + k * w.dilation[2];
        }
      }
    }
  }
};

// Calls visit(plane, row of outputs, where in the plane the window of the row's first output begins).
template <class F>
void over_pooled_rows(const Window& w, const Planes& plane, const Planes& pooled, std::int64_t p,
                      const F& visit) {
  std::int64_t at = p * pooled.numel();
  for (std::int64_t d = 0; d < pooled.depth(); ++d) {
    for (std::int64_t h = 0; h < pooled.height(); ++h, at += pooled.width()) {
      visit(at, (w.start(0, d) * plane.height() + w.start(1, h)) * plane.width() + w.start(2, 0));
    }
  }
}

template <class T>
void send_back_pairs(const Context& context, const Window& w, const Planes& plane, const Planes& pooled,
                     const T* grad, const Place* place, T* out) {
  using P = Vec<T>;
  const auto spread = [grad, place](std::int64_t at, std::int64_t line, auto lanes) {
    const auto code = load_narrow<T>(place + at, lanes) - static_cast<typename P::IntLane>(2 * line);
    const P g = P::load_partial(grad + at, lanes);
    return std::pair{select(Mask<T>(code == 0), g, P(0)), select(Mask<T>(code == 1), g, P(0))};
  };
  const PairTiles<T> tiles(w, plane, pooled);
  over_ranges(context, pooled.count, grain_of(plane.numel()),
              [&](std::int64_t begin, std::int64_t end) { tiles.spread(out, begin, end, spread); });
}

template <class T>
void add_at_places(const T* grad, const Place* place, std::int64_t count, const PlaceOffsets& offsets, T* to,
                   std::int64_t stride) {
  const std::int64_t* const of = offsets.of.data();
  for (std::int64_t o = 0; o < count; ++o, to += stride) to[of[place[o]]] += grad[o];
}

// Inputs: grad, place. Attributes: size (of the result), kernel, stride, padding, dilation.
template <class T>
void send_back(const Context& context, const KernelCall& call) {
  const Window w(call, 1, true);
  const Planes pooled(call.in[0], w.spatial), plane(call.out[0], w.spatial);
  const T* grad = call.in[0].as<const T>();
  const auto* place = call.in[1].as<const Place>();
  T* out = call.out[0].as<T>();
  if (is_tiled_in_pairs(w, plane, pooled))
    return send_back_pairs(context, w, plane, pooled, grad, place, out);
  const PlaceOffsets offsets(w, plane);
  over_ranges(context, pooled.count, grain_of(plane.numel()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      T* to = out + p * plane.numel();
      std::fill_n(to, plane.numel(), T(0));
      over_pooled_rows(w, plane, pooled, p, [&](std::int64_t at, std::int64_t base) {
        add_at_places(grad + at, place + at, pooled.width(), offsets, to + base, w.stride[2]);
      });
    }
  });
}

// Inputs: the tensor to pick from, place. Attributes as above; size is the result's.
template <class T>
void pick(const Context& context, const KernelCall& call) {
  const Window w(call, 1, true);
  const Planes plane(call.in[0], w.spatial), pooled(call.out[0], w.spatial);
  const auto* place = call.in[1].as<const Place>();
  T* out = call.out[0].as<T>();
  const PlaceOffsets offsets(w, plane);
  over_ranges(context, pooled.count, grain_of(pooled.numel()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const T* from = call.in[0].as<const T>() + p * plane.numel();
      over_pooled_rows(w, plane, pooled, p, [&](std::int64_t at, std::int64_t base) {
        for (std::int64_t o = 0; o < pooled.width(); ++o) {
          out[at + o] = from[base + o * w.stride[2] + offsets.of[place[at + o]]];
        }
      });
    }
  });
}

void run_backward(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? send_back<float>(context, call) : send_back<double>(context, call);
}

void run_pick(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? pick<float>(context, call) : pick<double>(context, call);
}

constexpr std::array<Kernel, 3> kKernels = {{
    {"max_pool", run_max_pool},
    {"max_pool_backward", run_backward},
    {"max_pool_pick", run_pick},
}};

}  // namespace

std::span<const Kernel> max_pool_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
