// Products whose second operand meets many blocks of rows: it is packed once, into panels of two vectors of
// columns, and then multiplied by one block after the other. The functions are in gemm.cc, which has the
// tiles.
#pragma once

#include <cstdint>

#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

template <class T>
class Panels {
 public:
  static constexpr std::int64_t kLanes = simd::kWidth<T>;
  static constexpr std::int64_t kColumns = 2 * kLanes;  // of one panel

  // Elements of memory that `depth` rows of `columns` take when packed.
  static std::int64_t elements(std::int64_t columns, std::int64_t depth) {
    return (columns + kLanes - 1) / kLanes * kLanes * depth;
  }

  // Packs into `to` the operand whose element (p, j) is from[p * row + j * column]. For float and double.
  Panels(T* to, const T* from, std::int64_t row, std::int64_t column, std::int64_t depth,
         std::int64_t columns);
  // What another has packed. A panel of n columns on is at n * depth.
  Panels(const T* packed, std::int64_t depth) : data_(packed), depth_(depth) {}

  // c[i, j] = sum over p < k of a[i, p] * b[p, j] (+ c[i, j] before) (+ bias[j]), for m rows and the first n
  // columns, which are all columns or whole panels.
  void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_row,
                std::int64_t a_col, T* c, std::int64_t c_row, bool accumulate, const T* bias = nullptr) const;

 private:
  const T* data_;
  std::int64_t depth_;
};

}  // namespace unspool::kernels::cpu
