// Eigenvalues and eigenvectors of symmetric matrices.
#include <Eigen/Eigenvalues>
#include <array>

#include "kernels/cpu/linalg.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
struct Eigh {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> in(call.in[0]), vectors(call.out[1]);
    T* values = call.out[0].as<T>();
    const std::int64_t n = in.rows;
    const bool upper = call.attrs[0].flag();
    if (n == 0) return;
    over_matrices(context, in.count, 10 * n * n * n, [&](std::int64_t i) {
      // The solver reads the lower triangle, which is the transpose's upper one.
      ColumnMajor<T> lower;
      if (upper)
        lower = in[i].transpose();
      else
        lower = in[i];
      const Eigen::SelfAdjointEigenSolver<ColumnMajor<T>> solver(lower);
      if (solver.info() != Eigen::Success) {
        *call.fault = {"the algorithm failed to converge for the matrix with the number", i, -1};
        return;
      }
      Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>>(values + i * n, n) = solver.eigenvalues();
      vectors[i] = solver.eigenvectors();
    });
  }
};

constexpr std::array<Kernel, 1> kEighKernels = {{{"linalg_eigh", by_dtype<Eigh>}}};

}  // namespace

std::span<const Kernel> linalg_eigh_kernels() { return kEighKernels; }

}  // namespace unspool::kernels::cpu
