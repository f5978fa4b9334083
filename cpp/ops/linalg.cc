// Shapes of the decompositions, and their derivatives (M. Giles 2008; J. Townsend 2016 for singular vectors;
// Golub and Pereyra 1973 for the pseudo-inverse), written in operations.
#include "ops/linalg.h"

#include "ops/joining.h"
#include "ops/shape.h"

namespace unspool::ops {
namespace {

Dtype floating_of(Inference& c) {
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type)) c.fail("needs a floating dtype, got ", name(type), "; convert with .float()");
  return type;
}

DimSpan matrices(Inference& c, int i) {
  const DimSpan sizes = c.sizes(i);
  if (sizes.size() < 2) c.fail("needs at least 2 dimensions, got shape ", to_string(sizes));
  return sizes;
}

DimSpan squares(Inference& c) {
  const DimSpan sizes = matrices(c, 0);
  const std::size_t n = sizes.size();
  if (sizes[n - 1] != sizes[n - 2]) c.fail("needs square matrices, got shape ", to_string(sizes));
  return sizes;
}

// The batch dimensions, followed by more.
Dims batch_with(DimSpan sizes, std::initializer_list<std::int64_t> last) {
  Dims result(sizes.first(sizes.size() - 2));
  for (std::int64_t size : last) result.push_back(size);
  return result;
}

std::int64_t rows(DimSpan sizes) { return sizes[sizes.size() - 2]; }
std::int64_t columns(DimSpan sizes) { return sizes[sizes.size() - 1]; }

Tensor tril(const Tensor& x, std::int64_t diagonal = 0) { return call<Tril>({x}, {diagonal}); }
Tensor triu(const Tensor& x, std::int64_t diagonal = 0) { return call<Triu>({x}, {diagonal}); }
Tensor off_diagonal(const Tensor& x) { return tril(x, -1) + triu(x, 1); }

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool unitriangular = false) {
  return call<LinalgSolveTriangular>({a, b}, {upper, unitriangular});
}

// x · a⁻¹ for a triangle.
Tensor divide_triangular(const Tensor& x, const Tensor& a, bool upper, bool unitriangular = false) {
  return mT(solve_triangular(mT(a), mT(x), !upper, unitriangular));
}

Tensor join(const Tensor& a, const Tensor& b, std::int64_t dim) { return call<Cat>({a, b}, {dim}); }

// x · diag(values).
Tensor scale_columns(const Tensor& x, const Tensor& values) { return x * unsqueeze(values, -2); }

// values[j] - values[i]. Where two are equal the derivative exists only for functions that do not tell their
// vectors apart, whose cotangents have zeros there; 1 keeps these zeros.
Tensor gaps(const Tensor& values) {
  const Tensor difference = unsqueeze(values, -2) - unsqueeze(values, -1);
  return where(eq(difference, 0.0), 1.0, difference);
}

}  // namespace

// --- Shapes
// ----------------------------------------------------------------------------------------------------------

void infer_square(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan sizes = squares(c);
  c.give(0, Dims(sizes), type);
  c.give(1, batch_with(sizes, {}), Dtype::kInt32);
}

void infer_solve(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan a = squares(c), b = matrices(c, 1);
  if (c[1].impl().dtype != type) {
    c.fail("input is ", name(type), " but other is ", name(c[1].impl().dtype), "; convert one with .to()");
  }
  if (!(batch_with(a, {columns(a)}) == batch_with(b, {rows(b)}))) {
    c.fail("other ", to_string(b), " does not fit input ", to_string(a));
  }
  c.give(0, Dims(b), type);
  if (c.op.record.outputs.size() > 1) c.give(1, batch_with(a, {}), Dtype::kInt32);
}

void infer_determinant(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan sizes = squares(c);
  for (int i = 0; i < c.op.record.outputs.size(); ++i) c.give(i, batch_with(sizes, {}), type);
}

void infer_lu(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan sizes = matrices(c, 0);
  c.give(0, Dims(sizes), type);
  c.give(1, batch_with(sizes, {std::min(rows(sizes), columns(sizes))}), Dtype::kInt32);
  c.give(2, batch_with(sizes, {}), Dtype::kInt32);
}

