// Checks of warping, and its derivatives, which are those of sampling at the points of a grid.
#include "ops/warp.h"

#include "ops/creation.h"
#include "ops/joining.h"
#include "ops/matmul.h"
#include "ops/sampling.h"

namespace unspool::ops {
namespace {

// Places within a plane and its frame are 32-bit numbers, and a coordinate is exact in float32.
constexpr std::int64_t kLongestSide = std::int64_t{1} << 22, kMostPixels = std::int64_t{1} << 31;

bool is_too_large(std::int64_t height, std::int64_t width) {
  return height > kLongestSide || width > kLongestSide || (height + 3) * (width + 3) >= kMostPixels;
}

void expect(const Inference& c, int i, std::string_view what, const Dims& sizes, Dtype type) {
  const TensorImpl& given = c[i].impl();
  if (given.sizes != sizes) {
    c.fail(what, " must be ", to_string(sizes), ", got ", to_string(given.sizes));
  }
  if (given.dtype != type) {
    c.fail(what, " must be ", name(type), " for ", name(c[0].impl().dtype), " images, got ",
           name(given.dtype));
  }
}

void check_choices(const Inference& c, Dtype type) {
  const std::string_view mode = c.text("mode"), padding = c.text("padding_mode");
  if (mode != "bilinear" && mode != "nearest") {
    c.fail_as(ErrorKind::kValue, "mode must be 'bilinear' or 'nearest', got '", mode, "'");
  }
  if (padding != "constant" && padding != "border" && padding != "reflection") {
    c.fail_as(ErrorKind::kValue, "padding_mode must be 'constant', 'border' or 'reflection', got '", padding,
              "'");
  }
  if (mode == "bilinear" && !is_floating(type) && type != Dtype::kUInt8) {
    c.fail_as(ErrorKind::kType, "mode 'bilinear' needs uint8 or floating images, got ", name(type),
              "; convert the input with .float(), or use mode 'nearest'");
  }
}

// (count), 0 to count - 1, as a matrix of two dimensions.
Tensor steps(std::int64_t count, Dtype type, const Dims& sizes) {
  return reshape(call<Arange>({}, {0.0, 1.0, count, type}), sizes);
}

// (h w, 3): x, y and 1 of every pixel of the result.
Tensor pixels(const Dims& size, Dtype type) {
  const std::int64_t h = size[0], w = size[1];
  const Tensor x = expand(steps(w, type, {1, w, 1}), Dims{h, w, 1});
  const Tensor y = expand(steps(h, type, {h, 1, 1}), Dims{h, w, 1});
  const Operand parts[3] = {x, y, full(Dims{h, w, 1}, 1.0, type)};
  const Attr attrs[1] = {-1};
  return reshape(call_op(op_of<Cat>, parts, attrs), Dims{h * w, 3});
}

// (2) as (2 / W, 2 / H): what one pixel is in the units of a grid.
Tensor units(const Dims& input, Dtype type) {
  const Operand parts[2] = {full(Dims{1}, 2.0 / static_cast<double>(input[3]), type),
                            full(Dims{1}, 2.0 / static_cast<double>(input[2]), type)};
  const Attr attrs[1] = {0};
  return call_op(op_of<Cat>, parts, attrs);
}

// The positions of a call as a grid (N, h, w, 2) for images of the given sizes.
Tensor grid_of(Vjp& v, const Dims& input) {
  const Dims& size = v.dims("size");
  const Tensor matrix = v.x(1);
  Tensor at =
      reshape(matmul(pixels(size, matrix.dtype()), mT(matrix)), Dims{matrix.size(0), size[0], size[1], 2});
  if (v.in(2).is_tensor()) at = at + permute(v.x(2), Dims{0, 2, 3, 1});
  return (at + 0.5) * units(input, matrix.dtype()) - 1.0;
}

void refuse_nearest(const Vjp& v) {
  if (v.text("mode") != "nearest") return;
  fail(ErrorKind::kNotImplemented,
       "warp_image: mode 'nearest' carries no gradient; use mode 'bilinear', or detach what is warped");
}

Attr padding_of(const Vjp& v) {
  return v.text("padding_mode") == "constant" ? Attr("zeros") : v.attr("padding_mode");
}

// The cotangent of the positions (N, h, w, 2), in pixels.
Tensor position_cotangent(Vjp& v) {
  refuse_nearest(v);
  const Tensor images = v.x(0);
  const Tensor above = v.number("fill") == 0 ? images : images - v.number("fill");
  const Tensor slope = call<GridSlope>({v.g(), above, grid_of(v, images.sizes())},
                                       {"bilinear", padding_of(v), false, Dims{0, 0}});
  return slope * units(images.sizes(), slope.dtype());
}

}  // namespace

void infer_warp_image(Inference& c) {
  const DimSpan x = c.sizes(0);
  const Dims& size = c.dims("size");
  const Dtype type = c[0].impl().dtype;
  check_choices(c, type);
  if (x.size() != 4) c.fail("expected images (N, C, H, W), got ", to_string(x));
  if (size.size() != 2 || size[0] < 1 || size[1] < 1) {
    c.fail("size must be a positive height and width, got ", to_string(size));
  }
  if (x[2] < 1 || x[3] < 1) c.fail("the planes of input ", to_string(x), " must not be empty");
  if (is_too_large(x[2], x[3]) || is_too_large(size[0], size[1])) {
    c.fail("planes may have ", kLongestSide, " pixels a side and 2^31 altogether, got input ", to_string(x),
           " and size ", to_string(size));
  }
  const Dtype positions = type == Dtype::kFloat64 ? Dtype::kFloat64 : Dtype::kFloat32;
  expect(c, 1, "matrix", {x[0], 2, 3}, positions);
  if (c.has(2)) expect(c, 2, "displacement", {x[0], 2, size[0], size[1]}, positions);
  c.give(0, {x[0], x[1], size[0], size[1]}, type);
}

Tensor warp_image_input_rule(Vjp& v) {
  refuse_nearest(v);
  const Dims& input = v.sizes(0);
  return call<GridSpread>({v.g(), grid_of(v, input)},
                          {"bilinear", padding_of(v), false, Dims{0, 0}, Dims{input[2], input[3]}});
}

Tensor warp_image_matrix_rule(Vjp& v) {
  const Dims& size = v.dims("size");
  const Tensor u = position_cotangent(v);
  const Tensor by_pixel = reshape(u, Dims{u.size(0), size[0] * size[1], 2});
  return matmul(mT(by_pixel), pixels(size, u.dtype()));
}

Tensor warp_image_displacement_rule(Vjp& v) { return permute(position_cotangent(v), Dims{0, 3, 1, 2}); }

}  // namespace unspool::ops
