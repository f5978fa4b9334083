// Shape and stride arithmetic.
#include "tensor/shape.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace unspool {

std::string to_string(DimSpan dims) {
  std::string text = "(";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i) text += ", ";
    text += std::to_string(dims[i]);
  }
  return text + (dims.size() == 1 ? ",)" : ")");
}

std::int64_t checked_numel(DimSpan sizes, std::string_view who) {
  if (sizes.size() > static_cast<std::size_t>(kMaxDims)) {
    fail(who, ": ", sizes.size(), " dimensions asked for, at most ", kMaxDims, " are supported");
  }
  bool empty = false;
  for (std::int64_t size : sizes) {
    if (size < 0) fail(who, ": negative size in shape ", to_string(sizes));
    empty = empty || size == 0;
  }
  if (empty) return 0;
  std::int64_t n = 1;
  // Elements take up to 8 bytes, so the byte count must fit as well.
  constexpr std::int64_t kLimit = std::numeric_limits<std::int64_t>::max() / 8;
  for (std::int64_t size : sizes) {
    if (n > kLimit / size)
      fail(who, ": shape ", to_string(sizes), " has more elements than memory can address");
    n *= size;
  }
  return n;
}

Dims contiguous_strides(DimSpan sizes) {
  Dims strides(sizes.size(), 1);
  for (std::size_t i = sizes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<std::int64_t>(sizes[i], 1);
  return strides;
}

bool is_contiguous(DimSpan sizes, DimSpan strides) {
  std::int64_t expected = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1 && strides[i] != expected) return false;
    expected *= sizes[i];
  }
  return true;
}

int normalize_dim(std::int64_t dim, int ndim, std::string_view who) {
  const std::int64_t range = std::max(ndim, 1);
  if (dim < -range || dim >= range) {
    fail(ErrorKind::kIndex, who, ": dim ", dim, " is out of range for a tensor of ", ndim,
         " dimensions (expected ", -range, " to ", range - 1, ")");
  }
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

SmallVector<bool, 8> dim_mask(DimSpan dims, int ndim, std::string_view who) {
  SmallVector<bool, 8> mask(static_cast<std::size_t>(ndim), dims.empty());
  for (std::int64_t dim : dims) {
    const auto d = static_cast<std::size_t>(normalize_dim(dim, ndim, who));
    if (ndim == 0) continue;
    if (mask[d]) fail(who, ": dim ", d, " appears more than once in dims ", to_string(dims));
    mask[d] = true;
  }
  return mask;
}

bool broadcast_into(Dims& a, DimSpan b) {
  while (a.size() < b.size()) a.insert(0, 1);
  const std::size_t offset = a.size() - b.size();
  for (std::size_t i = 0; i < b.size(); ++i) {
    std::int64_t& size = a[offset + i];
    if (size == b[i] || b[i] == 1) continue;
    if (size != 1) return false;
    size = b[i];
  }
  return true;
}

Dims infer_reshape(DimSpan requested, DimSpan from, std::string_view who) {
  Dims sizes(requested.begin(), requested.end());
  const std::int64_t total = numel(from);
  std::int64_t known = 1;
  std::int64_t* unknown = nullptr;
  for (std::int64_t& size : sizes) {
    if (size == -1) {
      if (unknown) fail(who, ": only one size may be -1, got ", to_string(requested));
      unknown = &size;
    } else if (size < 0) {
      fail(who, ": negative size in shape ", to_string(requested));
    } else if (__builtin_mul_overflow(known, size, &known)) {
      fail(who, ": shape ", to_string(requested), " is too large for input of shape ", to_string(from));
    }
  }
  if (unknown) {
    if (known == 0) {
      fail(who, ": cannot infer the size marked -1 in ", to_string(requested),
           " because the other sizes hold 0 elements");
    }
    if (total % known == 0) *unknown = total / known;
  }
  if (numel(sizes) != total || (unknown && *unknown < 0)) {
    fail(who, ": shape ", to_string(requested), " does not fit input of shape ", to_string(from), " with ",
         total, " elements");
  }
  return sizes;
}

std::optional<Dims> view_strides(DimSpan sizes, DimSpan strides, DimSpan new_sizes) {
  if (numel(sizes) == 0) return contiguous_strides(new_sizes);
  Dims result(new_sizes.size(), 0);
  // Walk from the right over runs of old dimensions that lie contiguously in one another; each run must be
  // used up by whole new dimensions.
  auto view_d = static_cast<std::int64_t>(new_sizes.size()) - 1;
  std::int64_t run_stride = strides.empty() ? 1 : strides.back();
  std::int64_t run_numel = 1, view_numel = 1;
  for (auto d = static_cast<std::int64_t>(sizes.size()) - 1; d >= 0; --d) {
    const auto i = static_cast<std::size_t>(d);
    run_numel *= sizes[i];
    const bool run_ends = d == 0 || (sizes[i - 1] != 1 && strides[i - 1] != run_numel * run_stride);
    if (!run_ends) continue;
    while (view_d >= 0 && (view_numel < run_numel || new_sizes[static_cast<std::size_t>(view_d)] == 1)) {
      result[static_cast<std::size_t>(view_d)] = view_numel * run_stride;
      view_numel *= new_sizes[static_cast<std::size_t>(view_d)];
      --view_d;
    }
    if (view_numel != run_numel) return std::nullopt;
    if (d > 0) {
      run_stride = strides[i - 1];
      run_numel = view_numel = 1;
    }
  }
  for (; view_d >= 0; --view_d) {
    if (new_sizes[static_cast<std::size_t>(view_d)] != 1) return std::nullopt;
    result[static_cast<std::size_t>(view_d)] = run_stride;
  }
  return result;
}

bool may_overlap_itself(DimSpan sizes, DimSpan strides) {
  SmallVector<std::pair<std::int64_t, std::int64_t>, 8> order;  // (stride, size), ascending
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return false;
    if (sizes[i] > 1) order.emplace_back(strides[i] < 0 ? -strides[i] : strides[i], sizes[i]);
  }
  std::sort(order.begin(), order.end());
  std::int64_t reach = 0;  // the largest offset that the smaller strides can produce
  for (const auto& [stride, size] : order) {
    if (stride <= reach) return true;
    reach += stride * (size - 1);
  }
  return false;
}

}  // namespace unspool
