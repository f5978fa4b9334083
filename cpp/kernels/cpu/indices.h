// Index tensors: reading them and finding the first that is out of range before anything is written.
#pragma once

#include <cstdint>

#include "kernels/cpu/reader.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

// Whether n indices, `stride` apart, are in [0, limit). Negative ones have their highest bit set, and for
// those beyond the limit the distance to the last has it.
inline bool all_within(const std::int64_t* index, std::int64_t stride, std::int64_t n, std::int64_t limit) {
  const auto last = static_cast<std::uint64_t>(limit - 1);
  std::uint64_t seen = 0;
  const auto look = [&](std::int64_t value) {
    const auto i = static_cast<std::uint64_t>(value);
    seen |= i | (last - i);
  };
  if (stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) look(index[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) look(index[i * stride]);
  }
  return static_cast<std::int64_t>(seen) >= 0;
}

// True when every index is in [0, limit), or equal to `ignored`. Otherwise reports the first that is not.
template <class T>
bool indices_are_valid(const KernelCall& call, const View& index, std::int64_t limit, const char* what,
                       const std::int64_t* ignored = nullptr) {
  constexpr std::int64_t kBlock = 512;
  const Reader<T> reader(index);
  const std::int64_t n = index.numel();
  T buffer[kBlock];
  const auto is_bad = [&](T i) {
    const bool outside =
        static_cast<std::uint64_t>(static_cast<std::int64_t>(i)) >= static_cast<std::uint64_t>(limit);
    return outside && !(ignored && static_cast<std::int64_t>(i) == *ignored);
  };
  for (std::int64_t start = 0; start < n; start += kBlock) {
    const std::int64_t length = std::min(kBlock, n - start);
    const T* values = reader.read(start, length, buffer);
    bool any_bad = false;
    for (std::int64_t i = 0; i < length; ++i) any_bad |= is_bad(values[i]);
    if (!any_bad) continue;
    std::int64_t i = 0;
    while (!is_bad(values[i])) ++i;
    *call.fault = {what, static_cast<std::int64_t>(values[i]), limit};
    return false;
  }
  return true;
}

}  // namespace unspool::kernels::cpu
