// Scratch of a parallel loop: one piece per thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>

namespace unspool::kernels::cpu {

inline constexpr std::size_t kAlign = 64;
constexpr std::size_t align_up(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
// One piece of scratch per thread, lent to whichever chunks are running. At most `threads` chunks run at
// once, so a free piece is always found.
class Slots {
 public:
  static std::size_t bytes(int threads, std::size_t each) {
    const auto count = static_cast<std::size_t>(threads);
    return each == 0 ? 0 : count * align_up(each) + (threads > 1 ? align_up(count) : 0);
  }

  Slots(std::byte* memory, int threads, std::size_t each) : each_(align_up(each)), memory_(memory) {
    if (each == 0 || threads <= 1) return;
    taken_ = reinterpret_cast<Flag*>(memory);
    for (int i = 0; i < threads; ++i) new (taken_ + i) Flag(false);
    memory_ = memory + align_up(static_cast<std::size_t>(threads));
  }

  template <class F>
  void lend(F&& use) {
    if (!taken_) return use(memory_);
    std::size_t slot = 0;
    while (taken_[slot].exchange(true, std::memory_order_acquire)) ++slot;
    use(memory_ + slot * each_);
    taken_[slot].store(false, std::memory_order_release);
  }

 private:
  using Flag = std::atomic<bool>;
  static_assert(sizeof(Flag) == 1);
  std::size_t each_;
  std::byte* memory_;
  Flag* taken_ = nullptr;
};

}  // namespace unspool::kernels::cpu
