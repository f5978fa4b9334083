// The geometry of a convolution: sizes along three axes (depth, height, width; missing ones have size 1), how
// an image is staged so that neighbouring outputs read neighbouring elements, and which outputs and taps
// meet. Arithmetic on shapes only; no data, no threads.
//
// One picture serves both directions. Along each axis output o and tap t meet input o * stride + t * dilation
// - padding. The direct operation gathers over taps into o. The transposed one goes from o back to that
// input: inputs that leave the same remainder modulo the stride share their taps, so each remainder (a phase)
// is a direct convolution of stride 1 with a part of the taps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "kernels/cpu/conv_taps.h"
#include "kernels/cpu/gemm_plan.h"
#include "kernels/cpu/gemm_simd.h"
#include "ops/attr.h"
#include "tensor/view.h"

namespace unspool::kernels::cpu {

// One axis. `in` and `out` are the sizes of what is read and what is written.
struct ConvAxis {
  std::int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, padding = 0;

  bool is_trivial() const { return in == 1 && out == 1 && kernel == 1 && stride == 1 && padding == 0; }
};

struct ConvShape {
  std::int64_t batch = 1, groups = 1;
  std::int64_t channels = 1, filters = 1;  // read and written, per group
  ConvAxis axis[3];

  std::int64_t in_size() const { return axis[0].in * axis[1].in * axis[2].in; }
  std::int64_t out_size() const { return axis[0].out * axis[1].out * axis[2].out; }
  std::int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
  std::int64_t work() const { return batch * groups * channels * filters * taps() * out_size(); }
};

// Axes that nothing happens along and that lie side by side become one.
inline void merge_axes(ConvShape& shape) {
  const auto is_plain = [](const ConvAxis& a) {
    return a.kernel == 1 && a.stride == 1 && a.padding == 0 && a.in == a.out;
  };
  for (int a = 1; a >= 0; --a) {
    ConvAxis &outer = shape.axis[a], &inner = shape.axis[a + 1];
    if (!is_plain(outer) || !is_plain(inner)) continue;
    inner.in *= outer.in, inner.out *= outer.out;
    outer = ConvAxis{};
  }
  if (shape.axis[1].is_trivial()) std::swap(shape.axis[0], shape.axis[1]);
}

// `read` and `written` are (batch, channels, spatial...); `attrs` are size, stride, padding, dilation,
// groups; `kernel` are the spatial sizes of the weights, of which `taps` receives what counts: the shape is
// that of the convolution by these.
inline ConvShape conv_shape(const View& read, const View& written, const std::int64_t* kernel,
                            std::span<const ops::Attr> attrs, bool transposed, TapRanges& taps) {
  ConvShape shape;
  shape.batch = read.sizes[0];
  shape.groups = attrs[4].integer();
  shape.channels = read.sizes[1] / shape.groups;
  shape.filters = written.sizes[1] / shape.groups;
  const int spatial = read.ndim - 2;
  for (int d = 0; d < spatial; ++d) {
    const auto at = static_cast<std::size_t>(d);
    ConvAxis& axis = shape.axis[3 - spatial + d];
    axis = {read.sizes[2 + d],   written.sizes[2 + d], kernel[d],
            attrs[1].dims()[at], attrs[3].dims()[at],  attrs[2].dims()[at]};
    // With one step there is no stride.
    if ((transposed ? axis.in : axis.out) == 1) axis.stride = 1;
    TapRange& range = taps.axis[3 - spatial + d];
    range = taps_that_meet(transposed ? axis.in : axis.out, transposed ? axis.out : axis.in, axis.kernel,
                           axis.stride, axis.dilation, axis.padding);
    axis.kernel = range.count, axis.padding -= range.first * axis.dilation;
    if (axis.kernel == 1) axis.dilation = 1;
  }
  merge_axes(shape);
  return shape;
}

// What is staged along an axis: place j shows input start + j * step (for the width: start + phase + j *
// step), zero where there is none.
struct StageAxis {
  std::int64_t start, step, rows, in;
};

// A run of neighbouring outputs that fill the lanes of a tile: where it finds its first operand, where it
// goes, how many of its lanes count, and how many of those, from the first, an earlier spot has computed too.
// Taps outside [first_tap, end_tap) of its phase meet only zeros beyond the edges.
struct Spot {
  std::int64_t in, out;
  std::int32_t count, again;
  std::int32_t first_tap, end_tap;
};

// Outputs that share their taps: all of a direct convolution, or one phase of a transposed one.
struct Phase {
  std::int64_t first_spot = 0, spots = 0, first_tap = 0, taps = 0;
};

// A tap: its place in the kernel, and where it lies in the stage relative to a spot.
struct Tap {
  std::int64_t place, offset;
};

// How one band of outputs (a range of the outermost axis that has an extent) is read and computed.
template <class T>
class ConvPlan {
 public:
  // A spot has `lanes` outputs: a vector of them, or one when the lanes of tiles are filters. A band is as
  // large as `most_bytes` of staged input allow.
  ConvPlan(const ConvShape& shape, bool transposed, std::int64_t lanes, std::int64_t most_bytes);

