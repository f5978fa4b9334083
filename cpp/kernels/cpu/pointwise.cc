// Kernels of the elementary functions: loops made from the bodies in ops/pointwise.h.
#include "ops/pointwise.h"

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/zeta.h"

namespace unspool::kernels::cpu {

std::span<const Kernel> pointwise_kernels() { return ElementwiseKernels<ops::PointwiseOps>::table; }

}  // namespace unspool::kernels::cpu
