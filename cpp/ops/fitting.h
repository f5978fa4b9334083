// Whether numbers can be elements of an integer dtype.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "ops/call.h"
#include "ops/record.h"

namespace unspool::ops {

// Smallest and largest element of an integer dtype. A negative integer stands for one counted from 2^8 in
// uint8.
constexpr std::pair<std::int64_t, std::int64_t> range_of(Dtype dtype) {
  if (dtype == Dtype::kUInt8) return {0, 255};
  if (dtype == Dtype::kInt8) return {-128, 127};
  if (dtype == Dtype::kInt16) return {-32768, 32767};
  using Wide = std::numeric_limits<std::int64_t>;
  using Int = std::numeric_limits<std::int32_t>;
  if (dtype == Dtype::kInt32) return {Int::min(), Int::max()};
  return {Wide::min(), Wide::max()};
}

// Fails where a number (an operand or an attribute) lies outside of what an integer dtype holds. Floating
// dtypes take every number, and so does bool.
template <class N>
void expect_fitting(const Call& c, const N& number, Dtype dtype) {
  if (is_floating(dtype) || dtype == Dtype::kBool) return;
  const auto [least, largest] = range_of(dtype);
  if (number.kind() == N::Kind::kFloat) {
    const double value = number.number();
    // 2^63 is the double next to the largest int64.
    const bool fits = value >= static_cast<double>(least) &&
                      (dtype == Dtype::kInt64 ? value < 0x1p63 : value <= static_cast<double>(largest));
    if (!fits) c.fail(value, " does not fit into ", name(dtype));
  } else if (const std::int64_t value = number.integer();
             value > largest || value < (least < 0 ? least : -largest)) {
    c.fail(value, " does not fit into ", name(dtype), ", whose numbers end at ", largest);
  }
}

// The same for the numbers of a call that become elements of its result. Those of sums, products and
// comparisons do not.
inline void expect_fitting_numbers(const Call& c, Dtype dtype) {
  const std::string_view op = c.op.record.name;
  if (op == "full_of") return expect_fitting(c, c.attr("fill_value"), dtype);
  if (op == "constant_pad_nd") return expect_fitting(c, c.attr("value"), dtype);
  if (op != "where" && op != "clamp_min" && op != "clamp_max" && op != "scatter_value") return;
  for (const Operand& operand : c.in) {
    if (operand.is_number()) expect_fitting(c, operand, dtype);
  }
}

}  // namespace unspool::ops
