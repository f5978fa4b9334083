// Operations as C++ functions: each forwards to the record of its name.
#include "ops/api.h"

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/comparison.h"
#include "ops/creation.h"
#include "ops/joining.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/pointwise.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace unspool::ops {

using O = const Borrowed&;

Tensor add(O a, O b) { return call<Add>({a, b}, {1.0}); }
Tensor sub(O a, O b) { return call<Sub>({a, b}, {1.0}); }
Tensor mul(O a, O b) { return call<Mul>({a, b}); }
Tensor true_divide(O a, O b) { return call<TrueDivide>({a, b}); }
Tensor neg(O x) { return call<Neg>({x}); }

Tensor eq(O a, O b) { return call<Eq>({a, b}); }
Tensor ne(O a, O b) { return call<Ne>({a, b}); }
Tensor lt(O a, O b) { return call<Lt>({a, b}); }
Tensor le(O a, O b) { return call<Le>({a, b}); }
Tensor gt(O a, O b) { return call<Gt>({a, b}); }
Tensor ge(O a, O b) { return call<Ge>({a, b}); }
Tensor logical_and(O a, O b) { return call<LogicalAnd>({a, b}); }
Tensor logical_or(O a, O b) { return call<LogicalOr>({a, b}); }
Tensor logical_not(O x) { return call<LogicalNot>({x}); }

Tensor exp(O x) { return call<Exp>({x}); }
Tensor expm1(O x) { return call<Expm1>({x}); }
Tensor log(O x) { return call<Log>({x}); }
Tensor log1p(O x) { return call<Log1p>({x}); }
Tensor sqrt(O x) { return call<Sqrt>({x}); }
Tensor rsqrt(O x) { return call<Rsqrt>({x}); }
Tensor square(O x) { return call<Square>({x}); }
Tensor pow(O x, O exponent) { return call<Pow>({x, exponent}); }
Tensor abs(O x) { return call<Abs>({x}); }
Tensor sign(O x) { return call<Sign>({x}); }
Tensor sin(O x) { return call<Sin>({x}); }
Tensor cos(O x) { return call<Cos>({x}); }
Tensor sinh(O x) { return call<Sinh>({x}); }
Tensor cosh(O x) { return call<Cosh>({x}); }
Tensor tanh(O x) { return call<Tanh>({x}); }
Tensor sigmoid(O x) { return call<Sigmoid>({x}); }
Tensor floor(O x) { return call<Floor>({x}); }
Tensor trunc(O x) { return call<Trunc>({x}); }
Tensor digamma(O x) { return call<Digamma>({x}); }
Tensor zeta(O s, O q) { return call<Zeta>({s, q}); }
Tensor erf(O x) { return call<Erf>({x}); }
Tensor erfinv(O x) { return call<Erfinv>({x}); }
Tensor minimum(O a, O b) { return call<Minimum>({a, b}); }
Tensor maximum(O a, O b) { return call<Maximum>({a, b}); }
Tensor clamp_min(O x, O low) { return call<ClampMin>({x, low}); }
Tensor clamp_max(O x, O high) { return call<ClampMax>({x, high}); }
Tensor where(O condition, O a, O b) { return call<WhereOp>({condition, a, b}); }
Tensor relu(O x) { return call<Relu>({x}); }
Tensor softplus(O x) { return call<Softplus>({x}, {1.0, 20.0}); }
Tensor log_sigmoid(O x) { return call<LogSigmoid>({x}); }

Tensor to(const Tensor& x, Dtype dtype) { return x.dtype() == dtype ? x : call<Cast>({x}, {dtype}); }
Tensor clone(const Tensor& x) { return call<Clone>({x}); }
Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : clone(x); }
Tensor full(DimSpan sizes, const Attr& value, Dtype dtype) { return call<Full>({}, {sizes, value, dtype}); }
Tensor zeros_like(const Tensor& x) { return full(x.sizes(), 0.0, x.dtype()); }
Tensor ones_like(const Tensor& x) { return full(x.sizes(), 1.0, x.dtype()); }

namespace {

Attr dims_attr(DimSpan dims) { return dims.empty() ? Attr() : Attr(dims); }

}  // namespace

Tensor sum(const Tensor& x, DimSpan dims, bool keepdim) {
  return call<SumOp>({x}, {dims_attr(dims), keepdim, Attr()});
}
Tensor mean(const Tensor& x, DimSpan dims, bool keepdim) {
  return call<MeanOp>({x}, {dims_attr(dims), keepdim, Attr()});
}
Tensor amax(const Tensor& x, DimSpan dims, bool keepdim) {
  return call<Amax>({x}, {dims_attr(dims), keepdim});
}
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) { return call<Argmax>({x}, {dim, keepdim}); }
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) { return call<Argmin>({x}, {dim, keepdim}); }

Tensor sum_to(const Tensor& x, DimSpan sizes) {
  if (std::equal(x.sizes().begin(), x.sizes().end(), sizes.begin(), sizes.end())) return x;
  Dims dims;
  const auto extra = x.sizes().size() - sizes.size();
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (d < extra || (sizes[d - extra] == 1 && x.sizes()[d] != 1))
      dims.push_back(static_cast<std::int64_t>(d));
  }
  const Tensor summed = sum(x, dims, extra == 0);
  return extra == 0 ? summed : reshape(summed, sizes);
}

Tensor reshape(const Tensor& x, DimSpan shape) {
  const Dims sizes = infer_reshape(shape, x.sizes(), "reshape");
  if (sizes == x.sizes()) return x;
  if (view_strides(x.sizes(), x.strides(), sizes)) return call<ViewOp>({x}, {sizes});
  return call<ViewOp>({clone(x)}, {sizes});
}

Tensor expand(const Tensor& x, DimSpan sizes) {
  if (std::equal(x.sizes().begin(), x.sizes().end(), sizes.begin(), sizes.end())) return x;
  return call<Expand>({x}, {sizes, false});
}
Tensor permute(const Tensor& x, DimSpan dims) { return call<Permute>({x}, {dims}); }
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b) { return call<Transpose>({x}, {a, b}); }
Tensor unsqueeze(const Tensor& x, std::int64_t dim) { return call<Unsqueeze>({x}, {dim}); }
Tensor squeeze(const Tensor& x, std::int64_t dim) { return call<Squeeze>({x}, {Dims{dim}}); }
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t stop, std::int64_t step) {
  return call<Slice>({x}, {dim, start, stop, step});
}
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index) {
  return call<Select>({x}, {dim, index});
}
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  return call<Gather>({x, index}, {dim, false});
}
Tensor scatter_onto(DimSpan sizes, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return call<ScatterOnto>({index, source}, {sizes, dim});
}
Tensor softmax(const Tensor& x, std::int64_t dim) { return call<Softmax>({x}, {dim, Attr()}); }
Tensor log_softmax(const Tensor& x, std::int64_t dim) { return call<LogSoftmax>({x}, {dim, Attr()}); }

Tensor restore_dims(const Tensor& x, DimSpan reduced, int ndim, bool keepdim) {
  if (keepdim || x.ndim() == ndim) return x;
  const auto mask = dim_mask(reduced, ndim, "restore_dims");
  Dims sizes;
  std::size_t next = 0;
  for (bool is_reduced : mask) sizes.push_back(is_reduced ? 1 : x.sizes()[next++]);
  return reshape(x, sizes);
}

}  // namespace unspool::ops
