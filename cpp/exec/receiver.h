// Whoever takes the gradients of leaves while the tape is being unwound: an optimizer that updates at once, a
// reduction over machines.
#pragma once

#include "tensor/tensor.h"

namespace unspool::exec {

class Receiver {
 public:
  virtual ~Receiver() = default;
  // Asked once for each leaf that is reached, before anything runs: whether `complete` will write to the
  // leaf's memory. It is then called only when nothing that is still to be unwound reads that memory.
  virtual bool changes(TensorImpl& leaf) = 0;
  // All leaves have been asked for; nothing has run.
  virtual void begin() {}
  // The leaf's whole gradient is about to be added to its .grad.
  virtual void arriving(TensorImpl& /*leaf*/) {}
  // That has been done, and the leaf's hooks have run.
  virtual void complete(TensorImpl& leaf) = 0;
};

}  // namespace unspool::exec
