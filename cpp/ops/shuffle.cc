// Geometry of pixel and channel shuffles.
#include "ops/shuffle.h"

namespace unspool::ops {
namespace {

// Everything before the last three dimensions as one.
Dims leading(const Tensor& x) { return Dims(x.sizes().begin(), x.sizes().end() - 3); }

std::int64_t factor(const Call& c, std::string_view name) {
  if (c.ndim(0) < 3)
    c.fail("input must have at least 3 dimensions (..., C, H, W), got ", to_string(c.sizes(0)));
  const std::int64_t r = c.integer(name);
  if (r < 1 || r >= std::int64_t{1} << 31) c.fail(name, " must be positive, got ", r);
  return r;
}

Tensor rearranged(const Tensor& x, Dims split, DimSpan order, std::int64_t channels, std::int64_t height,
                  std::int64_t width) {
  Dims sizes = leading(x);
  std::int64_t batch = 1;
  for (std::int64_t n : sizes) batch *= n;
  split.insert(0, batch);
  for (std::int64_t n : {channels, height, width}) sizes.push_back(n);
  return reshape(clone(permute(reshape(x, split), order)), sizes);
}

}  // namespace

Tensor pixel_shuffle(const Call& c) {
  const std::int64_t r = factor(c, "upscale_factor");
  const Tensor x = c.tensor(0);
  const std::int64_t channels = x.size(x.ndim() - 3), h = x.size(x.ndim() - 2), w = x.size(x.ndim() - 1);
  if (channels % (r * r) != 0) {
    c.fail("the channels of input ", to_string(x.sizes()),
           " must be divisible by upscale_factor^2 = ", r * r);
  }
  const std::int64_t k = channels / (r * r);
  return rearranged(x, {k, r, r, h, w}, Dims{0, 1, 4, 2, 5, 3}, k, h * r, w * r);
}

Tensor pixel_unshuffle(const Call& c) {
  const std::int64_t r = factor(c, "downscale_factor");
  const Tensor x = c.tensor(0);
  const std::int64_t k = x.size(x.ndim() - 3), h = x.size(x.ndim() - 2), w = x.size(x.ndim() - 1);
  if (h % r != 0 || w % r != 0) {
    c.fail("height and width of input ", to_string(x.sizes()), " must be divisible by downscale_factor ", r);
  }
  return rearranged(x, {k, h / r, r, w / r, r}, Dims{0, 1, 3, 5, 2, 4}, k * r * r, h / r, w / r);
}

Tensor channel_shuffle(const Call& c) {
  const Tensor x = c.tensor(0);
  const std::int64_t groups = c.integer("groups");
  if (x.ndim() < 3) c.fail("input must have at least 3 dimensions (N, C, ...), got ", to_string(x.sizes()));
  if (groups < 1) c.fail("groups must be positive, got ", groups);
  if (x.size(1) % groups != 0) {
    c.fail("the channels of input ", to_string(x.sizes()), " must be divisible by groups ", groups);
  }
  std::int64_t rest = 1;
  for (int d = 2; d < x.ndim(); ++d) rest *= x.size(d);
  const Tensor dealt =
      permute(reshape(x, Dims{x.size(0), groups, x.size(1) / groups, rest}), Dims{0, 2, 1, 3});
  return reshape(clone(dealt), x.sizes());
}

}  // namespace unspool::ops
