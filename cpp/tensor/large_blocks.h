// The large blocks of the allocator: which mappings exist, which of them are free, which free one fits a
// request, and which to give back first. Not synchronised: the allocator calls it under its lock. Small
// blocks are not known here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "tensor/size_class.h"

namespace unspool::internal {

// Fresh zero pages, nullptr when the system refuses. From one huge page on, aligned to huge pages and asking
// for them.
void* map_pages(std::size_t size) noexcept;
void unmap_pages(void* data, std::size_t size) noexcept;

class LargeBlocks {
 public:
  // The best free block of at least `bytes` and at most a quarter more, now in use; nullptr if there is none.
  void* take(std::size_t bytes) noexcept;
  // Maps a new block that is in use. nullptr when the system refuses.
  void* map(std::size_t bytes);
  void give_back(void* data) noexcept;
  // Unmaps the longest unused free blocks until at most `cached` bytes are free.
  void trim(std::size_t cached) noexcept;
  // Unmaps free blocks beyond what the recent demand lets expect: between two peaks of a training step the
  // memory must stay, or each step would fault its pages in again.
  void trim_to_demand() noexcept;

  std::size_t mapped_bytes() const noexcept { return in_use_ + cached_; }

 private:
  struct Block {
    void* data = nullptr;
    std::size_t size = 0;
    std::uint64_t freed_at = 0;
    Block* newer = nullptr;
    Block* older = nullptr;
  };
  struct Bin {
    Block* newest = nullptr;
    Block* oldest = nullptr;
  };

  void unlink(Block& block) noexcept;
  Block* longest_unused() const noexcept;
  void note_demand() noexcept;

  // Demand is the greater of the peaks of the running and the previous window of this many requests.
  static constexpr std::uint32_t kWindow = 16384;

  std::unordered_map<void*, Block> blocks_;
  std::array<Bin, kLargeBins> bins_{};
  std::size_t in_use_ = 0;
  std::size_t cached_ = 0;
  std::uint64_t clock_ = 0;
  std::uint32_t requests_ = 0;
  std::size_t window_peak_ = 0;
  std::size_t previous_peak_ = 0;
};

}  // namespace unspool::internal
