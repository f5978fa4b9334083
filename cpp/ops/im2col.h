// Sliding windows of images as columns, and their sum back into images: each is the transpose of the other.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_im2col(Inference& c);
void infer_col2im(Inference& c);
Tensor im2col_cotangent(Vjp& v);
Tensor col2im_cotangent(Vjp& v);

struct Im2col {
  static constexpr Record record{
      .name = "im2col",
      .python = "unfold",
      .where = kFunctional,
      .formula = "out[c, t, o] = input[c, o * stride + t * dilation - padding]",
      .doc =
          "Windows of (batch, channels, height, width), or without batch, as columns: (batch, channels * "
          "taps, "
          "windows). Zero beyond the edges.",
      .args = {tensor(), dims("kernel_size"), dims("dilation", 1), dims("padding", 0), dims("stride", 1)},
      .row_major = true,
      .infer = infer_im2col,
      .vjp = {{kNothing, im2col_cotangent}}};
};

struct Col2im {
  static constexpr Record record{
      .name = "col2im",
      .python = "fold",
      .where = kFunctional,
      .formula = "out[c, i] = Σ input[c, t, o] where o * stride + t * dilation - padding = i",
      .doc =
          "Sum of windows, (batch, channels * taps, windows) or without batch, into images (batch, channels, "
          "height, width) of the given output_size; the transpose of unfold.",
      .args = {tensor(), dims("output_size"), dims("kernel_size"), dims("dilation", 1), dims("padding", 0),
               dims("stride", 1)},
      .row_major = true,
      .infer = infer_col2im,
      .vjp = {{kNothing, col2im_cotangent}}};
};

using WindowOps = OpList<Im2col, Col2im>;

}  // namespace unspool::ops
