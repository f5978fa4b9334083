// Cross products along a dimension of three elements.
#include <array>

#include "kernels/cpu/along.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// Component i of vectors whose components are `step` apart.
template <class V, class T>
V component(const T* a, const T* b, std::int64_t step, int i) {
  const std::int64_t next = (i + 1) % 3 * step, last = (i + 2) % 3 * step;
  return V(a[next]) * V(b[last]) - V(a[last]) * V(b[next]);
}

template <class T>
void cross(const Context& context, const Along& along, const T* a, const T* b, T* out) {
  using V = std::conditional_t<std::is_floating_point_v<T>, T, Lane<T>>;
  const std::int64_t step = along.inner;
  over_ranges(context, along.outer, grain_of(6 * step), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin * 3 * step; at < end * 3 * step; at += 3 * step) {
      for (int i = 0; i < 3; ++i) {
        for (std::int64_t k = at; k < at + step; ++k) {
          const V value = component<V>(a + k, b + k, step, i);
          if constexpr (std::is_floating_point_v<T>)
            out[k + i * step] = value;
          else
            out[k + i * step] = value.value;
        }
      }
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
