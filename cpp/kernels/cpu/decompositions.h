// The kernels of the decompositions, as table.cc gathers them.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

std::span<const Kernel> linalg_cholesky_kernels();
std::span<const Kernel> linalg_lu_kernels();
std::span<const Kernel> linalg_qr_kernels();
std::span<const Kernel> linalg_eigh_kernels();
std::span<const Kernel> linalg_svd_kernels();

}  // namespace unspool::kernels::cpu
