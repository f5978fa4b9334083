// What the benchmarks of the floors above the kernels share: starting the library as the extension does,
// inputs, and memory that kernels are handed. Measures nothing itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/thread_pool.h"
#include "exec/eager.h"
#include "kernels/loader.h"
#include "ops/emitter.h"
#include "tensor/tensor.h"

namespace unspool::bench {

// Opens the kernel library of the build tree and makes eager execution the default, on one thread.
inline void start_library() {
  set_thread_count(1);
  exec::start(kernels::load_table(UNSPOOL_KERNEL_DIRECTORY));
}

// Between 0.1 and 0.9, where almost every function is defined and none is slow by accident.
inline Tensor operand(Dims sizes, Dtype dtype = Dtype::kFloat32) {
  Tensor tensor = Tensor::empty(std::move(sizes), dtype);
  visit_dtype(dtype, [&]<class T>(T) {
    std::uint32_t state = 1;
    T* data = static_cast<T*>(tensor.data());
    std::generate_n(data, tensor.numel(), [&state] {
      state = state * 1664525u + 1013904223u;
      const double unit = static_cast<double>(state >> 8) / (1 << 24);
      return static_cast<T>(std::is_floating_point_v<T> ? 0.1 + 0.8 * unit : 10.0 * unit);
    });
  });
  return tensor;
}

}  // namespace unspool::bench
