// Integers and bool as one-lane values with the same vocabulary that Vec has for floating types, so that one
// body per operation serves every dtype. Arithmetic wraps as two's complement; on bool, sums are "or" and
// products "and".
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math.h"

namespace unspool::kernels::cpu {

template <class T>
struct Lane {
  static constexpr int kLanes = 1;
  using Unsigned = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>>;
  T value;

  Lane() = default;
  template <class U>
    requires std::is_arithmetic_v<U>
  Lane(U v) : value(static_cast<T>(v)) {}

  static Lane load(const T* p) { return *p; }
  void store(T* p) const { *p = value; }

  friend Lane operator+(Lane a, Lane b) {
    if constexpr (std::is_same_v<T, bool>)
      return a.value || b.value;
    else
      return static_cast<T>(static_cast<Unsigned>(a.value) + static_cast<Unsigned>(b.value));
  }
  friend Lane operator-(Lane a, Lane b) {
    if constexpr (std::is_same_v<T, bool>)
      return a.value != b.value;
    else
      return static_cast<T>(static_cast<Unsigned>(a.value) - static_cast<Unsigned>(b.value));
  }
  friend Lane operator*(Lane a, Lane b) {
    if constexpr (std::is_same_v<T, bool>) return a.value && b.value;
    // Through 64 bits: a product of two promoted small integers could overflow int.
    else
      return static_cast<T>(static_cast<std::uint64_t>(a.value) * static_cast<std::uint64_t>(b.value));
  }
  friend Lane operator/(Lane a, Lane b) { return trunc_div(a, b); }
  Lane operator-() const { return Lane(0) - *this; }

  friend bool operator==(Lane a, Lane b) { return a.value == b.value; }
  friend bool operator!=(Lane a, Lane b) { return a.value != b.value; }
  friend bool operator<(Lane a, Lane b) { return a.value < b.value; }
  friend bool operator<=(Lane a, Lane b) { return a.value <= b.value; }
  friend bool operator>(Lane a, Lane b) { return a.value > b.value; }
  friend bool operator>=(Lane a, Lane b) { return a.value >= b.value; }

  friend Lane select(bool mask, Lane a, Lane b) { return mask ? a : b; }
  friend Lane max(Lane a, Lane b) { return a.value < b.value ? b : a; }
  friend Lane min(Lane a, Lane b) { return b.value < a.value ? b : a; }
  friend Lane abs(Lane a) { return a < Lane(0) ? -a : a; }
  friend Lane floor(Lane a) { return a; }
  friend Lane ceil(Lane a) { return a; }
  friend Lane trunc(Lane a) { return a; }
  friend Lane round(Lane a) { return a; }
  friend Lane copysign(Lane a, Lane b) { return (a < Lane(0)) == (b < Lane(0)) ? a : -a; }

  // A zero divisor is reported by the kernel that divides; here it must only not trap.
  friend Lane trunc_div(Lane a, Lane b) {
    if (b.value == T(0)) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b.value == T(-1)) return -a;
    }
    return static_cast<T>(a.value / b.value);
  }
  friend Lane fmod(Lane a, Lane b) { return a - trunc_div(a, b) * b; }
  friend Lane floor_div(Lane a, Lane b) {
    const Lane quotient = trunc_div(a, b);
    const Lane rest = a - quotient * b;
    const bool rounds_up = rest != Lane(0) && ((rest < Lane(0)) != (b < Lane(0)));
    return rounds_up ? quotient - Lane(1) : quotient;
  }
  friend Lane floor_mod(Lane a, Lane b) { return a - floor_div(a, b) * b; }
  friend Lane pow(Lane base, Lane exponent) {
    if (exponent < Lane(0)) {
      if (base == Lane(1)) return 1;
      if (base == -Lane(1)) return (exponent.value & 1) ? base : Lane(1);
      return 0;
    }
    Lane result(1);
    for (auto n = static_cast<std::uint64_t>(exponent.value); n; n >>= 1) {
      if (n & 1) result = result * base;
      base = base * base;
    }
    return result;
  }
  friend Lane bit_and(Lane a, Lane b) { return static_cast<T>(a.value & b.value); }
  friend Lane bit_or(Lane a, Lane b) { return static_cast<T>(a.value | b.value); }
  friend Lane bit_xor(Lane a, Lane b) { return static_cast<T>(a.value ^ b.value); }
  friend Lane bit_not(Lane a) {
    if constexpr (std::is_same_v<T, bool>)
      return !a.value;
    else
      return static_cast<T>(~a.value);
  }
};

// The value type in which a body computes for dtype T.
template <class T>
using Packet = std::conditional_t<std::is_floating_point_v<T>, Vec<T>, Lane<T>>;

// Quotients and remainders of floating values, in Python's sense.
template <class T>
Vec<T> floor_mod(Vec<T> a, Vec<T> b) {
  const Vec<T> rest = fmod(a, b);
  return select((rest != Vec<T>(T(0))) & ((rest < Vec<T>(T(0))) ^ (b < Vec<T>(T(0)))), rest + b, rest);
}
template <class T>
Vec<T> floor_div(Vec<T> a, Vec<T> b) {
  // Through the remainder, which is exact: floor(a / b) would round up when a / b is just below an integer.
  const Vec<T> zero(T(0)), one(T(1)), half(T(0.5));
  const Vec<T> rest = fmod(a, b);
  Vec<T> quotient = (a - rest) / b;
  quotient = select((rest != zero) & ((rest < zero) ^ (b < zero)), quotient - one, quotient);
  Vec<T> whole = floor(quotient);
  whole = select(quotient - whole > half, whole + one, whole);
  whole = select(quotient == zero, copysign(zero, a / b), whole);
  return select(b == zero, a / b, whole);
}
template <class T>
Vec<T> trunc_div(Vec<T> a, Vec<T> b) {
  return trunc(a / b);
}

}  // namespace unspool::kernels::cpu
