// Checks, batches and higher derivatives of cdist.
#include "ops/distance.h"

#include <cmath>
#include <limits>

#include "ops/arithmetic.h"
#include "ops/creation.h"
#include "ops/joining.h"
#include "ops/one_dtype.h"

namespace unspool::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The derivative in operations. For the Euclidean norm by products of matrices, otherwise from all
// differences at once. Where a distance is 0 its derivative is taken as 0.
Tensor plain_cotangent(const Tensor& g, const Tensor& a, const Tensor& b, const Tensor& distance, double p) {
  const Tensor apart = gt(distance, 0);
  const Tensor safe = where(apart, distance, 1.0);
  if (p == 2) {
    const Tensor weights = where(apart, g / safe, 0.0);
    return a * sum(weights, Dims{-1}, true) - matmul(weights, b);
  }
  const Tensor gaps = unsqueeze(a, 2) - unsqueeze(b, 1);
  Tensor slopes = sign(gaps);
  if (p == kInfinity) {
    slopes = where(eq(abs(gaps), unsqueeze(distance, 3)), slopes, 0.0);
  } else if (p != 1) {
    const Tensor moved = ne(gaps, 0);
    const Tensor ratio = where(moved, abs(gaps), 1.0) / unsqueeze(safe, 3);
    slopes = where(moved, slopes * pow(ratio, p - 1), 0.0);
  }
  return sum(unsqueeze(where(apart, g, 0.0), 3) * slopes, Dims{2});
}

// Numbers of the pairs i < j as a batch of one symmetric matrix, 0 on its diagonal.
Tensor square_of(const Tensor& pairs, std::int64_t n) {
  const Tensor numbers = call<Arange>({}, {0, 1, n, Dtype::kInt64});
  const Tensor i = unsqueeze(numbers, 1), j = unsqueeze(numbers, 0), is_above = lt(i, j);
  const Tensor before = call<FloorDivide>({i * (i + 1), 2});
  const Tensor place = where(is_above, i * n - before + j - i - 1, 0);
  const Tensor picked = call<IndexSelect>({pairs, reshape(place, Dims{n * n})}, {0});
  const Tensor upper = where(is_above, reshape(picked, Dims{n, n}), 0.0);
  return unsqueeze(upper + mT(upper), 0);
}

}  // namespace

void infer_cdist(Inference& c) {
  const DimSpan a = c.sizes(0), b = c.sizes(1);
  const Dtype type = c[0].impl().dtype;
  if (a.size() != 3 || b.size() != 3 || a[0] != b[0] || a[2] != b[2] || !is_floating(type) ||
      c[1].impl().dtype != type) {
    c.fail("expects (B, P, M) and (B, R, M) of one floating dtype, got ", to_string(a), " and ",
           to_string(b));
  }
  c.give(0, {a[0], a[1], b[1]}, type);
}

Tensor cdist_cotangent(Vjp& v, int side) {
  const double p = v.number("p");
  const Tensor a = v.x(side), b = v.x(1 - side);
  if (p == 0) return zeros_like(a);
  const Tensor g = side == 0 ? v.g() : mT(v.g()), distance = side == 0 ? v.out() : mT(v.out());
  if (thread_state().grad_enabled) return plain_cotangent(g, a, b, distance, p);
  return call<CdistBackward>({g, a, b, distance}, {p});
}

Tensor pdist_cotangent(Vjp& v) {
  const double p = v.number("p");
  const Tensor x = v.x();
  if (p == 0) return zeros_like(x);
  if (!thread_state().grad_enabled) return call<PdistBackward>({v.g(), x, v.out()}, {p});
  // As one half of all distances to all rows.
  const std::int64_t n = x.size(0);
  const Tensor all = unsqueeze(x, 0);
  return select(plain_cotangent(square_of(v.g(), n), all, all, square_of(v.out(), n), p), 0, 0);
}

Tensor cdist(const Call& c) {
  Tensor a = c.tensor(0), b = c.tensor(1);
  const double p = c.number("p");
  const auto mode = c.text("compute_mode");
  if (mode != "use_mm_for_euclid_dist_if_necessary" && mode != "use_mm_for_euclid_dist" &&
      mode != "donot_use_mm_for_euclid_dist") {
    c.fail_as(ErrorKind::kValue,
              "compute_mode must be 'use_mm_for_euclid_dist_if_necessary', "
              "'use_mm_for_euclid_dist' or 'donot_use_mm_for_euclid_dist', got '",
              mode, "'");
  }
  if (!(p >= 0)) c.fail("p must not be negative, got ", p);
  if (a.ndim() < 2 || b.ndim() < 2) {
    c.fail("x1 and x2 must have at least 2 dimensions, got ", to_string(a.sizes()), " and ",
           to_string(b.sizes()));
  }
  const auto columns = [](const Tensor& x) { return x.size(x.ndim() - 1); };
  if (columns(a) != columns(b)) {
    c.fail("x1 ", to_string(a.sizes()), " and x2 ", to_string(b.sizes()),
           " must have the same number of columns");
  }
  if (!is_floating(a.dtype()) || !is_floating(b.dtype())) {
    c.fail("x1 and x2 must be floating, got ", name(a.dtype()), " and ", name(b.dtype()));
  }
  if (!may_meet(a.dtype(), b.dtype())) {
    c.fail("x1 is ", name(a.dtype()), " but x2 is ", name(b.dtype()), "; convert one with .to()");
  }
  const Operand both[2] = {a, b};
  const Dtype type = result_type(both);
  a = to(a, type), b = to(b, type);
  const auto lead = [](const Tensor& x) { return Dims(x.sizes().begin(), x.sizes().end() - 2); };
  Dims batch = lead(a);
  if (!broadcast_into(batch, lead(b))) {
    c.fail("the batch dimensions of x1 ", to_string(a.sizes()), " and x2 ", to_string(b.sizes()),
           " do not broadcast");
  }
  const std::int64_t count = numel(batch);
  const auto spread = [&](const Tensor& x) {
    const std::int64_t rows = x.size(x.ndim() - 2);
    Dims sizes = batch;
    sizes.push_back(rows);
    sizes.push_back(columns(x));
    return reshape(expand(x, sizes), Dims{count, rows, columns(x)});
  };
  Dims sizes = batch;
  sizes.push_back(a.size(a.ndim() - 2));
  sizes.push_back(b.size(b.ndim() - 2));
  return reshape(call<CdistForward>({spread(a), spread(b)}, {p}), sizes);
}

}  // namespace unspool::ops
