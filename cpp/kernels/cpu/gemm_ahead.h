// What a product asks the memory for ahead of time, a little at every few steps of the tile in hand: more at
// once than the processor keeps track of would hold the tile up.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace unspool::kernels::cpu {

// Walks the cache lines of a block, to be read, or to be written to.
template <class T, bool kWrites>
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
      // What is read is packed from the second level; what is written should come all the way.
      __builtin_prefetch(from_ + at_, kWrites ? 1 : 0, kWrites ? 3 : 2);
      at_ += kLine;
      if (at_ >= cols_) at_ = 0, from_ += row_, --rows_;
    }
  }

 private:
  static constexpr std::int64_t kLine = 64 / sizeof(T);
  const T* from_ = nullptr;
  std::int64_t row_ = 0, rows_ = 0, cols_ = 0, at_ = 0;
};

// What comes while a tile adds its run.
template <class T>
struct Coming {
  static constexpr std::int64_t kSteps = 16;  // of k between two looks
  static constexpr std::int64_t kLines = 3;   // of the tile's own at a look

  Ahead<T, true> out;        // of the tile in hand
  Ahead<T, false> other;     // what its finish reads
  Ahead<T, false> b;         // of the next panel, over all tiles of this one
  std::int64_t b_lines = 0;  // at a look

  // Shares what is left of b among `tiles` tiles that are `depth` deep; each has `own` lines to fetch before.
  void share_b(std::int64_t tiles, std::int64_t depth, std::int64_t own) {
    const std::int64_t looks = tiles * std::max<std::int64_t>(1, depth / kSteps - own / kLines);
    b_lines = (b.lines() + looks - 1) / looks;
  }

  void fetch() {
    if (!out.is_done()) return out.fetch(kLines);
    if (!other.is_done()) return other.fetch(kLines);
    b.fetch(b_lines);
  }
};

}  // namespace unspool::kernels::cpu
