// Maxima over windows of any kind (sliding, adaptive, fractional) and any numeric dtype, with the position of
// each maximum in its plane; and the reverse, values put back to such positions.
#include <array>
#include <cstring>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/window.h"

namespace unspool::kernels::cpu {
namespace {

// The input positions of one dimension of a window: begin, begin + step, ... below end.
struct Range {
  std::int64_t begin, end, step;
};

struct Sliding {
  const Window& w;
  Range operator()(int d, std::int64_t o, std::int64_t in, std::int64_t, std::int64_t) const {
    const Taps taps(w, d, o, in);
    const std::int64_t step = w.dilation[d];
    return {taps.start + taps.begin * step, std::min(in, taps.start + (w.kernel[d] - 1) * step + 1), step};
  }
};

struct Adaptive {
  Range operator()(int, std::int64_t o, std::int64_t in, std::int64_t out, std::int64_t) const {
    return {o * in / out, divide_up((o + 1) * in, out), 1};
  }
};

// Windows of one size at pseudo-random places (Graham 2014, section 2): u in [0, 1) shifts the sequence
// floor(alpha (o + u)) of each plane and dimension.
template <class T>
struct Fractional {
  const T* samples;
  int spatial;
  std::int64_t kernel[3] = {1, 1, 1};

  Range operator()(int d, std::int64_t o, std::int64_t in, std::int64_t out, std::int64_t plane) const {
    const std::int64_t k = kernel[d];
    if (o == out - 1) return {in - k, in, 1};
    // Samples are listed from the width backwards for images, from the depth on for volumes.
    const int place = spatial == 2 ? 2 - d : d;
    const T u = samples[plane * spatial + place];
    const T alpha = static_cast<T>(in - k) / static_cast<T>(out - 1);
    const auto begin =
        static_cast<std::int64_t>((static_cast<T>(o) + u) * alpha) - static_cast<std::int64_t>(u * alpha);
    return {begin, begin + k, 1};
  }
};

constexpr std::int64_t kColumns = 64;

template <class T>
struct Maximum {
  T value;
  std::int64_t place;
};

// The first of the largest elements of a window, or its last NaN.
template <class T>
Maximum<T> largest_of(const T* plane, const Planes& from, const Range& depth, const Range& height,
                      const Range& width) {
  T best = std::is_floating_point_v<T> ? static_cast<T>(-std::numeric_limits<double>::infinity())
                                       : std::numeric_limits<T>::lowest();
  std::int64_t place = (depth.begin * from.height() + height.begin) * from.width() + width.begin;
  for (std::int64_t d = depth.begin; d < depth.end; d += depth.step) {
    for (std::int64_t h = height.begin; h < height.end; h += height.step) {
      const std::int64_t line = (d * from.height() + h) * from.width();
      for (std::int64_t i = width.begin; i < width.end; i += width.step) {
        const T value = plane[line + i];
        if (value > best || value != value) best = value, place = line + i;
      }
    }
  }
  return {best, place};
}

template <class T, class Windows>
void max_over(const Context& context, const KernelCall& call, int spatial, const Windows& windows) {
  const Planes from(call.in[0], spatial), to(call.out[0], spatial);
  T* out = call.out[0].as<T>();
  auto* index = call.out[1].as<std::int64_t>();
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const T* plane = call.in[0].as<const T>() + p * from.numel();
      const auto range = [&](int d, std::int64_t o) { return windows(d, o, from.size[d], to.size[d], p); };
      // The ranges of some columns serve all rows.
      for (std::int64_t left = 0; left < to.width(); left += kColumns) {
        const std::int64_t columns = std::min(kColumns, to.width() - left);
        Range across[kColumns];
        for (std::int64_t c = 0; c < columns; ++c) across[c] = range(2, left + c);
        std::int64_t at = p * to.numel() + left;
        for (std::int64_t r = 0; r < to.depth() * to.height(); ++r, at += to.width()) {
          const Range depth = range(0, r / to.height()), height = range(1, r % to.height());
          for (std::int64_t c = 0; c < columns; ++c) {
            const auto [best, place] = largest_of(plane, from, depth, height, across[c]);
            out[at + c] = best;
            index[at + c] = place;
          }
        }
      }
    }
  };
  over_ranges(context, to.count, grain_of(from.numel()), run);
}

template <class F>
void visit_number(Dtype dtype, const F& visit) {
  visit_dtype(dtype, [&]<class T>(T zero) {
    if constexpr (!std::is_same_v<T, bool>) visit(zero);
  });
}

// Attributes: size, kernel, stride, padding, dilation.
void run_sliding(const Context& context, const KernelCall& call) {
  const Window w(call, 1, true);
  visit_number(call.out[0].dtype, [&]<class T>(T) { max_over<T>(context, call, w.spatial, Sliding{w}); });
}

// Attributes: size.
void run_adaptive(const Context& context, const KernelCall& call) {
  const auto spatial = static_cast<int>(call.attrs[0].dims().size());
  visit_number(call.out[0].dtype, [&]<class T>(T) { max_over<T>(context, call, spatial, Adaptive{}); });
}

template <class T>
void fractional(const Context& context, const KernelCall& call) {
  const Dims& kernel = call.attrs[1].dims();
  const auto spatial = static_cast<int>(kernel.size());
  Fractional<T> windows{call.in[1].as<const T>(), spatial};
  for (int d = 0; d < spatial; ++d) windows.kernel[3 - spatial + d] = kernel[static_cast<std::size_t>(d)];
  max_over<T>(context, call, spatial, windows);
}

// Inputs: tensor, samples. Attributes: size, kernel.
void run_fractional(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? fractional<float>(context, call) : fractional<double>(context, call);
}

// Inputs: values, indices. Attributes: size.
void run_unpool(const Context& context, const KernelCall& call) {
  const auto spatial = static_cast<int>(call.attrs[0].dims().size());
  const Planes from(call.in[0], spatial), to(call.out[0], spatial);
  if (!indices_are_valid<std::int64_t>(call, call.in[1], to.numel(),
                                       "no place in a plane of output_size for index")) {
    call.fault->limit = -1;
    return;
  }
  const auto* index = call.in[1].as<const std::int64_t>();
  visit_number(call.out[0].dtype, [&]<class T>(T) {
    over_ranges(context, to.count, grain_of(to.numel()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        T* plane = call.out[0].as<T>() + p * to.numel();
        std::fill_n(plane, to.numel(), T(0));
        const std::int64_t at = p * from.numel();
        for (std::int64_t i = at; i < at + from.numel(); ++i) plane[index[i]] = call.in[0].as<const T>()[i];
      }
    });
  });
}

constexpr std::array<Kernel, 4> kKernels = {{
    {"max_pool_indices", run_sliding},
    {"adaptive_max_pool", run_adaptive},
    {"fractional_max_pool", run_fractional},
    {"max_unpool", run_unpool},
}};

}  // namespace

std::span<const Kernel> indexed_max_pool_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