  const ConvShape& shape() const { return shape_; }
  bool transposed() const { return transposed_; }
  // Whether the operand is read where it lies; then nothing is staged.
  bool in_place() const { return in_place_; }
  std::int64_t staged() const { return in_place_ ? 0 : shape_.channels * channel_step_ + lanes_; }
  std::int64_t channel_step() const { return channel_step_; }
  std::int64_t lane_step() const { return transposed_ ? shape_.axis[2].stride : 1; }

  int band_axis() const { return band_axis_; }
  std::int64_t bands() const { return bands_; }
  std::int64_t band_size(std::int64_t band) const {
    return std::min(band_, shape_.axis[band_axis_].out - band * band_);
  }
  // The place of a band's first output in its channel.
  std::int64_t out_offset(std::int64_t band) const { return band * band_ * out_pitch(band_axis_); }
  // How many outputs of a channel a band is, side by side.
  std::int64_t out_extent(std::int64_t band) const { return band_size(band) * out_pitch(band_axis_); }
  // In place: where in the first channel the stage of a band begins.
  std::int64_t in_offset(std::int64_t band) const {
    std::int64_t offset = 0;
    for (int a = 0; a < 3; ++a) offset += stage(a, band).start * pitch_[a];
    return offset;
  }

  StageAxis stage(int a, std::int64_t band) const {
    StageAxis result = stage_[a];
    const std::int64_t shift = a == band_axis_ ? band * band_ : 0, stride = shape_.axis[a].stride;
    result.start += transposed_ ? shift / stride : shift * stride;
    return result;
  }
  std::int64_t pitch(int a) const { return pitch_[a]; }
  // With a stride, a direct convolution keeps apart the inputs of a row by remainder: slot i of the row holds
  // those of remainder slot_phase(i).
  std::int64_t slots() const { return slots_; }
  std::int64_t slot_length() const { return slot_length_; }
  std::int64_t slot_phase(std::int64_t slot) const {
    return slot * shape_.axis[2].dilation % shape_.axis[2].stride;
  }

  std::int64_t phases_along(int a) const {
    return transposed_ ? std::min(shape_.axis[a].stride, shape_.axis[a].out) : 1;
  }
  std::int64_t phases() const { return phases_along(0) * phases_along(1) * phases_along(2); }
  // At least as many as a band has.
  std::int64_t most_spots() const {
    return out_along(0) * out_along(1) * (ceil_div(out_along(2), lanes_) + phases_along(2));
  }
  // Fills the tables for a band of `size` outputs.
  void fill(std::int64_t size, Phase* phases, Spot* spots, Tap* taps) const;

