// Records operations: one node per call, holding only what its derivative rules read.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "exec/node.h"
#include "ops/emitter.h"
#include "ops/record.h"
#include "ops/vjp.h"

namespace unspool::exec {

// True when a call over these operands must be recorded.
inline bool needs_record(const ops::Op& op, std::span<const ops::Operand> in) {
  if (!ops::thread_state().grad_enabled || !op.record.is_differentiable()) return false;
  for (const ops::Operand& operand : in) {
    if (operand.is_tensor() && operand.impl().needs_gradient()) return true;
  }
  return false;
}

// Which values the rules of this call will read.
ops::Reads reads_of(const ops::Call& call);

// Makes the outputs the results of a new node. `is_uniform`: an element-wise call whose tensors are all of
// the output's shape and dtype.
void record(const ops::Call& call, std::span<Tensor> out, bool is_uniform = false);

// The node of a call; nothing when no rule leads to an operand that needs a gradient. After an in-place
// change, output 0 is one of the operands; `overwritten` is then its value from before, where a rule reads
// it.
Ref<GraphNode> make_node(const ops::Call& call, std::span<Tensor> out, const Tensor& overwritten);

// The derivative rules of an operation: from what `vjp` hands out to the cotangents of the wanted inputs.
void apply_rules(const ops::Record& record, ops::Vjp& vjp, std::span<const bool> wanted,
                 std::span<Tensor> grads);

// What was saved by a recorded operation, for inspection: its name, scope and the number of bytes it keeps
// alive.
struct NodeReport {
  std::string name;
  std::string scope;
  std::size_t saved_bytes = 0;
};
NodeReport report(const Node& node);

// A recorded operation, for inspection: what was called, and the values that it keeps; input i at place i,
// output i at place -1 - i.
struct OpReport {
  const ops::Op* op = nullptr;
  std::span<const ops::Attr> attrs;
  std::vector<std::pair<int, ops::Operand>> saved;
};
// Empty for nodes of another kind.
std::optional<OpReport> inspect(const Node& node);

}  // namespace unspool::exec
