// The finishes of a product that run on the registers of a tile, where their sums are: those that cost no
// more than loading the other operand. Which operations they belong to is said in finishing.h.
#pragma once

#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_simd.h"
#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

// Element-wise bodies compute in Vec, products in simd::Vector: where both are as wide they are one type.
template <class T>
inline constexpr bool kFinishesInRegisters = sizeof(simd::Vector<T>) == sizeof(Vec<T>);

// `each(f)` calls f(sums, row, vector) for every vector of the tile; `read(row, vector)` loads what lies
// there in the other operand.
template <class T, class Each, class Read>
UNSPOOL_INLINE void finish_registers(const Finish<T>& finish, Each&& each, Read&& read) {
  using Way = typename Finish<T>::Way;
  using V = Vec<T>;
  using R = simd::Vector<T>;
  const V zero(T(0));
  switch (finish.way) {
    case Way::kRelu:
      each([&](R& x, int, int) __attribute__((always_inline)) { x = max(V(x), zero).v; });
      return;
    case Way::kAdd:
      each([&](R& x, int i, int v) __attribute__((always_inline)) { x = x + read(i, v); });
      return;
    case Way::kMultiply:
      each([&](R& x, int i, int v) __attribute__((always_inline)) { x = x * read(i, v); });
      return;
    case Way::kThreshold: {
      const V threshold(finish.parameter);
      each([&](R& x, int i, int v)
               __attribute__((always_inline)) { x = select(V(read(i, v)) <= threshold, zero, V(x)).v; });
      return;
    }
    case Way::kNone:
    case Way::kRows:
      return;
  }
}

}  // namespace unspool::kernels::cpu
