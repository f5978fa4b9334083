// Cholesky factors.
#include <Eigen/Cholesky>
#include <array>

#include "kernels/cpu/linalg.h"

namespace unspool::kernels::cpu {
namespace {

// The order of the first leading minor that is not positive, or 0.
template <class T>
std::int32_t factorize(Matrix<T> a) {
  Eigen::Ref<RowMajor<T>> lower(a);
  const Eigen::Index failed = Eigen::internal::llt_inplace<T, Eigen::Lower>::blocked(lower);
  if (failed >= 0) return static_cast<std::int32_t>(failed + 1);
  // A NaN is not positive, but does not compare as less either.
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    if (!(a(i, i) > T(0))) return static_cast<std::int32_t>(i + 1);
  }
  return 0;
}

template <class T>
struct Cholesky {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> in(call.in[0]), out(call.out[0]);
    std::int32_t* info = call.out[1].as<std::int32_t>();
    over_matrices(context, out.count, out.rows * out.rows * out.rows, [&](std::int64_t i) {
      Matrix<T> l = out[i];
      l = in[i];
      info[i] = factorize<T>(l);
      l.template triangularView<Eigen::StrictlyUpper>().setZero();
    });
  }
};

constexpr std::array<Kernel, 1> kCholeskyKernels = {{{"linalg_cholesky", by_dtype<Cholesky>}}};

}  // namespace

std::span<const Kernel> linalg_cholesky_kernels() { return kCholeskyKernels; }

}  // namespace unspool::kernels::cpu
