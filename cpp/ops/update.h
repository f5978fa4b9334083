// Optimizer updates as operations: in place, over any number of parameters in one call, so that they pass
// through the Emitter like everything else. The operands come in groups of `arity` contiguous tensors of one
// shape and dtype: parameter, gradient, states; no tensor is in two groups. Each body is the rule for one
// element. Its hyperparameters are attributes, in the order of the record; what can be worked out once per
// step (bias corrections, complements of decay rates) arrives worked out, in double precision. Which
// attributes a step has is decided by the optim floor.
#pragma once

#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

constexpr Record update(int arity, std::string_view name, std::string_view formula, std::string_view doc,
                        Args args) {
  Record record{.name = name, .where = kHidden, .kind = Kind::kUpdate, .formula = formula, .doc = doc};
  record.args = args;
  record.arity = arity;
  record.dtypes = kFloats;
  return record;
}

// The gradient of what is minimised: `direction` is 1, or -1 to climb; the penalty is weight_decay * p^2 / 2.
// Without a penalty nothing is added, because 0 * p is not 0 for a parameter that is infinite on purpose (a
// mask).
template <class P>
P penalised(P g, P p, P direction, P weight_decay) {
  const P d = direction * g;
  return select(weight_decay == P(0), d, d + weight_decay * p);
}

// a + rate * (b - a), from the end that is nearer, so that rates of exactly 0 and 1 give a and b.
template <class P>
P mix(P a, P b, P rate) {
  const P difference = b - a;
  return select(rate < P(0.5), a + rate * difference, b - (P(1) - rate) * difference);
}

struct SgdUpdate {
  static constexpr int arity = 2;
  static constexpr Record record = update(
      arity, "sgd_update", "p -= lr * (direction * g + weight_decay * p)", "Stochastic gradient descent.",
      {tensors("groups"), real("direction"), real("weight_decay"), real("lr")});
  template <class P>
  static void body(P& p, P g, P direction, P weight_decay, P lr) {
    p = p - lr * penalised(g, p, direction, weight_decay);
  }
};

struct SgdMomentumUpdate {
  static constexpr int arity = 3;
  static constexpr Record record =
      update(arity, "sgd_momentum_update",
             "d = direction * g + weight_decay * p; b = momentum * b + share * d; "
             "p -= lr * (d + momentum * b if nesterov else b)",
             "Stochastic gradient descent with momentum (Sutskever et al. 2013). share is 1 - dampening, or "
             "1 in the "
             "first step, whose b is 0; nesterov is 1 or 0.",
             {tensors("groups"), real("direction"), real("weight_decay"), real("momentum"), real("share"),
              real("nesterov"), real("lr")});
  template <class P>
  static void body(P& p, P g, P& b, P direction, P weight_decay, P momentum, P share, P nesterov, P lr) {
    const P d = penalised(g, p, direction, weight_decay);
    b = momentum * b + share * d;
    p = p - lr * select(nesterov == P(0), b, d + momentum * b);
  }
};

// --- Adam and AdamW
// --------------------------------------------------------------------------------------------------

inline constexpr std::string_view kAdamDoc =
    "Adam (Kingma and Ba 2015) at step t: mean_rate is 1 - beta1, square_rate 1 - beta2, spread_scale "
    "(1 - beta2^t)^(-1/2), step_size lr / (1 - beta1^t).";
inline constexpr std::string_view kAdamWDoc =
    "AdamW (Loshchilov and Hutter 2019): Adam with decay apart from the gradient; keep is 1 - lr * "
    "weight_decay.";
inline constexpr std::string_view kAmsgradDoc =
    "The same with the largest second moment so far (Reddi, Kale and Kumar 2018).";

constexpr Args adam_args(Arg decay) {
  return {tensors("groups"),   real("direction"),    decay,       real("mean_rate"), real("beta2"),
          real("square_rate"), real("spread_scale"), real("eps"), real("step_size")};
}

