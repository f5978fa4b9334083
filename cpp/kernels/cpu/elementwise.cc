// The driver of element-wise operations: finds a walk over all operands and hands the loops contiguous blocks, either
// the operands' own memory or small packed copies. What an operation computes is not known here.
#include "kernels/cpu/elementwise.h"

#include <algorithm>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kBlockBytes = 4096;  // of one packed operand
constexpr std::int64_t kShortRow = 64;      // rows below this are packed several at a time

struct Operands {
  Loop loop;
  const double* attrs;
  int arity;
  std::byte* data[kMaxArity + 1];  // the output last
  std::int64_t item[kMaxArity + 1];
  std::int64_t block;  // elements that fit a buffer
};

using Buffer = std::byte[kBlockBytes];

void fill(std::byte* buffer, const std::byte* element, std::int64_t item, std::int64_t n) {
  copy_row(static_cast<std::size_t>(item), buffer, 1, element, 0, n);
}

// Operands are contiguous like the output (`single` clear) or one element.
void run_flat(const Context& context, const Operands& o, std::int64_t n, const bool (&single)[kMaxArity],
              bool any_single) {
  if (!any_single) {
    over_ranges(context, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      const void* in[kMaxArity];
      for (int k = 0; k < o.arity; ++k) in[k] = o.data[k] + begin * o.item[k];
      o.loop(o.data[o.arity] + begin * o.item[o.arity], in, end - begin, o.attrs);
    });
    return;
  }
  over_ranges(context, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) Buffer buffers[kMaxArity];
    const std::int64_t block = std::min(o.block, end - begin);
    const void* in[kMaxArity];
    for (int k = 0; k < o.arity; ++k) {
      if (!single[k]) continue;
      fill(buffers[k], o.data[k], o.item[k], block);
      in[k] = buffers[k];
    }
    for (std::int64_t at = begin; at < end; at += block) {
      for (int k = 0; k < o.arity; ++k) {
        if (!single[k]) in[k] = o.data[k] + at * o.item[k];
      }
      o.loop(o.data[o.arity] + at * o.item[o.arity], in, std::min(block, end - at), o.attrs);
    }
  });
}

// Walks any layout. A block stays within a row when rows are long, so that rows of unit stride are used in place.
class StridedRun {
 public:
  StridedRun(const Operands& operands, const Joint& joint) : o_(operands), joint_(joint) {
    by_rows_ = joint.row() >= kShortRow;
    for (int k = 0; k <= o_.arity; ++k) {
      const int j = place(k);
      way_[k] = joint.is_flat(j)                            ? Way::kFlat
                : k < o_.arity && joint.is_constant(j)      ? Way::kConstant
                : by_rows_ && joint.row_stride(j) == 1      ? Way::kRow
                                                            : Way::kPacked;
      packs_input_ |= k < o_.arity && way_[k] == Way::kPacked;
    }
  }

  void operator()(std::int64_t begin, std::int64_t end) const {
    alignas(64) Buffer buffers[kMaxArity + 1];
    const std::int64_t block = std::min(o_.block, end - begin);
    for (int k = 0; k < o_.arity; ++k) {
      if (way_[k] == Way::kConstant) fill(buffers[k], o_.data[k], o_.item[k], block);
    }
    Cursor read(joint_, begin), write = read;
    const int last = o_.arity;
    for (std::int64_t at = begin; at < end;) {
      std::int64_t n = std::min(block, end - at);
      if (by_rows_) n = std::min(n, read.left_in_row());
      const void* in[kMaxArity];
      for (int k = 0; k < o_.arity; ++k) in[k] = is_buffered(k) ? buffers[k] : address(k, at, read);
      void* out = is_buffered(last) ? buffers[last] : address(last, at, read);
      pack(read, n, buffers);
      o_.loop(out, in, n, o_.attrs);
      if (way_[last] == Way::kPacked) unpack(write, n, buffers[last]);
      at += n;
    }
  }

 private:
  enum class Way { kFlat, kConstant, kRow, kPacked };

  // The output is the joint's first view.
  int place(int k) const { return k == o_.arity ? 0 : k + 1; }
  bool is_buffered(int k) const { return way_[k] == Way::kConstant || way_[k] == Way::kPacked; }
  std::byte* address(int k, std::int64_t at, const Cursor& cursor) const {
    return o_.data[k] + (way_[k] == Way::kFlat ? at : cursor.offset[place(k)]) * o_.item[k];
  }

  void pack(Cursor& cursor, std::int64_t n, Buffer* buffers) const {
    for (std::int64_t done = 0; done < n;) {
      const std::int64_t part = std::min(n - done, cursor.left_in_row());
      for (int k = 0; packs_input_ && k < o_.arity; ++k) {
        if (way_[k] != Way::kPacked) continue;
        const std::int64_t item = o_.item[k];
        copy_row(static_cast<std::size_t>(item), buffers[k] + done * item, 1,
                 o_.data[k] + cursor.offset[place(k)] * item, joint_.row_stride(place(k)), part);
      }
      cursor.advance(part);
      done += part;
    }
  }

  void unpack(Cursor& cursor, std::int64_t n, const std::byte* buffer) const {
    const std::int64_t item = o_.item[o_.arity];
    for (std::int64_t done = 0; done < n;) {
      const std::int64_t part = std::min(n - done, cursor.left_in_row());
      copy_row(static_cast<std::size_t>(item), o_.data[o_.arity] + cursor.offset[0] * item, joint_.row_stride(0),
               buffer + done * item, 1, part);
      cursor.advance(part);
      done += part;
    }
  }

  const Operands& o_;
  const Joint& joint_;
  Way way_[kMaxArity + 1];
  bool by_rows_ = false;
  bool packs_input_ = false;
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
  over_ranges(context, n, kGrain, StridedRun(operands, joint));
}

}  // namespace

void run_elementwise(const Context& context, const KernelCall& call, const LoopSet& loops) {
  const View& out = call.out[0];
  const std::int64_t n = out.numel();
  if (n == 0) return;

  Operands o;
  o.arity = loops.arity;
  const Dtype dtype = call.in[loops.first_is_mask ? 1 : 0].dtype;
  o.loop = loops.by_dtype[static_cast<int>(dtype)];
  bool single[kMaxArity] = {};
  bool any_single = false;
  bool flat = out.contiguous;
  for (int k = 0; k < o.arity; ++k) {
    const View& view = call.in[static_cast<std::size_t>(k)];
    o.data[k] = bytes_of(view);
    o.item[k] = static_cast<std::int64_t>(size_of(view.dtype));
    const std::int64_t count = view.numel();
    if (count == n && view.contiguous) continue;
    single[k] = count == 1;
    any_single |= single[k];
    flat &= single[k];
  }
  o.data[o.arity] = bytes_of(out);
  o.item[o.arity] = static_cast<std::int64_t>(size_of(out.dtype));
  o.block = kBlockBytes / std::max<std::int64_t>(o.item[o.arity], o.item[o.arity - 1]);

  double attrs[12];
  int attr_count = 0;
  for (const ops::Attr& attr : call.attrs) attrs[attr_count++] = attr.number();
  o.attrs = attrs;

  if (flat) run_flat(context, o, n, single, any_single);
  else run_strided(context, o, call, n);
}

}  // namespace unspool::kernels::cpu
