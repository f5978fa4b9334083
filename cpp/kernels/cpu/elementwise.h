// How element-wise operations run: one contiguous loop per operation and dtype, made from the operation's
// body, and one driver that walks any layout in blocks, copying strided or broadcast operands through small
// buffers. The same loops will serve fused tiles.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/far.h"
#include "kernels/cpu/lane.h"
#include "kernels/kernel.h"
#include "ops/record.h"

namespace unspool::kernels::cpu {

inline constexpr int kMaxArity = 3;

// The loops of one operation by computing dtype; null where it is not defined.
struct LoopSet {
  Loop by_dtype[kDtypeCount]{};
  int arity = 1;
  bool gives_bool = false;
  bool first_is_mask = false;
};

void run_elementwise(const Context& context, const KernelCall& call, const LoopSet& loops);
// The same where an operand or the result is float16 or bfloat16. All lie without gaps; operands have the
// result's shape, or one element.
void run_narrow_elementwise(const Context& context, const KernelCall& call, const LoopSet& loops,
                            const double* attrs);

constexpr int count_tensor_args(const ops::Record& record) {
  int count = 0;
  for (const ops::Arg& arg : record.args) count += ops::is_tensor_kind(arg.kind);
  return count;
}

template <class Op, class T>
void loop_of(void* out_bytes, const void* const* in, [[maybe_unused]] unsigned repeated, std::int64_t n,
             const double* attrs) {
  using P = Packet<T>;
  constexpr int kArity = count_tensor_args(Op::record);
  constexpr int kAttrs = Op::record.args.size() - kArity;
  constexpr bool kMasked = Op::record.first_is_mask;
  constexpr int kLanes = P::kLanes;

  P parameters[kAttrs > 0 ? kAttrs : 1];
  for (int i = 0; i < kAttrs; ++i) parameters[i] = P(convert<T>(attrs[i]));

  const auto apply = [&]<std::size_t... I, std::size_t... A>(const auto& load, std::index_sequence<I...>,
                                                             std::index_sequence<A...>) {
    return Op::body(load(std::integral_constant<std::size_t, I>{})..., parameters[A]...);
  };
  const auto compute = [&](const auto& load) {
    return apply(load, std::make_index_sequence<kArity>{}, std::make_index_sequence<kAttrs>{});
  };
  using R = decltype(compute([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
    if constexpr (kMasked && I == 0)
      return P() == P();
    else
      return P();
  }));
  using Out = std::conditional_t<std::is_same_v<R, P>, T, bool>;
  auto* out = static_cast<Out*>(out_bytes);

  if constexpr (kLanes == 1) {
    // Copies, because bytes that are written might be the pointers themselves for all that C++ knows.
    const void* from[kArity];
    for (int k = 0; k < kArity; ++k) from[k] = in[k];
    for (std::int64_t i = 0; i < n; ++i) {
      const R result = compute([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
        if constexpr (kMasked && I == 0)
          return static_cast<const bool*>(from[0])[i];
        else
          return P::load(static_cast<const T*>(from[I]) + i);
      });
      if constexpr (std::is_same_v<R, P>)
        result.store(out + i);
      else
        out[i] = result;
    }
  } else {
    // A repeated operand is read from a packet of copies that the loop never leaves.
    alignas(P) std::byte copies[kArity][sizeof(P)];
    const std::byte* at[kArity];
    std::int64_t step[kArity];
    for (std::size_t k = 0; k < kArity; ++k) {
      const std::int64_t item = kMasked && k == 0 ? 1 : static_cast<std::int64_t>(sizeof(T));
      at[k] = static_cast<const std::byte*>(in[k]);
      step[k] = item * kLanes;
      if ((repeated >> k & 1) == 0) continue;
      // As one store, of which the loop's loads find all.
      if (kMasked && k == 0) {
        std::memset(copies[k], std::to_integer<int>(*at[k]), kLanes);
      } else {
        T value;
        std::memcpy(&value, at[k], sizeof(T));
        P(value).store(reinterpret_cast<T*>(copies[k]));
      }
      at[k] = copies[k];
      step[k] = 0;
    }
    const bool fetches = is_far(n * static_cast<std::int64_t>(sizeof(T)));
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      if (fetches) {
        for (const std::byte* operand : at) fetch_ahead(operand);
        fetch_to_write(out + i);
      }
      const R result = compute([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
        if constexpr (kMasked && I == 0)
          return Mask<T>::load(reinterpret_cast<const bool*>(at[0]));
        else
          return P::load(reinterpret_cast<const T*>(at[I]));
      });
      result.store(out + i);
      for (std::size_t k = 0; k < kArity; ++k) at[k] += step[k];
    }
    if (i < n) {
      // The tail goes through the same arithmetic, in partly filled packets.
      const int rest = static_cast<int>(n - i);
      const R result = compute([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
        if constexpr (kMasked && I == 0)
          return Mask<T>::load_partial(reinterpret_cast<const bool*>(at[0]), rest);
        else
          return P::load_partial(reinterpret_cast<const T*>(at[I]), rest);
      });
      result.store_partial(out + i, rest);
    }
  }
}

template <class Op, class T>
constexpr Loop loop_for() {
  if constexpr ((Op::record.dtypes & ops::bit(dtype_of<T>())) != 0)
    return loop_of<Op, T>;
  else
    return nullptr;
}

template <class Op>
inline constexpr LoopSet kLoops = {
    {loop_for<Op, bool>(), loop_for<Op, std::uint8_t>(), loop_for<Op, std::int32_t>(),
     loop_for<Op, std::int64_t>(), loop_for<Op, float>(), loop_for<Op, double>()},
    count_tensor_args(Op::record),
    Op::record.result == ops::Result::kBool,
    Op::record.first_is_mask};

template <class Op>
constexpr Kernel elementwise_kernel() {
  return {Op::record.name.data(),
          [](const Context& context, const KernelCall& call) { run_elementwise(context, call, kLoops<Op>); },
          nullptr, kLoops<Op>.by_dtype, true};
}

template <class List>
struct ElementwiseKernels;
template <class... Ops>
struct ElementwiseKernels<ops::OpList<Ops...>> {
  static constexpr std::array<Kernel, sizeof...(Ops)> table = {elementwise_kernel<Ops>()...};
};

}  // namespace unspool::kernels::cpu
