// Runs a product the way its plan says: packs operands, walks the tiles of each chunk, keeps the chunks'
// scratch apart. No choice is made here that depends on the number of threads.
#include "kernels/cpu/gemm.h"

#include <atomic>
#include <new>
#include <type_traits>

#include "kernels/cpu/gemm_dot.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_plan.h"
#include "kernels/cpu/gemm_tile.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::size_t kAlign = 64;
constexpr std::size_t align_up(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
template <class T>
constexpr std::size_t bytes_of(std::int64_t elements) {
  return align_up(static_cast<std::size_t>(elements) * sizeof(T));
}

// One piece of scratch per thread, lent to whichever chunks are running. At most `threads` chunks run at
// once, so a free piece is always found.
class Slots {
 public:
  static std::size_t bytes(int threads, std::size_t each) {
    const auto count = static_cast<std::size_t>(threads);
    return each == 0 ? 0 : count * align_up(each) + (threads > 1 ? align_up(count) : 0);
  }

  Slots(std::byte* memory, int threads, std::size_t each) : each_(align_up(each)), memory_(memory) {
    if (each == 0 || threads <= 1) return;
    taken_ = reinterpret_cast<Flag*>(memory);
    for (int i = 0; i < threads; ++i) new (taken_ + i) Flag(false);
    memory_ = memory + align_up(static_cast<std::size_t>(threads));
  }

  template <class F>
  void lend(F&& use) {
    if (!taken_) return use(memory_);
    std::size_t slot = 0;
    while (taken_[slot].exchange(true, std::memory_order_acquire)) ++slot;
    use(memory_ + slot * each_);
    taken_[slot].store(false, std::memory_order_release);
  }

 private:
  using Flag = std::atomic<bool>;
  static_assert(sizeof(Flag) == 1);
  std::size_t each_;
  std::byte* memory_;
  Flag* taken_ = nullptr;
};

// A region of the result and a run of k.
struct Region {
  std::int64_t row, row_end, col, col_end, k, k_end;
};

template <class T>
class TileRun {
 public:
  TileRun(const Gemm<T>& g, const TilePlan<T>& plan) : g_(g), plan_(plan) {}

  std::size_t slot_bytes() const { return bytes_of<T>(plan_.a_elements()) + bytes_of<T>(plan_.b_elements()); }
  // Sums that cannot wait in c, because c is to be added to when they are complete.
  bool needs_sums() const { return g_.accumulate && plan_.depth < g_.k; }
  std::size_t scratch(int threads) const {
    return bytes_of<T>(plan_.shared_elements(g_.n)) + (needs_sums() ? bytes_of<T>(g_.m * g_.n) : 0) +
           Slots::bytes(threads, slot_bytes());
  }

  void run(const Context& context) {
    std::byte* memory = context.scratch;
    shared_ = reinterpret_cast<T*>(memory);
    memory += bytes_of<T>(plan_.shared_elements(g_.n));
    sums_ = g_.c, sums_row_ = g_.c_row;
    if (needs_sums()) {
      sums_ = reinterpret_cast<T*>(memory), sums_row_ = g_.n;
      memory += bytes_of<T>(g_.m * g_.n);
    }
    Slots slots(memory, context.threads, slot_bytes());
    for (std::int64_t k = 0; k < g_.k; k += plan_.stretch) {
      const std::int64_t k_end = std::min(g_.k, k + plan_.stretch);
      if (plan_.b == BSource::kShared) pack_shared(context, k, k_end);
      context.parallel(plan_.chunks(), [&](std::int64_t chunk) {
        const std::int64_t row = chunk / plan_.cols.count, col = chunk % plan_.cols.count;
        const std::int64_t width = plan_.panel();
        const Parts panels{ceil_div(g_.n, width), plan_.cols.count};
        const Region region{plan_.rows.start(row),
                            plan_.rows.start(row + 1),
                            panels.start(col) * width,
                            std::min(g_.n, panels.start(col + 1) * width),
                            k,
                            k_end};
        slots.lend([&](std::byte* slot) { run_region(region, reinterpret_cast<T*>(slot)); });
      });
    }
  }

 private:
  void pack_shared(const Context& context, std::int64_t k, std::int64_t k_end) {
    constexpr std::int64_t kTogether = 16;
    const std::int64_t panels = ceil_div(g_.n, plan_.panel());
    context.parallel(ceil_div(panels, kTogether), [&](std::int64_t chunk) {
      pack_b(k, k_end, chunk * kTogether, std::min(panels, (chunk + 1) * kTogether));
    });
  }

  // Panels [panel, last) of b into the shared copy, a few rows at a time when b's rows are long.
  void pack_b(std::int64_t k, std::int64_t k_end, std::int64_t panel, std::int64_t last) {
    const std::int64_t width = plan_.panel();
    const std::int64_t step = g_.b_col == 1 ? 16 : k_end - k;
    for (std::int64_t p = k; p < k_end; p += step) {
      for (std::int64_t j = panel; j < last; ++j) {
        pack_panel(g_.b + p * g_.b_row + j * width * g_.b_col, g_.b_col, g_.b_row, columns(j * width),
                   padded(columns(j * width)), std::min(step, k_end - p),
                   shared_ + j * width * plan_.stretch + (p - k) * padded(columns(j * width)));
      }
    }
  }

  int columns(std::int64_t col) const { return static_cast<int>(std::min(plan_.panel(), g_.n - col)); }
  static int padded(int columns) { return (columns + kW - 1) / kW * kW; }

  void run_region(const Region& region, T* slot) {
    T* const a_panels = slot;
    T* const b_panel = slot + plan_.a_elements();
    const std::int64_t height = region.row_end - region.row;
    const Parts tiles{height, ceil_div(height, max_rows(2))};
    for (std::int64_t k = region.k; k < region.k_end; k += plan_.depth) {
      const std::int64_t depth = std::min(plan_.depth, region.k_end - k);
      if (plan_.pack_a) pack_a(region, tiles, k, depth, a_panels);
      for (std::int64_t col = region.col; col < region.col_end;) {
        const std::int64_t left = std::min(region.col_end - col, plan_.panel());
        // Four vectors only while full: the rest goes by two and one.
        const int cols = static_cast<int>(left < plan_.panel() ? std::min<std::int64_t>(left, 2 * kW) : left);
        run_column(region, tiles, col, cols, k, depth, a_panels, b_panel);
        col += cols;
      }
    }
  }

  void pack_a(const Region& region, const Parts& tiles, std::int64_t k, std::int64_t depth, T* panels) {
    const std::int64_t step = g_.a_row == 1 ? 16 : depth;
    for (std::int64_t p = 0; p < depth; p += step) {
      const std::int64_t run = std::min(step, depth - p);
      for (std::int64_t t = 0; t < tiles.count; ++t) {
        const std::int64_t start = tiles.start(t), rows = tiles.start(t + 1) - start;
        pack_panel(g_.a + (region.row + start) * g_.a_row + (k + p) * g_.a_col, g_.a_row, g_.a_col,
                   static_cast<int>(rows), static_cast<int>(rows), run, panels + start * depth + p * rows);
      }
    }
  }

  // All row tiles of one panel of columns.
  void run_column(const Region& region, const Parts& packed_tiles, std::int64_t col, int cols, std::int64_t k,
                  std::int64_t depth, const T* a_panels, T* b_panel) {
    const int vectors = (cols + kW - 1) / kW;
    Tile<T> tile{};
    tile.k = depth;
    tile.tail = cols - (vectors - 1) * kW;
    bool partial = false;
    if (plan_.b == BSource::kDirect) {
      tile.b = g_.b + k * g_.b_row + col;
      tile.b_row = g_.b_row;
      partial = tile.tail < kW;
    } else {
      tile.b_row = vectors * kW;
      if (plan_.b == BSource::kPanel) {
        pack_panel(g_.b + k * g_.b_row + col * g_.b_col, g_.b_col, g_.b_row, cols, vectors * kW, depth,
                   b_panel);
        tile.b = b_panel;
      } else {
        tile.b = shared_ + col * plan_.stretch + (k - region.k) * tile.b_row;
      }
    }
    tile.finish = k + depth == g_.k;
    tile.epilogue = {g_.accumulate, g_.bias ? g_.bias + col : nullptr};
    tile.start_row = sums_row_;
    T* const out = tile.finish ? g_.c : sums_;
    tile.out_row = tile.finish ? g_.c_row : sums_row_;

    const std::int64_t height = region.row_end - region.row;
    const Parts tiles = plan_.pack_a ? packed_tiles : Parts{height, ceil_div(height, max_rows(vectors))};
    tile.a_row = plan_.pack_a ? 1 : g_.a_row;
    tile.a_col = g_.a_col;
    const std::int64_t base = height / tiles.count, taller = height - base * tiles.count;
    TileKernel<T> kernel = pick_tile_kernel<T>(taller > 0 ? base + 1 : base, vectors, partial);
    std::int64_t start = 0;
    for (std::int64_t t = 0; t < tiles.count; ++t) {
      if (t == taller && t > 0) kernel = pick_tile_kernel<T>(base, vectors, partial);
      const std::int64_t rows = t < taller ? base + 1 : base, row = region.row + start;
      if (plan_.pack_a) {
        tile.a = a_panels + start * depth, tile.a_col = rows;
      } else {
        tile.a = g_.a + row * g_.a_row + k * g_.a_col;
      }
      tile.start = k == 0 ? nullptr : sums_ + row * sums_row_ + col;
      tile.out = out + row * tile.out_row + col;
      kernel(tile);
      start += rows;
    }
  }

  static constexpr int kW = simd::kWidth<T>;
  const Gemm<T>& g_;
  const TilePlan<T>& plan_;
  T* shared_ = nullptr;
  T* sums_ = nullptr;
  std::int64_t sums_row_ = 0;
};

// ---- a transposed result: c' = b' a', with the vectors along the rows of c ----

template <class T>
Gemm<T> swapped(const Gemm<T>& g, T* out) {
  return {g.n, g.m, g.k, g.b, g.b_col, g.b_row, g.a, g.a_col, g.a_row, out, g.m};
}

template <class T>
void run_swapped(const Context& context, const Gemm<T>& g) {
  T* const flipped = reinterpret_cast<T*>(context.scratch);
  const Gemm<T> inner = swapped(g, flipped);
  Context rest = context;
  rest.scratch += bytes_of<T>(g.m * g.n);
  const TilePlan<T> plan = plan_tiles(inner);
  TileRun<T>(inner, plan).run(rest);
  constexpr std::int64_t kRows = 4096;
  context.parallel(ceil_div(g.m, kRows), [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * kRows; i < std::min(g.m, (chunk + 1) * kRows); ++i) {
      T* const out = g.c + i * g.c_row;
      for (std::int64_t j = 0; j < g.n; ++j) {
        T sum = flipped[j * g.m + i];
        if (g.accumulate) sum = out[j] + sum;
        if (g.bias) sum = sum + g.bias[j];
        out[j] = sum;
      }
    }
  });
}