template <class P>
void update_moments(P g, P& m, P& v, P mean_rate, P beta2, P square_rate) {
  m = mix(m, g, mean_rate);
  v = beta2 * v + square_rate * g * g;
}

struct AdamUpdate {
  static constexpr int arity = 4;
  static constexpr Record record = update(
      arity, "adam_update",
      "d = direction * g + weight_decay * p; m += mean_rate * (d - m); v = beta2 * v + square_rate * d^2; "
      "p -= step_size * m / (sqrt(v) * spread_scale + eps)",
      kAdamDoc, adam_args(real("weight_decay")));
  template <class P>
  static void body(P& p, P g, P& m, P& v, P direction, P weight_decay, P mean_rate, P beta2, P square_rate,
                   P spread_scale, P eps, P step_size) {
    update_moments(penalised(g, p, direction, weight_decay), m, v, mean_rate, beta2, square_rate);
    p = p - step_size * m / (sqrt(v) * spread_scale + eps);
  }
};

struct AdamAmsgradUpdate {
  static constexpr int arity = 5;
  static constexpr Record record = update(
      arity, "adam_amsgrad_update",
      "d = direction * g + weight_decay * p; m += mean_rate * (d - m); v = beta2 * v + square_rate * d^2; "
      "w = max(w, v); p -= step_size * m / (sqrt(w) * spread_scale + eps)",
      kAmsgradDoc, adam_args(real("weight_decay")));
  template <class P>
  static void body(P& p, P g, P& m, P& v, P& w, P direction, P weight_decay, P mean_rate, P beta2,
                   P square_rate, P spread_scale, P eps, P step_size) {
    update_moments(penalised(g, p, direction, weight_decay), m, v, mean_rate, beta2, square_rate);
    w = max(w, v);
    p = p - step_size * m / (sqrt(w) * spread_scale + eps);
  }
};

struct AdamWUpdate {
  static constexpr int arity = 4;
  static constexpr Record record =
      update(arity, "adamw_update",
             "d = direction * g; m += mean_rate * (d - m); v = beta2 * v + square_rate * d^2; "
             "p = keep * p - step_size * m / (sqrt(v) * spread_scale + eps)",
             kAdamWDoc, adam_args(real("keep")));
  template <class P>
  static void body(P& p, P g, P& m, P& v, P direction, P keep, P mean_rate, P beta2, P square_rate,
                   P spread_scale, P eps, P step_size) {
    update_moments(direction * g, m, v, mean_rate, beta2, square_rate);
    p = keep * p - step_size * m / (sqrt(v) * spread_scale + eps);
  }
};

struct AdamWAmsgradUpdate {
  static constexpr int arity = 5;
  static constexpr Record record =
      update(arity, "adamw_amsgrad_update",
             "d = direction * g; m += mean_rate * (d - m); v = beta2 * v + square_rate * d^2; w = max(w, v); "
             "p = keep * p - step_size * m / (sqrt(w) * spread_scale + eps)",
             kAmsgradDoc, adam_args(real("keep")));
  template <class P>
  static void body(P& p, P g, P& m, P& v, P& w, P direction, P keep, P mean_rate, P beta2, P square_rate,
                   P spread_scale, P eps, P step_size) {
    update_moments(direction * g, m, v, mean_rate, beta2, square_rate);
    w = max(w, v);
    p = keep * p - step_size * m / (sqrt(w) * spread_scale + eps);
  }
};

// --- RMSprop
// ---------------------------------------------------------------------------------------------------------

inline constexpr std::string_view kRmspropDoc = "RMSprop (Hinton 2012, lecture 6e); rate is 1 - alpha.";
inline constexpr std::string_view kCenteredDoc =
    "RMSprop over the standard deviation of the gradient (Graves 2013); rate is 1 - alpha. Rounding may make "
    "the "
    "variance negative, which counts as 0.";

