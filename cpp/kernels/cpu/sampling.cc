// Sampling of planes at grid points, the transpose of that, and slopes with respect to the grid. For a block
// of points the taps are worked out once and then used by all channels.
#include <array>

#include "kernels/cpu/families.h"
#include "kernels/cpu/gather.h"
#include "kernels/cpu/grid_taps.h"
#include "kernels/cpu/planes.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// Sizes: points per sample, and channels.
struct Extent {
  std::int64_t batch, channels, points, blocks;

  Extent(const View& input, const View& grid) : batch(input.sizes[0]), channels(input.sizes[1]), points(1) {
    for (int d = 1; d < grid.ndim - 1; ++d) points *= grid.sizes[d];
    blocks = divide_up(points, kGridBlock);
  }

  std::int64_t count(std::int64_t first) const { return std::min(kGridBlock, points - first); }
};

// Derivatives by the grid where the nearest element is taken: it stays the same one, whatever it holds.
template <class T>
void fill_zeros(const View& out) {
  std::fill_n(out.as<T>(), out.numel(), T(0));
}

// The taps of the points from `grid` on.
template <class T, class I>
void set_taps(const GridSettings& s, const T* grid, std::int64_t count, const Planes& plane,
              GridTaps<T, I>& taps) {
  GridBlock<T> block;
  block.set(grid, count, s.spatial);
  GridLine<T> lines[3];
  for (int d = 0; d < s.spatial; ++d) lines[d].set(s, block.number[d], plane.size[2 - d], s.orders[d]);
  taps.set(s, {&lines[0], &lines[1], &lines[2]}, plane);
}

// The sums of K taps for the points from i on; the weight of a single tap is 1.
template <int K, class T, class I>
Vec<T> weighted(const GridTaps<T, I>& taps, const T* in, std::int64_t i) {
  if constexpr (K == 1) return gather_or_zero(in, taps.at[0] + i);
  Vec<T> sum(T(0));
  for (int k = 0; k < K; ++k) sum += Vec<T>::load(taps.weight[k] + i) * gather_or_zero(in, taps.at[k] + i);
  return sum;
}

// Inputs: input, grid. K taps a point.
template <class T, class I, int K>
void sample(const Context& context, const KernelCall& call) {
  const GridSettings s(call);
  if (K == 1 && s.is_derivative()) return fill_zeros<T>(call.out[0]);
  const Planes plane(call.in[0], s.spatial);
  const Extent e(call.in[0], call.in[1]);
  over_ranges(context, e.batch * e.blocks, grain_of(kGridBlock * (16 + 4 * e.channels)),
              [&](std::int64_t begin, std::int64_t end) {
                GridTaps<T, I> taps;
                for (; begin < end; ++begin) {
                  const std::int64_t n = begin / e.blocks, first = begin % e.blocks * kGridBlock;
                  const std::int64_t count = e.count(first);
                  set_taps(s, call.in[1].as<const T>() + (n * e.points + first) * s.spatial, count, plane,
                           taps);
                  for (std::int64_t c = n * e.channels; c < (n + 1) * e.channels; ++c) {
                    const T* in = call.in[0].as<const T>() + c * plane.numel();
                    T* out = call.out[0].as<T>() + c * e.points + first;
                    for (std::int64_t i = 0; i < count; i += Vec<T>::kLanes) {
                      weighted<K>(taps, in, i).store_partial(out + i, static_cast<int>(count - i));
                    }
                  }
                }
              });
}

// Inputs: grad, grid.
template <class T, class I, int K>
void spread(const Context& context, const KernelCall& call) {
  const GridSettings s(call);
  const Planes plane(call.out[0], s.spatial);
  const Extent e(call.in[0], call.in[1]);
  over_ranges(context, e.batch, 1, [&](std::int64_t begin, std::int64_t end) {
    GridTaps<T, I> taps;
    std::fill_n(call.out[0].as<T>() + begin * e.channels * plane.numel(),
                (end - begin) * e.channels * plane.numel(), T(0));
    for (; begin < end; ++begin) {
      for (std::int64_t first = 0; first < e.points; first += kGridBlock) {
        const std::int64_t count = e.count(first);
        set_taps(s, call.in[1].as<const T>() + (begin * e.points + first) * s.spatial, count, plane, taps);
        for (std::int64_t c = begin * e.channels; c < (begin + 1) * e.channels; ++c) {
          const T* grad = call.in[0].as<const T>() + c * e.points + first;
          T* out = call.out[0].as<T>() + c * plane.numel();
          for (std::int64_t i = 0; i < count; ++i) {
            for (int k = 0; k < K; ++k) {
              if (taps.at[k][i] >= 0) out[taps.at[k][i]] += taps.weight[k][i] * grad[i];
            }
          }
        }
      }
    }
  });
}

// Taps whose weights are differentiated once more, by each coordinate.
template <class T, class I>
struct SlopeTaps {
  GridTaps<T, I> by[3];

