// clone, cast and copy: elements moved between layouts and dtypes. Contiguous copies are memcpy, transposed
// ones go through square tiles.
#include "kernels/cpu/copy.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/half_rows.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/transpose.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kBand = 32;  // rows and columns of a tile
constexpr std::int64_t kWide = 64;

// Aligned, so that its short loops lie the same way whatever comes before them.
template <class To, class From>
[[gnu::aligned(64)]] void convert_row(std::byte* to_bytes, std::int64_t to_stride,
                                      const std::byte* from_bytes, std::int64_t from_stride, std::int64_t n) {
  To* to = reinterpret_cast<To*>(to_bytes);
  const From* from = reinterpret_cast<const From*>(from_bytes);
  if (to_stride == 1 && from_stride == 1) {
    if constexpr (std::is_same_v<To, Half> || std::is_same_v<From, Half>) return convert_halves(to, from, n);
    for (std::int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
  } else if (to_stride == 1 && from_stride == 0) {
    std::fill_n(to, n, convert<To>(*from));
  } else if (to_stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i * from_stride]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * to_stride] = convert<To>(from[i * from_stride]);
  }
}

// How the elements of a row move: as words, or from one dtype to another. The walks over rows are compiled
// for each size of a word and once for all pairs of dtypes.
template <class W>
struct WordMove {
  static constexpr std::int64_t to_size = sizeof(W), from_size = sizeof(W);
  void row(std::byte* to, std::int64_t to_stride, const std::byte* from, std::int64_t from_stride,
           std::int64_t n) const {
    copy_row(reinterpret_cast<W*>(to), to_stride, reinterpret_cast<const W*>(from), from_stride, n);
  }
  // Rows of 2 to 4 elements, `to` without strides; false where they are longer.
  bool short_rows(std::byte* to_bytes, std::int64_t to_step, const std::byte* from_bytes,
                  std::int64_t from_step, std::int64_t from_stride, std::int64_t rows,
                  std::int64_t row) const {
    W* to = reinterpret_cast<W*>(to_bytes);
    const W* from = reinterpret_cast<const W*>(from_bytes);
    if (row == 2) return copy_short<2>(to, to_step, from, from_step, from_stride, rows);
    if (row == 3) return copy_short<3>(to, to_step, from, from_step, from_stride, rows);
    if (row == 4) return copy_short<4>(to, to_step, from, from_step, from_stride, rows);
    return false;
  }
  template <int kRow>
  static bool copy_short(W* to, std::int64_t to_step, const W* from, std::int64_t from_step,
                         std::int64_t from_stride, std::int64_t rows) {
    if (from_stride == 0 && to_step == kRow && from_step == 1) {
      for (std::int64_t r = 0; r < rows; ++r) {
        for (int i = 0; i < kRow; ++i) to[r * kRow + i] = from[r];
      }
      return true;
    }
    for (std::int64_t r = 0; r < rows; ++r, to += to_step, from += from_step) {
      for (int i = 0; i < kRow; ++i) to[i] = from[i * from_stride];
    }
    return true;
  }
  void tile(std::byte* to, std::int64_t to_step, const std::byte* from, std::int64_t from_step,
            std::int64_t rows, std::int64_t columns) const {
    transpose(reinterpret_cast<W*>(to), to_step, reinterpret_cast<const W*>(from), from_step, rows, columns);
  }
};

struct DtypeMove {
  std::int64_t to_size, from_size;
  RowMove row;
  bool short_rows(std::byte*, std::int64_t, const std::byte*, std::int64_t, std::int64_t, std::int64_t,
                  std::int64_t) const {
    return false;
  }
  void tile(std::byte* to, std::int64_t to_step, const std::byte* from, std::int64_t from_step,
            std::int64_t rows, std::int64_t columns) const {
    for (std::int64_t i = 0; i < rows; ++i) {
      row(to + i * to_step * to_size, 1, from + i * from_size, from_step, columns);
    }
  }
};

template <class To, class From>
constexpr DtypeMove kConversion{sizeof(To), sizeof(From), convert_row<To, From>};

