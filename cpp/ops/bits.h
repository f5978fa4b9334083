// Functions of the bits of numbers: shifts, divisors and multiples of integers, neighbours of floating
// numbers.
#pragma once

#include <cmath>
#include <limits>

#include "ops/elementwise.h"

namespace unspool::ops {

constexpr Record of_integers(Text name, Text formula, Text doc) {
  return binary(name, formula, doc, kNoRule, kNoRule, Result::kPromoted, kIntegers);
}

struct Gcd {
  static constexpr Record record =
      of_tensors(of_integers("gcd", "gcd(|input|, |other|)", "Greatest common divisor; gcd(0, 0) is 0."));
  template <class P>
  static P body(P a, P b) {
    a = abs(a);
    b = abs(b);
    while (b != P(0)) {
      const P rest = fmod(a, b);
      a = b;
      b = rest;
    }
    return abs(a);
  }
};

struct Lcm {
  static constexpr Record record = of_tensors(
      of_integers("lcm", "|input other| / gcd(input, other)", "Least common multiple; 0 where either is 0."));
  template <class P>
  static P body(P a, P b) {
    const P divisor = Gcd::body(a, b);
    return divisor == P(0) ? P(0) : abs(trunc_div(a, divisor) * b);
  }
};

// Bits that are shifted out are lost; a count that is negative or not below the width shifts out all.
struct LeftShift {
  static constexpr Record record = beside_a_tensor(
      of_integers("bitwise_left_shift", "input << other", "Bits moved to the left by `other` places."));
  template <class P>
  static P body(P a, P b) {
    using U = typename P::Unsigned;
    const auto count = static_cast<std::int64_t>(b.value);
    if (count < 0 || count >= std::numeric_limits<U>::digits) return P(0);
    return P(static_cast<U>(static_cast<std::uint64_t>(static_cast<U>(a.value)) << count));
  }
};

struct RightShift {
  static constexpr Record record =
      beside_a_tensor(of_integers("bitwise_right_shift", "input >> other",
                                  "Bits moved to the right by `other` places; the sign is kept."));
  template <class P>
  static P body(P a, P b) {
    using U = typename P::Unsigned;
    const auto count = static_cast<std::int64_t>(b.value);
    const bool is_out = count < 0 || count >= std::numeric_limits<U>::digits;
    return P(static_cast<std::int64_t>(a.value) >> (is_out ? 63 : count));
  }
};

struct NextAfter {
  static constexpr Record record = of_tensors(binary(
      "nextafter", "the number next to input in the direction of other",
      "The next floating number towards other.", {kNothing, pass_on}, kZeroRule, Result::kPromoted, kFloats));
  template <class P>
  static P body(P a, P b) {
    decltype(lane_type(a)) from[P::kLanes], to[P::kLanes];
    a.store(from);
    b.store(to);
    for (int i = 0; i < P::kLanes; ++i) from[i] = std::nextafter(from[i], to[i]);
    return P::load(from);
  }

 private:
  template <template <class> class V, class T>
  static T lane_type(V<T>);
};

using BitsOps = OpList<Gcd, Lcm, LeftShift, RightShift, NextAfter>;

}  // namespace unspool::ops
