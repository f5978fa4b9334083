// Kernels of the arithmetic family: loops made from the bodies in ops/arithmetic.h. Integer division looks
// for a zero divisor first, because a loop has no way to say that it met one.
#include "ops/arithmetic.h"

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layout.h"

namespace unspool::kernels::cpu {
namespace {

bool has_zero(const View& view) {
  if (view.numel() == 0) return false;
  return visit_dtype(view.dtype, [&]<class T>(T) {
    Joint joint(view);
    joint.merge();
    joint.ensure_row();
    const std::int64_t n = joint.numel(), row = joint.row(), stride = joint.row_stride(0);
    Cursor cursor(joint, 0);
    for (std::int64_t at = 0; at < n; at += row) {
      const T* data = view.as<T>() + cursor.offset[0];
      bool found = false;
      for (std::int64_t i = 0; i < row; ++i) found |= data[i * stride] == T(0);
      if (found) return true;
      cursor.advance(row);
    }
    return false;
  });
}

template <class Op>
void run_division(const Context& context, const KernelCall& call) {
  const View& divisor = call.in[1];
  if (!is_floating(divisor.dtype) && call.out[0].numel() > 0 && has_zero(divisor)) {
    *call.fault = {"divisor", 0, 0};
    return;
  }
  run_elementwise(context, call, kLoops<Op>);
}

template <class... Ops>
constexpr auto with_checked_division(std::array<Kernel, sizeof...(Ops)> kernels, ops::OpList<Ops...>) {
  std::size_t i = 0;
  const auto check = [&]<class Op>() {
    if constexpr (std::is_same_v<Op, ops::FloorDivide> || std::is_same_v<Op, ops::TruncDivide> ||
                  std::is_same_v<Op, ops::Remainder> || std::is_same_v<Op, ops::Fmod>) {
      kernels[i].run = run_division<Op>;
    }
    ++i;
  };
  (check.template operator()<Ops>(), ...);
  return kernels;
}

constexpr auto kKernels =
    with_checked_division(ElementwiseKernels<ops::ArithmeticOps>::table, ops::ArithmeticOps{});

}  // namespace

std::span<const Kernel> arithmetic_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
