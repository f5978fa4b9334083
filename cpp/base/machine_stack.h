// How far a recursion may go down the machine stack before it has to go on elsewhere. A recursion over data
// of any size asks at each call, and keeps the frames that do not fit in memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unspool {

// Made where a recursion begins. It leaves to others at least half of what this thread's stack has left.
class StackRoom {
 public:
  StackRoom() noexcept;

  // Whether the caller is as deep as the recursion may go. Never true where the recursion began.
  bool is_used_up() const noexcept { return here() < end_; }
  // Bytes of machine stack between the beginning and the caller.
  std::size_t depth() const noexcept { return begin_ - here(); }

 private:
  [[gnu::always_inline]] static std::uintptr_t here() noexcept {
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  }

  std::uintptr_t begin_;
  std::uintptr_t end_;
};

}  // namespace unspool
