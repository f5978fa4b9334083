// The attributes that calls of each operation had last, by thread.
#include "exec/attr_list.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <vector>

#include "base/blocks.h"

namespace unspool::exec {
namespace {

using ops::Attr;

using Latest = std::vector<Ref<AttrList>>;  // by the operation's id

// Plain pointers, which can be read when the thread's other objects have been destroyed.
[[gnu::tls_model("initial-exec")]] thread_local Latest* latest_lists = nullptr;
[[gnu::tls_model("initial-exec")]] thread_local bool has_ended = false;

struct Owner {
  Latest own;
  Owner() { latest_lists = &own; }
  ~Owner() {
    latest_lists = nullptr;
    has_ended = true;
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
};

[[gnu::noinline, gnu::cold]] Latest* make_latest() {
  if (has_ended) return nullptr;
  thread_local Owner owner;
  return latest_lists;
}

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

Ref<AttrList> AttrList::make(std::span<const Attr> attrs) {
  auto* list = ::new (allocate_block(bytes(attrs.size()))) AttrList(attrs.size());
  std::uninitialized_copy(attrs.begin(), attrs.end(), reinterpret_cast<Attr*>(list + 1));
  return Ref<AttrList>(list);
}

void AttrList::destroy(AttrList* list) noexcept {
  const std::size_t count = list->count_;
  std::destroy_n(reinterpret_cast<Attr*>(list + 1), count);
  list->~AttrList();
  deallocate_block(list, bytes(count));
}

Ref<AttrList> shared_attributes(const ops::Call& call) {
  const auto has_generator = [](const Attr& attr) { return attr.kind() == Attr::Kind::kGenerator; };
  if (std::any_of(call.attrs.begin(), call.attrs.end(), has_generator)) return AttrList::make(call.attrs);
  Latest* const own = latest_lists ? latest_lists : make_latest();
  if (!own) return AttrList::make(call.attrs);
  if (own->size() <= call.op.id) own->resize(call.op.id + 1);
  Ref<AttrList>& latest = (*own)[call.op.id];
  if (!latest || !are_same(latest->attrs(), call.attrs)) latest = AttrList::make(call.attrs);
  return latest;
}

}  // namespace unspool::exec
