// The caching allocator behind tensor data and kernel scratch. Hands out 64-byte-aligned bytes that are not
// initialised; knows nothing of tensors. Ownership and reference counts belong to storage.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unspool {

inline constexpr std::size_t kTensorAlignment = 64;

// Never nullptr, also for 0 bytes. Throws MemoryError, after having given all cached memory back to the
// system and tried again. Any thread may call.
[[nodiscard]] void* allocate(std::size_t bytes);

// `bytes` must be what `allocate` was asked for. Any thread may call; nullptr is ignored.
void deallocate(void* data, std::size_t bytes) noexcept;

// Called on this thread before each allocation, with the bytes that are asked for; may deallocate, and may
// throw, upon which nothing is allocated. Null takes it away.
using AllocationGuard = void (*)(std::size_t bytes);
void set_allocation_guard(AllocationGuard guard) noexcept;

// Gives cached memory back to the system: all large blocks, and the small ones whose neighbours are free too,
// except those in the caches of other threads.
void empty_cache() noexcept;

struct AllocatorStats {
  std::int64_t allocated_bytes;  // asked for and not yet deallocated
  // Since the start or the last reset. Exact while one thread allocates, otherwise to within 3 MiB for each
  // other thread (what its cache can hand out unnoticed).
  std::int64_t peak_allocated_bytes;
  std::int64_t reserved_bytes;  // taken from the system: in use, cached, and lost to rounding
  std::int64_t peak_reserved_bytes;
  std::int64_t allocations;         // calls of allocate since the start
  std::int64_t system_allocations;  // how many of them had to go to the system
};

AllocatorStats allocator_stats() noexcept;

// Both peaks become what is in use now.
void reset_peak_stats() noexcept;

}  // namespace unspool
