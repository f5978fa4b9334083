// From operations to the kernels of the loaded table, by id.
#pragma once

#include "kernels/kernel.h"
#include "ops/record.h"

namespace unspool::exec {

void map_kernels(const kernels::Table& table);
const kernels::Kernel& kernel_of(const ops::Op& op);

// Runs the kernel of `op` with scratch, threads and, for long work, the host's lock given back. Raises what
// the kernel reports.
void run_kernel(const ops::Op& op, std::span<const View> in, std::span<const View> out,
                std::span<const ops::Attr> attrs);

}  // namespace unspool::exec
