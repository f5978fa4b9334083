// Staging: one image's channels copied so that a convolution finds zeros where its kernel hangs over the
// edge, and lanes side by side where it strides. What is laid out how, conv_shape.h decides.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// The places of a stage that show an input, [first, last), when place j shows `start` + j * step.
struct StagedRange {
  std::int64_t first, last;

  StagedRange(std::int64_t start, std::int64_t step, std::int64_t in, std::int64_t places) {
    first = std::min(places, std::max<std::int64_t>(0, ceil_div(-start, step)));
    last = std::max(first, std::min(places, ceil_div(in - start, step)));
  }
};

template <class T>
void copy_lanes(const T* from, std::int64_t step, std::int64_t count, T* to) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  if (step != 1) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * step];
    return;
  }
  std::int64_t i = 0;
  for (; i + kW <= count; i += kW) store<T>(to + i, load<T>(from + i));
  if (i == count) return;
  if (count >= kW)
    store<T>(to + count - kW, load<T>(from + count - kW));
  else
    for (; i < count; ++i) to[i] = from[i];
}

// Copies what there is of channels [first, last) of an image; the rest of the stage must hold zeros, and goes
// on doing so for every image of the same band.
template <class T>
void stage_image(const ConvPlan<T>& plan, std::int64_t band, const T* image, T* stage, std::int64_t first,
                 std::int64_t last) {
  const StageAxis depth = plan.stage(0, band), height = plan.stage(1, band), width = plan.stage(2, band);
  const StagedRange planes(depth.start, 1, depth.in, depth.rows);
  const StagedRange rows(height.start, 1, height.in, height.rows);
  for (std::int64_t slot = 0; slot < plan.slots(); ++slot) {
    const std::int64_t start = width.start + plan.slot_phase(slot);
    const StagedRange lanes(start, width.step, width.in, plan.slot_length());
    const std::int64_t count = lanes.last - lanes.first;
    for (std::int64_t c = first; c < last; ++c) {
      const T* channel = image + c * plan.shape().in_size() + start + lanes.first * width.step;
      T* staged = stage + c * plan.channel_step() + slot * plan.slot_length() + lanes.first;
      for (std::int64_t d = planes.first; d < planes.last; ++d) {
        for (std::int64_t h = rows.first; h < rows.last; ++h) {
          copy_lanes(channel + ((depth.start + d) * height.in + height.start + h) * width.in, width.step,
                     count, staged + d * plan.pitch(0) + h * plan.pitch(1));
        }
      }
    }
  }
}

template <class T>
void stage_image(const ConvPlan<T>& plan, std::int64_t band, const T* image, T* stage) {
  stage_image(plan, band, image, stage, 0, plan.shape().channels);
}

}  // namespace unspool::kernels::cpu
