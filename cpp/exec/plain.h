// Element-wise calls of the usual kind: tensors of one floating dtype and one shape that lie in memory
// without gaps, and numbers. Nothing is left to infer, convert or lay out, so that a call over a few elements
// costs little more than its kernel.
#pragma once

#include "ops/record.h"
#include "tensor/tensor.h"

namespace unspool::exec {

// The operand whose shape and dtype all tensors of the call have; null if the call is of another kind.
const TensorImpl* plain_form(const ops::Call& call);

// What the result's dtype will be.
inline Dtype plain_result(const ops::Call& call, const TensorImpl& form) {
  return call.op.record.result == ops::Result::kBool ? Dtype::kBool : form.dtype;
}

// Runs the kernel over such a call. `out` has the form's shape and no gaps either.
void run_plain(const ops::Call& call, const TensorImpl& form, const Tensor& out);

}  // namespace unspool::exec
