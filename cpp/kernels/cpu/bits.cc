// Kernels of the functions of bits: loops made from the bodies in ops/bits.h.
#include "ops/bits.h"

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families_of_order.h"

namespace unspool::kernels::cpu {

std::span<const Kernel> bits_kernels() { return ElementwiseKernels<ops::BitsOps>::table; }

}  // namespace unspool::kernels::cpu
