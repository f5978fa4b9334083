// Attributes from hyperparameters: each list is in the order of the record in ops/update.h.
#include "optim/rules.h"

#include <cmath>

#include "ops/update.h"

namespace unspool::optim {

namespace {

double direction(bool maximize) { return maximize ? -1.0 : 1.0; }

}  // namespace

const ops::Op& Sgd::op() const {
  return momentum != 0 ? ops::op_of<ops::SgdMomentumUpdate> : ops::op_of<ops::SgdUpdate>;
}

States Sgd::states() const { return momentum != 0 ? States{{"momentum_buffer"}} : States{}; }

Attributes Sgd::attributes(double phase) const {
  if (momentum == 0) return {direction(maximize), weight_decay, lr};
  // The first gradient enters the buffer whole.
  const double share = phase == 0 ? 1.0 : 1.0 - dampening;
  return {direction(maximize), weight_decay, momentum, share, nesterov ? 1.0 : 0.0, lr};
}

const ops::Op& Adam::op() const {
  if (decoupled) return amsgrad ? ops::op_of<ops::AdamWAmsgradUpdate> : ops::op_of<ops::AdamWUpdate>;
  return amsgrad ? ops::op_of<ops::AdamAmsgradUpdate> : ops::op_of<ops::AdamUpdate>;
}

States Adam::states() const {
  if (amsgrad) return {{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq"}};
  return {{"exp_avg"}, {"exp_avg_sq"}};
}

Attributes Adam::attributes(double phase) const {
  const double decay = decoupled ? 1.0 - lr * weight_decay : weight_decay;
  const double mean_bias = 1.0 - std::pow(beta1, phase), square_bias = 1.0 - std::pow(beta2, phase);
  return {direction(maximize),          decay, 1.0 - beta1,   beta2, 1.0 - beta2,
          1.0 / std::sqrt(square_bias), eps,   lr / mean_bias};
}

const ops::Op& Rmsprop::op() const {
  if (momentum > 0) {
    return centered ? ops::op_of<ops::RmspropCenteredMomentumUpdate> : ops::op_of<ops::RmspropMomentumUpdate>;
  }
  return centered ? ops::op_of<ops::RmspropCenteredUpdate> : ops::op_of<ops::RmspropUpdate>;
}

States Rmsprop::states() const {
  if (momentum > 0) {
    return centered ? States{{"square_avg"}, {"momentum_buffer"}, {"grad_avg"}}
                    : States{{"square_avg"}, {"momentum_buffer"}};
  }
  return centered ? States{{"square_avg"}, {"grad_avg"}} : States{{"square_avg"}};
}

Attributes Rmsprop::attributes(double /*phase*/) const {
  Attributes result{direction(maximize), weight_decay, alpha, 1.0 - alpha, eps};
  if (momentum > 0) result.push_back(momentum);
  result.push_back(lr);
  return result;
}

const ops::Op& Adagrad::op() const { return ops::op_of<ops::AdagradUpdate>; }

Attributes Adagrad::attributes(double phase) const {
  return {direction(maximize), weight_decay, eps, lr / (1.0 + (phase - 1.0) * lr_decay)};
}

const ops::Op& Adadelta::op() const { return ops::op_of<ops::AdadeltaUpdate>; }

Attributes Adadelta::attributes(double /*phase*/) const {
  return {direction(maximize), weight_decay, rho, 1.0 - rho, eps, lr};
}

}  // namespace unspool::optim
