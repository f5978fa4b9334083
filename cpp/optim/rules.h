// The update rules with their hyperparameters: which operation a step is, what it keeps per parameter, and
// the attributes of the step, combined in double precision. No tensors here; how they are gathered is in
// update.h.
#pragma once

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

class Rule {
 public:
  virtual ~Rule() = default;
  virtual const char* name() const = 0;
  virtual const ops::Op& op() const = 0;
  // In the order in which the operation takes them.
  virtual States states() const = 0;
  // Whether a step counter is kept with each parameter.
  virtual bool counts_steps() const { return true; }
  // Parameters share an operation when the phases of their steps are equal. `step` is the number of updates
  // of the parameter, this one included; for a rule that does not count, 1 when its states are new and 2
  // later.
  virtual double phase(double /*step*/) const { return 0; }
  virtual Attributes attributes(double phase) const = 0;
};

// Defaults are those of the Python classes. `maximize` climbs instead of descending.
struct Sgd final : Rule {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;

  const char* name() const override { return "SGD"; }
  const ops::Op& op() const override;
  States states() const override;
  bool counts_steps() const override { return false; }
  double phase(double step) const override { return momentum != 0 && dampening != 0 && step > 1; }
  Attributes attributes(double phase) const override;
};

// Adam, and AdamW when the decay is decoupled.
struct Adam final : Rule {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, decoupled = false, maximize = false;

  const char* name() const override { return decoupled ? "AdamW" : "Adam"; }
  const ops::Op& op() const override;
  States states() const override;
  double phase(double step) const override { return step; }
  Attributes attributes(double phase) const override;
};

struct Rmsprop final : Rule {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;

  const char* name() const override { return "RMSprop"; }
  const ops::Op& op() const override;
  States states() const override;
  Attributes attributes(double phase) const override;
};

struct Adagrad final : Rule {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;

  const char* name() const override { return "Adagrad"; }
  const ops::Op& op() const override;
  States states() const override { return {{"sum", initial_accumulator_value}}; }
  double phase(double step) const override { return lr_decay != 0 ? step : 1; }
  Attributes attributes(double phase) const override;
};

struct Adadelta final : Rule {
  double lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;

  const char* name() const override { return "Adadelta"; }
  const ops::Op& op() const override;
  States states() const override { return {{"square_avg"}, {"acc_delta"}}; }
  Attributes attributes(double phase) const override;
};

}  // namespace unspool::optim
