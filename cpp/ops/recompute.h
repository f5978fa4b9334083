// Derivatives of any order for operations that are one kernel both ways. While nobody will differentiate the
// gradient again, their rule calls a fused backward kernel. Otherwise it composes the operation anew from
// smaller ones and differentiates that: slower, but exact, and recorded like everything else.
#pragma once

#include <functional>

#include "ops/emitter.h"
#include "ops/vjp.h"

namespace unspool::ops {

// Whether what a rule computes is itself recorded (create_graph).
inline bool is_recorded() { return thread_state().grad_enabled; }

// The operation's leading outputs from its operands, made of differentiable operations.
using Composition = std::function<std::vector<Tensor>(std::span<const Operand>)>;

// Fills the cotangents of the wanted inputs, all of which the rule must have declared to read.
void derive(Vjp& v, std::span<Tensor> grads, const Composition& compose);

}  // namespace unspool::ops
