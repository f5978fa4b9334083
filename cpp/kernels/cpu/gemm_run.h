// The run of a product by tiles: packs operands as the plan says, walks the tiles of each chunk, and keeps
// the chunks' scratch apart. Why it is planned so is gemm_plan.h's business.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/context.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_ahead.h"
#include "kernels/cpu/gemm_columns.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_plan.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/slots.h"

namespace unspool::kernels::cpu {

template <class T>
constexpr std::size_t bytes_of(std::int64_t elements) {
  return align_up(static_cast<std::size_t>(elements) * sizeof(T));
}

// A region of the result and a run of k.
struct Region {
  std::int64_t row, row_end, col, col_end, k, k_end;
};

template <class T>
class TileRun {
 public:
  TileRun(const Gemm<T>& g, const TilePlan<T>& plan) : g_(g), plan_(plan) {}

  std::size_t slot_bytes() const { return bytes_of<T>(plan_.own_a()) + bytes_of<T>(plan_.own_b()); }
  // Sums that cannot wait in c, because c is to be added to when they are complete.
  bool needs_sums() const { return g_.accumulate && plan_.depth < g_.k; }
  std::size_t scratch(int threads) const {
    return bytes_of<T>(plan_.shared_a()) + bytes_of<T>(plan_.shared_b()) +
           (needs_sums() ? bytes_of<T>(g_.m * g_.n) : 0) + Slots::bytes(threads, slot_bytes());
  }

  void run(Context context) {
    if (!plan_.is_shared) context.threads = 1;
    std::byte* memory = context.scratch;
    shared_a_ = reinterpret_cast<T*>(memory);
    memory += bytes_of<T>(plan_.shared_a());
    shared_b_ = reinterpret_cast<T*>(memory);
    memory += bytes_of<T>(plan_.shared_b());
    sums_ = g_.c, sums_row_ = g_.c_row;
    if (needs_sums()) {
      sums_ = reinterpret_cast<T*>(memory), sums_row_ = g_.n;
      memory += bytes_of<T>(g_.m * g_.n);
    }
    Slots slots(memory, context.threads, slot_bytes());
    for (std::int64_t k = 0; k < g_.k; k += plan_.stretch) {
      const std::int64_t k_end = std::min(g_.k, k + plan_.stretch);
      if (plan_.a == Source::kShared) pack_shared_a(context, k, k_end);
      if (plan_.b == Source::kShared && !plan_.packs_ahead) pack_shared_b(context, k, k_end);
      context.parallel(plan_.chunks(), [&](std::int64_t chunk) {
        slots.lend([&](std::byte* slot) { run_region(region(chunk, k, k_end), reinterpret_cast<T*>(slot)); });
      });
    }
  }

 private:
  Region region(std::int64_t chunk, std::int64_t k, std::int64_t k_end) const {
    if (plan_.chunks() == 1) return {0, g_.m, 0, g_.n, k, k_end};
    const std::int64_t row = chunk / plan_.cols.count, col = chunk % plan_.cols.count, width = plan_.panel();
    const Parts panels{ceil_div(g_.n, width), plan_.cols.count};
    return {plan_.rows.start(row),
            plan_.rows.start(row + 1),
            panels.start(col) * width,
            std::min(g_.n, panels.start(col + 1) * width),
            k,
            k_end};
  }

  static constexpr std::int64_t kTogether = 16;  // panels packed by one chunk

  static Parts row_tiles(std::int64_t height) { return {height, ceil_div(height, max_rows(2))}; }

  void pack_shared_a(const Context& context, std::int64_t k, std::int64_t k_end) {
    const std::int64_t groups = ceil_div(row_tiles(ceil_div(g_.m, plan_.rows.count)).count, kTogether);
    context.parallel(plan_.rows.count * groups, [&](std::int64_t chunk) {
      const std::int64_t part = chunk / groups, first = chunk % groups * kTogether;
      const std::int64_t row = plan_.rows.start(part);
      const Parts tiles = row_tiles(plan_.rows.start(part + 1) - row);
      pack_a(row, tiles, first, std::min(tiles.count, first + kTogether), k, k_end - k, plan_.stretch,
             shared_a_ + row * plan_.stretch);
    });
  }

  // Tiles [first, last) of the rows from `row` on, each to where `room` of k per row leaves it.
  void pack_a(std::int64_t row, const Parts& tiles, std::int64_t first, std::int64_t last, std::int64_t k,
              std::int64_t depth, std::int64_t room, T* panels) {
    if (g_.a_row == 1) return pack_a_side_by_side(row, tiles, first, last, k, depth, room, panels);
    for (std::int64_t t = first; t < last; ++t) {
      const std::int64_t start = tiles.start(t), rows = tiles.start(t + 1) - start;
      pack_panel(g_.a + (row + start) * g_.a_row + k * g_.a_col, g_.a_row, g_.a_col, rows, g_.m - row - start,
                 rows, depth, panels + start * room);
    }
  }

