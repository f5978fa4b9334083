// Warping of images. The positions of a block of pixels are worked out once and used by all channels. For
// interpolation a plane is first copied into a frame of the fill value, with which no tap can be outside: the
// loop over pixels has no branches, and one loop serves bytes and floating numbers.
#include <array>
#include <cmath>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/planes.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kBlock = 64;  // pixels
constexpr std::int64_t kSlots = 16;  // at most as many threads

enum class Border : std::uint8_t { kConstant, kEdge, kReflection };

struct Settings {
  bool is_nearest;
  Border border;
  double fill;
  Planes from, to;
  std::int64_t batch, channels;

  // Attributes: size, mode, padding_mode, fill.
  explicit Settings(const KernelCall& call)
      : is_nearest(call.attrs[1].text() == "nearest"),
        fill(call.attrs[3].number()),
        from(call.in[0], 2),
        to(call.out[0], 2),
        batch(call.in[0].sizes[0]),
        channels(call.in[0].sizes[1]) {
    const std::string_view pad = call.attrs[2].text();
    border = pad == "border" ? Border::kEdge : pad == "reflection" ? Border::kReflection : Border::kConstant;
  }
};

// A number brought into [low, high]; NaN becomes low.
template <class P>
P clamped(P x, P low, P high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

template <class P>
P mirrored(P x, P n) {
  const P far = std::abs(x + P(0.5));
  const P turns = std::floor(far / n), rest = far - turns * n;
  const bool is_back = turns - 2 * std::floor(turns / 2) != 0;
  return (is_back ? n - rest : rest) - P(0.5);
}

// Positions along one dimension of `n` pixels: from -1 to n where the border is constant, else within it.
template <class P>
void confine(Border border, std::int64_t n, P* at, std::int64_t count) {
  const P size = static_cast<P>(n);
  if (border == Border::kReflection) {
    for (std::int64_t i = 0; i < count; ++i) at[i] = mirrored(at[i], size);
  }
  const P low = border == Border::kConstant ? P(-1) : P(0);
  const P high = border == Border::kConstant ? size : size - 1;
  for (std::int64_t i = 0; i < count; ++i) at[i] = clamped(at[i], low, high);
}

// Where the pixels of one image come from.
template <class P>
struct Source {
  const Settings& s;
  const P* matrix;
  const P* displacement;  // null for none; else (2, h, w)

  Source(const Settings& settings, const KernelCall& call, std::int64_t n)
      : s(settings), matrix(call.in[1].as<const P>() + 6 * n), displacement(nullptr) {
    if (call.has(2)) displacement = call.in[2].as<const P>() + 2 * n * s.to.numel();
  }

  P x_of(P x, P y) const { return matrix[0] * x + (matrix[1] * y + matrix[2]); }
  P y_of(P x, P y) const { return matrix[3] * x + (matrix[4] * y + matrix[5]); }

  // Positions of the pixels [first, first + count) of the result.
  void positions(std::int64_t first, std::int64_t count, P* px, P* py) const {
    const std::int64_t width = s.to.width();
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t row = (first + done) / width, column = (first + done) % width;
      const std::int64_t length = std::min(width - column, count - done);
      const P y = static_cast<P>(row);
      for (std::int64_t i = 0; i < length; ++i) {
        const P x = static_cast<P>(static_cast<std::int32_t>(column + i));
        px[done + i] = x_of(x, y);
        py[done + i] = y_of(x, y);
      }
      done += length;
    }
    if (displacement != nullptr) {
      const P *dx = displacement + first, *dy = dx + s.to.numel();
      for (std::int64_t i = 0; i < count; ++i) px[i] += dx[i];
      for (std::int64_t i = 0; i < count; ++i) py[i] += dy[i];
    }
    confine(s.border, s.from.width(), px, count);
    confine(s.border, s.from.height(), py, count);
  }
};

// The part of a plane that an image's taps can reach; -1 and n are in the frame.
struct Reach {
  std::int64_t top, bottom, left, right;  // ends excluded

