// Lists of attributes that nodes of recorded operations share.
#pragma once

#include <cstddef>
#include <span>

#include "ops/call.h"

namespace unspool::exec {

// The attributes of calls, behind their number in one block. Immutable.
class AttrList : public RefCounted<AttrList> {
 public:
  static Ref<AttrList> make(std::span<const ops::Attr> attrs);
  static void destroy(AttrList* list) noexcept;
  std::span<const ops::Attr> attrs() const { return {reinterpret_cast<const ops::Attr*>(this + 1), count_}; }

 private:
  explicit AttrList(std::size_t count) : count_(count) {}
  ~AttrList() = default;
  static std::size_t bytes(std::size_t count) { return sizeof(AttrList) + count * sizeof(ops::Attr); }
  std::size_t count_;
};

// The call's attributes, in the list of the call before it where that has the same: the steps of a training
// loop, and the layers of one kind, mostly do.
Ref<AttrList> shared_attributes(const ops::Call& call);

}  // namespace unspool::exec