// ---- dot products ----

template <class T>
Dots<T> dots_of(const Gemm<T>& g, Way way) {
  if (way == Way::kFewColumns) {
    return {g.k, g.a, g.a_row, g.b, g.b_col, g.n, g.c, g.c_row, 1, g.accumulate, g.bias, 0, 1};
  }
  return {g.k, g.b, g.b_col, g.a, g.a_row, g.m, g.c, 1, g.c_row, g.accumulate, g.bias, 1, 0};
}

template <class T>
std::size_t dots_scratch(const Gemm<T>& g, Way way) {
  if (way == Way::kFewColumns) return g.b_row == 1 ? 0 : bytes_of<T>(g.n * g.k);
  return g.a_col == 1 ? 0 : bytes_of<T>(g.m * g.k);
}

template <class T>
void run_dots(const Context& context, const Gemm<T>& g, Way way) {
  Dots<T> dots = dots_of(g, way);
  const std::int64_t few_step = way == Way::kFewColumns ? g.b_row : g.a_col;
  if (few_step != 1) {
    T* const copy = reinterpret_cast<T*>(context.scratch);
    pack_panel(dots.few, few_step, dots.few_stride, static_cast<int>(g.k), static_cast<int>(g.k),
               dots.few_count, copy);
    dots.few = copy, dots.few_stride = g.k;
  }
  const std::int64_t rows = way == Way::kFewColumns ? g.m : g.n;
  const std::int64_t chunk_rows = round_up(ceil_div(kChunkWork / 2, g.k * dots.few_count), 24);
  context.parallel(ceil_div(rows, chunk_rows), [&](std::int64_t chunk) {
    run_dots(dots, chunk * chunk_rows, std::min(rows, (chunk + 1) * chunk_rows));
  });
}

