// Singular values and vectors, and the pseudo-inverse, by one-sided Jacobi rotations (Hestenes 1958; Demmel
// and Veselić 1992): columns are rotated in pairs until all are orthogonal. It is accurate also for the small
// singular values, and a fraction of the code of methods that are faster for hundreds of columns.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/cpu/linalg.h"

namespace unspool::kernels::cpu {
namespace {

constexpr const char* kFailure = "the algorithm failed to converge for the matrix with the number";
constexpr int kMaxSweeps = 60;

template <class T>
using Column = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>>;

// The decomposition left · diag(values) · rightᵀ of a matrix with at least as many rows as columns.
template <class T>
class TallSvd {
 public:
  // `full` adds the columns that complete `left` to a square.
  TallSvd(Eigen::Ref<const ColumnMajor<T>, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>> a, bool full)
      : values(a.cols()),
        left_(a),
        right_(ColumnMajor<T>::Identity(a.cols(), a.cols())),
        order_(static_cast<std::size_t>(a.cols())) {
    const T scale = a.size() == 0 ? T(0) : a.cwiseAbs().maxCoeff();
    is_finite_ = a.allFinite();
    if (!is_finite_) return;
    if (scale > T(0)) left_ /= scale;
    is_finite_ = orthogonalize();
    normalize(scale);
    sort();
    complete(full ? a.rows() : a.cols());
  }

  bool succeeded() const { return is_finite_; }
  const ColumnMajor<T>& left() const { return left_; }
  const ColumnMajor<T>& right() const { return right_; }

  Eigen::Matrix<T, Eigen::Dynamic, 1> values;

 private:
  bool orthogonalize() {
    const T tolerance = std::numeric_limits<T>::epsilon() *
                        std::sqrt(static_cast<T>(std::max<Eigen::Index>(left_.rows(), 1)));
    for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
      bool is_done = true;
      squares_ = left_.colwise().squaredNorm();
      for (Eigen::Index p = 0; p + 1 < left_.cols(); ++p) {
        for (Eigen::Index q = p + 1; q < left_.cols(); ++q) is_done &= !rotate(p, q, tolerance);
      }
      if (is_done) return true;
    }
    return false;
  }

  // Makes two columns orthogonal; false where they are already.
  bool rotate(Eigen::Index p, Eigen::Index q, T tolerance) {
    const T alpha = squares_(p), beta = squares_(q), gamma = left_.col(p).dot(left_.col(q));
    if (std::abs(gamma) <= tolerance * std::sqrt(alpha) * std::sqrt(beta)) return false;
    const T zeta = (beta - alpha) / (T(2) * gamma);
    const T t = std::copysign(T(1), zeta) / (std::abs(zeta) + std::sqrt(T(1) + zeta * zeta));
    const T c = T(1) / std::sqrt(T(1) + t * t), s = c * t;
    turn(left_, p, q, c, s);
    turn(right_, p, q, c, s);
    follow(p, alpha - t * gamma);
    follow(q, beta + t * gamma);
    return true;
  }

  // The square of a column's norm after a rotation, anew where little is left of it.
  void follow(Eigen::Index j, T square) {
    squares_(j) = square < T(0.25) * squares_(j) ? left_.col(j).squaredNorm() : square;
  }

  static void turn(ColumnMajor<T>& columns, Eigen::Index p, Eigen::Index q, T c, T s) {
    T* x = columns.data() + p * columns.rows();
    T* y = columns.data() + q * columns.rows();
    for (Eigen::Index i = 0; i < columns.rows(); ++i) {
      const T xi = x[i], yi = y[i];
      x[i] = c * xi - s * yi;
      y[i] = s * xi + c * yi;
    }
  }

  void normalize(T scale) {
    for (Eigen::Index j = 0; j < left_.cols(); ++j) {
      const T norm = left_.col(j).norm();
      values(j) = norm * scale;
      if (norm > T(0)) left_.col(j) /= norm;
    }
  }