  // A few of k at a time, so that the cache lines of a that two tiles share are read once.
  void pack_a_side_by_side(std::int64_t row, const Parts& tiles, std::int64_t first, std::int64_t last,
                           std::int64_t k, std::int64_t depth, std::int64_t room, T* panels) {
    const std::int64_t base = tiles.size / tiles.count, taller = tiles.size - base * tiles.count;
    const std::int64_t change = std::clamp(taller, first, last);
    const auto pack = [&](std::int64_t from, std::int64_t to, std::int64_t rows, std::int64_t p) {
      if (from == to) return;
      const std::int64_t start = tiles.start(from);
      kSideBySidePacks<T>[static_cast<std::size_t>(rows - 1)](
          g_.a + row + start + (k + p)* g_.a_col, g_.a_col, rows, std::min(kPackStep, depth - p),
          panels + start* room + p* rows, to - from, rows* room);
    };
    for (std::int64_t p = 0; p < depth; p += kPackStep) {
      pack(first, change, base + 1, p);
      pack(change, last, base, p);
    }
  }

  void pack_shared_b(const Context& context, std::int64_t k, std::int64_t k_end) {
    const std::int64_t panels = ceil_div(g_.n, plan_.panel());
    context.parallel(ceil_div(panels, kTogether), [&](std::int64_t chunk) {
      pack_b(k, k_end, chunk * kTogether, std::min(panels, (chunk + 1) * kTogether));
    });
  }

  // Panels [panel, last) of b into the shared copy, a few rows at a time when b's rows are long.
  void pack_b(std::int64_t k, std::int64_t k_end, std::int64_t panel, std::int64_t last) {
    const std::int64_t width = plan_.panel();
    const std::int64_t step = g_.b_col == 1 ? kPackStep : k_end - k;
    for (std::int64_t p = k; p < k_end; p += step) {
      for (std::int64_t j = panel; j < last; ++j) {
        pack_panel(g_.b + p * g_.b_row + j * width * g_.b_col, g_.b_col, g_.b_row, columns(j * width),
                   g_.n - j * width, padded(columns(j * width)), std::min(step, k_end - p),
                   shared_b_ + j * width * plan_.stretch + (p - k) * padded(columns(j * width)));
      }
    }
  }

  // Whether this region packs what it reads of the shared copy, for those after it.
  bool packs_shared(const Region& region) const { return plan_.packs_ahead && region.row == 0; }

  // Where columns from `col` on, a panel's, begin in the shared copy at k.
  T* shared_panel(const Region& region, std::int64_t col, std::int64_t k) const {
    return shared_b_ + col * plan_.stretch + (k - region.k) * padded(columns(col));
  }

  int columns(std::int64_t col) const { return static_cast<int>(std::min(plan_.panel(), g_.n - col)); }
  static int padded(int columns) { return (columns + kW - 1) / kW * kW; }

  // Where a chunk stands: its region, the run of k in hand, its packed operands and what it will pack next.
  struct Walk {
    Region region;
    Parts tiles;  // of rows, as packed
    std::int64_t k, depth;
    T *a_panels, *b_panel;
    T* b_next;                    // where the panel after it is packed ahead
    std::int64_t ahead_col = -1;  // of which columns
    Coming<T> coming;
  };

  void run_region(const Region& region, T* slot) {
    const std::int64_t height = region.row_end - region.row;
    T* const b_panel = slot + plan_.own_a();
    Walk walk{region, row_tiles(height), 0, 0, slot, b_panel, b_panel + plan_.panel_room(), -1, {}};
    for (std::int64_t k = region.k; k < region.k_end; k += plan_.depth) {
      walk.k = k, walk.depth = std::min(plan_.depth, region.k_end - k);
      if (plan_.a == Source::kPanel) {
        pack_a(region.row, walk.tiles, 0, walk.tiles.count, k, walk.depth, walk.depth, walk.a_panels);
      }
      for (std::int64_t col = region.col; col < region.col_end;) {
        const std::int64_t left = std::min(region.col_end - col, plan_.panel());
        // Four vectors only while full: the rest goes by two and one.
        const int cols = static_cast<int>(left < plan_.panel() ? std::min<std::int64_t>(left, 2 * kW) : left);
        run_column(walk, col, cols);
        col += cols;
      }
    }
  }

