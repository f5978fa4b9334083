// Shape rules of created tensors, and the random operations composed of them.
#include "ops/creation.h"

#include "ops/arithmetic.h"
#include "ops/fitting.h"

namespace unspool::ops {

void infer_sized(Inference& c) {
  checked_numel(c.dims("size"), c.name());
  expect_fitting_numbers(c, c.attr("dtype").dtype());
  c.give(0, c.dims("size"), c.attr("dtype").dtype());
}

void infer_arange(Inference& c) { c.give(0, Dims{c.integer("count")}, c.attr("dtype").dtype()); }

void infer_like(Inference& c) {
  if (!is_floating(c[0].impl().dtype)) c.fail("needs floating probabilities, got ", name(c[0].impl().dtype));
  c.give(0, c[0].impl().sizes, c[0].impl().dtype);
}

Tensor bernoulli(const Call& c) {
  if (!c.given("p")) return call<BernoulliOf>({c[0]}, {c.attr("generator")});
  const double p = c.number("p");
  if (!(p >= 0 && p <= 1)) c.fail("p must be a probability between 0 and 1, got ", p);
  return call<Bernoulli>({}, {c.sizes(0), p, c[0].impl().dtype, c.attr("generator")});
}

}  // namespace unspool::ops
