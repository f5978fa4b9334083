// Composing a fused operation anew to differentiate it.
#include "ops/recompute.h"

#include "ops/shape.h"

namespace unspool::ops {

void derive(Vjp& v, std::span<Tensor> grads, const Composition& compose) {
  SmallVector<Operand, 8> operands;
  std::vector<Tensor> inputs;
  SmallVector<std::size_t, 8> places;
  for (std::size_t i = 0; i < grads.size(); ++i) {
    operands.push_back(v.in(static_cast<int>(i)));
    if (!v.wants(static_cast<int>(i))) continue;
    // A view of its own marks where this operation begins, should one input be computed from another.
    const Tensor input = operands[i].tensor();
    inputs.push_back(call<ViewOp>({input}, {input.sizes()}));
    operands[i] = inputs.back();
    places.push_back(i);
  }
  const std::vector<Tensor> composed = compose({operands.data(), operands.size()});
  std::vector<Tensor> outputs, cotangents;
  for (std::size_t k = 0; k < composed.size(); ++k) {
    if (!v.has_g(static_cast<int>(k)) || !composed[k].requires_grad()) continue;
    outputs.push_back(composed[k]);
    cotangents.push_back(v.g(static_cast<int>(k)));
  }
  if (outputs.empty()) return;
  std::vector<Tensor> found = emitter().derive(outputs, cotangents, inputs);
  for (std::size_t k = 0; k < places.size(); ++k) grads[places[k]] = std::move(found[k]);
}

}  // namespace unspool::ops
