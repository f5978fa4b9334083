// Maxima over sliding windows that note, in one byte per output, which place of the window won; gradients are
// sent there and values picked from there. Windows have at most 256 places.
#include <array>
#include <cstring>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/window.h"

namespace unspool::kernels::cpu {
namespace {

using Place = std::uint8_t;

// One place for each lane of a register of T.
template <class T>
struct PlacesOf {
  typedef Place Bytes __attribute__((vector_size(kVectorBytes / sizeof(T))));
};
template <class T>
using PlaceLanes = typename PlacesOf<T>::Bytes;

template <class T>
struct MaxPool {
  using P = Vec<T>;
  using Int = typename P::Int;
  using IntLane = typename P::IntLane;
  using Bytes = PlaceLanes<T>;

  const Window& w;
  const Planes& from;
  const Planes& to;

  // One row of outputs from the taps of depth and height.
  template <int kStride>
  void row(const T* plane, Taps depth, Taps height, T* out, Place* place) const {
    const Interior inside(w, from.width(), to.width());
    for (std::int64_t o = 0; o < inside.begin; ++o) border(plane, depth, height, o, out, place);
    over_registers<T>(inside.begin, inside.end, [&](std::int64_t o, int lanes) {
      P best(-std::numeric_limits<T>::infinity());
      Int code = Int{} + static_cast<IntLane>((depth.begin * w.kernel[1] + height.begin) * w.kernel[2]);
      each_row(plane, depth, height, [&](const T* line, std::int64_t first) {
        visit_taps<kStride>(line + w.start(2, o), w.kernel[2], w.dilation[2], w.stride[2], lanes,
                            [&](P value, std::int64_t tap) {
                              const auto wins = (value > best) | isnan(value);
                              const auto here = static_cast<IntLane>(first + tap);
                              best = select(wins, value, best);
                              code = wins.m ? Int{} + here : code;
                            });
      });
      best.store_partial(out + o, lanes);
      store_places(code, place + o, lanes);
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

  void border(const T* plane, Taps depth, Taps height, std::int64_t o, T* out, Place* place) const {
    const Taps width(w, 2, o, from.width());
    T best = -std::numeric_limits<T>::infinity();
    std::int64_t code = (depth.begin * w.kernel[1] + height.begin) * w.kernel[2] + width.begin;
    each_row(plane, depth, height, [&](const T* line, std::int64_t first) {
      for (std::int64_t k = width.begin; k < width.end; ++k) {
        const T value = line[width.start + k * w.dilation[2]];
        if (value > best || value != value) best = value, code = first + k;
      }
    });
    out[o] = best;
    place[o] = static_cast<Place>(code);
  }

  static void store_places(Int code, Place* to, int lanes) {
    const auto bytes = __builtin_convertvector(code, Bytes);
    if (lanes == P::kLanes) {
      std::memcpy(to, &bytes, sizeof bytes);
    } else {
      for (int i = 0; i < lanes; ++i) to[i] = bytes[i];
    }
  }
};

template <int kStride, class T>
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
                      pool.template row<kStride>(in + p * from.numel(), depth, Taps(w, 1, h, from.height()),
                                                 out + at, place + at);
                    }
                  }
                }
              });
}

// Attributes: size, kernel, stride, padding, dilation.
void run_max_pool(const Context& context, const KernelCall& call) {
  const Window w(call, 1, true);
  const Planes from(call.in[0], w.spatial), to(call.out[0], w.spatial);
  const auto run = [&]<class T>(T) {
    const T* in = call.in[0].as<const T>();
    T* out = call.out[0].as<T>();
    Place* place = call.out[1].as<Place>();
    if (w.stride[2] == 1)
      max_pool_planes<1>(context, w, from, to, in, out, place);
    else if (w.stride[2] == 2)
      max_pool_planes<2>(context, w, from, to, in, out, place);
    else
      max_pool_planes<0>(context, w, from, to, in, out, place);
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

// Pairs of columns under windows that neither overlap nor leave gaps: the whole row is written at once.
template <class T>
void spread_pairs(const T* grad, const Place* place, int first, std::int64_t width, T* to) {
  using P = Vec<T>;
  using Bytes = PlaceLanes<T>;
  const auto spread = [&](std::int64_t o, int lanes) {
    Bytes bytes{};
    std::memcpy(&bytes, place + o, static_cast<std::size_t>(lanes));
    const auto code = __builtin_convertvector(bytes, typename P::Int);
    const P g = P::load_partial(grad + o, lanes);
    const P left = select(Mask<T>(code == first), g, P(0)),
            right = select(Mask<T>(code == first + 1), g, P(0));
    interleave_low(left, right).store_partial(to + 2 * o, std::min(2 * lanes, P::kLanes));
    interleave_high(left, right).store_partial(to + 2 * o + P::kLanes, std::max(2 * lanes - P::kLanes, 0));
  };
  std::int64_t o = 0;
  for (; o + P::kLanes <= width; o += P::kLanes) spread(o, P::kLanes);
  if (o < width) spread(o, static_cast<int>(width - o));
}

bool is_tiled_in_pairs(const Window& w) {
  return w.kernel[0] == 1 && w.stride[0] == 1 && w.padding[0] == 0 && w.kernel[1] == w.stride[1] &&
         w.padding[1] == 0 && w.kernel[2] == 2 && w.stride[2] == 2 && w.padding[2] == 0 &&
         w.dilation[1] == 1 && w.dilation[2] == 1;
}

template <class T>
void spread_plane(const Window& w, const Planes& plane, const Planes& pooled, const T* grad,
                  const Place* place, T* out) {
  const std::int64_t rest = plane.width() - 2 * pooled.width();
  for (std::int64_t d = 0; d < pooled.depth(); ++d) {
    for (std::int64_t h = 0; h < plane.height(); ++h, out += plane.width()) {
      const std::int64_t o = h / w.kernel[1];
      if (o >= pooled.height()) {
        std::fill_n(out, plane.width(), T(0));
        continue;
      }
      const std::int64_t at = (d * pooled.height() + o) * pooled.width();
      spread_pairs(grad + at, place + at, static_cast<int>(2 * (h % w.kernel[1])), pooled.width(), out);
      std::fill_n(out + 2 * pooled.width(), rest, T(0));
    }
  }
}

// Inputs: grad, place. Attributes: size (of the result), kernel, stride, padding, dilation.
template <class T>
void send_back(const Context& context, const KernelCall& call) {
  const Window w(call, 1, true);
  const Planes pooled(call.in[0], w.spatial), plane(call.out[0], w.spatial);
  const T* grad = call.in[0].as<const T>();
  const auto* place = call.in[1].as<const Place>();
  T* out = call.out[0].as<T>();
  const bool in_pairs = is_tiled_in_pairs(w) && 2 * pooled.width() <= plane.width() &&
                        pooled.height() * w.kernel[1] <= plane.height();
  const PlaceOffsets offsets(w, plane);
  over_ranges(context, pooled.count, grain_of(plane.numel()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      T* to = out + p * plane.numel();
      if (in_pairs) {
        spread_plane(w, plane, pooled, grad + p * pooled.numel(), place + p * pooled.numel(), to);
        continue;
      }
      std::fill_n(to, plane.numel(), T(0));
      over_pooled_rows(w, plane, pooled, p, [&](std::int64_t at, std::int64_t base) {
        for (std::int64_t o = 0; o < pooled.width(); ++o) {
          to[base + o * w.stride[2] + offsets.of[place[at + o]]] += grad[at + o];
        }
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
