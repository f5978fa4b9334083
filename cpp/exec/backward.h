// The unwinding of the part of the tape that leads from outputs to leaves: in reverse forward order, or by
// recursion from the leaves up.
#pragma once

#include <span>
#include <vector>

#include "exec/node.h"
#include "exec/receiver.h"

namespace unspool::exec {

struct Unwinding {
  bool retain_graph = false;
  bool create_graph = false;  // record the unwinding itself, for higher derivatives
  // When not empty: only these tensors' cotangents are computed and returned, nothing is accumulated.
  std::span<const Tensor> inputs{};
  // With inputs: add to their .grad instead of returning.
  bool accumulate = false;
  // Visit the nodes by recursion instead of one after the other; the same bits.
  bool by_recursion = false;
  // With inputs: what they were computed from is not even looked at.
  bool stops_at_inputs = false;
  // Where not null: told of each leaf whose gradient is complete.
  Receiver* receiver = nullptr;
  // The same tape will be unwound again at once: what retain_grad() asked for is left to that.
  bool is_rehearsal = false;
};

// Unwinds from `outputs` with the given cotangents (undefined means 1, allowed for single elements). Returns
// one tensor per input, undefined where no path leads to it.
std::vector<Tensor> unwind(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                           const Unwinding& how);

}  // namespace unspool::exec