template <class T>
void run_empty(const Gemm<T>& g) {
  for (std::int64_t i = 0; i < g.m; ++i) {
    for (std::int64_t j = 0; j < g.n; ++j) {
      T& out = g.c[i * g.c_row + j];
      const T before = g.accumulate ? out : T(0);
      out = g.bias ? before + g.bias[j] : before;
    }
  }
}

}  // namespace

template <class T>
std::size_t gemm_scratch(const Gemm<T>& g, int threads) {
  if (g.m <= 0 || g.n <= 0 || g.k <= 0) return 0;
  const Way way = pick_way(g);
  if (way == Way::kFewColumns || way == Way::kFewRows) return dots_scratch(g, way);
  const Gemm<T> run = way == Way::kSwapped ? swapped(g, g.c) : g;
  const TilePlan<T> plan = plan_tiles(run);
  return TileRun<T>(run, plan).scratch(threads) + (way == Way::kSwapped ? bytes_of<T>(g.m * g.n) : 0);
}

template <class T>
void gemm(const Context& context, const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k <= 0) return run_empty(g);
  const Way way = pick_way(g);
  if (way == Way::kSwapped) return run_swapped(context, g);
  if (way != Way::kTiles) return run_dots(context, g, way);
  const TilePlan<T> plan = plan_tiles(g);
  TileRun<T>(g, plan).run(context);
}

