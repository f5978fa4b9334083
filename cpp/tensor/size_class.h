// How the allocator rounds sizes: the classes of small blocks, the sizes and bins of large ones. Pure
// arithmetic.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

namespace unspool::internal {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Small blocks: multiples of 64 up to 256, from there on four steps between powers of two.
inline constexpr std::size_t kSmallMax = std::size_t{32} << 10;
inline constexpr std::size_t kSmallClasses = 4 + 4 * 7;

constexpr std::size_t small_class(std::size_t bytes) noexcept {
  const std::size_t last = bytes == 0 ? 0 : bytes - 1;
  if (last < 256) return last / 64;
  const int width = static_cast<int>(std::bit_width(last));  // 2^(width-1) <= last < 2^width, width >= 9
  return static_cast<std::size_t>(width - 9) * 4 + (last >> (width - 3));
}

constexpr std::size_t small_size(std::size_t size_class) noexcept {
  if (size_class < 4) return (size_class + 1) * 64;
  return (4 + size_class % 4 + 1) << (6 + (size_class - 4) / 4);
}

// Large blocks: eight steps between powers of two, so at most an eighth is lost; from 16 MiB on whole huge
// pages.
constexpr std::size_t large_size(std::size_t bytes) noexcept {
  const std::size_t step =
      bytes > (std::size_t{16} << 20) ? kHugePage : std::max(kPage, std::bit_floor(bytes - 1) / 8);
  return (bytes + step - 1) / step * step;
}

// Free large blocks are kept in bins, eight to a doubling, so that a search looks at few of them. Below 16
// MiB all blocks of a bin have one size.
inline constexpr std::size_t kLargeBins = (64 - 15) * 8;

constexpr std::size_t large_bin(std::size_t size) noexcept {
  const int width = static_cast<int>(std::bit_width(size));  // 2^(width-1) <= size
  return static_cast<std::size_t>(width - 16) * 8 + (size >> (width - 4)) - 8;
}

}  // namespace unspool::internal
