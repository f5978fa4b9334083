// Box and Muller's transform (1958) over blocks of 16 uniforms in place: the arithmetic half of normal fills,
// with no knowledge of the stream.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_log.h"

namespace unspool::kernels::cpu {

inline constexpr std::int64_t kNormalBlock = 16;
inline constexpr std::int64_t kHalfBlock = kNormalBlock / 2;

// Sine and cosine of 0 <= angle <= 2 pi, 1.5 ULP of 1: the angle minus a multiple of pi / 2 (in three parts,
// the first two of which have exact products with 0, ..., 4), and minimax polynomials on [-pi/4, pi/4].
inline void sine_cosine_of_turn(Vec<float> angle, Vec<float>& sine, Vec<float>& cosine) {
  using V = Vec<float>;
  const V quarter = round(angle * V(0x1.45f306p-1F));
  V r = fma(quarter, V(-0x1.92p0F), angle);
  r = fma(quarter, V(-0x1.fb5p-12F), r);
  r = fma(quarter, V(-0x1.110b46p-26F), r);
  const V s = r * r;
  const V sine_tail = fma(fma(V(-0x1.994e5ap-13F), s, V(0x1.11076p-7F)), s, V(-0x1.555546p-3F));
  const V cosine_tail = fma(fma(V(0x1.9a0208p-16F), s, V(-0x1.6c0c8ap-10F)), s, V(0x1.55554ap-5F));
  const V near_sine = fma(sine_tail * s, r, r);
  const V near_cosine = fma(cosine_tail * s, s, fma(s, V(-0.5F), V(1.0F)));

  // Odd quarters exchange the two; the second bit of the quarter (one on, for the cosine) is the sign.
  const V::Int q = __builtin_convertvector(quarter.v, V::Int);
  const Mask<float> odd(V::Int((q & 1) != 0));
  sine = V::from_bits(bits(select(odd, near_cosine, near_sine)) ^ ((q & 2) << 30));
  cosine = V::from_bits(bits(select(odd, near_sine, near_cosine)) ^ (((q + 1) & 2) << 30));
}

// In: the uniforms for radii and for angles; out: the cosine and the sine halves.
inline void box_muller(Vec<float>& first, Vec<float>& second, Vec<float> mean, Vec<float> std) {
  using V = Vec<float>;
  const V radius = sqrt(V(-2) * log(V(1) - first));
  V sine, cosine;
  sine_cosine_of_turn(V(6.28318530717958648F) * second, sine, cosine);
  first = fma(radius * cosine, std, mean);
  second = fma(radius * sine, std, mean);
}

// `count`, a multiple of the vector's lanes, of radii and of angles.
inline void transform_halves(float* first_half, float* second_half, std::int64_t count, float mean,
                             float std) {
  for (std::int64_t i = 0; i < count; i += Vec<float>::kLanes) {
    Vec<float> first = Vec<float>::load(first_half + i), second = Vec<float>::load(second_half + i);
    box_muller(first, second, mean, std);
    first.store(first_half + i);
    second.store(second_half + i);
  }
}

// In each block the first 8 uniforms in [0, 1) give radii and the last 8 angles; the cosine halves replace
// the first, the sine halves the last. n is a multiple of 16.
inline void normals_from_uniforms(float* block, std::int64_t n, float mean, float std) {
  constexpr std::int64_t kLanes = Vec<float>::kLanes;
  if constexpr (kLanes <= kHalfBlock) {
    for (std::int64_t i = 0; i < n; i += kNormalBlock) {
      transform_halves(block + i, block + i + kHalfBlock, kHalfBlock, mean, std);
    }
  } else {
    // Several blocks fill one vector: their halves are gathered, and the last group is padded.
    for (std::int64_t i = 0; i < n; i += 2 * kLanes) {
      float half[2][kLanes] = {};
      const std::int64_t halves = std::min(n - i, 2 * kLanes) / kHalfBlock;
      for (std::int64_t h = 0; h < halves; ++h) {
        std::memcpy(half[h % 2] + h / 2 * kHalfBlock, block + i + h * kHalfBlock, kHalfBlock * sizeof(float));
      }
      transform_halves(half[0], half[1], kLanes, mean, std);
      for (std::int64_t h = 0; h < halves; ++h) {
        std::memcpy(block + i + h * kHalfBlock, half[h % 2] + h / 2 * kHalfBlock, kHalfBlock * sizeof(float));
      }
    }
  }
}

// In double the C library's functions, so that the values are PyTorch's to the last bit.
inline void normals_from_uniforms(double* block, std::int64_t n, double mean, double std) {
  constexpr double kTwoPi = 2 * 3.14159265358979323846;
  for (double* end = block + n; block != end; block += kNormalBlock) {
    for (std::int64_t i = 0; i < kHalfBlock; ++i) {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - block[i]));
      const double angle = kTwoPi * block[kHalfBlock + i];
      block[i] = std::fma(radius * std::cos(angle), std, mean);
      block[kHalfBlock + i] = std::fma(radius * std::sin(angle), std, mean);
    }
  }
}

}  // namespace unspool::kernels::cpu
