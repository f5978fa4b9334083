// Random numbers drawn from distributions that tensors describe, or whose fills are rarely asked for.
#pragma once

#include "ops/creation.h"

namespace unspool::ops {

struct Cauchy {
  static constexpr Record record =
      created("cauchy_of", "median + sigma tan(π (U - 1/2))", "Independent Cauchy numbers.",
              {dims("size"), real("median"), real("sigma"), dtype(), generator()});
};
struct LogNormal {
  static constexpr Record record =
      created("log_normal_of", "exp(N(mean, std^2))", "Exponentials of independent normal numbers.",
              {dims("size"), real("mean"), real("std"), dtype(), generator()});
};
struct Geometric {
  static constexpr Record record =
      created("geometric_of", "ceil(ln U / ln(1 - p))", "Throws up to the first success of probability p.",
              {dims("size"), real("p"), dtype(), generator()});
};

void infer_multinomial(Inference& c);

struct Multinomial {
  static constexpr Record record{
      .name = "multinomial",
      .formula = "indices with probability input / Σ input",
      .doc =
          "Draws num_samples indices (int64) from each row of weights, which need not sum to 1; no index "
          "twice unless "
          "replacement is set.",
      .args = {tensor(), integer("num_samples"), flag("replacement", false), keyword(generator())},
      .row_major = true,
      .infer = infer_multinomial};
};

struct Poisson {
  static constexpr Record record{.name = "poisson",
                                 .where = kTop,
                                 .formula = "k with probability exp(-input) input^k / k!",
                                 .doc = "Poisson numbers with a rate per element.",
                                 .args = {tensor(), generator()},
                                 .row_major = true,
                                 .infer = infer_like,
                                 .vjp = {{kNothing, [](Vjp& v) { return zeros_like(v.g()); }}}};
};

struct StandardGamma {
  static constexpr Record record = [] {
    Record r = Poisson::record;
    r.name = "standard_gamma";
    r.where = kHidden;
    r.formula = "x with density x^(input - 1) exp(-x) / Γ(input)";
    r.doc = "Gamma numbers of rate 1 with a concentration per element.";
    return r;
  }();
};

using DrawingOps = OpList<Cauchy, LogNormal, Geometric, Multinomial, Poisson, StandardGamma>;

}  // namespace unspool::ops
