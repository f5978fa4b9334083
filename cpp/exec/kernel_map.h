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
void run_kernel(const ops::Op& op, std::span<const View> in, std::span<const View> out,
                std::span<const ops::Attr> attrs, bool long_work);

// Up to this many elements a kernel is shorter than giving the host's lock back and taking it again.
inline constexpr std::int64_t kShortWork = 1 << 14;

// Whether a kernel over these views takes longer than giving the host's lock back, or waking a thread.
bool is_long_work(std::span<const View> in, std::span<const View> out);
inline bool is_long_work(std::int64_t elements) { return elements > kShortWork; }

// Whether the walk over memory that this thread is about to begin should begin at the end, because the one
// before ended there.
bool begins_at_end(bool either_way);

// Raises what a kernel has reported.
[[noreturn]] void raise_fault(const ops::Op& op, const kernels::Fault& fault);

}  // namespace unspool::exec