  template <class P>
  explicit Reach(const Source<P>& source) {
    const Settings& s = source.s;
    top = left = 0, bottom = s.from.height(), right = s.from.width();
    if (source.displacement != nullptr || s.border == Border::kReflection) return;
    const P w = static_cast<P>(s.to.width() - 1), h = static_cast<P>(s.to.height() - 1);
    // Rounded sums and products are monotonous, so the extremes are at the corners.
    P px[4] = {source.x_of(0, 0), source.x_of(w, 0), source.x_of(0, h), source.x_of(w, h)};
    P py[4] = {source.y_of(0, 0), source.y_of(w, 0), source.y_of(0, h), source.y_of(w, h)};
    bound(px, s.border, left, right);
    bound(py, s.border, top, bottom);
  }

  template <class P>
  static void bound(P (&at)[4], Border border, std::int64_t& begin, std::int64_t& end) {
    for (const P x : at) {
      if (!(std::abs(x) <= std::numeric_limits<P>::max())) return;
    }
    const std::int64_t n = end;
    confine(border, n, at, 4);
    const auto [low, high] = std::minmax_element(at, at + 4);
    begin = std::max<std::int64_t>(static_cast<std::int64_t>(std::floor(*low)), 0);
    end = std::min<std::int64_t>(static_cast<std::int64_t>(std::floor(*high)) + 2, n);
  }
};

// A plane in floating numbers within its frame: one pixel before it, two after it.
template <class P>
struct Framed {
  std::int64_t height, width;

  explicit Framed(const Settings& s) : height(s.from.height() + 3), width(s.from.width() + 3) {}

  std::int64_t numel() const { return height * width; }

  void draw_frame(P* plane, P fill) const {
    std::fill_n(plane, width, fill);
    std::fill_n(plane + (height - 2) * width, 2 * width, fill);
    for (std::int64_t r = 1; r < height - 2; ++r) {
      P* row = plane + r * width;
      row[0] = row[width - 2] = row[width - 1] = fill;
    }
  }

  template <class T>
  void copy(const T* from, const Reach& reach, P* plane) const {
    const std::int64_t length = width - 3;
    for (std::int64_t r = reach.top; r < reach.bottom; ++r) {
      P* row = plane + (r + 1) * width + 1;
      for (std::int64_t i = reach.left; i < reach.right; ++i) row[i] = static_cast<P>(from[r * length + i]);
    }
  }
};

// The first taps of a block of pixels in a framed plane, and the shares of those after them.
template <class P>
struct Taps {
  std::int32_t at[kBlock];
  P across[kBlock], down[kBlock];

  void set(const P* px, const P* py, std::int64_t count, std::int64_t stride) {
    const auto step = static_cast<std::int32_t>(stride);
    for (std::int64_t i = 0; i < count; ++i) {
      const P left = std::floor(px[i]), top = std::floor(py[i]);
      across[i] = px[i] - left;
      down[i] = py[i] - top;
      at[i] = (static_cast<std::int32_t>(top) + 1) * step + static_cast<std::int32_t>(left) + 1;
    }
  }

  // A tap of share 0 is not touched, whatever it holds: what has not moved stays as it is, bit for bit.
  static P between(P a, P b, P share) { return share != 0 ? a + share * (b - a) : a; }

  void mix(const P* plane, std::int64_t stride, std::int64_t count, P* to) const {
    const P* below = plane + stride;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t k = at[i];
      const P upper = between(plane[k], plane[k + 1], across[i]);
      const P lower = between(below[k], below[k + 1], across[i]);
      to[i] = between(upper, lower, down[i]);
    }
  }
};

void store(const float* from, std::int64_t count, float* to) { std::copy_n(from, count, to); }
void store(const double* from, std::int64_t count, double* to) { std::copy_n(from, count, to); }
void store(const float* from, std::int64_t count, std::uint8_t* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(std::nearbyint(from[i])));
  }
}

std::int64_t slots_of(const Settings& s) { return std::min(s.batch, kSlots); }

// The fill value as one of T's.
template <class T>
T fill_of(double number) {
  if constexpr (std::is_same_v<T, bool>) return number != 0;
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(number);
  const double low = static_cast<double>(std::numeric_limits<T>::min()),
               high = static_cast<double>(std::numeric_limits<T>::max());
  return number > low ? number < high ? static_cast<T>(number) : std::numeric_limits<T>::max()
                      : std::numeric_limits<T>::min();
}

