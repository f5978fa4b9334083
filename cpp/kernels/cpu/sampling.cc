// Sampling of planes at grid points, the transpose of that, and slopes with respect to the grid. For a block
// of points the taps are worked out once and then used by all channels.
#include <array>
#include <cmath>

#include "kernels/cpu/families.h"
#include "kernels/cpu/planes.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

enum class Mode : std::uint8_t { kNearest, kLinear, kCubic };
enum class Border : std::uint8_t { kZeros, kEdge, kReflection };

struct Settings {
  Mode mode;
  Border border;
  bool corners;
  int spatial;
  std::int64_t orders[3] = {};  // first that of the width

  // Attributes from `first` on: mode, padding_mode, align_corners, orders.
  Settings(const KernelCall& call, std::size_t first) : corners(call.attrs[first + 2].flag()) {
    const std::string_view how = call.attrs[first].text(), pad = call.attrs[first + 1].text();
    mode = how == "nearest" ? Mode::kNearest : how == "bicubic" ? Mode::kCubic : Mode::kLinear;
    border = pad == "border" ? Border::kEdge : pad == "reflection" ? Border::kReflection : Border::kZeros;
    const Dims& counts = call.attrs[first + 3].dims();
    spatial = static_cast<int>(counts.size());
    for (int d = 0; d < spatial; ++d) orders[d] = counts[static_cast<std::size_t>(d)];
  }
};

constexpr int kMaxTaps = 16;

// The taps of one coordinate: positions (-1: outside, where everything is 0) and weights.
template <class T>
struct Line {
  int count = 0;
  std::int64_t at[4];
  T weight[4];

  void add(T position, std::int64_t size, T value) {
    at[count] = position >= 0 && position < static_cast<T>(size) ? static_cast<std::int64_t>(position) : -1;
    weight[count++] = value;
  }
};

// A coordinate and its derivative with respect to the grid's number.
template <class T>
struct Place {
  T x, slope;
};

template <class T>
Place<T> reflected(Place<T> p, T low, T high) {
  const T span = high - low;
  if (span <= 0) return {T(0), T(0)};
  T x = p.x - low;
  if (x < 0) x = -x, p.slope = -p.slope;
  const T turns = std::floor(x / span);
  const T rest = x - turns * span;
  const bool is_back = std::fmod(turns, T(2)) != 0;
  return {is_back ? high - rest : rest + low, is_back ? -p.slope : p.slope};
}

template <class T>
Place<T> bordered(const Settings& s, Place<T> p, std::int64_t size) {
  if (s.border == Border::kZeros) return p;
  const T last = static_cast<T>(size - 1);
  if (s.border == Border::kReflection) {
    p = s.corners ? reflected(p, T(0), last) : reflected(p, T(-0.5), last + T(0.5));
  }
  if (!(p.x > 0)) return {T(0), T(0)};
  if (p.x >= last) return {last, T(0)};
  return p;
}

// Keys' cubic with a = -3/4: weight of tap k of 4 at share t, differentiated `order` times.
template <class T>
T keys(int k, T t, std::int64_t order) {
  constexpr T a = T(-0.75);
  const bool is_inner = k == 1 || k == 2;
  const T sign = k < 2 ? T(1) : T(-1);  // of d|x| / dt
  const T x = k == 0 ? t + 1 : k == 1 ? t : k == 2 ? 1 - t : 2 - t;
  const T c3 = is_inner ? a + 2 : a, c2 = is_inner ? -(a + 3) : -5 * a, c1 = is_inner ? T(0) : 8 * a,
          c0 = is_inner ? T(1) : -4 * a;
  switch (order) {
    case 0:
      return ((c3 * x + c2) * x + c1) * x + c0;
    case 1:
      return sign * ((3 * c3 * x + 2 * c2) * x + c1);
    case 2:
      return 6 * c3 * x + 2 * c2;
    case 3:
      return sign * 6 * c3;
    default:
      return T(0);
  }
}

