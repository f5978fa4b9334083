// Geometry of several views that are walked together: aligned to one shape, dimensions merged where all
// layouts allow it, and a cursor over the result. No data is touched here.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "tensor/shape.h"
#include "tensor/view.h"

namespace unspool::kernels::cpu {

inline std::byte* bytes_of(const View& view) { return static_cast<std::byte*>(view.data); }

// Dimensions from the outermost to the innermost. Strides are in elements of each operand.
struct Joint {
  static constexpr int kMaxOperands = 4;

  int count = 0;
  int ndim = 0;
  std::int64_t sizes[kMaxDims];
  std::int64_t strides[kMaxOperands][kMaxDims];

  // The shape is that of the first view; the others broadcast to it. Dimensions of size 1 vanish.
  template <class... Views>
  explicit Joint(const View& shape, const Views&... others) : Joint(shape.sizes, shape.ndim) {
    add(shape);
    (add(others), ...);
    drop_ones();
  }
  Joint(const std::int64_t* shape, int dims) : ndim(dims) {
    for (int d = 0; d < dims; ++d) sizes[d] = shape[d];
  }

  void add(const View& view) {
    std::int64_t* to = strides[count++];
    const int missing = ndim - view.ndim;
    for (int d = 0; d < missing; ++d) to[d] = 0;
    for (int d = 0; d < view.ndim; ++d) to[missing + d] = view.sizes[d] == 1 ? 0 : view.strides[d];
  }

  // Puts the dimensions in which `operand` moves least innermost. Stable.
  void sort_by(int operand) {
    for (int d = 1; d < ndim; ++d) {
      for (int e = d; e > 0 && step(operand, e - 1) < step(operand, e); --e) swap_dims(e - 1, e);
    }
  }

  void merge() {
    if (ndim < 2) return;
    int last = 0;
    for (int d = 1; d < ndim; ++d) {
      if (!merges(last, d)) {
        ++last;
        copy_dim(last, d);
      } else {
        sizes[last] *= sizes[d];
        for (int k = 0; k < count; ++k) strides[k][last] = strides[k][d];
      }
    }
    ndim = last + 1;
  }

  // One dimension at least, so that there is a row to run along.
  void ensure_row() {
    if (ndim > 0) return;
    ndim = 1;
    sizes[0] = 1;
    for (int k = 0; k < count; ++k) strides[k][0] = 0;
  }

  void drop_ones() {
    int kept = 0;
    for (int d = 0; d < ndim; ++d) {
      if (sizes[d] != 1) copy_dim(kept++, d);
    }
    ndim = kept;
  }

  std::int64_t row() const { return sizes[ndim - 1]; }
  std::int64_t row_stride(int operand) const { return strides[operand][ndim - 1]; }
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= sizes[d];
    return n;
  }
  bool is_constant(int operand) const {
    for (int d = 0; d < ndim; ++d) {
      if (strides[operand][d] != 0) return false;
    }
    return true;
  }
  // Consecutive in memory in the order of the walk.
  bool is_flat(int operand) const {
    std::int64_t expected = 1;
    for (int d = ndim - 1; d >= 0; --d) {
      if (strides[operand][d] != expected) return false;
      expected *= sizes[d];
    }
    return true;
  }
  void swap_dims(int a, int b) {
    std::swap(sizes[a], sizes[b]);
    for (int k = 0; k < count; ++k) std::swap(strides[k][a], strides[k][b]);
  }

 private:
  std::int64_t step(int operand, int d) const { return std::abs(strides[operand][d]); }
  bool merges(int outer, int inner) const {
    for (int k = 0; k < count; ++k) {
      if (strides[k][outer] != sizes[inner] * strides[k][inner]) return false;
    }
    return true;
  }
  void copy_dim(int to, int from) {
    if (to == from) return;
    sizes[to] = sizes[from];
    for (int k = 0; k < count; ++k) strides[k][to] = strides[k][from];
  }
};

// A place in the walk over a Joint with at least one dimension.
struct Cursor {
  const Joint& joint;
  std::int64_t index[kMaxDims];
  std::int64_t offset[Joint::kMaxOperands];  // in elements

  Cursor(const Joint& over, std::int64_t linear) : joint(over) {
    for (int k = 0; k < joint.count; ++k) offset[k] = 0;
    for (int d = joint.ndim - 1; d >= 0; --d) {
      index[d] = linear % joint.sizes[d];
      linear /= joint.sizes[d];
      for (int k = 0; k < joint.count; ++k) offset[k] += index[d] * joint.strides[k][d];
    }
  }

  Cursor(const Cursor& other) : joint(other.joint) {
    for (int d = 0; d < joint.ndim; ++d) index[d] = other.index[d];
    for (int k = 0; k < joint.count; ++k) offset[k] = other.offset[k];
  }
  Cursor& operator=(const Cursor&) = delete;

  std::int64_t left_in_row() const { return joint.row() - index[joint.ndim - 1]; }

  // Whole rows up to where the dimension outside of the row ends; 0 in the middle of a row.
  std::int64_t left_rows() const {
    const int d = joint.ndim - 2;
    return d < 0 || index[d + 1] != 0 ? 0 : joint.sizes[d] - index[d];
  }

  // Moves on by n <= left_in_row().
  void advance(std::int64_t n) { advance_in(joint.ndim - 1, n); }
  // Moves on by n <= left_rows() rows.
  void advance_rows(std::int64_t n) { advance_in(joint.ndim - 2, n); }

 private:
  void advance_in(int d, std::int64_t n) {
    step(d, n);
    while (d > 0 && index[d] == joint.sizes[d]) {
      step(d, -joint.sizes[d]);
      --d;
      step(d, 1);
    }
  }
  void step(int d, std::int64_t n) {
    index[d] += n;
    for (int k = 0; k < joint.count; ++k) offset[k] += n * joint.strides[k][d];
  }
};

}  // namespace unspool::kernels::cpu