  // Sets where the tiles of columns [col, col + cols) find b, and what of b to fetch ahead.
  void place_b(Walk& walk, std::int64_t col, int cols, int vectors, Tile<T>& tile) {
    if (plan_.b == Source::kDirect) {
      tile.b = g_.b + walk.k * g_.b_row + col;
      tile.b_row = g_.b_row;
      return;
    }
    tile.b_row = vectors * kW;
    std::int64_t next = col + cols, next_k = walk.k, next_depth = walk.depth;
    if (next == walk.region.col_end) {
      next = walk.region.col, next_k += walk.depth;
      next_depth = std::min(plan_.depth, walk.region.k_end - next_k);
    }
    const int next_cols = columns(next);
    const bool is_shared = plan_.b == Source::kShared, packs = !is_shared || packs_shared(walk.region);
    const bool is_packed = walk.ahead_col == col;
    if (is_packed) {
      walk.coming.panel.pack(walk.depth);
      if (!is_shared) std::swap(walk.b_panel, walk.b_next);
    }
    T* const panel = is_shared ? shared_panel(walk.region, col, walk.k) : walk.b_panel;
    T* const next_panel = is_shared ? shared_panel(walk.region, next, next_k) : walk.b_next;
    if (packs && !is_packed) {
      pack_panel(g_.b + walk.k * g_.b_row + col * g_.b_col, g_.b_col, g_.b_row, cols, g_.n - col, tile.b_row,
                 walk.depth, panel);
    }
    tile.b = panel;
    const T* const from = g_.b + next_k * g_.b_row + next * g_.b_col;
    const bool is_ahead = packs && plan_.packs_ahead && next_depth > 0 && next_cols % kW == 0;
    walk.ahead_col = is_ahead ? next : -1;
    walk.coming.panel = {from, g_.b_row, is_ahead ? next_depth : 0, next_cols > kW, next_panel};
    if (packs) {
      walk.coming.b = {from, g_.b_row, g_.b_col, is_ahead ? 0 : next_depth, next_cols};
    } else {
      walk.coming.b = {next_panel, padded(next_cols), 1, next_depth, padded(next_cols)};
    }
    const int blocks = g_.finish.other ? 2 : 1;
    walk.coming.share_b(walk.tiles.count, walk.depth, blocks * max_rows(2) * vectors);
  }

  // All row tiles of one panel of columns.
  void run_column(Walk& walk, std::int64_t col, int cols) {
    const int vectors = (cols + kW - 1) / kW;
    Tile<T> tile{};
    tile.k = walk.depth;
    tile.tail = cols - (vectors - 1) * kW;
    place_b(walk, col, cols, vectors, tile);
    tile.b_padded = plan_.b != Source::kDirect;
    const bool partial = tile.tail < kW;
    tile.finish = walk.k + walk.depth == g_.k;
    const Finish<T>& finish = g_.finish;
    tile.epilogue = {g_.accumulate, g_.bias ? g_.bias + col : nullptr,
                     finish.way == Finish<T>::Way::kNone ? nullptr : &finish};
    tile.start_row = sums_row_;
    T* const out = tile.finish ? g_.c : sums_;
    tile.out_row = tile.finish ? g_.c_row : sums_row_;

    const bool is_far = walk.depth >= kLongRun && plan_.is_far;
    tile.coming = is_far || walk.ahead_col >= 0 ? &walk.coming : nullptr;
    const bool packed = plan_.a != Source::kDirect;
    const T* const a_panels =
        plan_.a == Source::kShared ? shared_a_ + walk.region.row * plan_.stretch : walk.a_panels;
    const std::int64_t a_room = plan_.a == Source::kShared ? plan_.stretch : walk.depth;
    const std::int64_t a_done = plan_.a == Source::kShared ? walk.k - walk.region.k : 0;
    const Parts tiles =
        packed ? walk.tiles : Parts{walk.tiles.size, ceil_div(walk.tiles.size, max_rows(vectors))};
    tile.a_row = packed ? 1 : g_.a_row;
    tile.a_col = g_.a_col;
    const std::int64_t base = tiles.count == 1 ? tiles.size : tiles.size / tiles.count;
    const std::int64_t taller = tiles.size - base * tiles.count;
    TileKernel<T> kernel = pick_tile_kernel<T>(taller > 0 ? base + 1 : base, vectors, partial);
    std::int64_t start = 0;
    for (std::int64_t t = 0; t < tiles.count; ++t) {
      if (t == taller && t > 0) kernel = pick_tile_kernel<T>(base, vectors, partial);
      const std::int64_t rows = t < taller ? base + 1 : base, row = walk.region.row + start;
      if (packed) {
        tile.a = a_panels + start * a_room + a_done * rows, tile.a_col = rows;
      } else {
        tile.a = g_.a + row * g_.a_row + walk.k * g_.a_col;
      }
      tile.start = walk.k == 0 ? nullptr : sums_ + row * sums_row_ + col;
      tile.row_bias = g_.row_bias && walk.k == 0 ? g_.row_bias + row : nullptr;
      tile.out = out + row * tile.out_row + col;
      if (finish.other) {
        tile.epilogue.other = finish.other + row * finish.other_row + col;
        if (is_far) walk.coming.other = {tile.epilogue.other, finish.other_row, 1, rows, cols};
      }
      if (is_far) walk.coming.out = {tile.out, tile.out_row, 1, rows, cols};
      kernel(tile);
      start += rows;
    }
    if (tile.finish && g_.block_sums) {
      sum_blocks(g_.c + walk.region.row * g_.c_row + col, g_.c_row, walk.tiles.size, cols,
                 g_.block_sums + walk.region.row / kSumRows * g_.n + col, g_.n);
    }
  }

  static constexpr int kW = simd::kWidth<T>;
  static constexpr std::int64_t kLongRun = 128;  // steps of a tile that take longer than a read from memory
  const Gemm<T>& g_;
  const TilePlan<T>& plan_;
  T *shared_a_ = nullptr, *shared_b_ = nullptr;
  T* sums_ = nullptr;
  std::int64_t sums_row_ = 0;
};

}  // namespace unspool::kernels::cpu
