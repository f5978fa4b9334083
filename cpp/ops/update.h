// Optimizer updates as operations: in place, over any number of parameters in one call, so that they pass through the
// Emitter like everything else. The operands come in groups of `arity` tensors of one geometry: parameter, gradient,
// states. Each body is the rule for one element; its hyperparameters are attributes, in the order of the record.
#pragma once

#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

constexpr Record update(std::string_view name, std::string_view formula, std::string_view doc, Args args) {
  Record record{.name = name, .where = kHidden, .kind = Kind::kUpdate, .formula = formula, .doc = doc};
  record.args = args;
  record.dtypes = kFloats;
  return record;
}

struct SgdUpdate {
  static constexpr int arity = 2;
  static constexpr Record record =
      update("sgd_update", "p -= lr * (g + weight_decay * p)", "Stochastic gradient descent.",
             {tensors("groups"), real("lr"), real("weight_decay")});
  template <class P>
  static void body(P& p, P g, P lr, P weight_decay) {
    p = p - lr * (g + weight_decay * p);
  }
};

struct SgdMomentumUpdate {
  static constexpr int arity = 3;
  static constexpr Record record = update(
      "sgd_momentum_update", "b = momentum * b + (1 - dampening) * g; p -= lr * (nesterov ? g + momentum * b : b)",
      "Stochastic gradient descent with momentum (Sutskever et al. 2013). `fresh` is 1 while the buffer is not yet set.",
      {tensors("groups"), real("lr"), real("weight_decay"), real("momentum"), real("dampening"), real("nesterov"), real("fresh")});
  template <class P>
  static void body(P& p, P g, P& b, P lr, P weight_decay, P momentum, P dampening, P nesterov, P fresh) {
    const P d = g + weight_decay * p;
    b = select(fresh > P(0), d, momentum * b + (P(1) - dampening) * d);
    p = p - lr * select(nesterov > P(0), d + momentum * b, b);
  }
};

using UpdateOps = OpList<SgdUpdate, SgdMomentumUpdate>;

}  // namespace unspool::ops
