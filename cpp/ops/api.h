// Operations as C++ functions, for use in derivative rules, compositions and tests. Each is one call through
// the Emitter; nothing here knows how an operation runs.
#pragma once

#include "ops/emitter.h"
#include "ops/vjp.h"

namespace unspool::ops {

Tensor add(const Operand& a, const Operand& b);
Tensor sub(const Operand& a, const Operand& b);
Tensor mul(const Operand& a, const Operand& b);
Tensor true_divide(const Operand& a, const Operand& b);
Tensor neg(const Operand& x);
inline Tensor operator+(const Operand& a, const Operand& b) { return add(a, b); }
inline Tensor operator-(const Operand& a, const Operand& b) { return sub(a, b); }
inline Tensor operator*(const Operand& a, const Operand& b) { return mul(a, b); }
inline Tensor operator/(const Operand& a, const Operand& b) { return true_divide(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }

Tensor eq(const Operand& a, const Operand& b);
Tensor ne(const Operand& a, const Operand& b);
Tensor lt(const Operand& a, const Operand& b);
Tensor le(const Operand& a, const Operand& b);
Tensor gt(const Operand& a, const Operand& b);
Tensor ge(const Operand& a, const Operand& b);
inline Tensor operator<(const Operand& a, const Operand& b) { return lt(a, b); }
inline Tensor operator<=(const Operand& a, const Operand& b) { return le(a, b); }
inline Tensor operator>(const Operand& a, const Operand& b) { return gt(a, b); }
inline Tensor operator>=(const Operand& a, const Operand& b) { return ge(a, b); }
Tensor logical_and(const Operand& a, const Operand& b);
Tensor logical_or(const Operand& a, const Operand& b);
Tensor logical_not(const Operand& x);
inline Tensor operator&(const Tensor& a, const Tensor& b) { return logical_and(a, b); }
inline Tensor operator|(const Tensor& a, const Tensor& b) { return logical_or(a, b); }

Tensor exp(const Operand& x);
Tensor expm1(const Operand& x);
Tensor log(const Operand& x);
Tensor log1p(const Operand& x);
Tensor sqrt(const Operand& x);
Tensor rsqrt(const Operand& x);
Tensor square(const Operand& x);
Tensor pow(const Operand& x, const Operand& exponent);
Tensor abs(const Operand& x);
Tensor sign(const Operand& x);
Tensor sin(const Operand& x);
Tensor cos(const Operand& x);
Tensor sinh(const Operand& x);
Tensor cosh(const Operand& x);
Tensor tanh(const Operand& x);
Tensor sigmoid(const Operand& x);
Tensor floor(const Operand& x);
Tensor trunc(const Operand& x);
Tensor digamma(const Operand& x);
Tensor zeta(const Operand& s, const Operand& q);
Tensor erf(const Operand& x);
Tensor erfinv(const Operand& x);
Tensor minimum(const Operand& a, const Operand& b);
Tensor maximum(const Operand& a, const Operand& b);
Tensor clamp_min(const Operand& x, const Operand& low);
Tensor clamp_max(const Operand& x, const Operand& high);
Tensor where(const Operand& condition, const Operand& a, const Operand& b);
Tensor relu(const Operand& x);
Tensor softplus(const Operand& x);
Tensor log_sigmoid(const Operand& x);

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
