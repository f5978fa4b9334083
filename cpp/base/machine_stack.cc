// The bounds of this thread's stack, asked for once.
#include "base/machine_stack.h"

#include <pthread.h>

#include <algorithm>

namespace unspool {
namespace {

constexpr std::size_t kMost = 256 << 10;    // what the second-level cache of any machine holds
constexpr std::size_t kLeast = 2 << 10;     // room for the first few calls, so that the recursion gets on
constexpr std::size_t kUnknown = 16 << 10;  // on a stack that the system does not know, such as a coroutine's

struct Bounds {
  std::uintptr_t low = 0, high = 0;
};

Bounds ask_for_bounds() noexcept {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return {};
  void* low = nullptr;
  std::size_t size = 0;
  const bool is_known = pthread_attr_getstack(&attributes, &low, &size) == 0;
  pthread_attr_destroy(&attributes);
  const auto start = reinterpret_cast<std::uintptr_t>(low);
  return is_known ? Bounds{start, start + size} : Bounds{};
}

const Bounds& bounds() noexcept {
  thread_local const Bounds known = ask_for_bounds();
  return known;
}

}  // namespace

StackRoom::StackRoom() noexcept : begin_(here()), end_(0) {
  const Bounds& stack = bounds();
  const bool is_inside = stack.low < begin_ && begin_ <= stack.high;
  const std::size_t half = is_inside ? (begin_ - stack.low) / 2 : kUnknown;
  end_ = begin_ - std::clamp(half, kLeast, kMost);
}

}  // namespace unspool
