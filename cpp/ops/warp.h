// Warping of whole images: every image of a batch is sampled once, at positions that its own affine map and,
// where there is one, its own displacement field give. Positions are in pixels: (0, 0) is the center of the
// first one.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_warp_image(Inference& c);
Tensor warp_image_input_rule(Vjp& v);
Tensor warp_image_matrix_rule(Vjp& v);
Tensor warp_image_displacement_rule(Vjp& v);

struct WarpImage {
  static constexpr Record record{
      .name = "warp_image",
      .where = kHidden,
      .formula = "input at matrix (x, y, 1) + displacement(x, y), for all pixels (x, y) of the result",
      .doc =
          "Samples images (N, C, H, W) at the positions that affine maps (N, 2, 3) and displacements (N, 2, "
          "h, w) give.",
      .args = {tensor(), tensor("matrix"), optional_tensor("displacement"), dims("size"), text("mode"),
               text("padding_mode"), real("fill")},
      .row_major = true,
      .infer = infer_warp_image,
      .vjp = {{in(1) | in(2), warp_image_input_rule},
              {in(0) | in(1) | in(2), warp_image_matrix_rule},
              {in(0) | in(1) | in(2), warp_image_displacement_rule}}};
};

using WarpOps = OpList<WarpImage>;

}  // namespace unspool::ops
