// What the kernels of the decompositions share: batches of row-major matrices as Eigen sees them. Eigen is
// included through here only. It allocates its own work space and takes its block sizes from the machine's
// caches, so the bits of a large decomposition are those of one machine; each matrix is worked on by one
// thread.
#pragma once

#define EIGEN_NO_DEBUG
#define EIGEN_DONT_PARALLELIZE
#define EIGEN_MPL2_ONLY

#include <Eigen/Core>

#include "kernels/cpu/decompositions.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {

template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using ColumnMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
using Matrix = Eigen::Map<RowMajor<T>>;
template <class T>
using ConstMatrix = Eigen::Map<const RowMajor<T>>;

// The matrices of a contiguous tensor of at least 2 dimensions.
template <class T>
struct Batch {
  explicit Batch(const View& view)
      : data(view.as<T>()), rows(view.sizes[view.ndim - 2]), columns(view.sizes[view.ndim - 1]) {
    for (int d = 0; d < view.ndim - 2; ++d) count *= view.sizes[d];
  }
  Matrix<T> operator[](std::int64_t i) const { return {data + i * rows * columns, rows, columns}; }

  T* data;
  std::int64_t rows, columns, count = 1;
};

// Out of line, because it is called for a whole batch and for parts of it: Eigen's expressions compile once.
template <class F>
[[gnu::noinline]] void each_matrix(std::int64_t begin, std::int64_t end, const F& run) {
  for (std::int64_t i = begin; i < end; ++i) run(i);
}

// run(i) for every matrix of a batch, in parallel where one is worth `cost` elements of cheap work.
template <class F>
void over_matrices(const Context& context, std::int64_t count, std::int64_t cost, const F& run) {
  over_ranges(context, count, grain_of(cost),
              [&](std::int64_t begin, std::int64_t end) { each_matrix(begin, end, run); });
}

// run<float or double>, as the first output asks.
template <template <class> class Run>
void by_dtype(const Context& context, const KernelCall& call) {
  if (call.out[0].dtype == Dtype::kFloat32)
    Run<float>::run(context, call);
  else
    Run<double>::run(context, call);
}

}  // namespace unspool::kernels::cpu
