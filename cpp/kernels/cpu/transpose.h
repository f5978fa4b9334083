// Transposing copies of small matrices, in square blocks that pass through registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace unspool::kernels::cpu {

// As many elements as one block has rows and columns.
template <class W>
inline constexpr int kTransposeBlock = (sizeof(W) <= 2 ? 16 : 32) / static_cast<int>(sizeof(W));

namespace transposing {

template <class W, int kCount>
struct Lanes {
  typedef W Type __attribute__((vector_size(sizeof(W) * kCount)));
};

template <class W>
auto load_half(const W* p) {
  typename Lanes<W, kTransposeBlock<W> / 2>::Type half;
  std::memcpy(&half, p, sizeof(half));
  return half;
}

template <class R, class W>
void store_row(W* to, R row) {
  std::memcpy(to, &row, sizeof(row));
}

// to[r * to_step + c] = from[c * from_step + r] for one block. The 16-byte halves of rows i and i + half are
// joined while loading, so that all shuffles stay within 16 bytes.
inline void block(std::uint32_t* to, std::int64_t to_step, const std::uint32_t* from,
                  std::int64_t from_step) {
  using R = Lanes<std::uint32_t, 8>::Type;
  for (int side = 0; side < 2; ++side) {
    R m[4];
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t* at = from + i * from_step + 4 * side;
      m[i] = __builtin_shufflevector(load_half(at), load_half(at + 4 * from_step), 0, 1, 2, 3, 4, 5, 6, 7);
    }
    const R a = __builtin_shufflevector(m[0], m[1], 0, 8, 1, 9, 4, 12, 5, 13);
    const R b = __builtin_shufflevector(m[0], m[1], 2, 10, 3, 11, 6, 14, 7, 15);
    const R c = __builtin_shufflevector(m[2], m[3], 0, 8, 1, 9, 4, 12, 5, 13);
    const R d = __builtin_shufflevector(m[2], m[3], 2, 10, 3, 11, 6, 14, 7, 15);
    std::uint32_t* out = to + 4 * side * to_step;
    store_row<R>(out, __builtin_shufflevector(a, c, 0, 1, 8, 9, 4, 5, 12, 13));
    store_row<R>(out + to_step, __builtin_shufflevector(a, c, 2, 3, 10, 11, 6, 7, 14, 15));
    store_row<R>(out + 2 * to_step, __builtin_shufflevector(b, d, 0, 1, 8, 9, 4, 5, 12, 13));
    store_row<R>(out + 3 * to_step, __builtin_shufflevector(b, d, 2, 3, 10, 11, 6, 7, 14, 15));
  }
}

inline void block(std::uint64_t* to, std::int64_t to_step, const std::uint64_t* from,
                  std::int64_t from_step) {
  using R = Lanes<std::uint64_t, 4>::Type;
  for (int side = 0; side < 2; ++side) {
    const std::uint64_t* at = from + 2 * side;
    const R a = __builtin_shufflevector(load_half(at), load_half(at + 2 * from_step), 0, 1, 2, 3);
    const R b = __builtin_shufflevector(load_half(at + from_step), load_half(at + 3 * from_step), 0, 1, 2, 3);
    std::uint64_t* out = to + 2 * side * to_step;
    store_row<R>(out, __builtin_shufflevector(a, b, 0, 4, 2, 6));
    store_row<R>(out + to_step, __builtin_shufflevector(a, b, 1, 5, 3, 7));
  }
}

// Interleaves the lower or upper halves of two rows.
template <bool kUpper, class R, std::size_t... I>
R interleave(R a, R b, std::index_sequence<I...>) {
  constexpr int kCount = static_cast<int>(sizeof...(I));
  return __builtin_shufflevector(a, b,
                                 static_cast<int>(I / 2 + (I % 2) * kCount + (kUpper ? kCount / 2 : 0))...);
}

// Rounds of interleaving row i with row i + half; 16 bytes are one register everywhere.
template <class W>
  requires(sizeof(W) <= 2)
void block(W* to, std::int64_t to_step, const W* from, std::int64_t from_step) {
  constexpr int kSize = kTransposeBlock<W>;
  using R = typename Lanes<W, kSize>::Type;
  constexpr auto kAll = std::make_index_sequence<kSize>{};
  R rows[kSize];
  for (int i = 0; i < kSize; ++i) std::memcpy(&rows[i], from + i * from_step, sizeof(R));
  for (int round = 1; round < kSize; round *= 2) {
    R next[kSize];
    for (int i = 0; i < kSize / 2; ++i) {
      next[2 * i] = interleave<false>(rows[i], rows[i + kSize / 2], kAll);
      next[2 * i + 1] = interleave<true>(rows[i], rows[i + kSize / 2], kAll);
    }
    for (int i = 0; i < kSize; ++i) rows[i] = next[i];
  }
  for (int i = 0; i < kSize; ++i) store_row(to + i * to_step, rows[i]);
}

}  // namespace transposing

// to[r * to_step + c] = from[c * from_step + r] for r < rows, c < columns; the two do not overlap. Where the
// sides are no multiples of a block's, the last blocks lie across the ones before.
template <class W>
void transpose(W* to, std::int64_t to_step, const W* from, std::int64_t from_step, std::int64_t rows,
               std::int64_t columns) {
  constexpr std::int64_t kSize = kTransposeBlock<W>;
  if (rows < kSize || columns < kSize) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) to[r * to_step + c] = from[c * from_step + r];
    }
    return;
  }
  const auto block = [&](std::int64_t row, std::int64_t column) {
    const std::int64_t r = std::min(row, rows - kSize), c = std::min(column, columns - kSize);
    transposing::block(to + r * to_step + c, to_step, from + c * from_step + r, from_step);
  };
  // Along the side that lies more densely, so that the lines of the other one are used up while they are
  // near.
  if (from_step > to_step) {
    for (std::int64_t column = 0; column < columns; column += kSize) {
      for (std::int64_t row = 0; row < rows; row += kSize) block(row, column);
    }
  } else {
    for (std::int64_t row = 0; row < rows; row += kSize) {
      for (std::int64_t column = 0; column < columns; column += kSize) block(row, column);
    }
  }
}

}  // namespace unspool::kernels::cpu
