// Memory of small objects that come and go all the time, tensor headers and nodes of the tape: kept by each
// thread in short lists by size, without locks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace unspool {
namespace internal {

// Sizes are eight more than multiples of sixteen, which the system's allocator hands out without a gap.
inline constexpr std::size_t kBlockStep = 16, kMostBlockBytes = 264;
inline constexpr std::uint32_t kMostFreeBlocks = 1024;  // of a size
constexpr std::size_t block_class(std::size_t bytes) { return (bytes + kBlockStep / 2 - 1) / kBlockStep; }

struct FreeBlock {
  FreeBlock* next;
};

struct BlockList {
  FreeBlock* head = nullptr;
  std::uint32_t count = 0;
};

using BlockLists = std::array<BlockList, kMostBlockBytes / kBlockStep + 1>;

// This thread's; null before its first block was given back, and after its end.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local BlockLists* block_lists;

[[nodiscard]] void* allocate_block_slowly(std::size_t bytes);
void deallocate_block_slowly(void* block, std::size_t bytes) noexcept;

}  // namespace internal

[[nodiscard]] inline void* allocate_block(std::size_t bytes) {
  internal::BlockLists* const lists = internal::block_lists;
  if (!lists || bytes > internal::kMostBlockBytes) return internal::allocate_block_slowly(bytes);
  internal::BlockList& list = (*lists)[internal::block_class(bytes)];
  internal::FreeBlock* const block = list.head;
  if (!block) return internal::allocate_block_slowly(bytes);
  --list.count;
  list.head = block->next;
  return block;
}

// `bytes` as in allocate_block. On any thread.
inline void deallocate_block(void* block, std::size_t bytes) noexcept {
  internal::BlockLists* const lists = internal::block_lists;
  if (!lists || bytes > internal::kMostBlockBytes) return internal::deallocate_block_slowly(block, bytes);
  internal::BlockList& list = (*lists)[internal::block_class(bytes)];
  if (list.count == internal::kMostFreeBlocks) return internal::deallocate_block_slowly(block, bytes);
  ++list.count;
  list.head = ::new (block) internal::FreeBlock{list.head};
}

}  // namespace unspool
