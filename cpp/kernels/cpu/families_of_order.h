// The families of order, of writing by index, of sampling and of bits, as table.cc gathers them.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

std::span<const Kernel> scatter_kernels();
std::span<const Kernel> sorting_kernels();
std::span<const Kernel> sampling_kernels();
std::span<const Kernel> bits_kernels();

}  // namespace unspool::kernels::cpu
