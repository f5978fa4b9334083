// Element-wise calls of the usual kind: tensors of one floating dtype and one shape that lie in memory
// without gaps, and numbers. Nothing is left to infer, convert or lay out, so that a call over a few elements
// costs little more than its kernel.
#pragma once

#include "ops/record.h"
#include "tensor/tensor.h"

namespace unspool::exec {

// Such a call, if it is one. `call` must outlive this object.
class PlainCall {
 public:
  explicit PlainCall(const ops::Call& call);

  explicit operator bool() const { return form_ != nullptr; }
  // The operand whose shape and dtype all tensors of the call have.
  const TensorImpl& form() const { return *form_; }
  // What the result's dtype will be.
  Dtype result() const { return call_.op.record.result == ops::Result::kBool ? Dtype::kBool : form_->dtype; }
  // Runs the kernel. `out` has the form's shape and no gaps either.
  void run(const Tensor& out) const;

 private:
  static constexpr std::size_t kMostOperands = 3;

  void run_long(const Tensor& out) const;

  const ops::Call& call_;
  const TensorImpl* form_ = nullptr;
  unsigned numbers_ = 0;             // bits of the operands that are numbers
  const void* in_[kMostOperands]{};  // of the others: their memory
};

}  // namespace unspool::exec
