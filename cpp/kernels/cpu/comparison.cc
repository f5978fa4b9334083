// Kernels of the comparison family: loops made from the bodies in ops/comparison.h.
#include "ops/comparison.h"

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"

namespace unspool::kernels::cpu {
namespace {

// Truth values as bytes, 0 or not: the compiler runs these loops in parallel, those over bool it does not.
template <class F>
constexpr Loop byte_loop(int arity) {
  if (arity == 1) {
    return [](void* out, const void* const* in, unsigned, std::int64_t n, const double*) {
      const auto* a = static_cast<const std::uint8_t*>(in[0]);
      auto* to = static_cast<std::uint8_t*>(out);
      for (std::int64_t i = 0; i < n; ++i) to[i] = F()(a[i], a[i]);
    };
  }
  return [](void* out, const void* const* in, unsigned, std::int64_t n, const double*) {
    const auto *a = static_cast<const std::uint8_t*>(in[0]), *b = static_cast<const std::uint8_t*>(in[1]);
    auto* to = static_cast<std::uint8_t*>(out);
    for (std::int64_t i = 0; i < n; ++i) to[i] = F()(a[i], b[i]);
  };
}

struct BothBytes {
  std::uint8_t operator()(std::uint8_t a, std::uint8_t b) const { return (a != 0) & (b != 0); }
};
struct EitherByte {
  std::uint8_t operator()(std::uint8_t a, std::uint8_t b) const { return (a | b) != 0; }
};
struct NoByte {
  std::uint8_t operator()(std::uint8_t a, std::uint8_t) const { return a == 0; }
};

template <class Op, class F>
constexpr LoopSet with_bytes() {
  LoopSet loops = kLoops<Op>;
  loops.by_dtype[static_cast<int>(Dtype::kBool)] = byte_loop<F>(loops.arity);
  return loops;
}

template <class Op, class F>
inline constexpr LoopSet kByteLoops = with_bytes<Op, F>();

template <class Op, class F, std::size_t N>
constexpr void use_bytes(std::array<Kernel, N>& kernels) {
  for (Kernel& kernel : kernels) {
    if (Op::record.name != kernel.name) continue;
    kernel.run = [](const Context& context, const KernelCall& call) {
      run_elementwise(context, call, kByteLoops<Op, F>);
    };
    kernel.loops = kByteLoops<Op, F>.by_dtype;
  }
}

constexpr auto kComparisons = [] {
  auto kernels = ElementwiseKernels<ops::ComparisonOps>::table;
  use_bytes<ops::LogicalAnd, BothBytes>(kernels);
  use_bytes<ops::LogicalOr, EitherByte>(kernels);
  use_bytes<ops::LogicalNot, NoByte>(kernels);
  return kernels;
}();

constexpr auto kBitwise = [] {
  auto kernels = ElementwiseKernels<ops::BitwiseOps>::table;
  use_bytes<ops::BitwiseAnd, BothBytes>(kernels);
  use_bytes<ops::BitwiseOr, EitherByte>(kernels);
  use_bytes<ops::BitwiseNot, NoByte>(kernels);
  return kernels;
}();

}  // namespace

std::span<const Kernel> comparison_kernels() { return kComparisons; }
std::span<const Kernel> bitwise_kernels() { return kBitwise; }
std::span<const Kernel> selection_kernels() { return ElementwiseKernels<ops::SelectionOps>::table; }

}  // namespace unspool::kernels::cpu
