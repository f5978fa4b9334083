// Kernels of unfold and fold. A plane is one channel of one image; the columns of a plane are its taps.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

struct Windows {
  std::int64_t planes, size[2], count[2], kernel[2], dilation[2], padding[2], stride[2];

  // `attrs` are kernel_size, dilation, padding and stride.
  Windows(const View& images, std::span<const ops::Attr> attrs) {
    planes = images.ndim == 4 ? images.sizes[0] * images.sizes[1] : images.sizes[0];
    for (int d = 0; d < 2; ++d) {
      const auto two = [&](std::size_t i) {
        const Dims& given = attrs[i].dims();
        return given[given.size() == 1 ? 0 : static_cast<std::size_t>(d)];
      };
      size[d] = images.sizes[images.ndim - 2 + d];
      kernel[d] = two(0), dilation[d] = two(1), padding[d] = two(2), stride[d] = two(3);
      count[d] = (size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d] + 1;
    }
  }
  std::int64_t plane_size() const { return size[0] * size[1]; }
  std::int64_t columns_size() const { return kernel[0] * kernel[1] * count[0] * count[1]; }

  // The windows [first, last) along d whose tap t lies inside the image.
  std::pair<std::int64_t, std::int64_t> inside(int d, std::int64_t t) const {
    const std::int64_t start = t * dilation[d] - padding[d];
    const std::int64_t first = start >= 0 ? 0 : divide_up(-start, stride[d]);
    const std::int64_t last = start >= size[d] ? 0 : divide_up(size[d] - start, stride[d]);
    return {std::min(first, count[d]), std::max(std::min(first, count[d]), std::min(last, count[d]))};
  }

  // visit(place in the columns, place in the plane, windows) for every row of windows that a tap has inside.
  template <class F>
  void for_rows(F&& visit) const {
    for (std::int64_t tap = 0; tap < kernel[0] * kernel[1]; ++tap) {
      const std::int64_t ty = tap / kernel[1], tx = tap % kernel[1];
      const auto [top, bottom] = inside(0, ty);
      const auto [left, right] = inside(1, tx);
      for (std::int64_t y = top; y < bottom; ++y) {
        visit((tap * count[0] + y) * count[1] + left,
              (y * stride[0] + ty * dilation[0] - padding[0]) * size[1] + left * stride[1] +
                  tx * dilation[1] - padding[1],
              right - left);
      }
    }
  }
};

void run_im2col(const Context& context, const KernelCall& call) {
  const View &images = call.in[0], &columns = call.out[0];
  if (columns.numel() == 0) return;
  const Windows w(images, call.attrs);
  visit_size(size_of(columns.dtype), [&]<class W>(W) {
    over_ranges(context, w.planes, grain_of(w.columns_size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const W* plane = images.as<const W>() + p * w.plane_size();
        W* out = columns.as<W>() + p * w.columns_size();
        std::memset(static_cast<void*>(out), 0, static_cast<std::size_t>(w.columns_size()) * sizeof(W));
        w.for_rows([&](std::int64_t to, std::int64_t from, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) out[to + i] = plane[from + i * w.stride[1]];
        });
      }
    });
  });
}

template <class T>
void add_columns(const Context& context, const Windows& w, const T* columns, T* images) {
  over_ranges(context, w.planes, grain_of(w.columns_size()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const T* in = columns + p * w.columns_size();
      T* plane = images + p * w.plane_size();
      std::fill_n(plane, w.plane_size(), T(0));
      w.for_rows([&](std::int64_t from, std::int64_t to, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) plane[to + i * w.stride[1]] += in[from + i];
      });
    }
  });
}

void run_col2im(const Context& context, const KernelCall& call) {
  const View &columns = call.in[0], &images = call.out[0];
  if (images.numel() == 0) return;
  const Windows w(images, call.attrs.subspan(1));
  if (images.dtype == Dtype::kFloat32)
    add_columns(context, w, columns.as<const float>(), images.as<float>());
  else
    add_columns(context, w, columns.as<const double>(), images.as<double>());
}

constexpr std::array<Kernel, 2> kKernels = {{{"im2col", run_im2col}, {"col2im", run_col2im}}};

}  // namespace

std::span<const Kernel> im2col_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
