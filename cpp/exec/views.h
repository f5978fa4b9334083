// Histories of tensors that are changed in place, and of their views. A base counts the histories it has had;
// a view remembers the count under which its own node was made, and gets a new node, derived from the base's
// present history, when it is next used. A change through a view becomes a node of the base.
#pragma once

#include "exec/node.h"
#include "ops/record.h"

namespace unspool::exec {

// Brings a stale view up to date.
void follow_base(TensorImpl& view);

// Whether gradients flow to the tensor, after bringing it up to date.
inline bool needs_gradient(TensorImpl& x) {
  if (x.is_stale()) follow_base(x);
  return x.requires_grad;
}

// Raises when gradients are recorded and the change of the target by `who`_ could not be. `recording`:
// gradients flow to what is written.
void check_recordable(std::string_view who, const Tensor& target, bool recording);

// After `call` has written into `target`: its history, or that of its base. `overwritten` holds the target's
// value from before where a rule reads it.
void record_write(const ops::Call& call, const Tensor& target, bool recording, const Tensor& overwritten);

// After all of `target` was replaced by a value whose history is `from`.
void replace_history(const Tensor& target, const Edge& from);

}  // namespace unspool::exec
