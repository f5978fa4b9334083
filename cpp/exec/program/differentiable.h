// A compiled function whose results need gradients: one program for the function, one for its unwinding, and
// the tape's node between them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "exec/program/program.h"

namespace unspool::exec {

class DifferentiableProgram {
 public:
  // `derivative` is that of `traced`.
  DifferentiableProgram(Trace::Result traced, const Trace::Derivative& derivative, const Passes& passes = {});

  Program& forward() { return *forward_; }
  const Program& backward() const { return *backward_; }
  bool fits() const { return forward_->fits() && backward_->fits(); }
  bool takes(const Storage& input) const { return forward_->takes(input) && backward_->takes(input); }
  // The results of the function, recorded on the tape.
  bool run(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  std::size_t output_count() const { return outputs_; }

 private:
  std::unique_ptr<Program> forward_;
  std::shared_ptr<Program> backward_;
  std::size_t outputs_ = 0;
  std::size_t inputs_ = 0;  // of the function
  std::vector<std::size_t> differentiated_;
  std::vector<Tensor> targets_;
  std::vector<std::size_t> target_inputs_;
  std::vector<Storage*> read_;            // outside memory that the unwinding reads
  std::vector<std::size_t> read_inputs_;  // inputs that it reads
};

}  // namespace unspool::exec
