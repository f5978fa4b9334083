// Rules and derivatives of the running operations.
#include "ops/scan.h"

#include <limits>

#include "ops/comparison.h"
#include "ops/joining.h"

namespace unspool::ops {
namespace {

Tensor joined(std::span<const Operand> parts, std::int64_t dim) {
  const Attr attrs[1] = {dim};
  return call_op(op_of<Cat>, parts, attrs);
}

Tensor reversed(const Tensor& x, std::int64_t dim) { return call<FlipOp>({x}, {Dims{dim}}); }

}  // namespace

void infer_running(Inference& c) {
  normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  Dtype type = c[0].impl().dtype;
  if (c.given("dtype"))
    type = c.attr("dtype").dtype();
  else if (!is_floating(type))
    type = Dtype::kInt64;
  c.cast_all(type);
  c.give(0, c[0].impl().sizes, type);
}

void infer_running_floating(Inference& c) {
  normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type)) {
    c.fail_as(ErrorKind::kNotImplemented, "needs a floating dtype, got ", name(type),
              "; convert the input with .float()");
  }
  c.give(0, c[0].impl().sizes, type);
}

void infer_running_extremum(Inference& c) {
  normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  c.give(0, c[0].impl().sizes, c[0].impl().dtype);
  c.give(1, c[0].impl().sizes, Dtype::kInt64);
}

void running_extremum_cotangents(Vjp& v, std::span<Tensor> grads) {
  grads[0] = v.sizes(0).empty() || v.g().numel() == 0
                 ? v.g()
                 : scatter_onto(v.sizes(0), v.integer("dim"), v.out(1), v.g());
}

Tensor delayed(const Tensor& x, std::int64_t dim, double first) {
  if (x.numel() == 0) return x;
  if (x.ndim() == 0) return full(x.sizes(), first, x.dtype());
  Dims sizes(x.sizes());
  const auto at = static_cast<std::size_t>(dim < 0 ? dim + x.ndim() : dim);
  const std::int64_t n = sizes[at];
  sizes[at] = 1;
  const Operand parts[2] = {full(sizes, first, x.dtype()), slice(x, dim, 0, n - 1)};
  return joined(parts, dim);
}

Tensor product_of_others(const Tensor& x, std::int64_t dim) {
  const auto before = [&](const Tensor& y) { return delayed(call<Cumprod>({y}, {dim, Attr()}), dim, 1); };
  return before(x) * reversed(before(reversed(x, dim)), dim);
}

// With p[k] = x[k] p[k-1]: dL/dx[k] = t[k] p[k-1], where t[k] = g[k] + x[k+1] t[k+1].
Tensor running_product_cotangent(Vjp& v) {
  const std::int64_t dim = v.integer("dim");
  return call<Recurrence>({v.in(0), v.g()}, {dim, true}) * delayed(v.out(), dim, 1);
}

// dL/dx[k] = exp(x[k]) Σ_{i>=k} g[i] exp(-y[i]), with exponents that never exceed 0.
Tensor running_logsumexp_cotangent(Vjp& v) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::int64_t dim = v.integer("dim");
  const Tensor y = where(eq(v.out(), -kInfinity), 0.0, v.out());
  const Tensor factors = exp(delayed(v.out(), dim, -kInfinity) - y);
  return call<Recurrence>({factors, v.g()}, {dim, true}) * exp(v.in(0) - y);
}

void recurrence_cotangents(Vjp& v, std::span<Tensor> grads) {
  const std::int64_t dim = v.integer("dim");
  const bool is_reversed = v.flag("reversed");
  const Tensor adjoint = call<Recurrence>({v.in(0), v.g()}, {dim, !is_reversed});
  const Tensor down = is_reversed ? adjoint : v.out(), up = is_reversed ? v.out() : adjoint;
  grads[0] = up * delayed(down, dim, 0);
  grads[1] = adjoint;
}

Tensor differences(const Call& c) {
  Tensor x = c.tensor(0);
  if (x.ndim() == 0) c.fail("needs at least one dimension");
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  const std::int64_t n = c.integer("n");
  if (n < 0) c.fail("n must not be negative, got ", n);
  if (n == 0) return clone(x);
  if (c.has(1) || c.has(2)) {
    SmallVector<Operand, 3> parts;
    for (int i : {1, 0, 2}) {
      if (c.has(i)) parts.push_back(c[i]);
    }
    x = joined(parts, dim);
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t size = x.size(dim);
    if (size == 0) break;
    const Tensor low = slice(x, dim, 0, size - 1), high = slice(x, dim, 1, size);
    x = x.dtype() == Dtype::kBool ? call<LogicalXor>({high, low}) : high - low;
  }
  return x;
}

Tensor trapezoid(const Call& c, bool is_running) {
  const Tensor y = c.tensor(0);
  if (c.has(1) && c.has(2)) c.fail("takes x or dx, not both");
  const int dim = normalize_dim(c.integer("dim"), y.ndim(), c.name());
  const std::int64_t n = y.ndim() ? y.size(dim) : 1;
  if (y.ndim() == 0) c.fail_as(ErrorKind::kIndex, "y must have at least one dimension");
  if (!c.has(1) && !is_running && n > 1 && category(y.dtype()) == Category::kFloating) {
    const Tensor ends = select(y, dim, 0) + select(y, dim, n - 1);
    const Tensor area = sum(slice(y, dim, 1, n - 1), Dims{dim}) + ends * 0.5;
    return c.has(2) ? area * c[2] : area;
  }
  const Tensor low = slice(y, dim, 0, std::max<std::int64_t>(0, n - 1)),
               high = slice(y, dim, std::min<std::int64_t>(1, n), n);
  Tensor areas = low + high;
  if (c.has(1)) {
    Tensor x = c.tensor(1);
    if (x.ndim() == 0) c.fail("x must have at least one dimension");
    // Points for one line serve all lines.
    if (x.ndim() == 1) {
      if (x.size(0) != n) c.fail("x has ", x.size(0), " points and y ", n, " along dim ", dim);
      Dims sizes(static_cast<std::size_t>(y.ndim()), 1);
      sizes[static_cast<std::size_t>(dim)] = n;
      x = reshape(x, sizes);
    }
    const int at = x.ndim() < y.ndim() ? dim - (y.ndim() - x.ndim()) : dim;
    if (at < 0)
      c.fail("x of shape ", to_string(x.sizes()), " does not fit y of shape ", to_string(y.sizes()));
    const std::int64_t points = x.size(at);
    areas = areas * (slice(x, at, std::min<std::int64_t>(1, points), points) -
                     slice(x, at, 0, std::max<std::int64_t>(0, points - 1)));
  } else if (c.has(2)) {
    areas = areas * c[2];
  }
  return (is_running ? call<CumsumOp>({areas}, {dim, Attr()}) : sum(areas, Dims{dim})) / 2.0;
}

}  // namespace unspool::ops
