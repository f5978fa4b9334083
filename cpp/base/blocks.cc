// The lists' lives. What they hold is bounded, so that a thread which only frees does not collect memory.
#include "base/blocks.h"

#include <utility>

#include "base/sanitizers.h"

namespace unspool {
namespace internal {

constinit thread_local BlockLists* block_lists = nullptr;

}  // namespace internal

namespace {

using namespace internal;

constexpr bool kKeeps = !kAddressSanitizer;  // which is to see each block come and go

constexpr std::size_t size_of_class(std::size_t c) { return c * kBlockStep + kBlockStep / 2; }
static_assert(size_of_class(block_class(104)) == 104 && size_of_class(block_class(108)) == 120);

// A plain value, which can be read when the thread's other objects have been destroyed.
[[gnu::tls_model("initial-exec")]] thread_local bool has_ended = false;

struct Owner {
  BlockLists own{};
  Owner() { block_lists = &own; }
  ~Owner() {
    block_lists = nullptr;
    has_ended = true;
    for (BlockList& list : own) {
      while (list.head) ::operator delete(std::exchange(list.head, list.head->next));
    }
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
};

[[gnu::noinline, gnu::cold]] void make_lists() { thread_local Owner owner; }

}  // namespace

void* internal::allocate_block_slowly(std::size_t bytes) {
  return ::operator new(kKeeps && bytes <= kMostBlockBytes ? size_of_class(block_class(bytes)) : bytes);
}

void internal::deallocate_block_slowly(void* block, std::size_t bytes) noexcept {
  if (!kKeeps || bytes > kMostBlockBytes || block_lists || has_ended) return ::operator delete(block);
  make_lists();
  deallocate_block(block, bytes);
}

}  // namespace unspool
