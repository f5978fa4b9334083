// Which way a product takes and how it is cut into chunks: arithmetic on shapes and strides, no data, no
// threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_simd.h"
#include "kernels/cpu/gemm_tile.h"

namespace unspool::kernels::cpu {

#ifdef UNSPOOL_GEMM_TUNE
#define UNSPOOL_TUNABLE inline __attribute__((visibility("default"), used)) std::int64_t
#else
#define UNSPOOL_TUNABLE inline constexpr std::int64_t
#endif
UNSPOOL_TUNABLE kFewMax = 12;
UNSPOOL_TUNABLE kFewRowsMax = 12;
UNSPOOL_TUNABLE kDotDepth = 32;          // shortest k whose products may be dots
UNSPOOL_TUNABLE kPanelBytes = 16 << 10;  // of a panel of b: half of a small first-level cache
UNSPOOL_TUNABLE kChunkRows = 192;
UNSPOOL_TUNABLE kChunkCols = 512;
UNSPOOL_TUNABLE kChunkWork = 1 << 20;  // multiply-adds worth handing to another thread
UNSPOOL_TUNABLE kDirectB = 16 << 10;   // bytes of b
UNSPOOL_TUNABLE kDirectBRows = 12;
UNSPOOL_TUNABLE kDirectACols = 64;
UNSPOOL_TUNABLE kSharedElements = 4 << 20;
UNSPOOL_TUNABLE kStreamBytes = 256 << 10;
UNSPOOL_TUNABLE kStreamDepth = 16;

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

// [0, size) in `count` nearly equal parts.
struct Parts {
  std::int64_t size, count;

  std::int64_t start(std::int64_t part) const {
    const std::int64_t base = size / count;
    return part * base + std::min(part, size - base * count);
  }
};

enum class Way { kTiles, kSwapped, kFewColumns, kFewRows };

// How b reaches the tiles: where it lies, in a panel packed just before use, or packed whole before any tile
// starts. The last is the layout that packed weights kept between steps would have.
enum class BSource { kDirect, kPanel, kShared };

template <class T>
struct TilePlan {
  bool pack_a;
  BSource b;
  int vectors;           // width of a full panel
  std::int64_t depth;    // longest run of k between two visits to c
  std::int64_t stretch;  // longest run of k that is packed whole; a multiple of depth
  Parts rows, cols;      // the chunks' grid

  std::int64_t panel() const { return vectors * simd::kWidth<T>; }
  std::int64_t chunks() const { return rows.count * cols.count; }
  std::int64_t shared_elements(std::int64_t n) const {
    return b == BSource::kShared ? round_up(n, panel()) * stretch : 0;
  }
  std::int64_t a_elements() const {
    return pack_a ? round_up(ceil_div(rows.size, rows.count) * depth, 16) : 0;
  }
  std::int64_t b_elements() const { return b == BSource::kPanel ? round_up(panel() * depth, 16) : 0; }
};

template <class T>
Way pick_way(const Gemm<T>& g) {
  if (g.k >= kDotDepth) {
    if (g.n <= kFewMax && g.a_col == 1) return Way::kFewColumns;
    if (g.m <= kFewRowsMax && g.b_row == 1 && g.b_col != 1) return Way::kFewRows;
  }
  constexpr int kW = simd::kWidth<T>;
  const bool wasteful = g.n < kW || (g.n > kW && g.n <= kFewMax);
  if (wasteful && g.a_row == 1 && g.a_col != 1 && g.m >= 2 * kW && g.m * g.k >= 512) return Way::kSwapped;
  return Way::kTiles;
}

template <class T>
TilePlan<T> plan_tiles(const Gemm<T>& g) {
  constexpr std::int64_t kW = simd::kWidth<T>;
  TilePlan<T> plan{};
  plan.vectors = g.m <= max_rows(4) && g.b_col == 1 ? 4 : 2;
  const std::int64_t b_bytes = g.k * g.n * static_cast<std::int64_t>(sizeof(T));
  const bool direct_b = g.b_col == 1 && (g.m <= kDirectBRows || b_bytes <= kDirectB);
  plan.pack_a = g.n > kDirectACols;
  plan.rows = {g.m, 1};
  plan.cols = {g.n, 1};
  const std::int64_t work = g.m * g.n * g.k;
  const std::int64_t most = ceil_div(work, kChunkWork);
  if (most > 1 || g.m > kChunkRows) plan.rows.count = ceil_div(g.m, kChunkRows);
  if (plan.rows.count < 16 && most > plan.rows.count) {
    plan.cols.count =
        std::min({ceil_div(g.n, kChunkCols), ceil_div(16, plan.rows.count), most / plan.rows.count});
  }
  plan.b = direct_b ? BSource::kDirect : plan.rows.count > 1 ? BSource::kShared : BSource::kPanel;

  if (direct_b) {
    plan.depth = b_bytes > kStreamBytes && g.m <= kDirectBRows ? kStreamDepth : g.k;
    if (plan.pack_a) plan.depth = std::min<std::int64_t>(plan.depth, 512);
  } else {
    const std::int64_t longest = kPanelBytes / (2 * simd::kVectorBytes);
    plan.depth = ceil_div(g.k, ceil_div(g.k, longest));
  }
  plan.stretch = g.k;
  if (plan.b == BSource::kShared && g.k * g.n > kSharedElements) {
    plan.stretch = std::min(g.k, round_up(std::max(kSharedElements / g.n, plan.depth), plan.depth));
  }
  static_cast<void>(kW);
  return plan;
}

}  // namespace unspool::kernels::cpu
