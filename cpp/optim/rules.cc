// Attributes from hyperparameters: each list is in the order of the record in ops/update.h.
#include "optim/rules.h"

#include <algorithm>
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

Attributes Sgd::attributes(const Phase& phase) const {
  if (momentum == 0) return {direction(maximize), weight_decay, lr};
  // The first gradient enters the buffer whole.
  const double share = phase.step == 0 ? 1.0 : 1.0 - dampening;
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

Attributes Adam::attributes(const Phase& phase) const {
  const double decay = decoupled ? 1.0 - lr * weight_decay : weight_decay;
  const double mean_bias = 1.0 - std::pow(beta1, phase.step), square_bias = 1.0 - std::pow(beta2, phase.step);
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

Attributes Rmsprop::attributes(const Phase& /*phase*/) const {
  Attributes result{direction(maximize), weight_decay, alpha, 1.0 - alpha, eps};
  if (momentum > 0) result.push_back(momentum);
  result.push_back(lr);
  return result;
}

const ops::Op& Adagrad::op() const { return ops::op_of<ops::AdagradUpdate>; }

Attributes Adagrad::attributes(const Phase& phase) const {
  return {direction(maximize), weight_decay, eps, lr / (1.0 + (phase.step - 1.0) * lr_decay)};
}

const ops::Op& Adadelta::op() const { return ops::op_of<ops::AdadeltaUpdate>; }

Attributes Adadelta::attributes(const Phase& /*phase*/) const {
  return {direction(maximize), weight_decay, rho, 1.0 - rho, eps, lr};
}

const ops::Op& Radam::op() const { return ops::op_of<ops::RadamUpdate>; }

Attributes Radam::attributes(const Phase& phase) const {
  const double t = phase.step, square_power = std::pow(beta2, t), square_bias = 1.0 - square_power;
  const double limit = 2.0 / (1.0 - beta2) - 1.0;  // length of the approximated moving average
  const double length = limit - 2.0 * t * square_power / square_bias;
  const bool is_adaptive = length > 5.0;
  double step_size = lr / (1.0 - std::pow(beta1, t));
  if (is_adaptive) {
    const double rectification =
        (length - 4.0) * (length - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * length);
    step_size *= std::sqrt(rectification * square_bias);
  }
  const double decay = decoupled ? 0.0 : weight_decay, keep = decoupled ? 1.0 - lr * weight_decay : 1.0;
  return {direction(maximize),     decay,    keep, 1.0 - beta1, beta2, 1.0 - beta2, eps,
          is_adaptive ? 1.0 : 0.0, step_size};
}

const ops::Op& Nadam::op() const { return ops::op_of<ops::NadamUpdate>; }

double Nadam::momentum_of(double step) const {
  return beta1 * (1.0 - 0.5 * std::pow(0.96, step * momentum_decay));
}

Phase Nadam::phase(double step, std::span<double> numbers) const {
  // A product of float32, as it is kept, so that a resumed run has the same bits.
  numbers[0] = static_cast<float>(numbers[0]) * static_cast<float>(momentum_of(step));
  return {step, {numbers[0]}};
}

Attributes Nadam::attributes(const Phase& phase) const {
  const double t = phase.step, product = phase.carried[0];
  const double now = momentum_of(t), next = momentum_of(t + 1.0);
  const double decay = decoupled ? 0.0 : weight_decay, keep = decoupled ? 1.0 - lr * weight_decay : 1.0;
  return {direction(maximize),
          decay,
          keep,
          1.0 - beta1,
          beta2,
          1.0 - beta2,
          1.0 / std::sqrt(1.0 - std::pow(beta2, t)),
          eps,
          lr * (1.0 - now) / (1.0 - product),
          lr * next / (1.0 - product * next)};
}

const ops::Op& Adamax::op() const { return ops::op_of<ops::AdamaxUpdate>; }

Attributes Adamax::attributes(const Phase& phase) const {
  return {
      direction(maximize), weight_decay, 1.0 - beta1, beta2, eps, lr / (1.0 - std::pow(beta1, phase.step))};
}

const ops::Op& Asgd::op() const { return ops::op_of<ops::AsgdUpdate>; }

Phase Asgd::phase(double step, std::span<double> numbers) const {
  const Phase now{0, {numbers[0], numbers[1]}};
  numbers[0] = static_cast<float>(lr / std::pow(1.0 + lambd * lr * step, alpha));
  numbers[1] = static_cast<float>(1.0 / std::max(1.0, step - t0));
  return now;
}

Attributes Asgd::attributes(const Phase& phase) const {
  const double eta = phase.carried[0], mu = phase.carried[1];
  return {direction(maximize), weight_decay, 1.0 - lambd * eta, eta, mu};
}

const ops::Op& Rprop::op() const { return ops::op_of<ops::RpropUpdate>; }

Attributes Rprop::attributes(const Phase& /*phase*/) const {
  return {direction(maximize), shrink, grow, low, high};
}

}  // namespace unspool::optim
