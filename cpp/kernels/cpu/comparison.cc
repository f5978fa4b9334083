// Kernels of the comparison family: loops made from the bodies in ops/comparison.h.
#include "ops/comparison.h"

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"

namespace unspool::kernels::cpu {

std::span<const Kernel> comparison_kernels() { return ElementwiseKernels<ops::ComparisonOps>::table; }
std::span<const Kernel> bitwise_kernels() { return ElementwiseKernels<ops::BitwiseOps>::table; }
std::span<const Kernel> selection_kernels() { return ElementwiseKernels<ops::SelectionOps>::table; }

}  // namespace unspool::kernels::cpu