template <class T>
Line<T> line_of(const Settings& s, T number, std::int64_t size, std::int64_t order) {
  const T n = static_cast<T>(size);
  Place<T> p = s.corners ? Place<T>{(number + 1) / 2 * (n - 1), (n - 1) / 2}
                         : Place<T>{((number + 1) * n - 1) / 2, n / 2};
  if (!(std::abs(p.x) < T(0x1p30))) p = {T(-100), T(0)};
  if (s.mode != Mode::kCubic) p = bordered(s, p, size);
  T scale(1);
  for (std::int64_t i = 0; i < order; ++i) scale *= p.slope;
  Line<T> line;
  if (s.mode == Mode::kNearest) {
    line.add(std::nearbyint(p.x), size, order == 0 ? T(1) : T(0));
    return line;
  }
  const T left = std::floor(p.x), t = p.x - left;
  if (s.mode == Mode::kLinear) {
    line.add(left, size, order == 0 ? 1 - t : order == 1 ? -scale : T(0));
    line.add(left + 1, size, order == 0 ? t : order == 1 ? scale : T(0));
    return line;
  }
  for (int k = 0; k < 4; ++k) {
    const Place<T> tap = bordered(s, Place<T>{left + static_cast<T>(k - 1), T(0)}, size);
    line.add(tap.x, size, scale * keys(k, t, order));
  }
  return line;
}

// The taps of one point, over all coordinates.
template <class T>
struct Taps {
  int count = 0;
  std::int64_t at[kMaxTaps];
  T weight[kMaxTaps];

  void set(const Settings& s, const T* grid, const Planes& plane, const std::int64_t* orders) {
    count = 0;
    Line<T> depth;
    if (s.spatial == 3)
      depth = line_of(s, grid[2], plane.depth(), orders[2]);
    else
      depth.add(T(0), 1, T(1));
    const Line<T> width = line_of(s, grid[0], plane.width(), orders[0]);
    const Line<T> height = line_of(s, grid[1], plane.height(), orders[1]);
    for (int d = 0; d < depth.count; ++d) {
      for (int h = 0; h < height.count; ++h) {
        if (depth.at[d] < 0 || height.at[h] < 0) continue;
        const T outer = depth.weight[d] * height.weight[h];
        const std::int64_t row = (depth.at[d] * plane.height() + height.at[h]) * plane.width();
        for (int w = 0; w < width.count; ++w) {
          if (width.at[w] < 0) continue;
          at[count] = row + width.at[w];
          weight[count++] = outer * width.weight[w];
        }
      }
    }
  }

  T sample(const T* plane) const {
    T sum(0);
    for (int k = 0; k < count; ++k) sum += weight[k] * plane[at[k]];
    return sum;
  }
};

constexpr std::int64_t kBlock = 64;  // points

// Sizes: points per sample, and channels.
struct Extent {
  std::int64_t batch, channels, points, blocks;

  Extent(const View& input, const View& grid) : batch(input.sizes[0]), channels(input.sizes[1]), points(1) {
    for (int d = 1; d < grid.ndim - 1; ++d) points *= grid.sizes[d];
    blocks = divide_up(points, kBlock);
  }
};

// Inputs: input, grid.
template <class T>
void sample(const Context& context, const KernelCall& call) {
  const Settings s(call, 0);
  const Planes plane(call.in[0], s.spatial);
  const Extent e(call.in[0], call.in[1]);
  over_ranges(context, e.batch * e.blocks, grain_of(kBlock * (16 + 4 * e.channels)),
              [&](std::int64_t begin, std::int64_t end) {
                Taps<T> taps[kBlock];
                for (; begin < end; ++begin) {
                  const std::int64_t n = begin / e.blocks, first = begin % e.blocks * kBlock;
                  const std::int64_t count = std::min(kBlock, e.points - first);
                  const T* grid = call.in[1].as<const T>() + (n * e.points + first) * s.spatial;
                  for (std::int64_t i = 0; i < count; ++i)
                    taps[i].set(s, grid + i * s.spatial, plane, s.orders);
                  for (std::int64_t c = n * e.channels; c < (n + 1) * e.channels; ++c) {
                    const T* in = call.in[0].as<const T>() + c * plane.numel();
                    T* out = call.out[0].as<T>() + c * e.points + first;
                    for (std::int64_t i = 0; i < count; ++i) out[i] = taps[i].sample(in);
                  }
                }
              });
}

