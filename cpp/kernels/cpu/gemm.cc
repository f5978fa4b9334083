// The entry points of the matrix product: each goes the way its plan picked, by tiles, by one row, by a
// transposed result or by dot products. How tiles run is in gemm_run.h.
#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/gemm_columns.h"
#include "kernels/cpu/gemm_dot.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_plan.h"
#include "kernels/cpu/gemm_run.h"
#include "kernels/cpu/gemm_vector.h"
#include "kernels/cpu/panels.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kFinishedTogether = 16384;  // elements of c

template <class T>
std::size_t chain_scratch(const Gemm<T>& g, int threads) {
  if (pick_chain_way(g) != Way::kTiles) return 0;
  const TilePlan<T> plan = plan_tiles(g, threads);
  return TileRun<T>(g, plan).scratch(threads);
}

// The finish of rows [first, last) of a product whose tiles do not do it; as one row where they lie without
// gaps.
template <class T>
void finish_rows(const Gemm<T>& g, std::int64_t first, std::int64_t last) {
  const Finish<T>& finish = g.finish;
  if (finish.way == Finish<T>::Way::kNone) return;
  const T* const other = finish.other ? finish.other + first * finish.other_row : nullptr;
  const bool is_dense = g.c_row == g.n && (!other || finish.other_row == g.n);
  const std::int64_t rows = is_dense ? 1 : last - first;
  finish.rows(finish, g.c + first * g.c_row, g.c_row, other, rows, (last - first) / rows * g.n);
}

// Whether c is so small, or its rows so short, that a pass over all of it beats short ones over its tiles.
template <class T>
bool finishes_last(const Gemm<T>& g) {
  constexpr std::int64_t kSmall = (32 << 10) / sizeof(T);
  const bool is_narrow = g.n <= simd::kWidth<T> && g.c_row == g.n;
  return g.finish.way == Finish<T>::Way::kRows && (g.m * g.n <= kSmall || is_narrow);
}

template <class T>
void finish_all(const Context& context, const Gemm<T>& g) {
  const std::int64_t rows = std::max<std::int64_t>(1, kFinishedTogether / g.n);
  context.parallel(ceil_div(g.m, rows), [&](std::int64_t chunk) {
    finish_rows(g, chunk * rows, std::min(g.m, (chunk + 1) * rows));
  });
}

// A few rows at a time go all the way, so that they stay in the nearest cache.
template <class T>
void run_outer(const Context& context, const Gemm<T>& g) {
  const std::int64_t rows = round_up(std::max<std::int64_t>(1, kFinishedTogether / g.n), kSumRows);
  context.parallel(ceil_div(g.m, rows), [&](std::int64_t chunk) {
    for (std::int64_t first = chunk * rows; first < std::min(g.m, (chunk + 1) * rows); first += kSumRows) {
      const std::int64_t last = std::min(g.m, first + kSumRows);
      run_outer(g, first, last);
      finish_rows(g, first, last);
      if (g.block_sums) {
        sum_blocks(g.c + first * g.c_row, g.c_row, last - first, g.n, g.block_sums + first / kSumRows * g.n,
                   g.n);
      }
    }
  });
}

