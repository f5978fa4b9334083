// Tensors as planes: up to three spatial dimensions (depth, height, width) behind a batch of everything
// before them, and the per-dimension tables that spatial kernels read.
#pragma once

#include <cstdint>

#include "tensor/view.h"

namespace unspool::kernels::cpu {

// The last `spatial` dimensions of a contiguous view; those that are missing have size 1.
struct Planes {
  std::int64_t count = 1;
  std::int64_t size[3] = {1, 1, 1};

  Planes(const View& view, int spatial) {
    for (int d = 0; d < view.ndim - spatial; ++d) count *= view.sizes[d];
    for (int d = 0; d < spatial; ++d) size[3 - spatial + d] = view.sizes[view.ndim - spatial + d];
  }

  std::int64_t depth() const { return size[0]; }
  std::int64_t height() const { return size[1]; }
  std::int64_t width() const { return size[2]; }
  std::int64_t numel() const { return size[0] * size[1] * size[2]; }
};

}  // namespace unspool::kernels::cpu
