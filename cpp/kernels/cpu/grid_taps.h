// Where the points of a grid fall in a plane: for a block of points, the taps along each coordinate and their
// weights, differentiated as often as asked for, and the products of those over all coordinates.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "kernels/cpu/planes.h"
#include "kernels/cpu/vec.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

struct GridSettings {
  enum class Mode : std::uint8_t { kNearest, kLinear, kCubic };
  enum class Border : std::uint8_t { kZeros, kEdge, kReflection };

  Mode mode;
  Border border;
  bool corners;
  int spatial;
  std::int64_t orders[3] = {};  // first that of the width

  // Attributes: mode, padding_mode, align_corners, orders.
  explicit GridSettings(const KernelCall& call) : corners(call.attrs[2].flag()) {
    const std::string_view how = call.attrs[0].text(), pad = call.attrs[1].text();
    mode = how == "nearest" ? Mode::kNearest : how == "bicubic" ? Mode::kCubic : Mode::kLinear;
    border = pad == "border" ? Border::kEdge : pad == "reflection" ? Border::kReflection : Border::kZeros;
    const Dims& counts = call.attrs[3].dims();
    spatial = static_cast<int>(counts.size());
    for (int d = 0; d < spatial; ++d) orders[d] = counts[static_cast<std::size_t>(d)];
  }

  bool is_derivative() const { return orders[0] + orders[1] + orders[2] > 0; }

  // Taps along one coordinate, and over all of them.
  int along() const { return mode == Mode::kNearest ? 1 : mode == Mode::kCubic ? 4 : 2; }
  int taps() const { return spatial == 3 ? along() * along() * along() : along() * along(); }
};

inline constexpr std::int64_t kGridBlock = 64;  // points; a multiple of all lane counts
inline constexpr int kMostGridTaps = 16;

// The taps along one coordinate: positions (-1: outside, where everything is 0) and weights. Points behind
// the count are as good as any; only their results are not stored.
template <class T>
struct GridLine {
  using V = Vec<T>;
  using At = typename V::IntLane;

  At at[4][kGridBlock];
  T weight[4][kGridBlock];

  void set(const GridSettings& s, const T* numbers, std::int64_t size, std::int64_t order) {
    for (std::int64_t i = 0; i < kGridBlock; i += V::kLanes) set(s, V::load(numbers + i), size, order, i);
  }

 private:
  using Mode = GridSettings::Mode;
  using Border = GridSettings::Border;

  // A coordinate and its derivative with respect to the grid's number.
  struct Place {
    V x, slope;
  };

  static Place chosen(Mask<T> mask, const Place& a, const Place& b) {
    return {select(mask, a.x, b.x), select(mask, a.slope, b.slope)};
  }

  static Place reflected(Place p, T low, T high) {
    const T span = high - low;
    if (span <= 0) return {V(T(0)), V(T(0))};
    const V far = p.x - V(low), x = abs(far);
    const V slope = select(far < V(T(0)), -p.slope, p.slope);
    const V turns = floor(x / V(span)), rest = x - turns * V(span);
    const Mask<T> is_back = turns - V(T(2)) * floor(turns / V(T(2))) != V(T(0));
    return chosen(is_back, {V(high) - rest, -slope}, {rest + V(low), slope});
  }

  static Place bordered(const GridSettings& s, Place p, std::int64_t size) {
    if (s.border == Border::kZeros) return p;
    const T last = static_cast<T>(size - 1);
    const V zero(T(0));
    if (s.border == Border::kReflection) {
      p = s.corners ? reflected(p, T(0), last) : reflected(p, T(-0.5), last + T(0.5));
    }
    const Place before_last = chosen(p.x >= V(last), {V(last), zero}, p);
    return chosen(p.x > zero, before_last, {zero, zero});
  }

  // Keys' cubic with a = -3/4: weight of tap k of 4 at share t, differentiated `order` times.
  static V keys(int k, V t, std::int64_t order) {
    constexpr T a = T(-0.75);
    const bool is_inner = k == 1 || k == 2;
    const T sign = k < 2 ? T(1) : T(-1);  // of d|x| / dt
    const V one(T(1)), two(T(2));
    const V x = k == 0 ? t + one : k == 1 ? t : k == 2 ? one - t : two - t;
    const T c3 = is_inner ? a + 2 : a, c2 = is_inner ? -(a + 3) : -5 * a, c1 = is_inner ? T(0) : 8 * a,
            c0 = is_inner ? T(1) : -4 * a;
    switch (order) {
      case 0:
        return ((V(c3) * x + V(c2)) * x + V(c1)) * x + V(c0);
      case 1:
        return V(sign) * ((V(3 * c3) * x + V(2 * c2)) * x + V(c1));
      case 2:
        return V(6 * c3) * x + V(2 * c2);
      case 3:
        return V(sign * 6 * c3);
      default:
        return V(T(0));
    }
  }