void infer_rows_of_pivots(Inference& c) {
  const DimSpan pivots = c.sizes(0);
  const std::int64_t count = c.integer("rows");
  if (c[0].impl().dtype != Dtype::kInt32) c.fail("needs int32 pivots, got ", name(c[0].impl().dtype));
  if (pivots.empty() || pivots.back() > count) {
    c.fail("pivots ", to_string(pivots), " do not fit a matrix of ", count, " rows");
  }
  Dims sizes(pivots);
  sizes.back() = count;
  c.give(0, std::move(sizes), Dtype::kInt64);
}

void infer_qr(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan sizes = matrices(c, 0);
  const std::int64_t m = rows(sizes), n = columns(sizes), k = c.flag("complete") ? m : std::min(m, n);
  c.give(0, batch_with(sizes, {m, k}), type);
  c.give(1, batch_with(sizes, {k, n}), type);
}

void infer_eigh(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan sizes = squares(c);
  c.give(0, batch_with(sizes, {columns(sizes)}), type);
  c.give(1, Dims(sizes), type);
}

void infer_svd(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan sizes = matrices(c, 0);
  const std::int64_t m = rows(sizes), n = columns(sizes), k = std::min(m, n);
  const bool full = c.flag("full_matrices");
  c.give(0, batch_with(sizes, {m, full ? m : k}), type);
  c.give(1, batch_with(sizes, {k}), type);
  c.give(2, batch_with(sizes, {full ? n : k, n}), type);
}

void infer_pinv(Inference& c) {
  const Dtype type = floating_of(c);
  const DimSpan sizes = matrices(c, 0);
  c.give(0, batch_with(sizes, {columns(sizes), rows(sizes)}), type);
}

// --- Derivatives
// -----------------------------------------------------------------------------------------------------

void cholesky_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor l = v.out(0), product = matmul(mT(l), v.g(0));
  // The lower triangle with half of the diagonal.
  const Tensor half = (tril(product) + tril(product, -1)) / 2.0;
  const Tensor s = divide_triangular(solve_triangular(mT(l), half, true), l, false);
  grads[0] = (s + mT(s)) / 2.0;
}

void inverse_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor transposed = mT(v.out(0));
  grads[0] = -matmul(transposed, matmul(v.g(0), transposed));
}

void solve_cotangents(Vjp& v, std::span<Tensor> grads) {
  const Tensor g = call<LinalgSolve>({mT(v.x(0)), v.g(0)});
  if (v.wants(0)) grads[0] = -matmul(g, mT(v.out(0)));
  if (v.wants(1)) grads[1] = g;
}

void solve_triangular_cotangents(Vjp& v, std::span<Tensor> grads) {
  const bool upper = v.flag("upper"), unitriangular = v.flag("unitriangular");
  const Tensor g = solve_triangular(mT(v.x(0)), v.g(0), !upper, unitriangular);
  if (v.wants(0)) {
    const Tensor all = matmul(g, mT(v.out(0)));
    grads[0] = -(upper ? triu(all, unitriangular ? 1 : 0) : tril(all, unitriangular ? -1 : 0));
  }
  if (v.wants(1)) grads[1] = g;
}

void determinant_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor factor = unsqueeze(unsqueeze(v.g(0) * v.out(0), -1), -1);
  grads[0] = factor * mT(call<LinalgInverse>({v.x(0)}));
}

void slogdet_cotangent(Vjp& v, std::span<Tensor> grads) {
  grads[0] = unsqueeze(unsqueeze(v.g(1), -1), -1) * mT(call<LinalgInverse>({v.x(0)}));
}

void lu_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor lu = v.out(0), g = v.g(0);
  const std::int64_t m = rows(lu.sizes()), n = columns(lu.sizes()), k = std::min(m, n);
  const Tensor square = slice(slice(lu, -2, 0, k), -1, 0, k), g_square = slice(slice(g, -2, 0, k), -1, 0, k);
  Tensor g_lower = tril(g_square, -1), g_upper = triu(g_square), g_rest;
  if (n > k) {
    // U's other columns are L⁻¹ times the matrix's.
    const Tensor right = slice(lu, -1, k, n);
    g_rest = solve_triangular(mT(square), slice(g, -1, k, n), true, true);
    g_lower = g_lower - tril(matmul(g_rest, mT(right)), -1);
  } else if (m > k) {
    // L's other rows are the matrix's times U⁻¹.
    const Tensor below = slice(lu, -2, k, m);
    g_rest = divide_triangular(slice(g, -2, k, m), mT(square), false);
    g_upper = g_upper - triu(matmul(mT(below), g_rest));
  }
  const Tensor unit_lower = tril(square, -1);  // its diagonal of ones is not stored
  const Tensor left = tril(matmul(mT(unit_lower), g_lower) + g_lower, -1),
               right = triu(matmul(g_upper, mT(triu(square))));
  Tensor result = solve_triangular(mT(square), left + right, true, true);
  result = divide_triangular(result, mT(square), false);
  if (n > k) {
    result = join(result, g_rest, -1);
  } else if (m > k) {
    result = join(result, g_rest, -2);
  }
  const Tensor rows = unsqueeze(call<LinalgRowsOfPivots>({v.out(1)}, {m}), -1);
  grads[0] = scatter_onto(result.sizes(), result.ndim() - 2, expand(rows, result.sizes()), result);
}

