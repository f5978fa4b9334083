// Keys: unsigned integers that are ordered as the values are, so that sorting and selecting need no
// comparison of their own per dtype. -0 and +0 have one key; every NaN has the largest.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace unspool::kernels::cpu {

template <class T>
using Key = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

template <class T>
Key<T> key_of(T x) {
  using K = Key<T>;
  constexpr K kSign = K(1) << (std::numeric_limits<K>::digits - 1);
  if constexpr (std::is_floating_point_v<T>) {
    const K bits = std::bit_cast<K>(x + T(0));
    const K ordered = bits ^ (bits & kSign ? ~K(0) : kSign);
    return x == x ? ordered : ~K(0);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<K>(x) ^ kSign;
  } else {
    return static_cast<K>(x);
  }
}

// The value of a key that was neither -0 nor NaN.
template <class T>
T value_of_key(Key<T> key) {
  using K = Key<T>;
  constexpr K kSign = K(1) << (std::numeric_limits<K>::digits - 1);
  if constexpr (std::is_floating_point_v<T>) {
    return std::bit_cast<T>(key ^ (key & kSign ? kSign : ~K(0)));
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(key ^ kSign);
  } else {
    return static_cast<T>(key);
  }
}

// Whether the key forgets something about the value.
template <class T>
bool key_is_lossy(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    using K = Key<T>;
    return x != x || std::bit_cast<K>(x) == K(1) << (std::numeric_limits<K>::digits - 1);
  } else {
    return false;
  }
}

}  // namespace unspool::kernels::cpu
