// Staging: one image's channels copied so that a convolution finds zeros where its kernel hangs over the
// edge, and lanes side by side where it strides. What is laid out how, conv_shape.h decides.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

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

// The lanes with even places of 2 * kWidth elements, of which only the first 2 * count - 1 need be there.
template <class T>
simd::Vector<T> load_alternate(const T* from, int count) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  const int last = 2 * count - 1;
  const Vector<T> low = last >= kW ? load<T>(from) : load_partial(from, last);
  const Vector<T> high = last > kW ? load_partial(from + kW, last - kW) : Vector<T>{};
  return [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    return __builtin_shufflevector(low, high, (2 * I)...);
  }(std::make_integer_sequence<int, kW>{});
}

template <class T>
void copy_lanes(const T* from, std::int64_t step, std::int64_t count, T* to) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  if (step == 1) {
    std::int64_t i = 0;
    for (; i + kW <= count; i += kW) store<T>(to + i, load<T>(from + i));
    if (i == count) return;
    if (count >= kW) return store<T>(to + count - kW, load<T>(from + count - kW));
    return store_partial(to, load_partial(from, static_cast<int>(count)), static_cast<int>(count));
  }
  if (step == 2) {
    for (std::int64_t i = 0; i < count; i += kW) {
      const int here = static_cast<int>(std::min<std::int64_t>(kW, count - i));
      store_partial(to + i, load_alternate(from + 2 * i, here), here);
    }
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * step];
}

// Stages images of one band: what there is of them; the rest of the stage must hold zeros, and goes on doing
// so for every image of the band.
template <class T>
class Staging {
 public:
  Staging(const ConvPlan<T>& plan, std::int64_t band)
      : plan_(plan),
        depth_(plan.stage(0, band)),
        height_(plan.stage(1, band)),
        width_(plan.stage(2, band)),
        planes_(depth_.start, 1, depth_.in, depth_.rows),
        rows_(height_.start, 1, height_.in, height_.rows) {
    for (std::int64_t slot = 0; slot < std::min(kKept, plan.slots()); ++slot)
      kept_[static_cast<std::size_t>(slot)] = lanes_of(slot);
  }

  // Channels [first, last) of an image.
  void copy(const T* image, T* stage, std::int64_t first, std::int64_t last) const {
    const std::int64_t in_size = plan_.shape().in_size();
    for (std::int64_t slot = 0; slot < plan_.slots(); ++slot) {
      const Lanes lanes = slot < kKept ? kept_[static_cast<std::size_t>(slot)] : lanes_of(slot);
      for (std::int64_t c = first; c < last; ++c) {
        const T* channel = image + c * in_size + lanes.in;
        T* staged = stage + c * plan_.channel_step() + lanes.staged;
        for (std::int64_t d = planes_.first; d < planes_.last; ++d) {
          const T* from =
              channel + ((depth_.start + d) * height_.in + height_.start + rows_.first) * width_.in;
          T* to = staged + d * plan_.pitch(0) + rows_.first * plan_.pitch(1);
          for (std::int64_t h = rows_.first; h < rows_.last; ++h, from += width_.in, to += plan_.pitch(1))
            copy_lanes(from, width_.step, lanes.count, to);
        }
      }
    }
  }

  void copy(const T* image, T* stage) const { copy(image, stage, 0, plan_.shape().channels); }

 private:
  static constexpr std::int64_t kKept = 4;

  // Of a slot: where its lanes lie in a row of the input, where in one of the stage, and how many there are.
  struct Lanes {
    std::int64_t in, staged, count;
  };

  Lanes lanes_of(std::int64_t slot) const {
    const std::int64_t start = width_.start + plan_.slot_phase(slot);
    const StagedRange lanes(start, width_.step, width_.in, plan_.slot_length());
    return {start + lanes.first * width_.step, slot * plan_.slot_length() + lanes.first,
            lanes.last - lanes.first};
  }

  const ConvPlan<T>& plan_;
  const StageAxis depth_, height_, width_;
  const StagedRange planes_, rows_;
  std::array<Lanes, kKept> kept_{};
};

}  // namespace unspool::kernels::cpu
