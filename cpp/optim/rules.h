// The update rules with their hyperparameters: which operation a step is, what it keeps per parameter, and
// the attributes of the step, combined in double precision. No tensors here; how they are gathered is in
// update.h.
#pragma once

#include <span>

#include "base/small_vector.h"
#include "ops/attr.h"
#include "ops/record.h"

namespace unspool::optim {

// A tensor that a rule keeps for each parameter, in the parameter's shape and dtype, and what it is filled
// with at first.
struct State {
  const char* name = nullptr;
  double initial = 0;
};
using States = ops::List<State, 3>;
using Attributes = SmallVector<ops::Attr, 12>;

// Where a parameter is in its course, as far as the attributes of its step depend on it: the number of
// updates, this one included, and numbers that the rule carries from step to step. Parameters share an
// operation when their phases are equal.
struct Phase {
  double step = 0;
  double carried[2] = {0, 0};
  bool operator==(const Phase&) const = default;
};

class Rule {
 public:
  virtual ~Rule() = default;
  virtual const char* name() const = 0;
  virtual const ops::Op& op() const = 0;
  // In the order in which the operation takes them.
  virtual States states() const = 0;
  // Whether a step counter is kept with each parameter.
  virtual bool counts_steps() const { return true; }
  // Numbers that are kept with each parameter besides, as 0-d float32 tensors.
  virtual States numbers() const { return {}; }
  // The phase of a step, and in `numbers` what is kept for the next one. `step` is the number of updates of
  // the parameter, this one included; for a rule that does not count, 1 when its states are new and 2 later.
  virtual Phase phase(double /*step*/, std::span<double> /*numbers*/) const { return {}; }
  virtual Attributes attributes(const Phase& phase) const = 0;
};

// Defaults are those of the Python classes. `maximize` climbs instead of descending.
struct Sgd final : Rule {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;

  const char* name() const override { return "SGD"; }
  const ops::Op& op() const override;
  States states() const override;
  bool counts_steps() const override { return false; }
  Phase phase(double step, std::span<double>) const override {
    return {momentum != 0 && dampening != 0 && step > 1 ? 1.0 : 0.0};
  }
  Attributes attributes(const Phase& phase) const override;
};

// Adam, and AdamW when the decay is decoupled.
struct Adam final : Rule {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, decoupled = false, maximize = false;

  const char* name() const override { return decoupled ? "AdamW" : "Adam"; }
  const ops::Op& op() const override;
  States states() const override;
  Phase phase(double step, std::span<double>) const override { return {step}; }
  Attributes attributes(const Phase& phase) const override;
};

struct Rmsprop final : Rule {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;

  const char* name() const override { return "RMSprop"; }
  const ops::Op& op() const override;
  States states() const override;
  Attributes attributes(const Phase& phase) const override;
};

struct Adagrad final : Rule {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;

  const char* name() const override { return "Adagrad"; }
  const ops::Op& op() const override;
  States states() const override { return {{"sum", initial_accumulator_value}}; }
  Phase phase(double step, std::span<double>) const override { return {lr_decay != 0 ? step : 1}; }
  Attributes attributes(const Phase& phase) const override;
};

struct Adadelta final : Rule {
  double lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;

  const char* name() const override { return "Adadelta"; }
  const ops::Op& op() const override;
  States states() const override { return {{"square_avg"}, {"acc_delta"}}; }
  Attributes attributes(const Phase& phase) const override;
};

struct Radam final : Rule {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = false, maximize = false;

  const char* name() const override { return "RAdam"; }
  const ops::Op& op() const override;
  States states() const override { return {{"exp_avg"}, {"exp_avg_sq"}}; }
  Phase phase(double step, std::span<double>) const override { return {step}; }
  Attributes attributes(const Phase& phase) const override;
};

struct Nadam final : Rule {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3;
  bool decoupled = false, maximize = false;

  const char* name() const override { return "NAdam"; }
  const ops::Op& op() const override;
  States states() const override { return {{"exp_avg"}, {"exp_avg_sq"}}; }
  States numbers() const override { return {{"mu_product", 1}}; }
  Phase phase(double step, std::span<double> numbers) const override;
  Attributes attributes(const Phase& phase) const override;

 private:
  double momentum_of(double step) const;
};

struct Adamax final : Rule {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool maximize = false;

  const char* name() const override { return "Adamax"; }
  const ops::Op& op() const override;
  States states() const override { return {{"exp_avg"}, {"exp_inf"}}; }
  Phase phase(double step, std::span<double>) const override { return {step}; }
  Attributes attributes(const Phase& phase) const override;
};

// A step uses the rates that the step before it left.
struct Asgd final : Rule {
  double lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0;
  bool maximize = false;

  const char* name() const override { return "ASGD"; }
  const ops::Op& op() const override;
  States states() const override { return {{"ax"}}; }
  States numbers() const override { return {{"eta", lr}, {"mu", 1}}; }
  Phase phase(double step, std::span<double> numbers) const override;
  Attributes attributes(const Phase& phase) const override;
};

struct Rprop final : Rule {
  double lr = 1e-2, shrink = 0.5, grow = 1.2, low = 1e-6, high = 50;
  bool maximize = false;

  const char* name() const override { return "Rprop"; }
  const ops::Op& op() const override;
  States states() const override { return {{"prev"}, {"step_size", lr}}; }
  Attributes attributes(const Phase& phase) const override;
};

}  // namespace unspool::optim
