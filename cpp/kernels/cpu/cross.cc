// Cross products along a dimension of three elements.
#include <array>

#include "kernels/cpu/along.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// The products of vectors whose components are `step` apart.
template <class T>
void cross_one(const T* a, const T* b, std::int64_t step, T* out) {
  using V = std::conditional_t<std::is_floating_point_v<T>, T, Lane<T>>;
  const V x(a[0]), y(a[step]), z(a[2 * step]), u(b[0]), v(b[step]), w(b[2 * step]);
  const V product[3] = {y * w - z * v, z * u - x * w, x * v - y * u};
  for (int i = 0; i < 3; ++i) {
    if constexpr (std::is_floating_point_v<T>)
      out[i * step] = product[i];
    else
      out[i * step] = product[i].value;
  }
}

template <class T>
void cross(const Context& context, const Along& along, const T* a, const T* b, T* out) {
  const std::int64_t step = along.inner;
  over_ranges(context, along.outer, grain_of(6 * step), [&](std::int64_t begin, std::int64_t end) {
    if (step == 1) {
      for (std::int64_t at = 3 * begin; at < 3 * end; at += 3) cross_one(a + at, b + at, 1, out + at);
      return;
    }
    for (std::int64_t at = begin * 3 * step; at < end * 3 * step; at += 3 * step) {
      for (std::int64_t k = at; k < at + step; ++k) cross_one(a + k, b + k, step, out + k);
    }
  });
}

// Attributes: dim.
void run_cross(const Context& context, const KernelCall& call) {
  const Along along(call.out[0], call.attrs[0].integer());
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    cross(context, along, call.in[0].as<const T>(), call.in[1].as<const T>(), call.out[0].as<T>());
  });
}

constexpr std::array<Kernel, 1> kKernels = {{{"cross_product", run_cross}}};

}  // namespace

std::span<const Kernel> cross_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
