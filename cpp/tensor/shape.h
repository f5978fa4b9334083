// Shape and stride arithmetic: everything about dimensions that needs no data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/small_vector.h"

namespace unspool {

using Dims = SmallVector<std::int64_t, 4>;
using DimSpan = std::span<const std::int64_t>;

inline constexpr int kMaxDims = 64;

// "(2, 3)", "(4,)" and "()", as NumPy prints shapes.
std::string to_string(DimSpan dims);

// Product of the sizes. Raises on negative sizes and on products beyond 2^63 - 1; `who` names the operation.
std::int64_t checked_numel(DimSpan sizes, std::string_view who);

inline std::int64_t numel(DimSpan sizes) {
  std::int64_t n = 1;
  for (std::int64_t size : sizes) n *= size;
  return n;
}

Dims contiguous_strides(DimSpan sizes);
bool is_contiguous(DimSpan sizes, DimSpan strides);

// Maps [-ndim, ndim) to [0, ndim); a 0-d tensor accepts -1 and 0. Raises IndexError otherwise.
int normalize_dim(std::int64_t dim, int ndim, std::string_view who);

// The dimensions named in `dims` (all of them when empty), each once, as a flag per dimension.
SmallVector<bool, 8> dim_mask(DimSpan dims, int ndim, std::string_view who);

// Broadcasts b onto a in place; false when the shapes do not fit.
bool broadcast_into(Dims& a, DimSpan b);

// Resolves one -1 among the requested sizes against `numel`; raises when they do not fit.
Dims infer_reshape(DimSpan requested, DimSpan from, std::string_view who);

// Strides under which a tensor of the given geometry can be seen with the new sizes, or nothing when a copy
// is needed.
std::optional<Dims> view_strides(DimSpan sizes, DimSpan strides, DimSpan new_sizes);

// True when two different index tuples may reach the same element (a stride-0 or self-overlapping layout).
bool may_overlap_itself(DimSpan sizes, DimSpan strides);

}  // namespace unspool