// Elements are T, positions and sums P. A slot has a frame for each channel of an image.
template <class T, class P>
void interpolate(const Context& context, const KernelCall& call) {
  const Settings s(call);
  const Framed<P> framed(s);
  const std::int64_t slots = slots_of(s), each = divide_up(s.batch, slots), points = s.to.numel();
  context.parallel(slots, [&](std::int64_t slot) {
    auto* planes = reinterpret_cast<P*>(context.scratch) + slot * s.channels * framed.numel();
    for (std::int64_t c = 0; c < s.channels; ++c) {
      framed.draw_frame(planes + c * framed.numel(), static_cast<P>(fill_of<T>(s.fill)));
    }
    for (std::int64_t n = slot * each; n < std::min(s.batch, (slot + 1) * each); ++n) {
      const Source<P> source(s, call, n);
      const Reach reach(source);
      const T* in = call.in[0].as<const T>() + n * s.channels * s.from.numel();
      T* out = call.out[0].as<T>() + n * s.channels * points;
      for (std::int64_t c = 0; c < s.channels; ++c) {
        framed.copy(in + c * s.from.numel(), reach, planes + c * framed.numel());
      }
      P px[kBlock], py[kBlock];
      Taps<P> taps;
      for (std::int64_t first = 0; first < points; first += kBlock) {
        const std::int64_t count = std::min(kBlock, points - first);
        source.positions(first, count, px, py);
        taps.set(px, py, count, framed.width);
        for (std::int64_t c = 0; c < s.channels; ++c) {
          taps.mix(planes + c * framed.numel(), framed.width, count, px);
          store(px, count, out + c * points + first);
        }
      }
    }
  });
}

// Words are as large as the elements, which are moved without being looked at.
template <class W, class P>
void pick(const Context& context, const KernelCall& call, W fill) {
  const Settings s(call);
  const std::int64_t points = s.to.numel(), blocks = divide_up(points, kBlock);
  const std::int64_t height = s.from.height(), width = s.from.width();
  over_ranges(context, s.batch * blocks, grain_of(kBlock * (8 + s.channels)),
              [&](std::int64_t begin, std::int64_t end) {
                P px[kBlock], py[kBlock];
                std::int32_t at[kBlock];
                for (; begin < end; ++begin) {
                  const std::int64_t n = begin / blocks, first = begin % blocks * kBlock;
                  const std::int64_t count = std::min(kBlock, points - first);
                  Source<P>(s, call, n).positions(first, count, px, py);
                  for (std::int64_t i = 0; i < count; ++i) {
                    const auto x = static_cast<std::int32_t>(std::nearbyint(px[i]));
                    const auto y = static_cast<std::int32_t>(std::nearbyint(py[i]));
                    const bool is_inside = x >= 0 && x < width && y >= 0 && y < height;
                    at[i] = is_inside ? y * static_cast<std::int32_t>(width) + x : -1;
                  }
                  for (std::int64_t c = n * s.channels; c < (n + 1) * s.channels; ++c) {
                    const W* in = call.in[0].as<const W>() + c * s.from.numel();
                    W* out = call.out[0].as<W>() + c * points + first;
                    for (std::int64_t i = 0; i < count; ++i) out[i] = at[i] < 0 ? fill : in[at[i]];
                  }
                }
              });
}

void run_nearest(const Context& context, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    const T value = fill_of<T>(call.attrs[3].number());
    visit_size(sizeof(T), [&](auto word) {
      using W = decltype(word);
      if constexpr (sizeof(W) == sizeof(T)) {
        std::memcpy(&word, &value, sizeof(W));
        if (call.in[1].dtype == Dtype::kFloat64)
          pick<W, double>(context, call, word);
        else
          pick<W, float>(context, call, word);
      }
    });
  });
}

void run_warp(const Context& context, const KernelCall& call) {
  if (call.out[0].numel() == 0) return;
  if (Settings(call).is_nearest) return run_nearest(context, call);
  if (call.out[0].dtype == Dtype::kFloat32) return interpolate<float, float>(context, call);
  if (call.out[0].dtype == Dtype::kFloat64) return interpolate<double, double>(context, call);
  interpolate<std::uint8_t, float>(context, call);
}

std::size_t warp_scratch(const KernelCall& call, int) {
  const Settings s(call);
  if (s.is_nearest) return 0;
  const std::int64_t elements = slots_of(s) * s.channels * Framed<float>(s).numel();
  return static_cast<std::size_t>(elements) * size_of(call.in[1].dtype);
}

constexpr std::array<Kernel, 1> kKernels = {{{"warp_image", run_warp, warp_scratch}}};

}  // namespace

std::span<const Kernel> warp_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