 private:
  // Outputs of one phase along an axis, from `first` in steps; the first one has staged place `place`.
  struct Run {
    std::int64_t first, step, count, place;
  };

  void lay_out();
  // Of all channels of a band: what is staged, or, in place, what is read.
  std::int64_t band_bytes() const {
    const bool reads_part = in_place_ && lanes_ == 1;
    const std::int64_t channel = reads_part ? stage_[band_axis_].rows * pitch_[band_axis_] : channel_step_;
    return shape_.channels * channel * static_cast<std::int64_t>(sizeof(T));
  }
  void fill_phase(const Run (&runs)[3], const std::int64_t (&remainder)[3], Phase& phase, Spot* spots,
                  Tap* taps) const;
  std::int64_t out_along(int a) const { return a == band_axis_ ? band_ : shape_.axis[a].out; }
  std::int64_t out_pitch(int a) const {
    std::int64_t step = 1;
    for (int inner = 2; inner > a; --inner) step *= shape_.axis[inner].out;
    return step;
  }
  // Whether every phase of that many outputs along the width fills a spot.
  bool fills_lanes(std::int64_t outputs) const { return outputs / lane_step() >= lanes_; }
  bool reads_inside_only() const;
  // The range of taps that meet an input at all, for a spot of which the first output has that place.
  std::pair<std::int32_t, std::int32_t> taps_inside(const Tap* taps, std::int64_t count,
                                                    std::int64_t place) const;
  // Where tap t lies along axis a relative to an output of the remainder, and whether they meet at all.
  std::pair<std::int64_t, bool> tap_offset(int a, std::int64_t t, std::int64_t remainder) const;

  // Whether the inputs of a row are kept apart by remainder.
  bool splits_rows() const { return !transposed_ && lanes_ > 1; }

  // Whether taps are skipped for spots beyond the left or right edge too, not only for whole rows.
  bool skips_within_rows() const { return transposed_ && lanes_ > 1; }

