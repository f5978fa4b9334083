// QR decomposition by Householder reflections.
#include <Eigen/QR>
#include <array>

#include "kernels/cpu/linalg.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
struct Qr {
  static void run(const Context& context, const KernelCall& call) {
    const Batch<T> in(call.in[0]), q(call.out[0]), r(call.out[1]);
    over_matrices(context, in.count, 4 * in.rows * in.columns * q.columns, [&](std::int64_t i) {
      if (in.columns == 0) return q[i].setIdentity(), void();
      if (in.rows == 0) return;
      const Eigen::HouseholderQR<ColumnMajor<T>> qr(in[i]);
      q[i] = qr.householderQ() * ColumnMajor<T>::Identity(in.rows, q.columns);
      r[i] = qr.matrixQR().topRows(r.rows);
      r[i].template triangularView<Eigen::StrictlyLower>().setZero();
    });
  }
};

constexpr std::array<Kernel, 1> kQrKernels = {{{"linalg_qr", by_dtype<Qr>}}};

}  // namespace

std::span<const Kernel> linalg_qr_kernels() { return kQrKernels; }

}  // namespace unspool::kernels::cpu
