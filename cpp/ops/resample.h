// Resizing of planes: separable interpolation and nearest neighbours. Attributes step_d, step_h and step_w
// are the inverse scale factors where the caller fixed them, else 0: then sizes decide.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/pooling.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_resample(Inference& c);
void infer_nearest(Inference& c);

constexpr Args kResampleArgs(Arg first) {
  return {first,          dims("size"),   text("mode"),  flag("align_corners"), flag("antialias"),
          real("step_d"), real("step_h"), real("step_w")};
}

constexpr Args kNearestArgs(Arg first) {
  return {first, dims("size"), flag("exact"), real("step_d"), real("step_h"), real("step_w")};
}

struct ResampleBackward;

struct Resample {
  static constexpr Record record{
      .name = "resample",
      .where = kHidden,
      .formula = "Σ weight * input[taps]",
      .doc =
          "Linear or cubic interpolation (mode 'linear', 'cubic') of the last 1 to 3 dimensions of (N, C, "
          "...), optionally smoothed before shrinking.",
      .args = kResampleArgs(tensor()),
      .row_major = true,
      .infer = infer_resample,
      .vjp = {{kNothing, [](Vjp& v) {
                 return call<ResampleBackward>(
                     {v.g()}, {plane_of(v, 0), v.attr("mode"), v.attr("align_corners"), v.attr("antialias"),
                               v.attr("step_d"), v.attr("step_h"), v.attr("step_w")});
               }}}};
};

struct ResampleBackward {
  static constexpr Record record{
      .name = "resample_backward",
      .where = kHidden,
      .formula = "zeros(size) with weight * grad added at the taps",
      .doc = "The transpose of resample.",
      .args = kResampleArgs(tensor("grad")),
      .row_major = true,
      .infer = infer_pooled,
      .vjp = {{kNothing, [](Vjp& v) {
                 return call<Resample>(
                     {v.g()}, {plane_of(v, 0), v.attr("mode"), v.attr("align_corners"), v.attr("antialias"),
                               v.attr("step_d"), v.attr("step_h"), v.attr("step_w")});
               }}}};
};

struct NearestBackward;

struct Nearest {
  static constexpr Record record{
      .name = "resample_nearest",
      .where = kHidden,
      .formula = "input[floor(i * n / size)]",
      .doc =
          "Nearest neighbours in the last 1 to 3 dimensions of (N, C, ...); exact counts from the centers of "
          "elements.",
      .args = kNearestArgs(tensor()),
      .row_major = true,
      .infer = infer_nearest,
      .vjp = {{kNothing, [](Vjp& v) {
                 return call<NearestBackward>({v.g()}, {plane_of(v, 0), v.attr("exact"), v.attr("step_d"),
                                                        v.attr("step_h"), v.attr("step_w")});
               }}}};
};

struct NearestBackward {
  static constexpr Record record{.name = "resample_nearest_backward",
                                 .where = kHidden,
                                 .formula = "zeros(size) with grad[i] added at floor(i * size / n)",
                                 .doc = "The transpose of resample_nearest.",
                                 .args = kNearestArgs(tensor("grad")),
                                 .row_major = true,
                                 .infer = infer_pooled,
                                 .vjp = {{kNothing, [](Vjp& v) {
                                            return call<Nearest>(
                                                {v.g()}, {plane_of(v, 0), v.attr("exact"), v.attr("step_d"),
                                                          v.attr("step_h"), v.attr("step_w")});
                                          }}}};
};

using ResampleOps = OpList<Resample, ResampleBackward, Nearest, NearestBackward>;

}  // namespace unspool::ops
