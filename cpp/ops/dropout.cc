// Dropout's masks and what they do to the input.
#include "ops/dropout.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/creation.h"

namespace unspool::ops {
namespace {

// The dimensions of x from the outermost in memory to the innermost.
Dims memory_order(const Tensor& x) {
  Dims order(static_cast<std::size_t>(x.ndim()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto stride = [&](std::int64_t d) { return x.strides()[static_cast<std::size_t>(d)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return stride(a) > stride(b); });
  return order;
}

// Ones with probability 1 - p and zeros, one for each element of x. They are drawn in the order of x's
// memory where it has no gaps, as PyTorch draws them, and in the order of its elements otherwise.
Tensor keep_elements(const Tensor& x, double p) {
  const auto draw = [&](DimSpan sizes) { return call<Bernoulli>({}, {sizes, 1 - p, x.dtype(), Attr()}); };
  if (x.is_contiguous()) return draw(x.sizes());
  const Dims order = memory_order(x);
  Dims inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  const Tensor in_memory = permute(x, order);
  return in_memory.is_contiguous() ? permute(draw(in_memory.sizes()), inverse) : draw(x.sizes());
}

// The same for the channels of (N, C, ...).
Tensor keep_channels(const Call& c, const Tensor& x, double p) {
  if (x.ndim() < 2) {
    c.fail("feature dropout requires at least 2 dimensions (N, C, ...), got ", to_string(x.sizes()));
  }
  Dims sizes(static_cast<std::size_t>(x.ndim()), 1);
  sizes[0] = x.size(0), sizes[1] = x.size(1);
  return call<Bernoulli>({}, {sizes, 1 - p, x.dtype(), Attr()});
}

}  // namespace

Tensor dropout(const Call& c, DropoutKind kind) {
  const double p = c.number("p");
  if (!(p >= 0 && p <= 1)) {
    c.fail_as(ErrorKind::kValue, "dropout probability has to be between 0 and 1, but got ", p);
  }
  const Tensor x = c.tensor(0);
  if (!c.flag("training") || p == 0 || x.numel() == 0) return x;
  if (p == 1) return x * zeros_like(x);
  if (!is_floating(x.dtype())) c.fail("needs a floating input, got ", name(x.dtype()));
  const Tensor keep = kind.channels ? keep_channels(c, x, p) : keep_elements(x, p);
  if (!kind.alpha) return x * (keep / (1 - p));
  constexpr double kAlpha = 1.7580993408473766;  // selu's scale times its alpha
  const double a = 1 / std::sqrt((kAlpha * kAlpha * p + 1) * (1 - p));
  return x * (keep * a) + ((keep - 1) * (kAlpha * a) + kAlpha * a * p);
}

}  // namespace unspool::ops