// Inputs: grad, grid.
template <class T>
void spread(const Context& context, const KernelCall& call) {
  const Settings s(call, 0);
  const Planes plane(call.out[0], s.spatial);
  const Extent e(call.in[0], call.in[1]);
  over_ranges(context, e.batch, 1, [&](std::int64_t begin, std::int64_t end) {
    Taps<T> taps[kBlock];
    std::fill_n(call.out[0].as<T>() + begin * e.channels * plane.numel(),
                (end - begin) * e.channels * plane.numel(), T(0));
    for (; begin < end; ++begin) {
      for (std::int64_t first = 0; first < e.points; first += kBlock) {
        const std::int64_t count = std::min(kBlock, e.points - first);
        const T* grid = call.in[1].as<const T>() + (begin * e.points + first) * s.spatial;
        for (std::int64_t i = 0; i < count; ++i) taps[i].set(s, grid + i * s.spatial, plane, s.orders);
        for (std::int64_t c = begin * e.channels; c < (begin + 1) * e.channels; ++c) {
          const T* grad = call.in[0].as<const T>() + c * e.points + first;
          T* out = call.out[0].as<T>() + c * plane.numel();
          for (std::int64_t i = 0; i < count; ++i) {
            for (int k = 0; k < taps[i].count; ++k) out[taps[i].at[k]] += taps[i].weight[k] * grad[i];
          }
        }
      }
    }
  });
}

// Inputs: grad, input, grid.
template <class T>
void slope(const Context& context, const KernelCall& call) {
  const Settings s(call, 0);
  const Planes plane(call.in[1], s.spatial);
  const Extent e(call.in[1], call.in[2]);
  over_ranges(context, e.batch * e.blocks, grain_of(kBlock * (16 + 8 * e.channels)),
              [&](std::int64_t begin, std::int64_t end) {
                Taps<T> taps[kBlock];
                for (; begin < end; ++begin) {
                  const std::int64_t n = begin / e.blocks, first = begin % e.blocks * kBlock;
                  const std::int64_t count = std::min(kBlock, e.points - first);
                  const std::int64_t at = (n * e.points + first) * s.spatial;
                  T* out = call.out[0].as<T>() + at;
                  for (int d = 0; d < s.spatial; ++d) {
                    std::int64_t orders[3] = {s.orders[0], s.orders[1], s.orders[2]};
                    ++orders[d];
                    const T* grid = call.in[2].as<const T>() + at;
                    T sums[kBlock] = {};
                    for (std::int64_t i = 0; i < count; ++i)
                      taps[i].set(s, grid + i * s.spatial, plane, orders);
                    for (std::int64_t c = n * e.channels; c < (n + 1) * e.channels; ++c) {
                      const T* in = call.in[1].as<const T>() + c * plane.numel();
                      const T* grad = call.in[0].as<const T>() + c * e.points + first;
                      for (std::int64_t i = 0; i < count; ++i) sums[i] += grad[i] * taps[i].sample(in);
                    }
                    for (std::int64_t i = 0; i < count; ++i) out[i * s.spatial + d] = sums[i];
                  }
                }
              });
}

void run_sample(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? sample<float>(context, call) : sample<double>(context, call);
}
void run_spread(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? spread<float>(context, call) : spread<double>(context, call);
}
void run_slope(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? slope<float>(context, call) : slope<double>(context, call);
}

constexpr std::array<Kernel, 3> kKernels = {{
    {"grid_sample_at", run_sample},
    {"grid_sample_spread", run_spread},
    {"grid_sample_slope", run_slope},
}};

}  // namespace

std::span<const Kernel> sampling_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
