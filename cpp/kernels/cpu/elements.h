// Moving elements of 1, 4 or 8 bytes whatever they mean: between rows with strides, and filling with one
// value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace unspool::kernels::cpu {

// Calls visit(word) with an unsigned integer of the element's size.
template <class F>
decltype(auto) visit_size(std::size_t size, F&& visit) {
  switch (size) {
    case 1:
      return visit(std::uint8_t{});
    case 2:
      return visit(std::uint16_t{});
    case 4:
      return visit(std::uint32_t{});
    default:
      return visit(std::uint64_t{});
  }
}

template <class W>
void copy_row(W* to, std::int64_t to_stride, const W* from, std::int64_t from_stride, std::int64_t n) {
  if (to_stride == 1) {
    if (from_stride == 1) {
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(W));
    } else if (from_stride == 0) {
      std::fill_n(to, n, *from);
    } else if (from_stride == -1) {
      for (std::int64_t i = 0; i < n; ++i) to[i] = from[-i];
    } else if (from_stride == 2) {
      for (std::int64_t i = 0; i < n; ++i) to[i] = from[2 * i];
    } else {
      for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * from_stride];
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

inline void copy_row(std::size_t size, void* to, std::int64_t to_stride, const void* from,
                     std::int64_t from_stride, std::int64_t n) {
  visit_size(size, [&](auto word) {
    using W = decltype(word);
    copy_row(static_cast<W*>(to), to_stride, static_cast<const W*>(from), from_stride, n);
  });
}

}  // namespace unspool::kernels::cpu