namespace {

// For at least as many rows as columns.
Tensor tall_qr_cotangent(const Tensor& q, const Tensor& r, const Tensor& gq, const Tensor& gr) {
  const Tensor m = matmul(r, mT(triu(gr))) - matmul(mT(gq), q);
  const Tensor symmetric = tril(m) + mT(tril(m, -1));
  return divide_triangular(gq + matmul(q, symmetric), mT(r), false);
}

}  // namespace

void qr_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor q = v.out(0), r = v.out(1), gq = v.g(0), gr = v.g(1);
  const std::int64_t m = rows(q.sizes()), n = columns(r.sizes());
  if (m >= n) {
    if (columns(q.sizes()) > n) {
      fail(
          "linalg_qr: the complete decomposition of a matrix with more rows than columns has no derivative, "
          "because "
          "the last columns of q are not unique; use mode='reduced'");
    }
    grads[0] = tall_qr_cotangent(q, r, gq, gr);
    return;
  }
  // The first m columns determine q; the others are q times r's.
  const Tensor g_right = slice(gr, -1, m, n), x_right = slice(v.x(0), -1, m, n);
  const Tensor left =
      tall_qr_cotangent(q, slice(r, -1, 0, m), gq + matmul(x_right, mT(g_right)), slice(gr, -1, 0, m));
  grads[0] = join(left, matmul(q, g_right), -1);
}

void eigh_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor vectors = v.out(1);
  Tensor left = scale_columns(vectors, v.g(0));
  if (v.has_g(1)) {
    // Vectors that stay orthonormal turn: of their cotangents only the antisymmetric part moves them.
    const Tensor product = matmul(mT(vectors), v.g(1));
    left = left + matmul(vectors, off_diagonal((product - mT(product)) / (gaps(v.out(0)) * 2)));
  }
  grads[0] = matmul(left, mT(vectors));
}

void svd_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor s = v.out(1);
  const std::int64_t k = s.sizes().back();
  // Of the full matrices only the vectors that belong to singular values have a derivative.
  const Tensor u = slice(v.out(0), -1, 0, k), vh = slice(v.out(2), -2, 0, k);
  Tensor result = matmul(scale_columns(u, v.g(1)), vh);
  if (v.has_g(0) || v.has_g(2)) {
    const Tensor gu = slice(v.g(0), -1, 0, k), gv = mT(slice(v.g(2), -2, 0, k)), vt = mT(vh);
    const Tensor squares = gaps(square(s));
    const auto twist = [&](const Tensor& vectors, const Tensor& g) {
      const Tensor product = matmul(mT(vectors), g);
      return off_diagonal((product - mT(product)) / squares);
    };
    const Tensor inner = scale_columns(twist(u, gu), s) + mT(scale_columns(mT(twist(vt, gv)), s));
    result = result + matmul(u, matmul(inner, vh));
    const Tensor inverses = true_divide(1.0, s);
    if (rows(u.sizes()) > k) {
      const Tensor rest = gu - matmul(u, matmul(mT(u), gu));
      result = result + matmul(scale_columns(rest, inverses), vh);
    }
    if (columns(vh.sizes()) > k) {
      const Tensor rest = gv - matmul(vt, matmul(vh, gv));
      result = result + matmul(u, mT(scale_columns(rest, inverses)));
    }
  }
  grads[0] = result;
}

void pinv_cotangent(Vjp& v, std::span<Tensor> grads) {
  const Tensor a = v.x(0), p = v.out(0), g = v.g(0), pt = mT(p), gt = mT(g);
  const Tensor left = matmul(gt, matmul(p, pt)), right = matmul(pt, matmul(p, gt));
  grads[0] =
      (left - matmul(a, matmul(p, left))) + (right - matmul(matmul(right, p), a)) - matmul(pt, matmul(g, pt));
}

}  // namespace unspool::ops
