// Where nodes of recorded operations come from: their memory, kept by each thread in short lists by size, and
// lists of attributes that nodes share.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ops/call.h"

namespace unspool::exec {

[[nodiscard]] void* allocate_node(std::size_t bytes);
// `bytes` as in allocate_node. On any thread.
void deallocate_node(void* node, std::size_t bytes) noexcept;

// The attributes of calls. Immutable.
class AttrList : public RefCounted<AttrList> {
 public:
  explicit AttrList(std::span<const ops::Attr> attrs) : attrs_(attrs.begin(), attrs.end()) {}
  std::span<const ops::Attr> attrs() const { return attrs_; }

 private:
  std::vector<ops::Attr> attrs_;
};

// The call's attributes, in the list of the call before it where that has the same: the steps of a training
// loop, and the layers of one kind, mostly do.
Ref<AttrList> shared_attributes(const ops::Call& call);

}  // namespace unspool::exec
