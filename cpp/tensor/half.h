// The two 16-bit floating types as they lie in memory, and their conversions to and from float: rounded to
// the nearest, ties to even. Header-only, so that kernels can use it too.
#pragma once

#include <bit>
#include <cstdint>

namespace unspool {

// IEEE binary16: 1 sign, 5 exponent and 10 fraction bits.
struct Half {
  std::uint16_t bits = 0;
};

// The upper half of a float: 1 sign, 8 exponent and 7 fraction bits.
struct BFloat16 {
  std::uint16_t bits = 0;
};

constexpr float to_float(BFloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

constexpr BFloat16 to_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return {static_cast<std::uint16_t>(x != x ? 0x7fc0u : rounded)};
}

constexpr float to_float(Half x) {
  const std::uint32_t sign = (x.bits & 0x8000u) << 16, magnitude = x.bits & 0x7fffu;
  // Subnormal halves are whole multiples of 2^-24; the others keep their fraction and get the other bias.
  const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
  const std::uint32_t special = magnitude >= 0x7c00u ? 0x38000000u : 0u;  // infinity and NaN
  const std::uint32_t normal = (magnitude << 13) + 0x38000000u + special;
  return std::bit_cast<float>(sign | (magnitude < 0x400u ? std::bit_cast<std::uint32_t>(subnormal) : normal));
}

constexpr Half to_half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  // Added to 0.5, a small number leaves its multiple of 2^-24, rounded, in the low bits of the sum.
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
                                  std::bit_cast<std::uint32_t>(0.5f);
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  const std::uint32_t normal = (rounded - 0x38000000u) >> 13;
  std::uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  if (rounded >= 0x47800000u) half = 0x7c00u;  // beyond 65504 once rounded
  if (magnitude > 0x7f800000u) half = 0x7e00u;
  return {static_cast<std::uint16_t>(sign | half)};
}

}  // namespace unspool
