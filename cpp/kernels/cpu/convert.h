// The value of an element in another dtype: C's conversions, with a defined result where C has none.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "tensor/half.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace unspool::kernels::cpu {

// To bool: is it not 0. From floating to integer: truncated; outside the range what x86 gives (the lowest
// number), and for uint8 the low byte of the int64.
template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return to_float(x);
  } else if constexpr (std::is_same_v<To, Half>) {
    return to_half(x);
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return to_bfloat16(x);
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Signed = std::conditional_t<sizeof(To) == 4, std::int32_t, std::int64_t>;
#if defined(__x86_64__)
    if constexpr (sizeof(Signed) == 8) {
      if constexpr (sizeof(From) == 4)
        return static_cast<To>(_mm_cvttss_si64(_mm_set_ss(x)));
      else
        return static_cast<To>(_mm_cvttsd_si64(_mm_set_sd(x)));
    }
#endif
    constexpr From kEnd = sizeof(Signed) == 4 ? From(0x1p31) : From(0x1p63);
    const bool fits = x >= -kEnd && x < kEnd;
    const Signed whole = fits ? static_cast<Signed>(x) : std::numeric_limits<Signed>::min();
    return static_cast<To>(whole);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace unspool::kernels::cpu
