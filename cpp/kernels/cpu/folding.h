// The shape of a reduction: which runs of elements, in row-major order, belong to which output. Follows from
// the sizes and the reduced dimensions alone, so that the order of summation does not depend on the memory
// layout.
#pragma once

#include <cstdint>

#include "kernels/kernel.h"
#include "tensor/shape.h"

namespace unspool::kernels::cpu {

// A few dimensions with their distances in the row-major order of the input, outermost first.
struct Steps {
  int ndim = 0;
  std::int64_t sizes[kMaxDims];
  std::int64_t distance[kMaxDims];

  std::int64_t count() const {
    std::int64_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= sizes[d];
    return n;
  }
  std::int64_t at(std::int64_t linear) const {
    if (ndim == 1) return linear * distance[0];
    std::int64_t place = 0;
    for (int d = ndim - 1; d >= 0; --d) {
      place += linear % sizes[d] * distance[d];
      linear /= sizes[d];
    }
    return place;
  }
};

// The innermost run is either reduced (each output folds `reduced.count()` runs of `inner` elements) or kept
// (each run holds one element for each of `inner` neighbouring outputs).
struct Folding {
  Steps kept, reduced;  // without the innermost run
  bool inner_is_reduced = false;
  std::int64_t inner = 1;
  std::int64_t outputs = 1;
  std::int64_t count = 1;  // elements folded into each output

  std::uint64_t reduced_dims = 0;

  bool is_reduced(int d) const { return reduced_dims >> d & 1; }

  // `dims` as the record's attribute: None or an empty list for all, else each dimension, possibly negative.
  Folding(const View& view, const ops::Attr& dims) : Folding(view, mask_of(view.ndim, dims)) {}
  // Bit d of `dims` says whether dimension d is reduced.
  Folding(const View& view, std::uint64_t dims) : reduced_dims(dims) {
    std::int64_t distance = 1;
    int runs = 0;
    bool last = false;
    for (int d = view.ndim - 1; d >= 0; --d) {
      const std::int64_t size = view.sizes[d];
      if (size == 1) continue;
      (is_reduced(d) ? count : outputs) *= size;
      if (runs == 0) {
        inner_is_reduced = is_reduced(d);
        inner = size;
        runs = 1;
      } else if (runs == 1 && is_reduced(d) == inner_is_reduced) {
        inner *= size;
      } else {
        Steps& steps = is_reduced(d) ? reduced : kept;
        if (runs > 1 && last == is_reduced(d)) {
          steps.sizes[steps.ndim - 1] *= size;
        } else {
          steps.sizes[steps.ndim] = size;
          steps.distance[steps.ndim++] = distance;
        }
        ++runs;
        last = is_reduced(d);
      }
      distance *= size;
    }
    if (runs == 0) inner_is_reduced = true;
    reverse(kept);
    reverse(reduced);
  }

 private:
  static std::uint64_t mask_of(int ndim, const ops::Attr& attr) {
    if (attr.kind() == ops::Attr::Kind::kInt) return bit_of(ndim, attr.integer());
    const DimSpan dims = attr.is_none() ? DimSpan() : DimSpan(attr.dims());
    std::uint64_t mask = dims.empty() ? ~std::uint64_t{0} : 0;
    for (const std::int64_t d : dims) mask |= bit_of(ndim, d);
    return mask;
  }
  static std::uint64_t bit_of(int ndim, std::int64_t d) {
    return ndim == 0 ? 0 : std::uint64_t{1} << (d < 0 ? d + ndim : d);
  }
  // Collected from the inside out.
  static void reverse(Steps& steps) {
    for (int a = 0, b = steps.ndim - 1; a < b; ++a, --b) {
      std::swap(steps.sizes[a], steps.sizes[b]);
      std::swap(steps.distance[a], steps.distance[b]);
    }
  }
};

}  // namespace unspool::kernels::cpu
