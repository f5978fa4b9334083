// Shape and dtype rules of the reductions, and those composed of others.
#include "ops/reduction.h"

#include <cmath>
#include <limits>

#include "ops/arithmetic.h"
#include "ops/linalg.h"
#include "ops/pointwise.h"
#include "ops/scan.h"
#include "tensor/default_dtype.h"

namespace unspool::ops {

Dims reduced_sizes(const Call& c, DimSpan dims, bool keepdim) {
  const DimSpan sizes = c.sizes(0);
  if (sizes.size() > 64) c.fail("only tensors with up to 64 dims are supported, got ", sizes.size());
  const auto mask = dim_mask(dims, c.ndim(0), c.name());
  Dims result;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (!mask[d])
      result.push_back(sizes[d]);
    else if (keepdim)
      result.push_back(1);
  }
  return result;
}

void infer_sum(Inference& c) {
  Dtype type = c[0].impl().dtype;
  if (c.given("dtype"))
    type = c.attr("dtype").dtype();
  else if (!is_floating(type))
    type = Dtype::kInt64;
  // The kernel adds integers of any width up in 64 bits as it reads them.
  if (type == Dtype::kInt64 && !is_floating(c[0].impl().dtype))
    c.compute = type;
  else
    c.cast_all(type);
  c.give(0, reduced_sizes(c, dims_of(c), c.flag("keepdim")), type);
}

void infer_mean(Inference& c) {
  Dtype type = c[0].impl().dtype;
  for (const Arg& arg : c.op.record.args) {
    if (arg.name == "dtype" && c.given("dtype")) type = c.attr("dtype").dtype();
  }
  if (!is_floating(type)) {
    c.fail("needs a floating dtype, got ", name(type), "; convert the input with .float() or pass dtype");
  }
  c.cast_all(type);
  c.give(0, reduced_sizes(c, dims_of(c), c.flag("keepdim")), type);
}

void infer_floating(Inference& c) {
  const Dtype type = is_floating(c[0].impl().dtype) ? c[0].impl().dtype : default_compute_dtype();
  c.cast_all(type);
  c.give(0, reduced_sizes(c, dims_of(c), c.flag("keepdim")), type);
}

void infer_extremum(Inference& c) {
  const auto mask = dim_mask(dims_of(c), c.ndim(0), c.name());
  for (std::size_t d = 0; d < mask.size(); ++d) {
    if (mask[d] && c.sizes(0)[d] == 0) {
      c.fail_as(dims_of(c).empty() ? ErrorKind::kRuntime : ErrorKind::kIndex, "input ", to_string(c.sizes(0)),
                " has no elements along dim ", d, ", so there is no extremum");
    }
  }
  c.give(0, reduced_sizes(c, dims_of(c), c.flag("keepdim")), c[0].impl().dtype);
}

Tensor mean_cotangent(Vjp& v) {
  const double n =
      static_cast<double>(numel(v.sizes(0))) / static_cast<double>(std::max<std::int64_t>(1, v.g().numel()));
  return expand(spread(v, v.g() * (1 / n)), v.sizes(0));
}

Tensor product_cotangent(Vjp& v) {
  const Tensor x = v.x();
  if (x.numel() == 0) return expand(spread(v, v.g()), x.sizes());  // empty, and a function of g
  const DimSpan dims = dims_of(v);
  if (dims.size() == 1) return spread(v, v.g()) * product_of_others(x, dims[0]);
  // Over all dimensions.
  return spread(v, v.g()) * reshape(product_of_others(reshape(x, Dims{x.numel()}), 0), x.sizes());
}

void infer_indexed_extremum(Inference& c) {
  const std::int64_t dim = normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  if (c.ndim(0) > 0 && c.sizes(0)[static_cast<std::size_t>(dim)] == 0) {
    c.fail_as(ErrorKind::kIndex, "input ", to_string(c.sizes(0)), " has no elements along dim ", dim);
  }
  const Dims sizes = reduced_sizes(c, Dims{dim}, c.flag("keepdim"));
  c.give(0, sizes, c[0].impl().dtype);
  c.give(1, sizes, Dtype::kInt64);
}

void indexed_extremum_cotangents(Vjp& v, std::span<Tensor> grads) {
  const auto ndim = static_cast<int>(v.sizes(0).size());
  if (ndim == 0) {
    grads[0] = v.g();
    return;
  }
  const Dims dim{v.integer("dim")};
  grads[0] = scatter_onto(v.sizes(0), dim[0], restore_dims(v.out(1), dim, ndim, v.flag("keepdim")),
                          restore_dims(v.g(), dim, ndim, v.flag("keepdim")));
}

