// The driver of element-wise operations: finds a walk over all operands and hands the loops contiguous
// blocks, either the operands' own memory or small packed copies. What an operation computes is not known
// here.
#include "kernels/cpu/elementwise.h"

#include <algorithm>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/transpose.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kBlockBytes = 4096;  // of one packed operand
constexpr std::int64_t kSlackBytes = 64;    // that packing may write behind it
constexpr std::int64_t kShortRow = 128;     // rows below this are packed several at a time
constexpr std::int64_t kRowsAhead = 8;      // of those, to be fetched meanwhile

struct Operands {
  Loop loop;
  const double* attrs;
  int arity;
  bool repeats;                    // the loop takes single elements as they are
  std::byte* data[kMaxArity + 1];  // the output last
  std::int64_t item[kMaxArity + 1];

  // Elements that fit a buffer.
  std::int64_t block() const { return kBlockBytes / std::max<std::int64_t>(item[arity], item[arity - 1]); }
};

struct Buffer {
  alignas(64) std::byte bytes[kBlockBytes + kSlackBytes];
};

void fill(std::byte* buffer, const std::byte* element, std::int64_t item, std::int64_t n) {
  copy_row(static_cast<std::size_t>(item), buffer, 1, element, 0, n);
}

// Operands are contiguous like the output, or one element (bit k of `single`).
void run_flat(const Context& context, const Operands& o, std::int64_t n, unsigned single) {
  if (single == 0 || o.repeats) {
    over_either_way(context, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      const void* in[kMaxArity];
      for (int k = 0; k < o.arity; ++k) in[k] = o.data[k] + (single >> k & 1 ? 0 : begin * o.item[k]);
      o.loop(o.data[o.arity] + begin * o.item[o.arity], in, single, end - begin, o.attrs);
    });
    return;
  }
  over_either_way(context, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    Buffer buffers[kMaxArity];
    const std::int64_t block = std::min(o.block(), end - begin);
    const void* in[kMaxArity];
    for (int k = 0; k < o.arity; ++k) {
      if (single >> k & 1) fill(buffers[k].bytes, o.data[k], o.item[k], block);
    }
    for (std::int64_t at = begin; at < end; at += block) {
      for (int k = 0; k < o.arity; ++k)
        in[k] = single >> k & 1 ? buffers[k].bytes : o.data[k] + at * o.item[k];
      o.loop(o.data[o.arity] + at * o.item[o.arity], in, 0, std::min(block, end - at), o.attrs);
    }
  });
}

// Rows of `width` elements one behind the other. May write kSlackBytes more than asked.
template <class W>
void pack_short_rows(W* to, const W* from, std::int64_t row_step, std::int64_t step, std::int64_t rows,
                     std::int64_t width) {
  constexpr std::int64_t kAtOnce = kSlackBytes / static_cast<std::int64_t>(sizeof(W));
  if (row_step == 0 && rows > 1) {
    pack_short_rows(to, from, 1, step, 1, width);
    for (std::int64_t done = width, all = rows * width; done < all; done *= 2)
      std::memcpy(to + done, to, static_cast<std::size_t>(std::min(done, all - done)) * sizeof(W));
    return;
  }
  // Rows of several cache lines that lie apart begin anew for the processor, too.
  const std::int64_t ahead = kRowsAhead * row_step;
  const bool fetches = width >= 2 * kAtOnce && row_step != width;
  for (std::int64_t r = 0; r < rows; ++r, to += width, from += row_step) {
    if (step == 0) {
      W copies[kAtOnce];
      std::fill_n(copies, kAtOnce, *from);
      for (std::int64_t i = 0; i < width; i += kAtOnce) std::memcpy(to + i, copies, sizeof(copies));
    } else if (step == 1) {
      if (fetches) {
        for (std::int64_t i = 0; i < width; i += kAtOnce) __builtin_prefetch(from + ahead + i);
      }
      std::memcpy(to, from, static_cast<std::size_t>(width) * sizeof(W));
    } else {
      for (std::int64_t i = 0; i < width; ++i) to[i] = from[i * step];
    }
  }
}

