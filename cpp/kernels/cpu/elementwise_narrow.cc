// Element-wise operations on operands that are kept in memory as float16 or bfloat16: a block is widened,
// computed in float32 and rounded once, and never leaves the cache in between.
#include <algorithm>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kBlock = 1024;

// One operand or the result: its memory, and how its elements become float32 or come from it.
struct Side {
  std::byte* data;
  std::int64_t item;
  bool single;                // one element
  RowMove convert = nullptr;  // null for those that are no narrow ones

  std::byte* at(std::int64_t i) const { return data + (single ? 0 : i * item); }
};

Side side_of(const View& view, bool is_result) {
  Side side{bytes_of(view), static_cast<std::int64_t>(size_of(view.dtype)), view.numel() == 1};
  if (is_narrow(view.dtype)) {
    side.convert =
        is_result ? row_conversion(view.dtype, Dtype::kFloat32) : row_conversion(Dtype::kFloat32, view.dtype);
  }
  return side;
}

}  // namespace

void run_narrow_elementwise(const Context& context, const KernelCall& call, const LoopSet& loops,
                            const double* attrs) {
  const Loop loop = loops.by_dtype[static_cast<int>(Dtype::kFloat32)];
  const std::int64_t n = call.out[0].numel();
  const Side out = side_of(call.out[0], true);
  Side sides[kMaxArity];
  for (int k = 0; k < loops.arity; ++k) sides[k] = side_of(call.in[static_cast<std::size_t>(k)], false);
  over_ranges(context, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float wide[kMaxArity + 1][kBlock];
    const void* in[kMaxArity];
    unsigned repeated = 0;
    for (int k = 0; k < loops.arity; ++k) {
      if (!sides[k].single) continue;
      repeated |= 1u << k;
      in[k] = sides[k].data;
      if (!sides[k].convert) continue;
      sides[k].convert(reinterpret_cast<std::byte*>(wide[k]), 1, sides[k].data, 1, 1);
      in[k] = wide[k];
    }
    for (std::int64_t at = begin; at < end; at += kBlock) {
      const std::int64_t length = std::min(kBlock, end - at);
      for (int k = 0; k < loops.arity; ++k) {
        if (sides[k].single) continue;
        in[k] = sides[k].at(at);
        if (!sides[k].convert) continue;
        sides[k].convert(reinterpret_cast<std::byte*>(wide[k]), 1, sides[k].at(at), 1, length);
        in[k] = wide[k];
      }
      std::byte* to = out.data + at * out.item;
      loop(out.convert ? static_cast<void*>(wide[loops.arity]) : to, in, repeated, length, attrs);
      if (out.convert) out.convert(to, 1, reinterpret_cast<const std::byte*>(wide[loops.arity]), 1, length);
    }
  });
}

}  // namespace unspool::kernels::cpu
