// Which way a product takes and how it is cut into chunks: arithmetic on shapes and strides, no data, no
// threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_simd.h"
#include "kernels/cpu/gemm_tile.h"

namespace unspool::kernels::cpu {

// Measured on x86-64 cores with 544 KiB and 2 MiB of private cache; none of them changes a bit of the
// result, except the first two, which say when an element is a dot product.
inline constexpr std::int64_t kFew = 12;                // rows or columns that are few
inline constexpr std::int64_t kDotDepth = 32;           // shortest k summed by lanes
inline constexpr std::int64_t kChunkWork = 1 << 20;     // multiply-adds worth handing to another thread
inline constexpr std::int64_t kSharedWork = 12;         // chunks below which one thread is as fast
inline constexpr std::int64_t kChunksPerThread = 4;     // enough that no thread waits long for the last
inline constexpr std::int64_t kChunkRows = 256;         // rows worth packing a panel of b for
inline constexpr std::int64_t kChunkCols = 128;         // columns worth packing rows of a for
inline constexpr std::int64_t kBlockBytes = 512 << 10;  // of a, visited by every panel of b
inline constexpr std::int64_t kDirectBytes = 64 << 10;  // of b, when many rows may read it where it lies
// The longest run of k in a packed panel of b: the nearest cache holds it, or, where vectors are so wide that
// it would be short, the next one, at no loss of time.
template <class T>
inline constexpr std::int64_t kDepth = std::max(512, 64 * simd::kWidth<T>);
// Rows that may read where it lies a b that a core's own cache holds, one that comes from further away, and
// one that comes from memory.
inline constexpr std::int64_t kDirectRows = 32, kFarDirectRows = 12, kStreamDirectRows = 20;
inline constexpr std::int64_t kDirectCols = 128;  // columns for which a is not worth packing
inline constexpr std::int64_t kDirectApart =
    48;  // the same for an a read by short pieces of rows that lie far apart
// Bytes from row to row of an a that is as good as packed, and for how many columns.
inline constexpr std::int64_t kCompactRow = 1024, kCompactCols = 256;
inline constexpr std::int64_t kSharedElements = 4 << 20;  // packed at a time
inline constexpr std::int64_t kStreamBytes = 6 << 20;  // of b, that comes from memory; direct: by short runs
inline constexpr std::int64_t kStreamDepth = 16;
inline constexpr std::int64_t kOwnCacheBytes = 3 << 19;  // of b, that a core's own cache holds
inline constexpr std::int64_t kAheadBytes = 1 << 20;     // of b, whose packing is worth hiding
inline constexpr std::int64_t kAheadRows = 128;          // among which a panel packed ahead is hidden
inline constexpr std::int64_t kShortDepth = 16;          // of sums that take less time than storing them
inline constexpr std::int64_t kShortRows = 64;
inline constexpr std::int64_t kNearBytes = 1 << 20;  // of all operands, which stay in a core's own cache
inline constexpr std::int64_t kRowBytes = 32 << 10;  // of b, from which on one row reads it in long runs
inline constexpr std::int64_t kPackStep = 8;         // of k, when packing what lies side by side
// As many rows as this may read where it lies a b of whole vectors, of so many bytes, in rows so short.
inline constexpr std::int64_t kNearRows = 64, kNearDirectBytes = 256 << 10, kNearRowBytes = 2 << 10;

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

// [0, size) in `count` nearly equal parts.
struct Parts {
  std::int64_t size, count;

