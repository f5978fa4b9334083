// Checks of sampling at grid points, and its derivatives.
#include "ops/sampling.h"

namespace unspool::ops {
namespace {

Tensor sample(Vjp& v, const Tensor& input, const Tensor& grid, const Dims& orders) {
  return call<GridSample>({input, grid},
                          {v.attr("mode"), v.attr("padding_mode"), v.attr("align_corners"), orders});
}

Tensor spread(Vjp& v, const Tensor& grad, const Tensor& grid, const Dims& orders, const Dims& input_sizes) {
  const Dims size(input_sizes.begin() + 2, input_sizes.end());
  return call<GridSpread>({grad, grid},
                          {v.attr("mode"), v.attr("padding_mode"), v.attr("align_corners"), orders, size});
}

Tensor slope(Vjp& v, const Tensor& grad, const Tensor& input, const Tensor& grid, const Dims& orders) {
  return call<GridSlope>({grad, input, grid},
                         {v.attr("mode"), v.attr("padding_mode"), v.attr("align_corners"), orders});
}

// Sums term(cotangent of coordinate d, orders with d differentiated once more) over the coordinates.
template <class F>
Tensor over_coordinates(Vjp& v, const F& term) {
  Tensor total;
  const Tensor cotangent = v.g();
  for (std::size_t d = 0; d < v.dims("orders").size(); ++d) {
    Dims orders = v.dims("orders");
    ++orders[d];
    const Tensor each = term(unsqueeze(select(cotangent, -1, static_cast<std::int64_t>(d)), 1), orders);
    total = total ? total + each : each;
  }
  return total;
}

}  // namespace

void infer_grid_sample(Inference& c) {
  const DimSpan x = c.sizes(0), grid = c.sizes(1);
  const std::size_t ndim = x.size();
  if ((ndim != 4 && ndim != 5) || grid.size() != ndim) {
    c.fail("expected input and grid of 4 or 5 dimensions each, got ", to_string(x), " and ", to_string(grid));
  }
  if (x[0] != grid[0]) {
    c.fail("input ", to_string(x), " and grid ", to_string(grid), " must have the same batch size");
  }
  if (grid[ndim - 1] != static_cast<std::int64_t>(ndim) - 2) {
    c.fail("the last dimension of grid ", to_string(grid), " must be ", ndim - 2, " for input ",
           to_string(x));
  }
  for (std::size_t d = 2; d < ndim; ++d) {
    if (x[d] == 0) c.fail("the planes of input ", to_string(x), " must not be empty");
  }
  if (ndim == 5 && c.text("mode") == "bicubic") {
    c.fail("mode 'bicubic' samples 4-d inputs only, got ", to_string(x));
  }
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type)) {
    c.fail_as(ErrorKind::kNotImplemented, "needs a floating dtype, got ", name(type),
              "; convert the input with .float()");
  }
  if (c[1].impl().dtype != type) {
    c.fail("grid is ", name(c[1].impl().dtype), " but input is ", name(type));
  }
  Dims sizes{x[0], x[1]};
  for (std::size_t d = 1; d + 1 < ndim; ++d) sizes.push_back(grid[d]);
  c.give(0, std::move(sizes), type);
}

void infer_grid_spread(Inference& c) {
  Dims sizes{c.sizes(0)[0], c.sizes(0)[1]};
  for (std::int64_t n : c.dims("size")) sizes.push_back(n);
  c.give(0, std::move(sizes), c[0].impl().dtype);
}

void infer_grid_slope(Inference& c) { c.give(0, c[2].impl().sizes, c[2].impl().dtype); }

Tensor grid_sample_input_rule(Vjp& v) { return spread(v, v.g(), v.x(1), v.dims("orders"), v.sizes(0)); }

Tensor grid_sample_grid_rule(Vjp& v) { return slope(v, v.g(), v.x(0), v.x(1), v.dims("orders")); }

Tensor grid_spread_grad_rule(Vjp& v) { return sample(v, v.g(), v.x(1), v.dims("orders")); }

Tensor grid_spread_grid_rule(Vjp& v) { return slope(v, v.x(0), v.g(), v.x(1), v.dims("orders")); }

Tensor grid_slope_grad_rule(Vjp& v) {
  return over_coordinates(
      v, [&](const Tensor& u, const Dims& orders) { return u * sample(v, v.x(1), v.x(2), orders); });
}

Tensor grid_slope_input_rule(Vjp& v) {
  return over_coordinates(v, [&](const Tensor& u, const Dims& orders) {
    return spread(v, u * v.x(0), v.x(2), orders, v.sizes(1));
  });
}

Tensor grid_slope_grid_rule(Vjp& v) {
  return over_coordinates(
      v, [&](const Tensor& u, const Dims& orders) { return slope(v, u * v.x(0), v.x(1), v.x(2), orders); });
}

}  // namespace unspool::ops
