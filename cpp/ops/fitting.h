// Whether numbers can be elements of an integer dtype.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "ops/call.h"
#include "ops/record.h"

namespace unspool::ops {

// Smallest and largest element of an integer dtype. A negative integer stands for one counted from 2^8 in
// uint8.
constexpr std::pair<std::int64_t, std::int64_t> range_of(Dtype dtype) {
  if (dtype == Dtype::kBool) return {0, 1};
  if (dtype == Dtype::kUInt8) return {0, 255};
  if (dtype == Dtype::kInt8) return {-128, 127};
  if (dtype == Dtype::kInt16) return {-32768, 32767};
  using Wide = std::numeric_limits<std::int64_t>;
  using Int = std::numeric_limits<std::int32_t>;
  if (dtype == Dtype::kInt32) return {Int::min(), Int::max()};
  return {Wide::min(), Wide::max()};
}

// Whether a number (an operand or an attribute) lies within what the dtype holds. Floating dtypes take every
// number, and so does bool.
template <class N>
bool fits(const N& number, Dtype dtype) {
  if (is_floating(dtype) || dtype == Dtype::kBool) return true;
  const auto [least, largest] = range_of(dtype);
  if (number.kind() == N::Kind::kFloat) {
    const double value = number.number();
    // 2^63 is the double next to the largest int64.
    return value >= static_cast<double>(least) &&
           (dtype == Dtype::kInt64 ? value < 0x1p63 : value <= static_cast<double>(largest));
  }
  const std::int64_t value = number.integer();
  return value <= largest && value >= (least < 0 ? least : -largest);
}

// Fails unless the number fits.
template <class N>
void expect_fitting(const Call& c, const N& number, Dtype dtype) {
  if (fits(number, dtype)) return;
  if (number.kind() == N::Kind::kFloat) c.fail(number.number(), " does not fit into ", name(dtype));
  c.fail(number.integer(), " does not fit into ", name(dtype), ", whose numbers end at ",
         range_of(dtype).second);
}

// The same for an attribute that is kept as a double and may have been given as an integer.
inline void expect_fitting_factor(const Call& c, std::string_view attribute, Dtype dtype) {
  const double value = c.number(attribute);
  const bool is_integer = value == std::trunc(value) && std::abs(value) < 0x1p63;
  const bool is_held =
      is_integer ? fits(Attr(static_cast<std::int64_t>(value)), dtype) : fits(Attr(value), dtype);
  if (!is_held) c.fail(attribute, " ", value, " does not fit into ", name(dtype));
}

// The same for the numbers of a call that become elements of its result, or factors of them. The terms of
// sums, products and comparisons do not.
void expect_fitting_numbers(const Call& c, Dtype dtype);

}  // namespace unspool::ops