  std::int64_t start(std::int64_t part) const {
    if (count == 1) return part * size;
    const std::int64_t base = size / count;
    return part * base + std::min(part, size - base * count);
  }
};

enum class Way { kTiles, kRow, kOuter, kSwapped, kFewColumns, kFewRows };

// How an operand reaches the tiles: where it lies, in panels packed by each chunk just before use, or packed
// whole before any tile starts. The last is the layout that packed weights kept between steps would have.
enum class Source { kDirect, kPanel, kShared };

template <class T>
struct TilePlan {
  Source a, b;
  int vectors;           // width of a full panel
  std::int64_t depth;    // longest run of k between two visits to c
  std::int64_t stretch;  // longest run of k that is packed whole; a multiple of depth
  Parts rows, cols;      // the chunks' grid
  bool packs_ahead;      // panels of b are packed beside the arithmetic on those before, shared ones by the
                         // first rows, for all
  bool is_far;           // more than a core's own cache holds: memory is asked for ahead of time
  bool is_shared;  // worth a second thread, whose cache must be filled and whose results fetched from it

  std::int64_t panel() const { return vectors * simd::kWidth<T>; }
  std::int64_t chunks() const { return rows.count * cols.count; }
  std::int64_t shared_a() const { return a == Source::kShared ? round_up(rows.size * stretch, 16) : 0; }
  std::int64_t shared_b() const { return b == Source::kShared ? round_up(cols.size, panel()) * stretch : 0; }
  std::int64_t own_a() const {
    return a == Source::kPanel ? round_up(ceil_div(rows.size, rows.count) * depth, 16) : 0;
  }
  std::int64_t panel_room() const { return round_up(panel() * depth, 16); }
  std::int64_t own_b() const { return b == Source::kPanel ? (packs_ahead ? 2 : 1) * panel_room() : 0; }
};

// The ways that sum in one order, so that every product may take any of them.
template <class T>
Way pick_chain_way(const Gemm<T>& g) {
  if (g.k == 1 && g.b_col == 1 && g.n >= simd::kWidth<T>) return Way::kOuter;
  const bool large = g.k * g.n * static_cast<std::int64_t>(sizeof(T)) > kRowBytes;
  return g.m == 1 && g.b_col == 1 && large ? Way::kRow : Way::kTiles;
}

template <class T>
Way pick_way(const Gemm<T>& g) {
  if (g.k >= kDotDepth) {
    if (g.n <= kFew && g.a_col == 1) return Way::kFewColumns;
    if (g.m <= kFew && g.b_row == 1 && g.b_col != 1) return Way::kFewRows;
  }
  constexpr int kW = simd::kWidth<T>;
  const bool wasteful = g.n < kW || (g.n > kW && g.n <= kFew);  // of the lanes of a tile
  if (wasteful && g.a_row == 1 && g.a_col != 1 && g.m >= 2 * kW && g.m * g.k >= 512) return Way::kSwapped;
  return pick_chain_way(g);
}

// The chunks' grid: as many rows as a block of a holds, then columns until there are chunks enough to share
// out, or rows where each chunk packs b ahead. Only the latter looks at the threads, and may: no element's
// sum knows in which chunk it was formed.
template <class T>
void plan_chunks(const Gemm<T>& g, int threads, bool may_pack_ahead, TilePlan<T>& plan) {
  plan.rows = {g.m, 1};
  plan.cols = {g.n, 1};
  const std::int64_t most = g.m * g.n * g.k / kChunkWork;
  plan.is_shared = most >= kSharedWork;
  const std::int64_t block_bytes = g.m * std::min(g.k, kDepth<T>) * static_cast<std::int64_t>(sizeof(T));
  // A b that comes from memory is best read once: two blocks of a go as one.
  const bool streams_b = g.k * g.n * static_cast<std::int64_t>(sizeof(T)) > kStreamBytes;
  const bool is_one = streams_b && g.m <= 2 * kChunkRows && block_bytes <= 2 * kBlockBytes;
  if (!is_one && (g.m > kChunkRows || block_bytes > kBlockBytes)) {
    plan.rows.count = std::max(ceil_div(block_bytes, kBlockBytes), std::min(ceil_div(g.m, kChunkRows), most));
    plan.rows.count = std::clamp<std::int64_t>(plan.rows.count, 1, g.m);
  }
  // Short sums are written faster than panel by panel: few rows at a time, over all columns.
  const std::int64_t c_bytes = g.m * g.n * static_cast<std::int64_t>(sizeof(T));
  if (g.k <= kShortDepth && c_bytes > kNearBytes)
    plan.rows.count = std::max(plan.rows.count, ceil_div(g.m, kShortRows));
  const std::int64_t wanted = threads > 1 && plan.is_shared ? std::min(kChunksPerThread * threads, most) : 1;
  plan.packs_ahead = may_pack_ahead && plan.rows.count == 1;
  if (plan.packs_ahead) plan.rows.count = std::clamp<std::int64_t>(g.m / kAheadRows, 1, wanted);
  if (plan.rows.count < (plan.packs_ahead ? std::min<std::int64_t>(threads, wanted) : wanted)) {
    plan.cols.count = std::clamp<std::int64_t>(wanted / plan.rows.count, 1, ceil_div(g.n, kChunkCols));
  }
}

constexpr std::int64_t direct_rows(std::int64_t b_bytes) {
  if (b_bytes <= kOwnCacheBytes) return kDirectRows;
  return b_bytes <= kStreamBytes ? kFarDirectRows : kStreamDirectRows;
}

template <class T>
TilePlan<T> plan_tiles(const Gemm<T>& g, int threads) {
  TilePlan<T> plan{};
  const std::int64_t b_bytes = g.k * g.n * static_cast<std::int64_t>(sizeof(T));
  const bool near_b = g.m <= kNearRows && b_bytes <= kNearDirectBytes && g.b_row % simd::kWidth<T> == 0 &&
                      g.b_row * static_cast<std::int64_t>(sizeof(T)) <= kNearRowBytes;
  const bool direct_b = g.b_col == 1 && (g.m <= direct_rows(b_bytes) || b_bytes <= kDirectBytes || near_b);
  const auto is_compact = [](std::int64_t step) {
    return step * static_cast<std::int64_t>(sizeof(T)) <= kCompactRow;
  };
  const bool compact_a = g.a_col == 1 && is_compact(g.a_row) && g.n <= kCompactCols;
  const bool apart_a = g.a_row == 1 && !is_compact(g.a_col + 1);
  const bool direct_a = g.n <= (apart_a ? kDirectApart : kDirectCols) || compact_a;
  const bool may_pack_ahead = !direct_b && g.b_col == 1 && b_bytes > kAheadBytes;
  plan_chunks(g, threads, may_pack_ahead, plan);
  plan.vectors = direct_b && g.m <= max_rows(4) ? 4 : 2;
  plan.a = direct_a ? Source::kDirect : plan.cols.count > 1 ? Source::kShared : Source::kPanel;
  plan.b = direct_b                                   ? Source::kDirect
           : plan.rows.count > 1 && !plan.packs_ahead ? Source::kShared
                                                      : Source::kPanel;
  // One thread takes chunk after chunk.
  if (plan.b == Source::kShared && (threads == 1 || !plan.is_shared)) plan.packs_ahead = may_pack_ahead;

  const std::int64_t elements = g.m * g.k + g.k * g.n + g.m * g.n;
  plan.is_far = elements * static_cast<std::int64_t>(sizeof(T)) > kNearBytes;
  plan.depth = g.k;
  if (direct_b && b_bytes > kStreamBytes) {
    plan.depth = std::min(g.k, g.m <= kFew ? kStreamDepth : 4 * kStreamDepth);
  } else if (g.k > kDepth<T> && !(direct_a && direct_b)) {
    plan.depth = ceil_div(g.k, ceil_div(g.k, kDepth<T>));
  }
  plan.stretch = g.k;
  const std::int64_t shared = (plan.a == Source::kShared ? g.m : 0) + (plan.b == Source::kShared ? g.n : 0);
  if (shared * g.k > kSharedElements) {
    plan.stretch = std::min(g.k, round_up(std::max(kSharedElements / shared, plan.depth), plan.depth));
  }
  return plan;
}

}  // namespace unspool::kernels::cpu