namespace {

// Entries per chunk when the batch is what is shared out; 0 when each product is large enough to be shared
// out itself.
template <class T>
std::int64_t batch_step(const Gemm<T>& g, std::int64_t count) {
  const std::int64_t work = std::max<std::int64_t>(1, g.m * g.n * g.k);
  if (count < 2 || work >= 8 * kChunkWork) return 0;
  return std::min(count, ceil_div(kChunkWork, work));
}

}  // namespace

template <class T>
std::size_t gemm_batch_scratch(const Gemm<T>& g, const GemmBatch<T>& batch, int threads) {
  if (batch_step(g, batch.count) == 0) return gemm_scratch(g, threads);
  return Slots::bytes(threads, gemm_scratch(g, 1));
}

template <class T>
void gemm_batch(const Context& context, const Gemm<T>& g, const GemmBatch<T>& batch) {
  const auto entry = [&](const Context& on, std::int64_t e) {
    Gemm<T> one = g;
    one.a += e * batch.a_batch, one.b += e * batch.b_batch, one.c += e * batch.c_batch;
    gemm(on, one);
  };
  const std::int64_t step = batch_step(g, batch.count);
  if (step == 0) {
    for (std::int64_t e = 0; e < batch.count; ++e) entry(context, e);
    return;
  }
  Slots slots(context.scratch, context.threads, gemm_scratch(g, 1));
  context.parallel(ceil_div(batch.count, step), [&](std::int64_t chunk) {
    slots.lend([&](std::byte* slot) {
      const Context alone{.scratch = slot};
      for (std::int64_t e = chunk * step; e < std::min(batch.count, (chunk + 1) * step); ++e) entry(alone, e);
    });
  });
}

template <class T>
void integer_gemm(const Context& context, const Gemm<T>& g) {
  using Wrapping = std::make_unsigned_t<T>;
  if (g.m <= 0 || g.n <= 0) return;
  const std::int64_t step =
      std::max<std::int64_t>(1, (kChunkWork / 4) / std::max<std::int64_t>(1, g.n * g.k));
  context.parallel(ceil_div(g.m, step), [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * step; i < std::min(g.m, (chunk + 1) * step); ++i) {
      Wrapping* const out = reinterpret_cast<Wrapping*>(g.c + i * g.c_row);
      for (std::int64_t j = 0; j < g.n; ++j) {
        const Wrapping before = g.accumulate ? out[j] : Wrapping{0};
        out[j] = g.bias ? before + static_cast<Wrapping>(g.bias[j]) : before;
      }
      for (std::int64_t p = 0; p < g.k; ++p) {
        const auto x = static_cast<Wrapping>(g.a[i * g.a_row + p * g.a_col]);
        const Wrapping* row = reinterpret_cast<const Wrapping*>(g.b + p * g.b_row);
        for (std::int64_t j = 0; j < g.n; ++j) out[j] += x * row[j * g.b_col];
      }
    }
  });
}

template std::size_t gemm_scratch(const Gemm<float>&, int);
template std::size_t gemm_scratch(const Gemm<double>&, int);
template void gemm(const Context&, const Gemm<float>&);
template void gemm(const Context&, const Gemm<double>&);
template std::size_t gemm_batch_scratch(const Gemm<float>&, const GemmBatch<float>&, int);
template std::size_t gemm_batch_scratch(const Gemm<double>&, const GemmBatch<double>&, int);
template void gemm_batch(const Context&, const Gemm<float>&, const GemmBatch<float>&);
template void gemm_batch(const Context&, const Gemm<double>&, const GemmBatch<double>&);
template void integer_gemm(const Context&, const Gemm<std::int32_t>&);
template void integer_gemm(const Context&, const Gemm<std::int64_t>&);

}  // namespace unspool::kernels::cpu
