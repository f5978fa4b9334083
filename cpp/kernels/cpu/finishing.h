// The table of finishes of a product: from a place in ops::FinishingOps to the functions made of the
// operation's body.
#pragma once

#include <array>
#include <type_traits>

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/packets.h"
#include "ops/finishing.h"

namespace unspool::kernels::cpu {

template <class Op, class P>
P finished(P x, P other, P parameter) {
  constexpr int kArity = count_tensor_args(Op::record);
  constexpr int kAttrs = Op::record.args.size() - kArity;
  if constexpr (kArity == 1 && kAttrs == 0)
    return Op::body(x);
  else if constexpr (kArity == 1)
    return Op::body(x, parameter);
  else if constexpr (kAttrs == 0)
    return Op::body(x, other);
  else
    return Op::body(x, other, parameter);
}

template <class Op, class T>
void finish_rows(const Finish<T>& finish, T* c, std::int64_t c_row, const T* other, std::int64_t rows,
                 std::int64_t columns) {
  using P = Vec<T>;
  constexpr bool kReads = count_tensor_args(Op::record) == 2;
  const P parameter(finish.parameter);
  for (std::int64_t i = 0; i < rows; ++i, c += c_row) {
    each_packet<P>(columns, [&](std::int64_t j, auto lanes) {
      P y(T(0));
      if constexpr (kReads) y = load_lanes<P>(other + i * finish.other_row + j, lanes);
      store_lanes(c + j, finished<Op>(load_lanes<P>(c + j, lanes), y, parameter), lanes);
    });
  }
}

template <class Op, class T>
constexpr Finish<T> finish_by() {
  using Way = typename Finish<T>::Way;
  Finish<T> finish{};
  finish.way = std::is_same_v<Op, ops::Relu>                ? Way::kRelu
               : std::is_same_v<Op, ops::Add>               ? Way::kAdd
               : std::is_same_v<Op, ops::Mul>               ? Way::kMultiply
               : std::is_same_v<Op, ops::ThresholdBackward> ? Way::kThreshold
                                                            : Way::kRows;
  finish.rows = finish_rows<Op, T>;
  return finish;
}

template <class T, class... Ops>
constexpr std::array<Finish<T>, sizeof...(Ops)> finishes_of(ops::OpList<Ops...>) {
  return {finish_by<Ops, T>()...};
}

// By place in the list.
template <class T>
inline constexpr auto kFinishes = finishes_of<T>(ops::FinishingOps{});

}  // namespace unspool::kernels::cpu