  ConvShape shape_;
  bool transposed_;
  std::int64_t lanes_;
  int band_axis_;
  std::int64_t band_, bands_ = 1;
  StageAxis stage_[3]{};
  std::int64_t pitch_[3]{};
  std::int64_t channel_step_ = 0, slots_ = 1, slot_length_ = 0;
  bool in_place_ = false;
};

template <class T>
ConvPlan<T>::ConvPlan(const ConvShape& shape, bool transposed, std::int64_t lanes, std::int64_t most_bytes)
    : shape_(shape), transposed_(transposed), lanes_(lanes) {
  band_axis_ = shape.axis[0].out > 1 ? 0 : shape.axis[1].out > 1 ? 1 : 2;
  band_ = shape.axis[band_axis_].out;
  lay_out();
  const std::int64_t unit =
      std::lcm(transposed ? shape.axis[band_axis_].stride : 1, band_axis_ == 2 ? lanes : 1);
  while (band_ > unit && band_bytes() > most_bytes) {
    const std::int64_t before = band_bytes(), whole = band_;
    band_ = round_up(ceil_div(band_, 2), unit);
    lay_out();
    if (in_place_ && lanes > 1) break;
    // Where the reach of the kernel is most of what a band reads, smaller bands read much more in all.
    if (4 * band_bytes() > 3 * before) {
      band_ = whole;
      lay_out();
      break;
    }
  }
  bands_ = ceil_div(shape_.axis[band_axis_].out, band_);
}

template <class T>
bool ConvPlan<T>::reads_inside_only() const {
  for (int a = 0; a < 3; ++a) {
    const ConvAxis& axis = shape_.axis[a];
    const std::int64_t reach = (axis.kernel - 1) * axis.dilation;
    const std::int64_t last = transposed_ ? (axis.out - 1 + axis.padding) / axis.stride
                                          : (axis.out - 1) * axis.stride + reach - axis.padding;
    if (stage_[a].start < 0 || last >= axis.in) return false;
  }
  return true;
}

template <class T>
void ConvPlan<T>::lay_out() {
  for (int a = 0; a < 3; ++a) {
    const ConvAxis& axis = shape_.axis[a];
    const std::int64_t reach = (axis.kernel - 1) * axis.dilation, out = out_along(a);
    if (transposed_) {
      const std::int64_t start = axis.padding / axis.stride - reach / axis.stride;
      stage_[a] = {start, 1, (out - 1 + axis.padding) / axis.stride - start + 1, axis.in};
    } else {
      stage_[a] = {-axis.padding, a == 2 && splits_rows() ? axis.stride : 1,
                   (out - 1) * axis.stride + reach + 1, axis.in};
    }
  }
  const ConvAxis& width = shape_.axis[2];
  const std::int64_t last_run = width.out % out_along(2);
  in_place_ = reads_inside_only() && (!splits_rows() || width.stride == 1) && fills_lanes(out_along(2)) &&
              (last_run == 0 || fills_lanes(last_run));
  in_place_ = in_place_ &&
              (shape_.channels <= 8 || shape_.in_size() * static_cast<std::int64_t>(sizeof(T)) % 1024 != 0);
  std::int64_t rows = shape_.axis[1].in, planes = shape_.axis[0].in;
  slots_ = 1;
  if (in_place_) {
    slot_length_ = width.in;
  } else {
    rows = stage_[1].rows, planes = stage_[0].rows;
    if (!splits_rows()) {
      slot_length_ = stage_[2].rows + lanes_;
    } else {
      slots_ = std::min(width.kernel, width.stride / std::gcd(width.stride, width.dilation));
      slot_length_ = std::max(out_along(2), lanes_) + (width.kernel - 1) * width.dilation / width.stride;
    }
  }
  pitch_[2] = 1;
  pitch_[1] = slots_ * slot_length_;
  pitch_[0] = rows * pitch_[1];
  channel_step_ = planes * pitch_[0];
  // Channels a multiple of this apart would compete for a few places of the nearest cache.
  constexpr std::int64_t kConflict = 512 / sizeof(T);
  if (!in_place_ && channel_step_ % kConflict == 0) channel_step_ += 64 / sizeof(T);
}

template <class T>
std::pair<std::int64_t, bool> ConvPlan<T>::tap_offset(int a, std::int64_t t, std::int64_t remainder) const {
  const ConvAxis& axis = shape_.axis[a];
  const std::int64_t reach = t * axis.dilation;
  if (transposed_) return {-(reach / axis.stride) * pitch_[a], reach % axis.stride == remainder};
  if (a < 2 || !splits_rows()) return {reach * pitch_[a], true};
  const std::int64_t period = axis.stride / std::gcd(axis.stride, axis.dilation);
  return {t % period * slot_length_ + reach / axis.stride, true};
}

template <class T>
void ConvPlan<T>::fill(std::int64_t size, Phase* phases, Spot* spots, Tap* taps) const {
  Phase next;
  const std::int64_t count[3] = {phases_along(0), phases_along(1), phases_along(2)};
  for (std::int64_t p = 0; p < count[0] * count[1] * count[2]; ++p) {
    const std::int64_t first[3] = {p / count[2] / count[1], p / count[2] % count[1], p % count[2]};
    Run runs[3];
    std::int64_t remainder[3];
    for (int a = 0; a < 3; ++a) {
      const ConvAxis& axis = shape_.axis[a];
      const std::int64_t out = a == band_axis_ ? size : axis.out;
      remainder[a] = transposed_ ? (first[a] + axis.padding) % axis.stride : 0;
      const std::int64_t step = transposed_ ? axis.stride : 1;
      const std::int64_t place = transposed_ ? (first[a] + axis.padding) / axis.stride - stage_[a].start : 0;
      runs[a] = {first[a], step, first[a] < out ? ceil_div(out - first[a], step) : 0, place};
    }
    phases[p] = next;
    fill_phase(runs, remainder, phases[p], spots, taps);
    next = {phases[p].first_spot + phases[p].spots, 0, phases[p].first_tap + phases[p].taps, 0};
  }
}

template <class T>
void ConvPlan<T>::fill_phase(const Run (&runs)[3], const std::int64_t (&remainder)[3], Phase& phase,
                             Spot* spots, Tap* taps) const {
  const auto& k = shape_.axis;
  for (std::int64_t d = 0; d < k[0].kernel; ++d) {
    for (std::int64_t h = 0; h < k[1].kernel; ++h) {
      for (std::int64_t w = 0; w < k[2].kernel; ++w) {
        const auto [plane, in_plane] = tap_offset(0, d, remainder[0]);
        const auto [row, in_row] = tap_offset(1, h, remainder[1]);
        const auto [lane, in_lane] = tap_offset(2, w, remainder[2]);
        if (!in_plane || !in_row || !in_lane) continue;
        taps[phase.first_tap + phase.taps++] = {(d * k[1].kernel + h) * k[2].kernel + w, plane + row + lane};
      }
    }
  }
  const auto in_at = [&](int a, std::int64_t i) {
    const std::int64_t step = transposed_ || (a == 2 && splits_rows()) ? 1 : k[a].stride;
    return (runs[a].place + i * step) * pitch_[a];
  };
  const auto out_at = [&](int a, std::int64_t i) {
    return (runs[a].first + i * runs[a].step) * out_pitch(a);
  };
  const Tap* const all = taps + phase.first_tap;
  for (std::int64_t d = 0; d < runs[0].count; ++d) {
    for (std::int64_t h = 0; h < runs[1].count; ++h) {
      const std::int64_t in = in_at(0, d) + in_at(1, h), out = out_at(0, d) + out_at(1, h);
      std::pair<std::int32_t, std::int32_t> inside;
      for (std::int64_t w = 0; w < runs[2].count; w += lanes_) {
        // The last spot of a row ends with the row: it overlaps the one before rather than stand out.
        const std::int64_t at = std::max<std::int64_t>(0, std::min(w, runs[2].count - lanes_));
        if (w == 0 || skips_within_rows()) inside = taps_inside(all, phase.taps, in + in_at(2, at));
        spots[phase.first_spot + phase.spots++] = {in + in_at(2, at),
                                                   out + out_at(2, at),
                                                   static_cast<std::int32_t>(std::min(lanes_, runs[2].count)),
                                                   static_cast<std::int32_t>(w - at),
                                                   inside.first,
                                                   inside.second};
      }
    }
  }
}

template <class T>
std::pair<std::int32_t, std::int32_t> ConvPlan<T>::taps_inside(const Tap* taps, std::int64_t count,
                                                               std::int64_t place) const {
  // The tile knows how many taps there are in all.
  const auto whole = std::numeric_limits<std::int32_t>::max();
  // Bands share their tables.
  if (in_place_ || bands() > 1) return {0, whole};
  const auto is_inside = [&](const Tap& tap) {
    const std::int64_t at = place + tap.offset, d = stage_[0].start + at / pitch_[0];
    const std::int64_t h = stage_[1].start + at % pitch_[0] / pitch_[1];
    const bool in_row = d >= 0 && d < stage_[0].in && h >= 0 && h < stage_[1].in;
    if (!in_row || !skips_within_rows()) return in_row;
    const std::int64_t w = stage_[2].start + at % pitch_[1];
    return w + lanes_ > 0 && w < stage_[2].in;
  };
  auto first = std::int32_t{0}, end = static_cast<std::int32_t>(count);
  while (first < end && !is_inside(taps[first])) ++first;
  while (end > first && !is_inside(taps[end - 1])) --end;
  return {first, first == 0 && end == count ? whole : end};
}

}  // namespace unspool::kernels::cpu