template <class Move>
void move_rows(const Context& context, const Joint& joint, const Move& move, std::byte* to,
               const std::byte* from) {
  const std::int64_t row = joint.row();
  const std::int64_t to_step = joint.ndim > 1 ? joint.strides[0][joint.ndim - 2] * move.to_size : 0;
  const std::int64_t from_step = joint.ndim > 1 ? joint.strides[1][joint.ndim - 2] * move.from_size : 0;
  over_ranges(context, joint.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    Cursor cursor(joint, begin);
    while (begin < end) {
      const std::int64_t rows = std::min((end - begin) / row, cursor.left_rows());
      if (rows > 0) {
        std::byte* to_row = to + cursor.offset[0] * move.to_size;
        const std::byte* from_row = from + cursor.offset[1] * move.from_size;
        const bool is_done = joint.row_stride(0) == 1 &&
                             move.short_rows(to_row, to_step / move.to_size, from_row,
                                             from_step / move.from_size, joint.row_stride(1), rows, row);
        for (std::int64_t r = 0; r < rows && !is_done; ++r, to_row += to_step, from_row += from_step) {
          move.row(to_row, joint.row_stride(0), from_row, joint.row_stride(1), row);
        }
        cursor.advance_rows(rows);
        begin += rows * row;
        continue;
      }
      const std::int64_t n = std::min(end - begin, cursor.left_in_row());
      move.row(to + cursor.offset[0] * move.to_size, joint.row_stride(0),
               from + cursor.offset[1] * move.from_size, joint.row_stride(1), n);
      cursor.advance(n);
      begin += n;
    }
  });
}

// The last two dimensions: `to` has unit stride along the last, `from` along the one before.
template <class Move>
void move_tiles(const Context& context, const Joint& joint, const Move& move, std::byte* to,
                const std::byte* from) {
  const int r = joint.ndim - 2, c = joint.ndim - 1;
  const std::int64_t rows = joint.sizes[r], columns = joint.sizes[c];
  const std::int64_t to_step = joint.strides[0][r], from_step = joint.strides[1][c];
  Joint planes = joint;
  planes.ndim -= 2;
  planes.ensure_row();
  const std::int64_t bands = divide_up(rows, kBand);
  over_ranges(context, planes.numel() * bands, grain_of(kBand * columns),
              [&](std::int64_t begin, std::int64_t end) {
                Cursor plane(planes, begin / bands);
                std::int64_t band = begin % bands;
                for (; begin < end; ++begin) {
                  const std::int64_t first = band * kBand, height = std::min(kBand, rows - first);
                  std::byte* to_band = to + (plane.offset[0] + first * to_step) * move.to_size;
                  const std::byte* from_band = from + (plane.offset[1] + first) * move.from_size;
                  for (std::int64_t j = 0; j < columns; j += kWide) {
                    const std::int64_t width = std::min(kWide, columns - j);
                    move.tile(to_band + j * move.to_size, to_step, from_band + j * from_step * move.from_size,
                              from_step, height, width);
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

template <class Move>
[[gnu::noinline]] void run_move(const Context& context, Joint& joint, const Move& move, const View& to,
                                const View& from) {
  if (wants_tiles(joint))
    move_tiles(context, joint, move, bytes_of(to), bytes_of(from));
  else
    move_rows(context, joint, move, bytes_of(to), bytes_of(from));
}

// Between a dtype that is kept in memory only and its carrier.
template <class Narrow, class Wide>
const DtypeMove& narrow_move(bool narrows) {
  return narrows ? kConversion<Narrow, Wide> : kConversion<Wide, Narrow>;
}

const DtypeMove& narrow_move(Dtype to, Dtype from) {
  const bool narrows = is_narrow(to);
  switch (narrows ? to : from) {
    case Dtype::kInt8:
      return narrow_move<std::int8_t, std::int32_t>(narrows);
    case Dtype::kInt16:
      return narrow_move<std::int16_t, std::int32_t>(narrows);
    case Dtype::kFloat16:
      return narrow_move<Half, float>(narrows);
    default:
      return narrow_move<BFloat16, float>(narrows);
  }
}

void copy_bytes(const Context& context, std::byte* to, const std::byte* from, std::int64_t n) {
  over_either_way(context, n, 8 * kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
  });
}

template <int kSource>
void run_copy(const Context& context, const KernelCall& call) {
  copy_view(context, call.out[0], call.in[kSource]);
}

constexpr std::array<Kernel, 3> kKernels = {
    {{"clone", run_copy<0>, nullptr, nullptr, true}, {"cast", run_copy<0>}, {"copy", run_copy<1>}}};

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
               [&](auto word) { run_move(context, joint, WordMove<decltype(word)>{}, to, from); });
    return;
  }
  if (is_narrow(to.dtype) || is_narrow(from.dtype)) {
    move_rows(context, joint, narrow_move(to.dtype, from.dtype), bytes_of(to), bytes_of(from));
    return;
  }
  visit_dtype(to.dtype, [&]<class To>(To) {
    visit_dtype(from.dtype, [&]<class From>(From) {
      if constexpr (!std::is_same_v<To, From>) run_move(context, joint, kConversion<To, From>, to, from);
    });
  });
}

RowMove row_conversion(Dtype to, Dtype from) {
  if (is_narrow(to) || is_narrow(from)) return narrow_move(to, from).row;
  RowMove move = nullptr;
  visit_dtype(to, [&]<class To>(To) {
    visit_dtype(from, [&]<class From>(From) {
      if constexpr (!std::is_same_v<To, From>) move = convert_row<To, From>;
    });
  });
  return move;
}

std::span<const Kernel> copy_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
