// Kernels of the activation functions: loops made from the bodies in ops/activation.h.
#include "ops/activation.h"

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"

namespace unspool::kernels::cpu {

std::span<const Kernel> activation_kernels() { return ElementwiseKernels<ops::ActivationOps>::table; }

}  // namespace unspool::kernels::cpu
