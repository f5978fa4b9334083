// Sorting one line of numbers, stably, by counting digits. The elements travel as 64-bit words, key above and
// place below, so any dtype runs through the same passes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/cpu/ordered.h"

namespace unspool::kernels::cpu {

inline constexpr std::int64_t kInsertionLength = 40;
inline constexpr std::uint64_t kPlaceMask = 0xffffffffu;

inline void insertion_sort(std::uint64_t* words, std::int64_t n) {
  for (std::int64_t i = 1; i < n; ++i) {
    const std::uint64_t word = words[i];
    std::int64_t k = i;
    for (; k > 0 && words[k - 1] > word; --k) words[k] = words[k - 1];
    words[k] = word;
  }
}

// Sorts by the lowest `bits` bits of the upper half; places below break no ties, because passes are stable.
// Returns where the result is: in `words` or in `other`.
inline std::uint64_t* radix_sort(std::uint64_t* words, std::uint64_t* other, std::int64_t n, int bits) {
  if (bits == 0) return words;
  if (n <= kInsertionLength) {
    insertion_sort(words, n);
    return words;
  }
  constexpr int kMostPasses = 4, kWidest = 11;
  const int widest = n < 4096 ? 8 : kWidest;
  const int passes = (bits + widest - 1) / widest, width = (bits + passes - 1) / passes;
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  std::uint32_t counts[kMostPasses][1 << kWidest];
  for (int pass = 0; pass < passes; ++pass) std::fill_n(counts[pass], mask + 1, 0u);
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint64_t key = words[i] >> 32;
    for (int pass = 0; pass < passes; ++pass, key >>= width) ++counts[pass][key & mask];
  }
  for (int pass = 0; pass < passes; ++pass) {
    std::uint32_t* starts = counts[pass];
    const int shift = 32 + pass * width;
    // A digit that all elements share moves nothing.
    if (starts[words[0] >> shift & mask] == static_cast<std::uint32_t>(n)) continue;
    std::uint32_t sum = 0;
    for (std::uint64_t d = 0; d <= mask; ++d) sum += std::exchange(starts[d], sum);
    for (std::int64_t i = 0; i < n; ++i) other[starts[words[i] >> shift & mask]++] = words[i];
    std::swap(words, other);
  }
  return words;
}

inline std::size_t line_sort_bytes(std::int64_t n) {
  return 2 * static_cast<std::size_t>(n) * sizeof(std::uint64_t);
}

// Sorts x[0 .. n), n below 2^32. `work` has line_sort_bytes(n).
template <class T>
void sort_line(const T* x, std::int64_t n, bool descending, T* values, std::int64_t* indices,
               std::byte* work) {
  using K = Key<T>;
  K low = ~K(0), high = 0;
  bool lossy = false;
  for (std::int64_t i = 0; i < n; ++i) {
    const K key = key_of(x[i]);
    low = std::min(low, key);
    high = std::max(high, key);
    lossy |= key_is_lossy(x[i]);
  }
  auto* words = reinterpret_cast<std::uint64_t*>(work);
  const int bits = n ? static_cast<int>(std::bit_width(static_cast<K>(high - low))) : 0;
  const int shift = std::max(0, bits - 32);
  const auto rank = [&](std::int64_t i) {
    const K key = key_of(x[i]);
    return descending ? high - key : key - low;
  };
  for (std::int64_t i = 0; i < n; ++i) {
    words[i] = static_cast<std::uint64_t>(rank(i) >> shift) << 32 | static_cast<std::uint64_t>(i);
  }
  words = radix_sort(words, words + n, n, bits - shift);
  if (shift > 0) {
    // Runs that agree in the upper 32 bits are put in order by the lower ones.
    for (std::int64_t begin = 0, end = 1; begin < n; begin = end++) {
      while (end < n && words[end] >> 32 == words[begin] >> 32) ++end;
      if (end - begin < 2) continue;
      std::sort(words + begin, words + end, [&](std::uint64_t a, std::uint64_t b) {
        const K left = rank(static_cast<std::int64_t>(a & kPlaceMask));
        const K right = rank(static_cast<std::int64_t>(b & kPlaceMask));
        return left != right ? left < right : a < b;
      });
    }
  }
  for (std::int64_t i = 0; i < n; ++i) indices[i] = static_cast<std::int64_t>(words[i] & kPlaceMask);
  if (lossy || shift > 0) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = x[indices[i]];
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      const K key = static_cast<K>(words[i] >> 32);
      values[i] = value_of_key<T>(descending ? high - key : low + key);
    }
  }
}

}  // namespace unspool::kernels::cpu