// The next n elements of operand j of the walk.
template <class W>
void pack(W* to, const W* from, Cursor cursor, int j, std::int64_t n) {
  const Joint& joint = cursor.joint;
  const std::int64_t row = joint.row(), step = joint.row_stride(j);
  while (n > 0) {
    const std::int64_t rows = std::min(n / row, cursor.left_rows());
    if (rows > 0) {
      pack_short_rows(to, from + cursor.offset[j], joint.strides[j][joint.ndim - 2], step, rows, row);
      cursor.advance_rows(rows);
      to += rows * row;
      n -= rows * row;
    } else {
      const std::int64_t part = std::min(n, cursor.left_in_row());
      copy_row(to, 1, from + cursor.offset[j], step, part);
      cursor.advance(part);
      to += part;
      n -= part;
    }
  }
}

// Walks any layout. A block stays within a row when rows are long, so that rows of unit stride are used in
// place.
class StridedRun {
 public:
  StridedRun(const Operands& operands, const Joint& joint) : o_(operands), joint_(joint) {
    by_rows_ = joint.row() >= kShortRow;
    block_ = o_.block();
    for (int k = 0; k <= o_.arity; ++k) {
      way_[k] = way_of(k);
      if (way_[k] == Way::kPeriodic) block_ = o_.block() - o_.block() % joint.row();
      uses_buffers_ |= way_[k] >= Way::kFilled;
    }
  }

  void operator()(std::int64_t begin, std::int64_t end) const {
    Buffer buffers[kMaxArity + 1];
    const std::int64_t block = uses_buffers_ ? std::min(block_, end - begin) : end - begin;
    Cursor cursor(joint_, begin);
    unsigned repeated = 0;
    for (int k = 0; k < o_.arity; ++k) {
      if (way_[k] == Way::kFilled) fill(buffers[k].bytes, o_.data[k], o_.item[k], block);
      // Blocks are whole periods, so all of them begin in the same phase.
      if (way_[k] == Way::kPeriodic) pack_operand(k, cursor, block, buffers[k]);
      if (way_[k] == Way::kRepeated || way_[k] == Way::kRowRepeated) repeated |= 1u << k;
    }
    const int last = o_.arity;
    for (std::int64_t at = begin; at < end;) {
      std::int64_t n = std::min(block, end - at);
      if (by_rows_) n = std::min(n, cursor.left_in_row());
      const void* in[kMaxArity];
      for (int k = 0; k < o_.arity; ++k) {
        if (way_[k] == Way::kPacked) pack_operand(k, cursor, n, buffers[k]);
        in[k] = way_[k] >= Way::kFilled ? buffers[k].bytes : address(k, at, cursor);
      }
      if (way_[last] == Way::kPacked) {
        o_.loop(buffers[last].bytes, in, repeated, n, o_.attrs);
        unpack(cursor, n, buffers[last].bytes);
      } else {
        o_.loop(address(last, at, cursor), in, repeated, n, o_.attrs);
      }
      at += n;
      if (by_rows_)
        cursor.advance(n);
      else
        skip(cursor, n);
    }
  }

 private:
  // The last three go through a buffer.
  enum class Way { kFlat, kRepeated, kRow, kRowRepeated, kFilled, kPeriodic, kPacked };

  Way way_of(int k) const {
    const int j = place(k);
    if (joint_.is_flat(j)) return Way::kFlat;
    if (k == o_.arity) return by_rows_ && joint_.row_stride(j) == 1 ? Way::kRow : Way::kPacked;
    if (joint_.is_constant(j)) return o_.repeats ? Way::kRepeated : Way::kFilled;
    if (by_rows_ && joint_.row_stride(j) == 1) return Way::kRow;
    if (by_rows_ && joint_.row_stride(j) == 0 && o_.repeats) return Way::kRowRepeated;
    if (by_rows_) return Way::kPacked;
    for (int d = 0; d < joint_.ndim - 1; ++d) {
      if (joint_.strides[j][d] != 0) return Way::kPacked;
    }
    return Way::kPeriodic;
  }

  // The output is the joint's first view.
  int place(int k) const { return k == o_.arity ? 0 : k + 1; }
  std::byte* address(int k, std::int64_t at, const Cursor& cursor) const {
    return o_.data[k] + (way_[k] == Way::kFlat ? at : cursor.offset[place(k)]) * o_.item[k];
  }

  void pack_operand(int k, const Cursor& cursor, std::int64_t n, Buffer& buffer) const {
    visit_size(static_cast<std::size_t>(o_.item[k]), [&](auto word) {
      using W = decltype(word);
      pack(reinterpret_cast<W*>(buffer.bytes), reinterpret_cast<const W*>(o_.data[k]), cursor, place(k), n);
    });
  }

