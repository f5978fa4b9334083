// One step of a rule over any number of parameters: gathers them and changes all that share dtype and phase
// with one operation through the Emitter. Updating one parameter as soon as its gradient is complete is the
// same class with one `add`, and gives the same bits.
#pragma once

#include <functional>
#include <vector>

#include "optim/rules.h"
#include "tensor/tensor.h"

namespace unspool::optim {

// The tensors of one parameter, in the order of Rule::states.
using Kept = SmallVector<Tensor, 3>;

class Update {
 public:
  // `rule` must outlive this object; `expected` is about how many parameters will be added.
  explicit Update(const Rule& rule, std::size_t expected = 1) : rule_(rule), expected_(expected) {}

  // Checks the parameter's part of the step; nothing is changed before `run`. `phase` is from
  // Rule::phase. Returns the number of the operation that will change it. Raises when gradient or states
  // differ from the parameter in shape or dtype, or when memory to change is read-only.
  std::size_t add(Tensor parameter, Tensor gradient, Kept states, const Phase& phase);

  // Changes all parameters and states that were added, outside of the tape. `before` is called with the
  // number of each operation before it is emitted.
  void run(const std::function<void(std::size_t)>& before = {});

 private:
  struct Bucket {
    Dtype dtype;
    Phase phase;
    bool is_strided = false;  // some tensor is not contiguous
    std::vector<ops::Operand> groups;
  };

  Bucket& bucket_of(Dtype dtype, const Phase& phase, std::size_t arity);

  const Attributes& attributes_of(const Phase& phase);

  const Rule& rule_;
  std::size_t expected_;
  SmallVector<Bucket, 1> buckets_;
  // Of the last run, for the next one: memory, and the attributes, where it had any.
  std::vector<ops::Operand> spare_;
  Phase phase_;
  Attributes attributes_;
};

}  // namespace unspool::optim