  void set(const GridSettings& s, V number, std::int64_t size, std::int64_t order, std::int64_t i) {
    const T n = static_cast<T>(size);
    const V zero(T(0)), one(T(1));
    Place p{((number + one) * V(n) - one) / V(T(2)), V(n / 2)};
    if (s.corners) p = {(number + one) / V(T(2)) * V(n - 1), V((n - 1) / 2)};
    p = chosen(abs(p.x) < V(T(0x1p30)), p, {V(T(-100)), zero});
    if (s.mode != Mode::kCubic) p = bordered(s, p, size);
    V scale = one;
    for (std::int64_t o = 0; o < order; ++o) scale *= p.slope;
    if (s.mode == Mode::kNearest) return put(0, i, round(p.x), size, order == 0 ? one : zero);
    const V left = floor(p.x), t = p.x - left;
    if (s.mode == Mode::kLinear) {
      put(0, i, left, size, order == 0 ? one - t : order == 1 ? -scale : zero);
      put(1, i, left + one, size, order == 0 ? t : order == 1 ? scale : zero);
      return;
    }
    for (int k = 0; k < 4; ++k) {
      const Place tap = bordered(s, {left + V(static_cast<T>(k - 1)), zero}, size);
      put(k, i, tap.x, size, scale * keys(k, t, order));
    }
  }

  void put(int k, std::int64_t i, V position, std::int64_t size, V value) {
    const Mask<T> is_inside = (position >= V(T(0))) & (position < V(static_cast<T>(size)));
    const typename V::Int whole = __builtin_convertvector(position.v, typename V::Int) | (~is_inside).m;
    std::memcpy(at[k] + i, &whole, sizeof whole);
    value.store(weight[k] + i);
  }
};

// The coordinates of a block of points, one row for each coordinate.
template <class T>
struct GridBlock {
  T number[3][kGridBlock] = {};

  void set(const T* grid, std::int64_t count, int spatial) {
    for (int d = 0; d < spatial; ++d) {
      for (std::int64_t i = 0; i < count; ++i) number[d][i] = grid[i * spatial + d];
    }
  }
};

// The taps of a block of points over all coordinates: places in a plane (-1: outside) and weights. Places are
// I, which must hold the size of a plane.
template <class T, class I>
struct GridTaps {
  I at[kMostGridTaps][kGridBlock];
  T weight[kMostGridTaps][kGridBlock];

  // `lines` has one line for each coordinate, first that of the width.
  void set(const GridSettings& s, const std::array<const GridLine<T>*, 3>& lines, const Planes& plane) {
    const int along = s.along(), deep = s.spatial == 3 ? along : 1;
    const auto width = static_cast<I>(plane.width());
    int k = 0;
    for (int d = 0; d < deep; ++d) {
      for (int h = 0; h < along; ++h) {
        I row[kGridBlock];
        T outer[kGridBlock];
        rows(lines, s.spatial == 3 ? d : -1, h, static_cast<I>(plane.height()), row, outer);
        for (int w = 0; w < along; ++w, ++k) {
          const auto& column = lines[0]->at[w];
          for (std::int64_t i = 0; i < kGridBlock; ++i) {
            const I c = static_cast<I>(column[i]);
            at[k][i] = (row[i] | c) < 0 ? I(-1) : row[i] * width + c;
            weight[k][i] = outer[i] * lines[0]->weight[w][i];
          }
        }
      }
    }
  }

 private:
  static void rows(const std::array<const GridLine<T>*, 3>& lines, int d, int h, I height, I* row, T* outer) {
    const auto& across = lines[1]->at[h];
    for (std::int64_t i = 0; i < kGridBlock; ++i) {
      row[i] = static_cast<I>(across[i]);
      outer[i] = lines[1]->weight[h][i];
    }
    if (d < 0) return;
    const auto& deep = lines[2]->at[d];
    for (std::int64_t i = 0; i < kGridBlock; ++i) {
      const I z = static_cast<I>(deep[i]);
      row[i] = (row[i] | z) < 0 ? I(-1) : z * height + row[i];
      outer[i] = lines[2]->weight[d][i] * outer[i];
    }
  }
};

}  // namespace unspool::kernels::cpu