// The gradient over its root mean square.
template <class P>
P scaled_by_spread(P d, P& v, P alpha, P rate, P eps) {
  v = alpha * v + rate * d * d;
  return d / (sqrt(v) + eps);
}

// The gradient over its standard deviation.
template <class P>
P scaled_by_deviation(P d, P& v, P& a, P alpha, P rate, P eps) {
  v = alpha * v + rate * d * d;
  a = mix(a, d, rate);
  return d / (sqrt(max(v - a * a, P(0))) + eps);
}

struct RmspropUpdate {
  static constexpr int arity = 3;
  static constexpr Record record = update(
      arity, "rmsprop_update",
      "d = direction * g + weight_decay * p; v = alpha * v + rate * d^2; p -= lr * d / (sqrt(v) + eps)",
      kRmspropDoc,
      {tensors("groups"), real("direction"), real("weight_decay"), real("alpha"), real("rate"), real("eps"),
       real("lr")});
  template <class P>
  static void body(P& p, P g, P& v, P direction, P weight_decay, P alpha, P rate, P eps, P lr) {
    p = p - lr * scaled_by_spread(penalised(g, p, direction, weight_decay), v, alpha, rate, eps);
  }
};

struct RmspropMomentumUpdate {
  static constexpr int arity = 4;
  static constexpr Record record =
      update(arity, "rmsprop_momentum_update",
             "d = direction * g + weight_decay * p; v = alpha * v + rate * d^2; "
             "b = momentum * b + d / (sqrt(v) + eps); p -= lr * b",
             kRmspropDoc,
             {tensors("groups"), real("direction"), real("weight_decay"), real("alpha"), real("rate"),
              real("eps"), real("momentum"), real("lr")});
  template <class P>
  static void body(P& p, P g, P& v, P& b, P direction, P weight_decay, P alpha, P rate, P eps, P momentum,
                   P lr) {
    b = momentum * b + scaled_by_spread(penalised(g, p, direction, weight_decay), v, alpha, rate, eps);
    p = p - lr * b;
  }
};

struct RmspropCenteredUpdate {
  static constexpr int arity = 4;
  static constexpr Record record =
      update(arity, "rmsprop_centered_update",
             "d = direction * g + weight_decay * p; v = alpha * v + rate * d^2; a += rate * (d - a); "
             "p -= lr * d / (sqrt(max(v - a^2, 0)) + eps)",
             kCenteredDoc,
             {tensors("groups"), real("direction"), real("weight_decay"), real("alpha"), real("rate"),
              real("eps"), real("lr")});
  template <class P>
  static void body(P& p, P g, P& v, P& a, P direction, P weight_decay, P alpha, P rate, P eps, P lr) {
    p = p - lr * scaled_by_deviation(penalised(g, p, direction, weight_decay), v, a, alpha, rate, eps);
  }
};

struct RmspropCenteredMomentumUpdate {
  static constexpr int arity = 5;
  static constexpr Record record =
      update(arity, "rmsprop_centered_momentum_update",
             "d = direction * g + weight_decay * p; v = alpha * v + rate * d^2; a += rate * (d - a); "
             "b = momentum * b + d / (sqrt(max(v - a^2, 0)) + eps); p -= lr * b",
             kCenteredDoc,
             {tensors("groups"), real("direction"), real("weight_decay"), real("alpha"), real("rate"),
              real("eps"), real("momentum"), real("lr")});
  template <class P>
  static void body(P& p, P g, P& v, P& b, P& a, P direction, P weight_decay, P alpha, P rate, P eps,
                   P momentum, P lr) {
    b = momentum * b + scaled_by_deviation(penalised(g, p, direction, weight_decay), v, a, alpha, rate, eps);
    p = p - lr * b;
  }
};

// --- Adagrad and Adadelta
// --------------------------------------------------------------------------------------------

