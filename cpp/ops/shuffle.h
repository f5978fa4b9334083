// Rearrangements between channels and the plane: compositions of views, and one copy.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

Tensor pixel_shuffle(const Call& c);
Tensor pixel_unshuffle(const Call& c);
Tensor channel_shuffle(const Call& c);

struct PixelShuffle {
  static constexpr Record record{
      .name = "pixel_shuffle",
      .where = kTop | kFunctional,
      .kind = Kind::kComposite,
      .formula = "(..., C r^2, H, W) as (..., C, H r, W r)",
      .doc = "Moves groups of r^2 channels into blocks of r x r pixels (Shi et al. 2016).",
      .args = {tensor(), integer("upscale_factor")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = pixel_shuffle(c); }};
};

struct PixelUnshuffle {
  static constexpr Record record{
      .name = "pixel_unshuffle",
      .where = kTop | kFunctional,
      .kind = Kind::kComposite,
      .formula = "(..., C, H r, W r) as (..., C r^2, H, W)",
      .doc = "Moves blocks of r x r pixels into channels: the reverse of pixel_shuffle.",
      .args = {tensor(), integer("downscale_factor")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = pixel_unshuffle(c); }};
};

struct ChannelShuffle {
  static constexpr Record record{
      .name = "channel_shuffle",
      .where = kTop | kFunctional,
      .kind = Kind::kComposite,
      .formula = "(N, g k, ...) as (N, k g, ...)",
      .doc = "Deals the channels of (N, C, ...) out of `groups` groups in turn (Zhang et al. 2018).",
      .args = {tensor(), integer("groups")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = channel_shuffle(c); }};
};

using ShuffleOps = OpList<PixelShuffle, PixelUnshuffle, ChannelShuffle>;

}  // namespace unspool::ops
