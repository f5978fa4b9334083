// clone, cast and copy: elements moved between layouts and dtypes. Contiguous copies are memcpy, transposed
// ones go through square tiles.
#include "kernels/cpu/copy.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/transpose.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kBand = 32;  // rows and columns of a tile
constexpr std::int64_t kWide = 64;

// Not inlined, because there is one for each pair of dtypes, and each has three callers.
template <class To, class From>
[[gnu::noinline]] void convert_row(To* to, std::int64_t to_stride, const From* from, std::int64_t from_stride,
                                   std::int64_t n) {
  if (to_stride == 1 && from_stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
  } else if (to_stride == 1 && from_stride == 0) {
    std::fill_n(to, n, convert<To>(*from));
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * to_stride] = convert<To>(from[i * from_stride]);
  }
}

template <class To, class From>
void move_row(To* to, std::int64_t to_stride, const From* from, std::int64_t from_stride, std::int64_t n) {
  if constexpr (std::is_same_v<To, From>)
    copy_row(to, to_stride, from, from_stride, n);
  else
    convert_row(to, to_stride, from, from_stride, n);
}

template <class To, class From>
void move_rows(const Context& context, const Joint& joint, To* to, const From* from) {
  const std::int64_t row = joint.row();
  const std::int64_t to_step = joint.ndim > 1 ? joint.strides[0][joint.ndim - 2] : 0;
  const std::int64_t from_step = joint.ndim > 1 ? joint.strides[1][joint.ndim - 2] : 0;
  over_ranges(context, joint.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    Cursor cursor(joint, begin);
    while (begin < end) {
      const std::int64_t rows = std::min((end - begin) / row, cursor.left_rows());
      if (rows > 0) {
        To* to_row = to + cursor.offset[0];
        const From* from_row = from + cursor.offset[1];
        for (std::int64_t r = 0; r < rows; ++r, to_row += to_step, from_row += from_step) {
          move_row(to_row, joint.row_stride(0), from_row, joint.row_stride(1), row);
        }
        cursor.advance_rows(rows);
        begin += rows * row;
        continue;
      }
      const std::int64_t n = std::min(end - begin, cursor.left_in_row());
      move_row(to + cursor.offset[0], joint.row_stride(0), from + cursor.offset[1], joint.row_stride(1), n);
      cursor.advance(n);
      begin += n;
    }
  });
}

// The last two dimensions: `to` has unit stride along the last, `from` along the one before.
template <class To, class From>
void move_tiles(const Context& context, const Joint& joint, To* to, const From* from) {
  const int r = joint.ndim - 2, c = joint.ndim - 1;
  const std::int64_t rows = joint.sizes[r], columns = joint.sizes[c];
  const std::int64_t to_step = joint.strides[0][r], from_step = joint.strides[1][c];
  Joint planes = joint;
  planes.ndim -= 2;
  planes.ensure_row();
  const std::int64_t bands = divide_up(rows, kBand);
  over_ranges(
      context, planes.numel() * bands, grain_of(kBand * columns), [&](std::int64_t begin, std::int64_t end) {
        Cursor plane(planes, begin / bands);
        std::int64_t band = begin % bands;
        for (; begin < end; ++begin) {
          const std::int64_t first = band * kBand, height = std::min(kBand, rows - first);
          To* to_band = to + plane.offset[0] + first * to_step;
          const From* from_band = from + plane.offset[1] + first;
          for (std::int64_t j = 0; j < columns; j += kWide) {
            const std::int64_t width = std::min(kWide, columns - j);
            if constexpr (std::is_same_v<To, From>) {
              transpose(to_band + j, to_step, from_band + j * from_step, from_step, height, width);
            } else {
              for (std::int64_t i = 0; i < height; ++i) {
                move_row(to_band + i * to_step + j, 1, from_band + j * from_step + i, from_step, width);
              }
            }
          }
          if (++band == bands) {
            band = 0;
            plane.advance(1);
          }
        }
      });
}

constexpr std::int64_t kSmallest = 4;  // side for which a tiled walk pays

// Brings the dimension along which `from` has unit stride next to the last one, if there is one.
bool wants_tiles(Joint& joint) {
  const int last = joint.ndim - 1;
  if (joint.row_stride(0) != 1 || joint.row_stride(1) == 0 || joint.row_stride(1) == 1) return false;
  if (joint.row() < kSmallest) return false;
  for (int d = last - 1; d >= 0; --d) {
    if (joint.strides[1][d] != 1 || joint.sizes[d] < kSmallest) continue;
    for (int e = d; e < last - 1; ++e) joint.swap_dims(e, e + 1);
    return true;
  }
  return false;
}

template <class To, class From>
void move(const Context& context, Joint& joint, void* to, const void* from) {
  auto* target = static_cast<To*>(to);
  const auto* source = static_cast<const From*>(from);
  if (wants_tiles(joint))
    move_tiles(context, joint, target, source);
  else
    move_rows(context, joint, target, source);
}

// Between a dtype that is kept in memory only and its carrier.
template <class Narrow, class Wide>
void move_narrow(const Context& context, const Joint& joint, const View& to, const View& from) {
  if (is_narrow(to.dtype))
    move_rows(context, joint, to.as<Narrow>(), from.as<const Wide>());
  else
    move_rows(context, joint, to.as<Wide>(), from.as<const Narrow>());
}

void move_narrow(const Context& context, const Joint& joint, const View& to, const View& from) {
  switch (is_narrow(to.dtype) ? to.dtype : from.dtype) {
    case Dtype::kInt8:
      return move_narrow<std::int8_t, std::int32_t>(context, joint, to, from);
    case Dtype::kInt16:
      return move_narrow<std::int16_t, std::int32_t>(context, joint, to, from);
    case Dtype::kFloat16:
      return move_narrow<Half, float>(context, joint, to, from);
    default:
      return move_narrow<BFloat16, float>(context, joint, to, from);
  }
}

void copy_bytes(const Context& context, std::byte* to, const std::byte* from, std::int64_t n) {
  over_ranges(context, n, 8 * kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
  });
}

template <int kSource>
void run_copy(const Context& context, const KernelCall& call) {
  copy_view(context, call.out[0], call.in[kSource]);
}

constexpr std::array<Kernel, 3> kKernels = {
    {{"clone", run_copy<0>}, {"cast", run_copy<0>}, {"copy", run_copy<1>}}};

}  // namespace

void copy_view(const Context& context, const View& to, const View& from) {
  const std::int64_t n = to.numel();
  if (n == 0) return;
  if (to.dtype == from.dtype && to.contiguous && from.contiguous && from.numel() == n) {
    copy_bytes(context, bytes_of(to), bytes_of(from), n * static_cast<std::int64_t>(size_of(to.dtype)));
    return;
  }
  Joint joint(to, from);
  joint.sort_by(0);
  joint.merge();
  joint.ensure_row();
  if (to.dtype == from.dtype) {
    visit_size(size_of(to.dtype),
               [&](auto word) { move<decltype(word), decltype(word)>(context, joint, to.data, from.data); });
    return;
  }
  if (is_narrow(to.dtype) || is_narrow(from.dtype)) return move_narrow(context, joint, to, from);
  visit_dtype(to.dtype, [&]<class To>(To) {
    visit_dtype(from.dtype, [&]<class From>(From) {
      if constexpr (!std::is_same_v<To, From>) move<To, From>(context, joint, to.data, from.data);
    });
  });
}

std::span<const Kernel> copy_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
