// A training step as one recursive function: on the way in it computes the layers, at the bottom the loss,
// and each return turns the cotangent of a layer's result into those of its input and parameters. The call
// stack is the tape: what a rule reads stays in the frame that computed it, and no graph is built.
#pragma once

#include <cstddef>
#include <span>

#include "exec/chain_part.h"

namespace unspool::exec {

// What happens to the gradient of parameter number `parameter` when it is complete. No rule will read the
// parameter any more in this step.
class GradientTaker {
 public:
  virtual ~GradientTaker() = default;
  virtual void take(std::size_t parameter, Tensor gradient) = 0;
  // All gradients of a layer have been taken.
  virtual void returned() = 0;
};

// How the frames of a step were kept.
struct StackUse {
  std::size_t frames = 0;
  std::size_t frame_bytes = 0;       // of one on the machine stack
  std::size_t heap_frames = 0;       // those that did not fit there
  std::size_t heap_frame_bytes = 0;  // of one on the heap
};

class ReturningStep {
 public:
  explicit ReturningStep(RecordedChain chain);
  ReturningStep(const ReturningStep&) = delete;
  ReturningStep& operator=(const ReturningStep&) = delete;

  const RecordedChain& chain() const { return chain_; }
  // How deep the recursion goes.
  std::size_t depth() const { return parts_.size(); }
  // Runs the step and returns the loss. `inputs` are like those the chain was recorded with.
  Tensor run(std::span<const Tensor> inputs, GradientTaker& taker, StackUse& use);

 private:
  RecordedChain chain_;
  std::vector<ChainPart> parts_;
  ChainPart::Known known_;
};

}  // namespace unspool::exec
