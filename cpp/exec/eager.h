// Eager execution: infer, allocate, run the kernel, record. The process-wide default Emitter.
#pragma once

#include "kernels/kernel.h"
#include "ops/emitter.h"

namespace unspool::exec {

class Eager : public ops::Emitter {
 public:
  void emit(const ops::Call& call, std::span<Tensor> out) override;
  void emit_into(const ops::Call& call, const Tensor& target) override;
  std::vector<Tensor> derive(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                             std::span<const Tensor> inputs) override;

 protected:
  // A kernel that has just run: what it computed in, and where it wrote; `fresh`: into new memory.
  struct Launched {
    const ops::Call& call;
    Dtype compute;
    std::span<const Tensor> out;
    bool fresh;
  };
  virtual void launched(const Launched& /*launch*/) {}
  // Whether nobody needs to hear of the launches: then calls that are not recorded may take shorter ways.
  virtual bool is_unwatched() const { return false; }

 private:
  void emit_any(const ops::Call& call, std::span<Tensor> out);
};

// Connects the operations to the kernels of a table and makes eager execution the default. Raises when an
// operation that needs a kernel has none.
void start(const kernels::Table& table);

// The generator that random operations draw from when they are given none.
const Ref<Generator>& default_generator();

}  // namespace unspool::exec
