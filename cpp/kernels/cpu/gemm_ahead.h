// What a product does ahead of time, a little at every few steps of the tile in hand: it asks the memory for
// what comes, no more at once than the processor keeps track of, and packs the next panel of b beside the
// arithmetic, which leaves time to load and store.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// What becomes of lines that were asked for. What is packed is read from the second level; all else should
// come all the way.
enum class Use { kWrite, kRead, kPack };

// Walks the cache lines of a block.
template <class T, Use kUse>
class Ahead {
 public:
  Ahead() = default;
  Ahead(const T* from, std::int64_t row, std::int64_t col, std::int64_t rows, std::int64_t cols) {
    if (row == 1) std::swap(row, col), std::swap(rows, cols);
    if (col != 1 || rows <= 0 || cols <= 0) return;
    from_ = from, row_ = row, rows_ = rows, cols_ = cols;
  }

  bool is_done() const { return rows_ <= 0; }
  std::int64_t lines() const { return rows_ * ((cols_ + kLine - 1) / kLine); }

  void fetch(std::int64_t lines) {
    for (; lines > 0 && rows_ > 0; --lines) {
      __builtin_prefetch(from_ + at_, kUse == Use::kWrite ? 1 : 0, kUse == Use::kPack ? 2 : 3);
      at_ += kLine;
      if (at_ >= cols_) at_ = 0, from_ += row_, --rows_;
    }
  }

 private:
  static constexpr std::int64_t kLine = 64 / sizeof(T);
  const T* from_ = nullptr;
  std::int64_t row_ = 0, rows_ = 0, cols_ = 0, at_ = 0;
};

// Packs a panel of whole vectors whose columns lie side by side.
template <class T>
class PackAhead {
 public:
  PackAhead() = default;
  // `rows` of k that are `row` apart, of one vector or two.
  PackAhead(const T* from, std::int64_t row, std::int64_t rows, bool is_wide, T* to)
      : from_(from), to_(to), row_(row), rows_(rows), is_wide_(is_wide) {}

  std::int64_t rows() const { return rows_; }

  UNSPOOL_INLINE void pack(std::int64_t rows) {
    for (; rows > 0 && rows_ > 0; --rows, --rows_, from_ += row_) {
      // Asking for what lies behind the last row is harmless.
      const T* const later = from_ + kRowsAhead * row_;
      __builtin_prefetch(later, 0, 3);
      simd::store<T>(to_, simd::load<T>(from_));
      to_ += simd::kWidth<T>;
      if (!is_wide_) continue;
      __builtin_prefetch(later + simd::kWidth<T>, 0, 3);
      __builtin_prefetch(later + 2 * simd::kWidth<T> - 1, 0, 3);  // of rows that are not aligned
      simd::store<T>(to_, simd::load<T>(from_ + simd::kWidth<T>));
      to_ += simd::kWidth<T>;
    }
  }

 private:
  static constexpr std::int64_t kRowsAhead = 16;
  const T* from_ = nullptr;
  T* to_ = nullptr;
  std::int64_t row_ = 0, rows_ = 0;
  bool is_wide_ = false;
};

// What comes while a tile adds its run.
template <class T>
struct Coming {
  static constexpr std::int64_t kSteps = 16;  // of k between two looks
  static constexpr std::int64_t kLines = 3;   // of the tile's own at a look, at least

  Ahead<T, Use::kWrite> out;        // of the tile in hand
  Ahead<T, Use::kRead> other;       // what its finish reads
  std::int64_t own_lines = kLines;  // of both at a look
  Ahead<T, Use::kPack> b;           // of the next panel, over all tiles of this one
  std::int64_t b_lines = 0;         // at a look
  PackAhead<T> panel;               // the next one, where it can be packed meanwhile
  std::int64_t panel_rows = 0;      // at a look

  // Shares what is left of b among `tiles` tiles that are `depth` deep; each has `own` lines to fetch before.
  void share_b(std::int64_t tiles, std::int64_t depth, std::int64_t own) {
    const std::int64_t looks = (depth + kSteps - 1) / kSteps;
    own_lines = std::max(kLines, (own + looks - 1) / looks);
    const std::int64_t left = tiles * std::max<std::int64_t>(1, looks - own / own_lines);
    b_lines = (b.lines() + left - 1) / left;
    panel_rows = (panel.rows() + tiles * looks - 1) / (tiles * looks);
  }

  UNSPOOL_INLINE void look() {
    panel.pack(panel_rows);
    if (!out.is_done()) return out.fetch(own_lines);
    if (!other.is_done()) return other.fetch(own_lines);
    b.fetch(b_lines);
  }
};

}  // namespace unspool::kernels::cpu
