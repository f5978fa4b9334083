// Sampling of planes at the points of a grid: S(input, grid) = Σ weight(grid) * input[taps(grid)]. Weights
// are products of one function per coordinate, and `orders` says how often each coordinate is differentiated
// (first that of the width). With the derivatives as weights, all derivatives of all orders are again one of
// the three operations here.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_grid_sample(Inference& c);
void infer_grid_spread(Inference& c);
void infer_grid_slope(Inference& c);

Tensor grid_sample_input_rule(Vjp& v);
Tensor grid_sample_grid_rule(Vjp& v);
Tensor grid_spread_grad_rule(Vjp& v);
Tensor grid_spread_grid_rule(Vjp& v);
Tensor grid_slope_grad_rule(Vjp& v);
Tensor grid_slope_input_rule(Vjp& v);
Tensor grid_slope_grid_rule(Vjp& v);

struct GridSample {
  static constexpr Record record{
      .name = "grid_sample_at",
      .where = kHidden,
      .formula = "Σ weight(grid) * input[taps(grid)]",
      .doc =
          "Samples (N, C, ...) at the points (N, ..., 2 or 3) of a grid, with weights differentiated as "
          "orders say.",
      .args = {tensor(), tensor("grid"), text("mode"), text("padding_mode"), flag("align_corners"),
               dims("orders")},
      .row_major = true,
      .infer = infer_grid_sample,
      .vjp = {{in(1), grid_sample_input_rule}, {in(0) | in(1), grid_sample_grid_rule}}};
};

struct GridSpread {
  static constexpr Record record{
      .name = "grid_sample_spread",
      .where = kHidden,
      .formula = "zeros(size) with weight(grid) * grad added at taps(grid)",
      .doc = "The transpose of grid_sample_at for the input.",
      .args = {tensor("grad"), tensor("grid"), text("mode"), text("padding_mode"), flag("align_corners"),
               dims("orders"), dims("size")},
      .row_major = true,
      .infer = infer_grid_spread,
      .vjp = {{in(1), grid_spread_grad_rule}, {in(0) | in(1), grid_spread_grid_rule}}};
};

struct GridSlope {
  static constexpr Record record{.name = "grid_sample_slope",
                                 .where = kHidden,
                                 .formula = "Σ grad * d/dgrid Σ weight(grid) * input[taps(grid)]",
                                 .doc = "The cotangent of grid_sample_at for the grid, summed over channels.",
                                 .args = {tensor("grad"), tensor("input"), tensor("grid"), text("mode"),
                                          text("padding_mode"), flag("align_corners"), dims("orders")},
                                 .row_major = true,
                                 .infer = infer_grid_slope,
                                 .vjp = {{in(1) | in(2), grid_slope_grad_rule},
                                         {in(0) | in(2), grid_slope_input_rule},
                                         {in(0) | in(1) | in(2), grid_slope_grid_rule}}};
};

using SamplingOps = OpList<GridSample, GridSpread, GridSlope>;

}  // namespace unspool::ops
