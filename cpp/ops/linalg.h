// Decompositions and solutions of linear systems, for batches of matrices in the last two dimensions. All are
// hidden: unspool.linalg adds names, checks of arguments, and an error where a matrix is singular, which the
// operations here only report in their output `info`.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

using Text = std::string_view;

constexpr Record decomposition(Text name, Text formula, Text doc, Args args,
                               List<std::string_view, kMaxOutputs> outputs, void (*infer)(Inference&),
                               JointRule rule) {
  Record record{.name = name, .where = kHidden, .formula = formula, .doc = doc};
  record.args = args;
  record.outputs = {outputs};
  record.dtypes = kFloats;
  record.row_major = true;
  record.infer = infer;
  record.joint_vjp = rule;
  return record;
}

void infer_square(Inference& c);
void infer_solve(Inference& c);
void infer_determinant(Inference& c);
void infer_lu(Inference& c);
void infer_rows_of_pivots(Inference& c);
void infer_qr(Inference& c);
void infer_eigh(Inference& c);
void infer_svd(Inference& c);
void infer_pinv(Inference& c);

void cholesky_cotangent(Vjp& v, std::span<Tensor> grads);
void inverse_cotangent(Vjp& v, std::span<Tensor> grads);
void solve_cotangents(Vjp& v, std::span<Tensor> grads);
void solve_triangular_cotangents(Vjp& v, std::span<Tensor> grads);
void determinant_cotangent(Vjp& v, std::span<Tensor> grads);
void slogdet_cotangent(Vjp& v, std::span<Tensor> grads);
void lu_cotangent(Vjp& v, std::span<Tensor> grads);
void qr_cotangent(Vjp& v, std::span<Tensor> grads);
void eigh_cotangent(Vjp& v, std::span<Tensor> grads);
void svd_cotangent(Vjp& v, std::span<Tensor> grads);
void pinv_cotangent(Vjp& v, std::span<Tensor> grads);

struct LinalgCholesky {
  static constexpr Record record =
      decomposition("linalg_cholesky", "output · outputᵀ = input",
                    "Lower Cholesky factor, from the lower triangle. info is 0, or the order of the leading "
                    "minor that is not "
                    "positive.",
                    {tensor()}, {"output", "info"}, infer_square, {out(0), cholesky_cotangent});
};

struct LinalgInverse {
  static constexpr Record record =
      decomposition("linalg_inverse", "input⁻¹", "Inverse. info is 0, or the place of the first zero pivot.",
                    {tensor()}, {"output", "info"}, infer_square, {out(0), inverse_cotangent});
};

struct LinalgSolve {
  static constexpr Record record = decomposition("linalg_solve", "input⁻¹ · other",
                                                 "Solution of input · output = other, whose batch dimensions "
                                                 "are equal. info is 0, or the place of the first "
                                                 "zero pivot.",
                                                 {tensor(), tensor("other")}, {"output", "info"}, infer_solve,
                                                 {in(0) | out(0), solve_cotangents});
};

struct LinalgSolveTriangular {
  static constexpr Record record =
      decomposition("linalg_solve_triangular", "input⁻¹ · other",
                    "The same for a triangle of input; what lies outside of it is not read, nor a diagonal "
                    "that is taken for ones.",
                    {tensor(), tensor("other"), flag("upper"), flag("unitriangular")}, {"output"},
                    infer_solve, {in(0) | out(0), solve_triangular_cotangents});
};

struct LinalgDet {
  static constexpr Record record =
      decomposition("linalg_det", "det(input)", "Determinant.", {tensor()}, {"output"}, infer_determinant,
                    {in(0) | out(0), determinant_cotangent});
};

struct LinalgSlogdet {
  static constexpr Record record =
      decomposition("linalg_slogdet", "sign(det(input)), ln |det(input)|",
                    "Sign of the determinant and logarithm of its magnitude, which cannot overflow.",
                    {tensor()}, {"sign", "logabsdet"}, infer_determinant, {in(0), slogdet_cotangent});
};

struct LinalgLu {
  static constexpr Record record =
      decomposition("linalg_lu", "input = P · L · U",
                    "LU decomposition with partial pivoting: U and, below its diagonal, L; row i was swapped "
                    "with row pivots[i], "
                    "counted from 1. info is 0, or the place of the first zero pivot.",
                    {tensor()}, {"output", "pivots", "info"}, infer_lu, {out(0) | out(1), lu_cotangent});
};

struct LinalgRowsOfPivots {
  static constexpr Record record =
      decomposition("linalg_rows_of_pivots", "the rows of P · L · U in the order of L · U",
                    "Where each row of L · U came from, as int64, for a matrix with this many rows.",
                    {tensor("pivots"), integer("rows")}, {"output"}, infer_rows_of_pivots, {});
};

struct LinalgQr {
  static constexpr Record record = decomposition(
      "linalg_qr", "input = q · r", "Orthonormal columns times an upper triangle.",
      {tensor(), flag("complete")}, {"q", "r"}, infer_qr, {in(0) | out(0) | out(1), qr_cotangent});
};

struct LinalgEigh {
  static constexpr Record record = decomposition(
      "linalg_eigh", "input = vectors · diag(values) · vectorsᵀ",
      "Eigenvalues, ascending, and eigenvectors of a symmetric matrix, of which one triangle is read.",
      {tensor(), flag("upper")}, {"values", "vectors"}, infer_eigh, {out(0) | out(1), eigh_cotangent});
};

struct LinalgSvd {
  static constexpr Record record =
      decomposition("linalg_svd", "input = u · diag(s) · vh", "Singular values, descending, and vectors.",
                    {tensor(), flag("full_matrices")}, {"u", "s", "vh"}, infer_svd,
                    {out(0) | out(1) | out(2), svd_cotangent});
};

struct LinalgPinv {
  static constexpr Record record = decomposition(
      "linalg_pinv", "input⁺",
      "Pseudo-inverse; singular values up to max(atol, rtol * the largest) count as 0.",
      {tensor(), real("atol"), real("rtol")}, {"output"}, infer_pinv, {in(0) | out(0), pinv_cotangent});
};

using LinalgOps =
    OpList<LinalgCholesky, LinalgInverse, LinalgSolve, LinalgSolveTriangular, LinalgDet, LinalgSlogdet,
           LinalgLu, LinalgRowsOfPivots, LinalgQr, LinalgEigh, LinalgSvd, LinalgPinv>;

}  // namespace unspool::ops
