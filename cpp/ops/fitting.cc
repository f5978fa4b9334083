// Which numbers of which operations must fit.
#include "ops/fitting.h"

namespace unspool::ops {

void expect_fitting_numbers(const Call& c, Dtype dtype) {
  if (is_floating(dtype)) return;
  const std::string_view op = c.op.record.name;
  if (op == "add" || op == "sub" || op == "rsub") {
    const double alpha = c.number("alpha");
    if (alpha == 1 || dtype == Dtype::kBool) return;
    if (alpha != std::trunc(alpha)) {
      c.fail("alpha must be an integer for tensors of ", name(dtype), ", got ", alpha,
             "; convert the tensors to a floating dtype");
    }
    return expect_fitting_factor(c, "alpha", dtype);
  }
  if (op == "addcmul") return expect_fitting_factor(c, "value", dtype);
  if (op == "threshold") {
    expect_fitting_factor(c, "threshold", dtype);
    return expect_fitting_factor(c, "value", dtype);
  }
  if (op == "hardtanh") {
    expect_fitting_factor(c, "min_val", dtype);
    return expect_fitting_factor(c, "max_val", dtype);
  }
  if (op == "full_of") return expect_fitting(c, c.attr("fill_value"), dtype);
  if (op == "constant_pad_nd") return expect_fitting(c, c.attr("value"), dtype);
  if (op != "where" && op != "clamp_min" && op != "clamp_max" && op != "scatter_value") return;
  for (const Operand& operand : c.in) {
    if (operand.is_number()) expect_fitting(c, operand, dtype);
  }
}

}  // namespace unspool::ops