  void set(const GridSettings& s, const T* grid, std::int64_t count, const Planes& plane) {
    GridBlock<T> block;
    block.set(grid, count, s.spatial);
    GridLine<T> lines[3], slopes[3];
    for (int d = 0; d < s.spatial; ++d) {
      lines[d].set(s, block.number[d], plane.size[2 - d], s.orders[d]);
      slopes[d].set(s, block.number[d], plane.size[2 - d], s.orders[d] + 1);
    }
    for (int d = 0; d < s.spatial; ++d) {
      std::array<const GridLine<T>*, 3> mixed{&lines[0], &lines[1], &lines[2]};
      mixed[static_cast<std::size_t>(d)] = &slopes[d];
      by[d].set(s, mixed, plane);
    }
  }
};

// sums[d] += grad * the taps' sum by coordinate d.
template <class T, class I, int K, int kSpatial>
void add_slopes(const SlopeTaps<T, I>& taps, const T* in, const T* grad, std::int64_t count,
                T (&sums)[3][kGridBlock]) {
  using V = Vec<T>;
  for (std::int64_t i = 0; i < count; i += V::kLanes) {
    V each[kSpatial];
    for (int d = 0; d < kSpatial; ++d) each[d] = V(T(0));
    for (int k = 0; k < K; ++k) {
      const V value = gather_or_zero(in, taps.by[0].at[k] + i);
      for (int d = 0; d < kSpatial; ++d) each[d] += V::load(taps.by[d].weight[k] + i) * value;
    }
    const V g = V::load_partial(grad + i, static_cast<int>(count - i));
    for (int d = 0; d < kSpatial; ++d) (V::load(sums[d] + i) + g * each[d]).store(sums[d] + i);
  }
}

// Inputs: grad, input, grid.
template <class T, class I, int K>
void slope(const Context& context, const KernelCall& call) {
  const GridSettings s(call);
  const Planes plane(call.in[1], s.spatial);
  const Extent e(call.in[1], call.in[2]);
  if (K == 1) return fill_zeros<T>(call.out[0]);
  const auto add = s.spatial == 3 ? add_slopes<T, I, K, 3> : add_slopes<T, I, K, 2>;
  over_ranges(context, e.batch * e.blocks, grain_of(kGridBlock * (16 + 8 * e.channels)),
              [&](std::int64_t begin, std::int64_t end) {
                SlopeTaps<T, I> taps;
                for (; begin < end; ++begin) {
                  const std::int64_t n = begin / e.blocks, first = begin % e.blocks * kGridBlock;
                  const std::int64_t count = e.count(first), at = (n * e.points + first) * s.spatial;
                  taps.set(s, call.in[2].as<const T>() + at, count, plane);
                  T sums[3][kGridBlock] = {};
                  for (std::int64_t c = n * e.channels; c < (n + 1) * e.channels; ++c) {
                    add(taps, call.in[1].as<const T>() + c * plane.numel(),
                        call.in[0].as<const T>() + c * e.points + first, count, sums);
                  }
                  T* out = call.out[0].as<T>() + at;
                  for (std::int64_t i = 0; i < count; ++i) {
                    for (int d = 0; d < s.spatial; ++d) out[i * s.spatial + d] = sums[d][i];
                  }
                }
              });
}

// body(T, I, the number of taps as a constant) for the dtype of the result and the planes of `sampled`.
template <class T, class Body>
void visit_taps(const GridSettings& s, const Planes& plane, const Body& body) {
  using Narrow = typename Vec<T>::IntLane;
  const bool is_narrow = plane.numel() <= std::numeric_limits<Narrow>::max();
  const auto with = [&]<int K>() {
    is_narrow ? body.template operator()<T, Narrow, K>() : body.template operator()<T, std::int64_t, K>();
  };
  if (s.taps() == 1) return with.template operator()<1>();
  if (s.taps() == 4) return with.template operator()<4>();
  if (s.taps() == 8) return with.template operator()<8>();
  with.template operator()<16>();
}

template <class Body>
void visit(const KernelCall& call, const View& sampled, const Body& body) {
  const GridSettings s(call);
  const Planes plane(sampled, s.spatial);
  call.out[0].dtype == Dtype::kFloat32 ? visit_taps<float>(s, plane, body)
                                       : visit_taps<double>(s, plane, body);
}

void run_sample(const Context& context, const KernelCall& call) {
  visit(call, call.in[0], [&]<class T, class I, int K>() { sample<T, I, K>(context, call); });
}
void run_spread(const Context& context, const KernelCall& call) {
  visit(call, call.out[0], [&]<class T, class I, int K>() { spread<T, I, K>(context, call); });
}
void run_slope(const Context& context, const KernelCall& call) {
  visit(call, call.in[1], [&]<class T, class I, int K>() { slope<T, I, K>(context, call); });
}

constexpr std::array<Kernel, 3> kKernels = {{
    {"grid_sample_at", run_sample},
    {"grid_sample_spread", run_spread},
    {"grid_sample_slope", run_slope},
}};

}  // namespace

std::span<const Kernel> sampling_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