  void unpack(Cursor cursor, std::int64_t n, const std::byte* buffer) const {
    const std::int64_t item = o_.item[o_.arity];
    for (std::int64_t done = 0; done < n;) {
      const std::int64_t part = std::min(n - done, cursor.left_in_row());
      copy_row(static_cast<std::size_t>(item), o_.data[o_.arity] + cursor.offset[0] * item,
               joint_.row_stride(0), buffer + done * item, 1, part);
      cursor.advance(part);
      done += part;
    }
  }

  static void skip(Cursor& cursor, std::int64_t n) {
    const std::int64_t row = cursor.joint.row();
    while (n > 0) {
      const std::int64_t rows = std::min(n / row, cursor.left_rows());
      if (rows > 0) {
        cursor.advance_rows(rows);
        n -= rows * row;
      } else {
        const std::int64_t part = std::min(n, cursor.left_in_row());
        cursor.advance(part);
        n -= part;
      }
    }
  }

  const Operands& o_;
  const Joint& joint_;
  Way way_[kMaxArity + 1];
  std::int64_t block_;
  bool by_rows_ = false;
  bool uses_buffers_ = false;
};

// Walks tiles of two dimensions, for operands whose memory runs across the rows of the output: those are
// transposed into a buffer, the others used or packed row by row.
class TiledRun {
 public:
  // Brings the dimension along which an operand has unit stride next to the last one, if there is one.
  static bool suits(const Operands& o, Joint& joint) {
    const int last = joint.ndim - 1;
    if (joint.row_stride(0) != 1 || joint.row() < kSmallest) return false;
    for (int k = 1; k <= o.arity; ++k) {
      if (joint.row_stride(k) == 0 || joint.row_stride(k) == 1) continue;
      for (int d = last - 1; d >= 0; --d) {
        if (joint.strides[k][d] != 1 || joint.sizes[d] < kSmallest) continue;
        for (int e = d; e < last - 1; ++e) joint.swap_dims(e, e + 1);
        return true;
      }
    }
    return false;
  }

  TiledRun(const Operands& operands, const Joint& joint) : o_(operands), joint_(joint), planes_(joint) {
    planes_.ndim -= 2;
    planes_.ensure_row();
    const std::int64_t item = *std::max_element(o_.item, o_.item + o_.arity + 1);
    width_ = std::min(joint.row(), kTileBytes / (kTallest * item));
    bands_ = std::max<std::int64_t>(1, (rows() + kRows - kSmallest) / kRows);
  }
  std::int64_t units() const { return planes_.numel() * bands_; }
  std::int64_t unit_size() const { return kRows * joint_.row(); }

  void operator()(std::int64_t begin, std::int64_t end) const {
    Cursor plane(planes_, begin / bands_);
    std::int64_t band = begin % bands_;
    for (; begin < end; ++begin) {
      const std::int64_t first = band * kRows;
      run_band(plane, first, band + 1 == bands_ ? rows() - first : kRows);
      if (++band == bands_) {
        band = 0;
        plane.advance(1);
      }
    }
  }

 private:
  static constexpr std::int64_t kSmallest = 8;  // side for which tiles pay
  static constexpr std::int64_t kRows = 16;     // of a band; fewer than kSmallest join the last one
  static constexpr std::int64_t kTallest = kRows + kSmallest - 1;
  static constexpr std::int64_t kTileBytes = 12288;
  struct Tile {
    alignas(64) std::byte bytes[kTileBytes];
  };

  std::int64_t rows() const { return joint_.sizes[joint_.ndim - 2]; }

