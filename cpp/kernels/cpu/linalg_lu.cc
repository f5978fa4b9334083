// LU decomposition with partial pivoting, and what follows from it: solutions, inverses, determinants.
#include <Eigen/LU>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/cpu/linalg.h"

namespace unspool::kernels::cpu {
namespace {

// In place; row i was swapped with row pivots[i]. Returns the place of the first pivot that is 0, from 1, or
// 0.
template <class T>
std::int32_t factorize(Matrix<T> a, std::int32_t* pivots) {
  if (a.size() == 0) return 0;
  std::int32_t swaps = 0;
  Eigen::internal::partial_lu_impl<T, Eigen::RowMajor, std::int32_t>::blocked_lu(a.rows(), a.cols(), a.data(),
                                                                                 a.cols(), pivots, swaps);
  for (Eigen::Index i = 0; i < std::min(a.rows(), a.cols()); ++i) {
    if (a(i, i) == T(0)) return static_cast<std::int32_t>(i + 1);
  }
  return 0;
}

// A square matrix's decomposition, apart from the matrix.
template <class T>
struct Factors {
  explicit Factors(ConstMatrix<T> a) : lu(a), pivots(static_cast<std::size_t>(a.rows())) {
    info = factorize<T>(Matrix<T>(lu.data(), lu.rows(), lu.cols()), pivots.data());
  }
  void solve_in_place(Matrix<T> x) const {
    for (std::size_t i = 0; i < pivots.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i), other = static_cast<Eigen::Index>(pivots[i]);
      if (row != other) x.row(row).swap(x.row(other));
    }
    lu.template triangularView<Eigen::UnitLower>().solveInPlace(x);
    lu.template triangularView<Eigen::Upper>().solveInPlace(x);
  }
  // 1 or -1, by the number of swaps.
  T sign() const {
    T result = T(1);
    for (std::size_t i = 0; i < pivots.size(); ++i) {
      if (pivots[i] != static_cast<std::int32_t>(i)) result = -result;
    }
    return result;
  }

  RowMajor<T> lu;
  std::vector<std::int32_t> pivots;
  std::int32_t info = 0;
};

template <class T>
struct Lu {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> in(call.in[0]), out(call.out[0]);
    std::int32_t* pivots = call.out[1].as<std::int32_t>();
    std::int32_t* info = call.out[2].as<std::int32_t>();
    const std::int64_t k = std::min(out.rows, out.columns);
    over_matrices(context, out.count, k * out.rows * out.columns, [&](std::int64_t i) {
      out[i] = in[i];
      info[i] = factorize<T>(out[i], pivots + i * k);
      for (std::int64_t j = 0; j < k; ++j) ++pivots[i * k + j];
    });
  }
};

template <class T>
struct Solve {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<const T> a(call.in[0]);
    const Batch<T> b(call.in[1]), out(call.out[0]);
    std::int32_t* info = call.out[1].as<std::int32_t>();
    over_matrices(context, out.count, a.rows * a.rows * (a.rows + out.columns), [&](std::int64_t i) {
      const Factors<T> factors(ConstMatrix<T>(a.data + i * a.rows * a.rows, a.rows, a.rows));
      info[i] = factors.info;
      out[i] = b[i];
      factors.solve_in_place(out[i]);
    });
  }
};

template <class T>
struct Inverse {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> a(call.in[0]), out(call.out[0]);
    std::int32_t* info = call.out[1].as<std::int32_t>();
    over_matrices(context, out.count, 2 * a.rows * a.rows * a.rows, [&](std::int64_t i) {
      const Factors<T> factors(ConstMatrix<T>(a[i].data(), a.rows, a.rows));
      info[i] = factors.info;
      out[i].setIdentity();
      factors.solve_in_place(out[i]);
    });
  }
};

template <class T>
struct Det {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> a(call.in[0]);
    T* out = call.out[0].as<T>();
    over_matrices(context, a.count, a.rows * a.rows * a.rows, [&](std::int64_t i) {
      const Factors<T> factors(ConstMatrix<T>(a[i].data(), a.rows, a.rows));
      T product = factors.sign();
      for (Eigen::Index k = 0; k < factors.lu.rows(); ++k) product *= factors.lu(k, k);
      out[i] = product;
    });
  }
};

template <class T>
struct Slogdet {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> a(call.in[0]);
    T* signs = call.out[0].as<T>();
    T* logarithms = call.out[1].as<T>();
    over_matrices(context, a.count, a.rows * a.rows * a.rows, [&](std::int64_t i) {
      const Factors<T> factors(ConstMatrix<T>(a[i].data(), a.rows, a.rows));
      T sign = factors.sign(), sum = T(0);
      for (Eigen::Index k = 0; k < factors.lu.rows(); ++k) {
        const T pivot = factors.lu(k, k);
        sign = pivot == T(0) ? T(0) : pivot < T(0) ? -sign : sign;
        sum += std::log(std::abs(pivot));
      }
      signs[i] = sign;
      logarithms[i] = sum;
    });
  }
};

template <class T>
struct SolveTriangular {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> a(call.in[0]), b(call.in[1]), out(call.out[0]);
    const bool upper = call.attrs[0].flag(), unit = call.attrs[1].flag();
    over_matrices(context, out.count, a.rows * a.rows * out.columns, [&](std::int64_t i) {
      out[i] = b[i];
      if (out[i].size() > 0) solve(a[i], out[i], upper, unit);
    });
  }
  static void solve(Matrix<T> a, Matrix<T> x, bool upper, bool unit) {
    if (upper && unit) return a.template triangularView<Eigen::UnitUpper>().solveInPlace(x);
    if (upper) return a.template triangularView<Eigen::Upper>().solveInPlace(x);
    if (unit) return a.template triangularView<Eigen::UnitLower>().solveInPlace(x);
    a.template triangularView<Eigen::Lower>().solveInPlace(x);
  }
};

void run_rows_of_pivots(const Context&, const KernelCall& call) {
  const View &pivots = call.in[0], &out = call.out[0];
  const std::int64_t k = pivots.sizes[pivots.ndim - 1], rows = out.sizes[out.ndim - 1];
  const std::int64_t count = rows == 0 ? 0 : out.numel() / rows;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t* swapped = pivots.as<std::int32_t>() + i * k;
    std::int64_t* order = out.as<std::int64_t>() + i * rows;
    std::iota(order, order + rows, std::int64_t{0});
    for (std::int64_t j = 0; j < k; ++j) {
      if (swapped[j] < 1 || swapped[j] > rows) {
        *call.fault = {"pivots must lie between 1 and the number of rows; got", swapped[j], -1};
        return;
      }
      std::swap(order[j], order[swapped[j] - 1]);
    }
  }
}

constexpr std::array<Kernel, 7> kLuKernels = {{
    {"linalg_lu", by_dtype<Lu>},
    {"linalg_solve", by_dtype<Solve>},
    {"linalg_inverse", by_dtype<Inverse>},
    {"linalg_det", by_dtype<Det>},
    {"linalg_slogdet", by_dtype<Slogdet>},
    {"linalg_solve_triangular", by_dtype<SolveTriangular>},
    {"linalg_rows_of_pivots", run_rows_of_pivots},
}};

}  // namespace

std::span<const Kernel> linalg_lu_kernels() { return kLuKernels; }

}  // namespace unspool::kernels::cpu
