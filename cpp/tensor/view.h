// A non-owning window on memory: what kernels read and write. Header-only.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace unspool {

struct View {
  void* data = nullptr;
  const std::int64_t* sizes = nullptr;
  const std::int64_t* strides = nullptr;  // in elements; 0 repeats one element
  std::int32_t ndim = 0;
  Dtype dtype = Dtype::kFloat32;
  bool contiguous = false;  // row-major without gaps

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= sizes[d];
    return n;
  }
};

}  // namespace unspool