Tensor index_of_extremum(const Call& c, const Op& op) {
  Tensor x = c.tensor(0);
  Attr dim = c.attr("dim");
  const bool keepdim = c.flag("keepdim");
  const int ndim = x.ndim();
  const bool flattened = dim.is_none();
  if (flattened) {
    if (x.numel() == 0) c.fail_as(ErrorKind::kIndex, "input ", to_string(x.sizes()), " has no elements");
    x = reshape(x, Dims{x.numel()});
    dim = Attr(0);
  }
  Tensor out[2];
  const Operand operands[1] = {x};
  const Attr attrs[2] = {dim, keepdim && !flattened};
  const GradMode no_grad(false);
  emitter().emit({op, operands, attrs}, out);
  return flattened && keepdim ? reshape(out[1], Dims(static_cast<std::size_t>(ndim), 1)) : out[1];
}

// Where the variance is 0, so is the derivative of its root, rather than infinite.
static Tensor root_of_variance(const Tensor& variance) {
  if (!thread_state().grad_enabled || !variance.requires_grad()) return sqrt(variance);
  const Tensor is_zero = eq(variance, 0.0);
  return where(is_zero, 0.0, sqrt(where(is_zero, 1.0, variance)));
}

void variance(const Call& c, std::span<Tensor> out, bool root, bool with_mean) {
  double correction = c.flag("unbiased") ? 1 : 0;
  Attr dim, keepdim = false;
  if (c.attrs.size() > 1) {
    dim = c.attr("dim");
    keepdim = c.attr("keepdim");
    if (c.given("correction")) correction = c.number("correction");
  }
  Tensor both[2];
  const Operand operands[1] = {c[0]};
  const Attr attrs[3] = {dim, keepdim, correction};
  emitter().emit({op_of<Moment>, operands, attrs}, both);
  out[0] = root ? root_of_variance(both[0]) : both[0];
  if (with_mean) out[1] = both[1];
}

Tensor vector_norm(const Call& c) {
  Tensor x = c.tensor(0);
  if (c.given("dtype")) x = to(x, c.attr("dtype").dtype());
  if (!is_floating(x.dtype())) {
    c.fail("needs a floating dtype, got ", name(x.dtype()), "; convert the input with .float()");
  }
  const double p = c.attrs[0].is_none() ? 2 : c.attrs[0].number();
  const Attr &dim = c.attr("dim"), &keepdim = c.attr("keepdim");
  const double infinity = std::numeric_limits<double>::infinity();
  if (p == 2) return call<Norm2>({x}, {dim, keepdim});
  if (p == infinity) return call<Amax>({abs(x)}, {dim, keepdim});
  if (p == -infinity) return call<Amin>({abs(x)}, {dim, keepdim});
  const auto total = [&](const Tensor& terms) { return call<SumOp>({terms}, {dim, keepdim, Attr()}); };
  if (p == 0) return total(where(ne(x, 0), 1.0, sign(x)));  // through sign, so that its gradient is 0
  if (p == 1) return total(abs(x));
  // Powers leave the range of half precision long before the norm does.
  const Dtype dtype = x.dtype();
  x = to(x, carrier(dtype));
  // Elements that are 0 have no slope either where |x|^p or its slope would have none.
  const Tensor size = abs(x);
  const bool bends = p < 2;
  const Tensor is_nothing = bends ? eq(x, 0) : Tensor();
  const Tensor powers =
      total(bends ? where(is_nothing, 0.0, pow(where(is_nothing, 1.0, size), p)) : pow(size, p));
  // The root has no slope at 0, where all elements are 0 (or there are none); for negative p one 0 suffices.
  Tensor is_zero = eq(powers, 0);
  if (p < 0) is_zero = is_zero | ne(total(is_nothing), 0);
  return to(where(is_zero, 0.0, pow(where(is_zero, 1.0, powers), 1 / p)), dtype);
}

namespace {

// The sum of the singular values of matrices in two dimensions.
Tensor nuclear_norm(const Call& c, const Tensor& x) {
  const Dims dims = c.given("dim") ? c.dims("dim") : x.ndim() == 2 ? Dims{0, 1} : Dims();
  if (dims.size() != 2) {
    c.fail("p='nuc' needs a matrix, or two dims that hold one, got input ", to_string(x.sizes()), " and dim ",
           to_string(dims));
  }
  const auto mask = dim_mask(dims, x.ndim(), c.name());
  Dims order;
  for (int d = 0; d < x.ndim(); ++d) {
    if (!mask[static_cast<std::size_t>(d)]) order.push_back(d);
  }
  for (std::int64_t d : dims) order.push_back(normalize_dim(d, x.ndim(), c.name()));
  const Tensor values = call_all<LinalgSvd>({permute(x, order)}, {false})[1];
  const Tensor norm = sum(values, Dims{-1});
  return c.flag("keepdim") ? restore_dims(norm, dims, x.ndim(), false) : norm;
}

}  // namespace

Tensor norm_named(const Call& c) {
  const std::string_view p = c.text("p");
  const Tensor x = c.given("dtype") ? to(c.tensor(0), c.attr("dtype").dtype()) : c.tensor(0);
  if (p == "nuc") return nuclear_norm(c, x);
  if (p != "fro") c.fail_as(ErrorKind::kValue, "p must be a number, 'fro' or 'nuc', got '", p, "'");
  return call<Norm2>({x}, {c.attr("dim"), c.flag("keepdim")});
}

}  // namespace unspool::ops
