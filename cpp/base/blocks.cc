// The lists. What they hold is bounded, so that a thread which only frees does not collect memory.
#include "base/blocks.h"

#include <array>
#include <cstdint>
#include <new>
#include <utility>

#include "base/sanitizers.h"

namespace unspool {
namespace {

constexpr bool kKeeps = !kAddressSanitizer;  // which is to see each block come and go

// Sizes are eight more than multiples of sixteen, which the system's allocator hands out without a gap.
constexpr std::size_t kStep = 16, kMostBytes = 264;
constexpr std::uint32_t kLongest = 1024;  // blocks of a size

struct FreeBlock {
  FreeBlock* next;
};

struct List {
  FreeBlock* head = nullptr;
  std::uint32_t count = 0;
};

struct Lists {
  std::array<List, kMostBytes / kStep + 1> of_class{};

  ~Lists() {
    for (List& list : of_class) {
      while (list.head) ::operator delete(std::exchange(list.head, list.head->next));
    }
  }
};

// Plain pointers, which can be read when the thread's other objects have been destroyed.
[[gnu::tls_model("initial-exec")]] thread_local Lists* lists = nullptr;
[[gnu::tls_model("initial-exec")]] thread_local bool has_ended = false;

struct Owner {
  Lists own;
  Owner() { lists = &own; }
  ~Owner() {
    lists = nullptr;
    has_ended = true;
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
};

[[gnu::noinline, gnu::cold]] Lists* make_lists() {
  if (has_ended) return nullptr;
  thread_local Owner owner;
  return lists;
}

Lists* thread_lists() { return lists ? lists : make_lists(); }

constexpr std::size_t class_of(std::size_t bytes) { return (bytes + kStep / 2 - 1) / kStep; }
constexpr std::size_t size_of_class(std::size_t c) { return c * kStep + kStep / 2; }
static_assert(size_of_class(class_of(104)) == 104 && size_of_class(class_of(108)) == 120);

}  // namespace

void* allocate_block(std::size_t bytes) {
  if (!kKeeps || bytes > kMostBytes) return ::operator new(bytes);
  const std::size_t c = class_of(bytes);
  if (!lists || !lists->of_class[c].head) return ::operator new(size_of_class(c));
  List& list = lists->of_class[c];
  --list.count;
  return std::exchange(list.head, list.head->next);
}

void deallocate_block(void* block, std::size_t bytes) noexcept {
  Lists* const own = kKeeps && bytes <= kMostBytes ? thread_lists() : nullptr;
  if (!own) return ::operator delete(block);
  List& list = own->of_class[class_of(bytes)];
  if (list.count == kLongest) return ::operator delete(block);
  ++list.count;
  list.head = ::new (block) FreeBlock{list.head};
}

}  // namespace unspool
