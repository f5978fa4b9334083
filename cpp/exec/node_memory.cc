// Lists per thread, without locks. What they hold is bounded, so that a thread which only frees does not
// collect memory.
#include "exec/node_memory.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace unspool::exec {
namespace {

using ops::Attr;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeeps = false;  // the sanitizer is to see each node come and go
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif
#else
constexpr bool kKeeps = true;
#endif

// Sizes are eight more than multiples of sixteen, which the system's allocator hands out without a gap.
constexpr std::size_t kStep = 16, kMost = 264;
constexpr std::uint32_t kLongest = 1024;  // nodes of a size

struct FreeNode {
  FreeNode* next;
};

struct Lists {
  std::array<FreeNode*, kMost / kStep + 1> head{};
  std::array<std::uint32_t, kMost / kStep + 1> count{};
  std::vector<Ref<AttrList>> latest;  // by the operation's id

  ~Lists() {
    for (FreeNode* node : head) {
      while (node) ::operator delete(std::exchange(node, node->next));
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

bool is_same(const Attr& a, const Attr& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Attr::Kind::kNone:
      return true;
    case Attr::Kind::kFloat:  // a zero has a sign
      return std::bit_cast<std::uint64_t>(a.number()) == std::bit_cast<std::uint64_t>(b.number());
    case Attr::Kind::kText:
      return a.text() == b.text();
    case Attr::Kind::kDims:
      return a.dims() == b.dims();
    case Attr::Kind::kGenerator:
      return false;  // is not kept beyond the node
    default:
      return a.integer() == b.integer();
  }
}

bool are_same(std::span<const Attr> a, std::span<const Attr> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), is_same);
}

}  // namespace

void* allocate_node(std::size_t bytes) {
  if (!kKeeps || bytes > kMost) return ::operator new(bytes);
  const std::size_t c = class_of(bytes);
  if (lists && lists->head[c]) {
    --lists->count[c];
    return std::exchange(lists->head[c], lists->head[c]->next);
  }
  return ::operator new(size_of_class(c));
}

void deallocate_node(void* node, std::size_t bytes) noexcept {
  Lists* const own = kKeeps && bytes <= kMost ? thread_lists() : nullptr;
  const std::size_t c = class_of(bytes);
  if (!own || own->count[c] == kLongest) return ::operator delete(node);
  ++own->count[c];
  own->head[c] = ::new (node) FreeNode{own->head[c]};
}

Ref<AttrList> AttrList::make(std::span<const Attr> attrs) {
  auto* list = ::new (allocate_node(bytes(attrs.size()))) AttrList(attrs.size());
  std::uninitialized_copy(attrs.begin(), attrs.end(), reinterpret_cast<Attr*>(list + 1));
  return Ref<AttrList>(list);
}

void AttrList::destroy(AttrList* list) noexcept {
  const std::size_t count = list->count_;
  std::destroy_n(reinterpret_cast<Attr*>(list + 1), count);
  list->~AttrList();
  deallocate_node(list, bytes(count));
}

Ref<AttrList> shared_attributes(const ops::Call& call) {
  const auto has_generator = [](const Attr& attr) { return attr.kind() == Attr::Kind::kGenerator; };
  Lists* const own =
      std::any_of(call.attrs.begin(), call.attrs.end(), has_generator) ? nullptr : thread_lists();
  if (!own) return AttrList::make(call.attrs);
  if (own->latest.size() <= call.op.id) own->latest.resize(call.op.id + 1);
  Ref<AttrList>& latest = own->latest[call.op.id];
  if (!latest || !are_same(latest->attrs(), call.attrs)) latest = AttrList::make(call.attrs);
  return latest;
}

}  // namespace unspool::exec