struct AdagradUpdate {
  static constexpr int arity = 3;
  static constexpr Record record =
      update(arity, "adagrad_update",
             "d = direction * g + weight_decay * p; s += d^2; p -= step_size * d / (sqrt(s) + eps)",
             "Adagrad (Duchi, Hazan and Singer 2011) at step t; step_size is lr / (1 + (t - 1) * lr_decay).",
             {tensors("groups"), real("direction"), real("weight_decay"), real("eps"), real("step_size")});
  template <class P>
  static void body(P& p, P g, P& s, P direction, P weight_decay, P eps, P step_size) {
    const P d = penalised(g, p, direction, weight_decay);
    s = s + d * d;
    p = p - step_size * d / (sqrt(s) + eps);
  }
};

struct AdadeltaUpdate {
  static constexpr int arity = 4;
  static constexpr Record record = update(arity, "adadelta_update",
                                          "d = direction * g + weight_decay * p; v = rho * v + rate * d^2; x "
                                          "= sqrt(u + eps) / sqrt(v + eps) * d; "
                                          "u = rho * u + rate * x^2; p -= lr * x",
                                          "Adadelta (Zeiler 2012, algorithm 1); rate is 1 - rho.",
                                          {tensors("groups"), real("direction"), real("weight_decay"),
                                           real("rho"), real("rate"), real("eps"), real("lr")});
  template <class P>
  static void body(P& p, P g, P& v, P& u, P direction, P weight_decay, P rho, P rate, P eps, P lr) {
    const P d = penalised(g, p, direction, weight_decay);
    v = rho * v + rate * d * d;
    const P x = sqrt(u + eps) / sqrt(v + eps) * d;
    u = rho * u + rate * x * x;
    p = p - lr * x;
  }
};

struct RunningAverageUpdate {
  static constexpr int arity = 2;
  static constexpr Record record = update(arity, "running_average_update", "p += momentum * (scale * g - p)",
                                          "Moves running statistics p towards those of a batch, g.",
                                          {tensors("groups"), real("momentum"), real("scale")});
  template <class P>
  static void body(P& p, P g, P momentum, P scale) {
    p = mix(p, scale * g, momentum);
  }
};

// --- Relatives of Adam, averaged descent and resilient propagation
// ---------------------------------------------------

struct RadamUpdate {
  static constexpr int arity = 4;
  static constexpr Record record = update(
      arity, "radam_update",
      "d = direction * g + weight_decay * p; m += mean_rate * (d - m); v = beta2 * v + square_rate * d^2; "
      "p = keep * p - step_size * m / (sqrt(v) + eps if adaptive else 1)",
      "Rectified Adam (Liu et al. 2020) at step t: adaptive is 1 once the variance is tractable, and 0 "
      "before; step_size holds the rectification and both bias corrections; keep is 1 - lr * weight_decay "
      "where the decay is decoupled.",
      {tensors("groups"), real("direction"), real("weight_decay"), real("keep"), real("mean_rate"),
       real("beta2"), real("square_rate"), real("eps"), real("adaptive"), real("step_size")});
  template <class P>
  static void body(P& p, P g, P& m, P& v, P direction, P weight_decay, P keep, P mean_rate, P beta2,
                   P square_rate, P eps, P adaptive, P step_size) {
    update_moments(penalised(g, p, direction, weight_decay), m, v, mean_rate, beta2, square_rate);
    p = keep * p - step_size * m / select(adaptive == P(0), P(1), sqrt(v) + eps);
  }
};