  void run_band(const Cursor& plane, std::int64_t first, std::int64_t height) const {
    Tile tiles[kMaxArity];
    const int r = joint_.ndim - 2, c = joint_.ndim - 1, last = o_.arity;
    const std::int64_t out_step = joint_.strides[0][r] * o_.item[last];
    for (std::int64_t column = 0; column < joint_.sizes[c]; column += width_) {
      const std::int64_t width = std::min(width_, joint_.sizes[c] - column);
      const void* row[kMaxArity];
      std::int64_t step[kMaxArity];  // bytes from row to row
      unsigned repeated = 0;
      bool is_one_row = out_step == width * o_.item[last];
      for (int k = 0; k < last; ++k) {
        const std::int64_t* strides = joint_.strides[k + 1];
        const std::byte* from =
            o_.data[k] + (plane.offset[k + 1] + first * strides[r] + column * strides[c]) * o_.item[k];
        if (strides[c] == 1 || (strides[c] == 0 && o_.repeats)) {
          if (strides[c] == 0) repeated |= 1u << k;
          row[k] = from;
          step[k] = strides[r] * o_.item[k];
        } else {
          pack_tile(k, tiles[k].bytes, from, height, width);
          row[k] = tiles[k].bytes;
          step[k] = width * o_.item[k];
        }
        is_one_row &= step[k] == (repeated >> k & 1 ? 0 : width * o_.item[k]);
      }
      std::byte* out =
          o_.data[last] + (plane.offset[0] + first * joint_.strides[0][r] + column) * o_.item[last];
      if (is_one_row) {
        o_.loop(out, row, repeated, height * width, o_.attrs);
        continue;
      }
      for (std::int64_t i = 0; i < height; ++i) {
        const void* in[kMaxArity];
        for (int k = 0; k < last; ++k) in[k] = static_cast<const std::byte*>(row[k]) + i * step[k];
        o_.loop(out + i * out_step, in, repeated, width, o_.attrs);
      }
    }
  }

  void pack_tile(int k, std::byte* tile, const std::byte* from, std::int64_t height,
                 std::int64_t width) const {
    visit_size(static_cast<std::size_t>(o_.item[k]), [&](auto word) {
      using W = decltype(word);
      auto* to = reinterpret_cast<W*>(tile);
      const auto* source = reinterpret_cast<const W*>(from);
      const std::int64_t down = joint_.strides[k + 1][joint_.ndim - 2], along = joint_.row_stride(k + 1);
      if (down == 1) {
        transpose(to, width, source, along, height, width);
      } else {
        for (std::int64_t i = 0; i < height; ++i)
          copy_row(to + i * width, 1, source + i * down, along, width);
      }
    });
  }

  const Operands& o_;
  const Joint& joint_;
  Joint planes_;
  std::int64_t width_, bands_;
};

[[gnu::noinline]] void run_strided(const Context& context, const Operands& operands, const KernelCall& call,
                                   std::int64_t n) {
  const View& out = call.out[0];
  Joint joint(out.sizes, out.ndim);
  joint.add(out);
  for (int k = 0; k < operands.arity; ++k) joint.add(call.in[static_cast<std::size_t>(k)]);
  joint.drop_ones();
  if (!out.contiguous) joint.sort_by(0);
  joint.merge();
  joint.ensure_row();
  if (TiledRun::suits(operands, joint)) {
    const TiledRun run(operands, joint);
    over_ranges(context, run.units(), grain_of(run.unit_size()), run);
  } else {
    over_ranges(context, n, kGrain, StridedRun(operands, joint));
  }
}

}  // namespace

void run_elementwise(const Context& context, const KernelCall& call, const LoopSet& loops) {
  const View& out = call.out[0];
  const std::int64_t n = out.numel();
  if (n == 0) return;

  double attrs[12];
  int attr_count = 0;
  for (const ops::Attr& attr : call.attrs) attrs[attr_count++] = attr.number();
  const auto in = call.in.first(static_cast<std::size_t>(loops.arity));
  if (is_narrow(out.dtype) || std::ranges::any_of(in, [](const View& x) { return is_narrow(x.dtype); }))
    return run_narrow_elementwise(context, call, loops, attrs);

  Operands o;
  o.arity = loops.arity;
  o.attrs = attrs;
  const Dtype dtype = call.in[loops.first_is_mask ? 1 : 0].dtype;
  o.loop = loops.by_dtype[static_cast<int>(dtype)];
  o.repeats = is_floating(dtype);
  unsigned single = 0;
  bool flat = out.contiguous;
  for (int k = 0; k < o.arity; ++k) {
    const View& view = call.in[static_cast<std::size_t>(k)];
    o.data[k] = bytes_of(view);
    o.item[k] = static_cast<std::int64_t>(size_of(view.dtype));
    const std::int64_t count = view.numel();
    if (count == n && view.contiguous) continue;
    if (count == 1)
      single |= 1u << k;
    else
      flat = false;
  }
  o.data[o.arity] = bytes_of(out);
  o.item[o.arity] = static_cast<std::int64_t>(size_of(out.dtype));

  if (flat)
    run_flat(context, o, n, single);
  else
    run_strided(context, o, call, n);
}

}  // namespace unspool::kernels::cpu