  void sort() {
    std::iota(order_.begin(), order_.end(), Eigen::Index{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](Eigen::Index a, Eigen::Index b) { return values(a) > values(b); });
    const ColumnMajor<T> left = left_, right = right_;
    const Eigen::Matrix<T, Eigen::Dynamic, 1> unsorted = values;
    for (Eigen::Index j = 0; j < left_.cols(); ++j) {
      const Eigen::Index from = order_[static_cast<std::size_t>(j)];
      left_.col(j) = left.col(from);
      right_.col(j) = right.col(from);
      values(j) = unsorted(from);
    }
  }

  // Replaces columns that are 0 and adds new ones, up to `count`, each from the unit vector that is farthest
  // from the columns before it.
  void complete(Eigen::Index count) {
    Eigen::Index known = 0;
    while (known < left_.cols() && values(known) > T(0)) ++known;
    left_.conservativeResize(Eigen::NoChange, count);
    Eigen::Matrix<T, Eigen::Dynamic, 1> covered = left_.leftCols(known).rowwise().squaredNorm();
    for (; known < count; ++known) {
      Eigen::Index farthest = 0;
      covered.minCoeff(&farthest);
      auto column = left_.col(known);
      column.setZero();
      column(farthest) = T(1);
      // Twice, because the first time leaves rounding errors that are large where little remains.
      for (int pass = 0; pass < 2; ++pass) {
        for (Eigen::Index j = 0; j < known; ++j) column -= left_.col(j).dot(column) * left_.col(j);
      }
      column /= column.norm();
      covered += column.cwiseAbs2();
    }
  }

  ColumnMajor<T> left_, right_;
  Eigen::Matrix<T, Eigen::Dynamic, 1> squares_;  // of the columns' norms
  std::vector<Eigen::Index> order_;
  bool is_finite_ = true;
};

// The same for any shape: a wide matrix is decomposed through its transpose.
template <class T>
TallSvd<T> decompose(Matrix<T> a, bool full) {
  if (a.rows() >= a.cols()) return {a, full};
  return {a.transpose(), full};
}

template <class T>
struct Svd {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> in(call.in[0]), u(call.out[0]), vh(call.out[2]);
    T* values = call.out[1].as<T>();
    const bool full = call.attrs[0].flag(), is_tall = in.rows >= in.columns;
    const std::int64_t k = std::min(in.rows, in.columns);
    over_matrices(context, in.count, 50 * in.rows * in.columns * k, [&](std::int64_t i) {
      const TallSvd<T> svd = decompose<T>(in[i], full);
      if (!svd.succeeded()) {
        *call.fault = {kFailure, i, -1};
        return;
      }
      Column<T>(values + i * k, k) = svd.values;
      u[i] = is_tall ? svd.left() : svd.right();
      vh[i] = (is_tall ? svd.right() : svd.left()).transpose();
    });
  }
};

template <class T>
struct Pinv {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> in(call.in[0]), out(call.out[0]);
    const T atol = static_cast<T>(call.attrs[0].number()), rtol = static_cast<T>(call.attrs[1].number());
    const std::int64_t k = std::min(in.rows, in.columns);
    const bool is_tall = in.rows >= in.columns;
    if (k == 0) return;
    over_matrices(context, in.count, 50 * in.rows * in.columns * k, [&](std::int64_t i) {
      const TallSvd<T> svd = decompose<T>(in[i], false);
      if (!svd.succeeded()) {
        *call.fault = {kFailure, i, -1};
        return;
      }
      Eigen::Matrix<T, Eigen::Dynamic, 1> inverses = svd.values;
      const T bound = std::max(atol, rtol * inverses(0));
      for (T& value : inverses) value = value > bound ? T(1) / value : T(0);
      // Scaled column by column: Eigen compiles a product with a diagonal matrix for seconds.
      ColumnMajor<T> scaled = svd.right();
      for (Eigen::Index j = 0; j < k; ++j) scaled.col(j) *= inverses(j);
      const ColumnMajor<T> product = scaled * svd.left().transpose();
      if (is_tall)
        out[i] = product;
      else
        out[i] = product.transpose();
    });
  }
};

constexpr std::array<Kernel, 2> kSvdKernels = {
    {{"linalg_svd", by_dtype<Svd>}, {"linalg_pinv", by_dtype<Pinv>}}};

}  // namespace

std::span<const Kernel> linalg_svd_kernels() { return kSvdKernels; }

}  // namespace unspool::kernels::cpu
