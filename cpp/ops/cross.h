// Cross products of vectors of three elements.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

// Of equal shapes and dtypes.
struct CrossProduct {
  static constexpr Record record{
      .name = "cross_product",
      .where = kHidden,
      .formula = "input × other",
      .doc = "Cross products of the vectors of 3 elements along a dimension.",
      .args = {tensor(), tensor("other"), integer("dim")},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, c[0].impl().sizes, c[0].impl().dtype); },
      .vjp = {{in(1), [](Vjp& v) { return call<CrossProduct>({v.in(1), v.g()}, {v.integer("dim")}); }},
              {in(0), [](Vjp& v) { return call<CrossProduct>({v.g(), v.in(0)}, {v.integer("dim")}); }}}};
};

using CrossOps = OpList<CrossProduct>;

}  // namespace unspool::ops
