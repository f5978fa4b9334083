// A dimension of a tensor, with everything outside and inside of it as one dimension each.
#pragma once

#include <cstdint>

#include "tensor/view.h"

namespace unspool::kernels::cpu {

// The sizes (outer, n, inner) around a dimension, which may be negative. A 0-d tensor has n = 1.
struct Along {
  std::int64_t outer = 1, n = 1, inner = 1;

  Along(const View& view, std::int64_t dim) {
    if (view.ndim == 0) return;
    const auto at = static_cast<std::int32_t>(dim < 0 ? dim + view.ndim : dim);
    for (int d = 0; d < at; ++d) outer *= view.sizes[d];
    n = view.sizes[at];
    for (int d = at + 1; d < view.ndim; ++d) inner *= view.sizes[d];
  }
};

}  // namespace unspool::kernels::cpu
