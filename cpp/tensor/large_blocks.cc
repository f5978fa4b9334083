// Implementation of the large blocks: bins of free blocks in order of release, and the only calls of mmap.
#include "tensor/large_blocks.h"

#include <sys/mman.h>

#include <algorithm>

namespace unspool::internal {
namespace {

// Free memory that is always tolerated, whatever the demand.
constexpr std::size_t kSlack = std::size_t{64} << 20;

std::byte* map_anywhere(std::size_t size) noexcept {
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

std::byte* map_aligned_to_huge_pages(std::size_t size) noexcept {
  std::byte* data = map_anywhere(size + kHugePage);
  if (data == nullptr) return nullptr;
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(data) % kHugePage) % kHugePage;
  if (before > 0) munmap(data, before);
  munmap(data + before + size, kHugePage - before);
  return data + before;
}

}  // namespace

void* map_pages(std::size_t size) noexcept {
  if (size < kHugePage) return map_anywhere(size);
  std::byte* data = map_aligned_to_huge_pages(size);
#if defined(MADV_HUGEPAGE)
  if (data != nullptr) madvise(data, size, MADV_HUGEPAGE);
#endif
  return data;
}

void unmap_pages(void* data, std::size_t size) noexcept { munmap(data, size); }

void* LargeBlocks::take(std::size_t bytes) noexcept {
  const std::size_t least = large_size(bytes);
  const std::size_t most = bytes + bytes / 4;
  Block* best = nullptr;
  for (std::size_t bin = large_bin(least); best == nullptr && bin <= large_bin(most); ++bin) {
    for (Block* block = bins_[bin].newest; block != nullptr; block = block->older) {
      if (block->size < least || block->size > most) continue;
      if (best == nullptr || block->size < best->size) best = block;
      if (best->size == least) break;
    }
  }
  if (best == nullptr) return nullptr;
  unlink(*best);
  cached_ -= best->size;
  in_use_ += best->size;
  note_demand();
  return best->data;
}

void* LargeBlocks::map(std::size_t bytes) {
  const std::size_t size = large_size(bytes);
  void* data = map_pages(size);
  if (data == nullptr) return nullptr;
  try {
    Block& block = blocks_[data];
    block.data = data;
    block.size = size;
  } catch (...) {
    unmap_pages(data, size);
    throw;
  }
  in_use_ += size;
  note_demand();
  trim_to_demand();
  return data;
}

void LargeBlocks::give_back(void* data) noexcept {
  Block& block = blocks_.find(data)->second;
  Bin& bin = bins_[large_bin(block.size)];
  block.freed_at = ++clock_;
  block.newer = nullptr;
  block.older = bin.newest;
  (bin.newest ? bin.newest->newer : bin.oldest) = &block;
  bin.newest = &block;
  in_use_ -= block.size;
  cached_ += block.size;
}

void LargeBlocks::trim(std::size_t cached) noexcept {
  while (cached_ > cached) {
    Block* block = longest_unused();
    unlink(*block);
    cached_ -= block->size;
    void* data = block->data;
    unmap_pages(data, block->size);
    blocks_.erase(data);
  }
}

void LargeBlocks::trim_to_demand() noexcept {
  const std::size_t demand = std::max(window_peak_, previous_peak_);
  const std::size_t limit = demand + demand / 4 + kSlack;
  if (mapped_bytes() > limit) trim(limit > in_use_ ? limit - in_use_ : 0);
}

void LargeBlocks::unlink(Block& block) noexcept {
  Bin& bin = bins_[large_bin(block.size)];
  (block.newer ? block.newer->older : bin.newest) = block.older;
  (block.older ? block.older->newer : bin.oldest) = block.newer;
}

LargeBlocks::Block* LargeBlocks::longest_unused() const noexcept {
  Block* longest = nullptr;
  for (const Bin& bin : bins_) {
    if (bin.oldest && (longest == nullptr || bin.oldest->freed_at < longest->freed_at)) longest = bin.oldest;
  }
  return longest;
}

void LargeBlocks::note_demand() noexcept {
  if (++requests_ == kWindow) {
    requests_ = 0;
    previous_peak_ = window_peak_;
    window_peak_ = 0;
  }
  window_peak_ = std::max(window_peak_, in_use_);
}

}  // namespace unspool::internal