struct NadamUpdate {
  static constexpr int arity = 4;
  static constexpr Record record = update(
      arity, "nadam_update",
      "d = direction * g + weight_decay * p; m += mean_rate * (d - m); v = beta2 * v + square_rate * d^2; "
      "p = keep * p - (gradient_step * d + mean_step * m) / (sqrt(v) * spread_scale + eps)",
      "Adam with Nesterov momentum (Dozat 2016): gradient_step is lr * (1 - mu_t) / (1 - product of mu), "
      "mean_step the same for the next mu; keep is 1 - lr * weight_decay where the decay is decoupled.",
      {tensors("groups"), real("direction"), real("weight_decay"), real("keep"), real("mean_rate"),
       real("beta2"), real("square_rate"), real("spread_scale"), real("eps"), real("gradient_step"),
       real("mean_step")});
  template <class P>
  static void body(P& p, P g, P& m, P& v, P direction, P weight_decay, P keep, P mean_rate, P beta2,
                   P square_rate, P spread_scale, P eps, P gradient_step, P mean_step) {
    const P d = penalised(g, p, direction, weight_decay);
    update_moments(d, m, v, mean_rate, beta2, square_rate);
    p = keep * p - (gradient_step * d + mean_step * m) / (sqrt(v) * spread_scale + eps);
  }
};

struct AdamaxUpdate {
  static constexpr int arity = 4;
  static constexpr Record record =
      update(arity, "adamax_update",
             "d = direction * g + weight_decay * p; m += mean_rate * (d - m); u = max(beta2 * u, |d| + eps); "
             "p -= step_size * m / u",
             "Adamax (Kingma and Ba 2015, algorithm 2) at step t; step_size is lr / (1 - beta1^t).",
             {tensors("groups"), real("direction"), real("weight_decay"), real("mean_rate"), real("beta2"),
              real("eps"), real("step_size")});
  template <class P>
  static void body(P& p, P g, P& m, P& u, P direction, P weight_decay, P mean_rate, P beta2, P eps,
                   P step_size) {
    const P d = penalised(g, p, direction, weight_decay);
    m = mix(m, d, mean_rate);
    u = max(beta2 * u, abs(d) + eps);
    p = p - step_size * m / u;
  }
};

struct AsgdUpdate {
  static constexpr int arity = 3;
  static constexpr Record record = update(
      arity, "asgd_update", "d = direction * g + weight_decay * p; p = keep * p - eta * d; a += mu * (p - a)",
      "Averaged stochastic gradient descent (Polyak and Juditsky 1992); keep is 1 - lambd * eta.",
      {tensors("groups"), real("direction"), real("weight_decay"), real("keep"), real("eta"), real("mu")});
  template <class P>
  static void body(P& p, P g, P& a, P direction, P weight_decay, P keep, P eta, P mu) {
    const P d = penalised(g, p, direction, weight_decay);
    p = keep * p - eta * d;
    a = select(mu == P(1), p, a + mu * (p - a));
  }
};

struct RpropUpdate {
  static constexpr int arity = 4;
  static constexpr Record record = update(
      arity, "rprop_update",
      "d = direction * g; s = clamp(s * (grow, shrink or 1 as d * q is > 0, < 0 or 0), low, high); "
      "d = 0 where d * q < 0; p -= sign(d) * s; q = d",
      "Resilient propagation (Riedmiller and Braun 1993): q is the last gradient and s the step of each "
      "element.",
      {tensors("groups"), real("direction"), real("shrink"), real("grow"), real("low"), real("high")});
  template <class P>
  static void body(P& p, P g, P& q, P& s, P direction, P shrink, P grow, P low, P high) {
    const P d = direction * g, agreement = d * q;
    const P factor = select(agreement > P(0), grow, select(agreement < P(0), shrink, P(1)));
    s = min(max(s * factor, low), high);
    q = select(agreement < P(0), P(0), d);
    p = p - select(q > P(0), s, select(q < P(0), P(0) - s, q));
  }
};

using UpdateOps = OpList<SgdUpdate, SgdMomentumUpdate, AdamUpdate, AdamAmsgradUpdate, AdamWUpdate,
                         AdamWAmsgradUpdate, RmspropUpdate, RmspropMomentumUpdate, RmspropCenteredUpdate,
                         RmspropCenteredMomentumUpdate, AdagradUpdate, AdadeltaUpdate, RadamUpdate,
                         NadamUpdate, AdamaxUpdate, AsgdUpdate, RpropUpdate, RunningAverageUpdate>;

}  // namespace unspool::ops
