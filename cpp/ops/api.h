// Operations as C++ functions, for use in derivative rules, compositions and tests. Each is one call through
// the Emitter; nothing here knows how an operation runs.
#pragma once

#include "ops/emitter.h"
#include "ops/vjp.h"

namespace unspool::ops {

Tensor add(const Borrowed& a, const Borrowed& b);
Tensor sub(const Borrowed& a, const Borrowed& b);
Tensor mul(const Borrowed& a, const Borrowed& b);
Tensor true_divide(const Borrowed& a, const Borrowed& b);
Tensor neg(const Borrowed& x);
inline Tensor operator+(const Borrowed& a, const Borrowed& b) { return add(a, b); }
inline Tensor operator-(const Borrowed& a, const Borrowed& b) { return sub(a, b); }
inline Tensor operator*(const Borrowed& a, const Borrowed& b) { return mul(a, b); }
inline Tensor operator/(const Borrowed& a, const Borrowed& b) { return true_divide(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }

Tensor eq(const Borrowed& a, const Borrowed& b);
Tensor ne(const Borrowed& a, const Borrowed& b);
Tensor lt(const Borrowed& a, const Borrowed& b);
Tensor le(const Borrowed& a, const Borrowed& b);
Tensor gt(const Borrowed& a, const Borrowed& b);
Tensor ge(const Borrowed& a, const Borrowed& b);
inline Tensor operator<(const Borrowed& a, const Borrowed& b) { return lt(a, b); }
inline Tensor operator<=(const Borrowed& a, const Borrowed& b) { return le(a, b); }
inline Tensor operator>(const Borrowed& a, const Borrowed& b) { return gt(a, b); }
inline Tensor operator>=(const Borrowed& a, const Borrowed& b) { return ge(a, b); }
Tensor logical_and(const Borrowed& a, const Borrowed& b);
Tensor logical_or(const Borrowed& a, const Borrowed& b);
Tensor logical_not(const Borrowed& x);
inline Tensor operator&(const Tensor& a, const Tensor& b) { return logical_and(a, b); }
inline Tensor operator|(const Tensor& a, const Tensor& b) { return logical_or(a, b); }

Tensor exp(const Borrowed& x);
Tensor expm1(const Borrowed& x);
Tensor log(const Borrowed& x);
Tensor log1p(const Borrowed& x);
Tensor sqrt(const Borrowed& x);
Tensor rsqrt(const Borrowed& x);
Tensor square(const Borrowed& x);
Tensor pow(const Borrowed& x, const Borrowed& exponent);
Tensor abs(const Borrowed& x);
Tensor sign(const Borrowed& x);
Tensor sin(const Borrowed& x);
Tensor cos(const Borrowed& x);
Tensor sinh(const Borrowed& x);
Tensor cosh(const Borrowed& x);
Tensor tanh(const Borrowed& x);
Tensor sigmoid(const Borrowed& x);
Tensor floor(const Borrowed& x);
Tensor trunc(const Borrowed& x);
Tensor digamma(const Borrowed& x);
Tensor zeta(const Borrowed& s, const Borrowed& q);
Tensor erf(const Borrowed& x);
Tensor erfinv(const Borrowed& x);
Tensor minimum(const Borrowed& a, const Borrowed& b);
Tensor maximum(const Borrowed& a, const Borrowed& b);
Tensor clamp_min(const Borrowed& x, const Borrowed& low);
Tensor clamp_max(const Borrowed& x, const Borrowed& high);
Tensor where(const Borrowed& condition, const Borrowed& a, const Borrowed& b);
Tensor relu(const Borrowed& x);
Tensor softplus(const Borrowed& x);
Tensor log_sigmoid(const Borrowed& x);

Tensor to(const Tensor& x, Dtype dtype);
Tensor contiguous(const Tensor& x);
Tensor clone(const Tensor& x);
Tensor full(DimSpan sizes, const Attr& value, Dtype dtype);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);

Tensor sum(const Tensor& x, DimSpan dims = {}, bool keepdim = false);
Tensor mean(const Tensor& x, DimSpan dims = {}, bool keepdim = false);
Tensor amax(const Tensor& x, DimSpan dims = {}, bool keepdim = false);
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim);
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim);
// Sums x down to the given sizes: the reverse of broadcasting.
Tensor sum_to(const Tensor& x, DimSpan sizes);

Tensor matmul(const Tensor& a, const Tensor& b);
Tensor reshape(const Tensor& x, DimSpan sizes);
Tensor expand(const Tensor& x, DimSpan sizes);
Tensor permute(const Tensor& x, DimSpan dims);
Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b);
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
Tensor squeeze(const Tensor& x, std::int64_t dim);
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t stop, std::int64_t step = 1);
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
Tensor scatter_onto(DimSpan sizes, std::int64_t dim, const Tensor& index, const Tensor& source);
Tensor softmax(const Tensor& x, std::int64_t dim);
Tensor log_softmax(const Tensor& x, std::int64_t dim);

// The matrix transpose of the last two dimensions.
inline Tensor mT(const Tensor& x) { return transpose(x, -2, -1); }
// Adds back the dimensions that a reduction without keepdim removed, so that its result broadcasts against
// the input.
Tensor restore_dims(const Tensor& x, DimSpan reduced, int ndim, bool keepdim);

}  // namespace unspool::ops