template <class T>
void run_chain(const Context& context, const Gemm<T>& g) {
  const Way way = pick_chain_way(g);
  if (way == Way::kTiles) {
    const TilePlan<T> plan = plan_tiles(g, context.threads);
    return TileRun<T>(g, plan).run(context);
  }
  if (way == Way::kOuter) return run_outer(context, g);
  const Parts parts{g.n, std::max<std::int64_t>(1, std::min(g.n / 1024, g.n * g.k / kChunkWork))};
  context.parallel(parts.count,
                   [&](std::int64_t part) { run_row(g, parts.start(part), parts.start(part + 1)); });
}

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
  run_chain(rest, inner);
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
    pack_panel(dots.few, few_step, dots.few_stride, g.k, g.k, g.k, dots.few_count, copy);
    dots.few = copy, dots.few_stride = g.k;
  }
  const std::int64_t rows = way == Way::kFewColumns ? g.m : g.n;
  if (rows == 1 && dots.few_count == 1 && g.k >= kLongDot) return dot_alone(dots);
  const std::int64_t chunk_rows = round_up(ceil_div(kChunkWork, g.k * dots.few_count), 24);
  const std::int64_t chunks = ceil_div(rows, chunk_rows);
  context.parallel(chunks, [&](std::int64_t turn) {
    const std::int64_t chunk = context.from_end ? chunks - 1 - turn : turn;
    run_dots(dots, chunk * chunk_rows, std::min(rows, (chunk + 1) * chunk_rows), context.from_end);
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

// ---- sums of columns ----

template <class T>
std::size_t column_sums_scratch(const Gemm<T>& g) {
  return g.sums_columns ? bytes_of<T>(column_blocks(g.m) * g.n) : 0;
}

// Whether the rows that one chunk has are whole blocks of a sum.
template <class T>
bool sums_in_panels(const Gemm<T>& g, int threads) {
  const Way way = pick_way(g);
  if (way != Way::kTiles) return way == Way::kOuter;
  if (finishes_last(g)) return false;
  const Parts rows = plan_tiles(g, threads).rows;
  for (std::int64_t part = 1; part < rows.count; ++part) {
    if (rows.start(part) % kSumRows != 0) return false;
  }
  return true;
}

template <class T>
void run_with_column_sums(const Context& context, const Gemm<T>& g) {
  T* const sums = reinterpret_cast<T*>(context.scratch);
  Context rest = context;
  rest.scratch += column_sums_scratch(g);
  Gemm<T> inner = g;
  inner.sums_columns = false;
  const bool in_panels = sums_in_panels(g, context.threads);
  if (in_panels) inner.block_sums = sums;
  gemm(rest, inner);
  const std::int64_t blocks = column_blocks(g.m);
  if (!in_panels) {
    context.parallel(blocks, [&](std::int64_t b) {
      sum_blocks(g.c + b * kSumRows * g.c_row, g.c_row, std::min(kSumRows, g.m - b * kSumRows), g.n,
                 sums + b * g.n, g.n);
    });
  }
  combine_blocks(sums, blocks, g.n, g.column_sums);
}

}  // namespace

template <class T>
std::size_t gemm_scratch(const Gemm<T>& g, int threads) {
  if (g.m <= 0 || g.n <= 0) return 0;
  const std::size_t sums = column_sums_scratch(g);
  if (g.k <= 0) return sums;
  const Way way = pick_way(g);
  if (way == Way::kFewColumns || way == Way::kFewRows) return sums + dots_scratch(g, way);
  if (way == Way::kSwapped) return sums + bytes_of<T>(g.m * g.n) + chain_scratch(swapped(g, g.c), threads);
  return sums + chain_scratch(g, threads);
}

template <class T>
void gemm(const Context& context, const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.sums_columns) return run_with_column_sums(context, g);
  if (g.k <= 0) {
    run_empty(g);
    return finish_all(context, g);
  }
  const Way way = pick_way(g);
  if (way == Way::kTiles && finishes_last(g)) {
    Gemm<T> plain = g;
    plain.finish = {};
    run_chain(context, plain);
    return finish_all(context, g);
  }
  if (way == Way::kTiles || way == Way::kOuter) return run_chain(context, g);
  if (way == Way::kSwapped)
    run_swapped(context, g);
  else if (way == Way::kFewColumns || way == Way::kFewRows)
    run_dots(context, g, way);
  else
    run_chain(context, g);
  finish_all(context, g);
}

namespace {

// Entries per chunk when the batch is what is shared out; 0 when each product is large enough to be shared
// out itself.
template <class T>
std::int64_t batch_step(const Gemm<T>& g, std::int64_t count) {
  const std::int64_t work = std::max<std::int64_t>(1, g.m * g.n * g.k);
  if (count < 2 || work >= kSharedWork * kChunkWork) return 0;
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

// ---- products with an operand that stays packed ----

template <class T>
Panels<T>::Panels(T* to, const T* from, std::int64_t row, std::int64_t column, std::int64_t depth,
                  std::int64_t columns)
    : data_(to), depth_(depth) {
  for (std::int64_t j = 0; j < columns; j += kColumns) {
    const std::int64_t count = std::min(kColumns, columns - j);
    pack_panel(from + j * column, column, row, count, columns - j, round_up(count, kLanes), depth,
               to + j * depth);
  }
}

template <class T>
void Panels<T>::multiply(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_row,
                         std::int64_t a_col, T* c, std::int64_t c_row, bool accumulate, const T* bias) const {
  for (std::int64_t j = 0; j < n; j += kColumns) {
    const std::int64_t columns = std::min(kColumns, n - j);
    const int vectors = static_cast<int>(ceil_div(columns, kLanes));
    Tile<T> tile{};
    tile.k = k;
    tile.a_row = a_row, tile.a_col = a_col;
    tile.b = data_ + j * depth_, tile.b_row = vectors * kLanes;
    tile.b_padded = true;
    tile.tail = static_cast<int>(columns - (vectors - 1) * kLanes);
    tile.out_row = c_row;
    tile.finish = true;
    tile.epilogue.accumulate = accumulate;
    tile.epilogue.bias = bias ? bias + j : nullptr;
    const Parts tiles{m, ceil_div(m, max_rows(vectors))};
    for (std::int64_t t = 0; t < tiles.count; ++t) {
      const std::int64_t row = tiles.start(t), rows = tiles.start(t + 1) - row;
      tile.a = a + row * a_row;
      tile.out = c + row * c_row + j;
      pick_tile_kernel<T>(rows, vectors, tile.tail < kLanes)(tile);
    }
  }
}

template class Panels<float>;
template class Panels<double>;

}  // namespace unspool::kernels::cpu
