// Planes whose elements are picked by one index table per dimension: out[d][h][w] = in[D[d]][H[h]][W[w]], and
// the transpose of that. Borders and nearest-neighbour resizing are such maps.
#pragma once

#include <cstring>

#include "kernels/cpu/planes.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

struct IndexMap {
  Planes from, to;
  const std::int64_t* table[3] = {};
  // The longest range of output columns that lie side by side in the input too.
  std::int64_t run_begin = 0, run_end = 0;

  // `fill(dimension, table)` writes the source index of every output index of a dimension.
  template <class Fill>
  IndexMap(const Planes& in, const Planes& out, std::byte* scratch, const Fill& fill) : from(in), to(out) {
    auto* next = reinterpret_cast<std::int64_t*>(scratch);
    for (int d = 0; d < 3; ++d) {
      fill(d, next);
      table[d] = next;
      next += to.size[d];
    }
    find_run();
  }

  static std::size_t scratch_bytes(const Planes& out) {
    return static_cast<std::size_t>(out.size[0] + out.size[1] + out.size[2]) * sizeof(std::int64_t);
  }

  std::int64_t source_row(std::int64_t row) const {
    return table[0][row / to.height()] * from.height() + table[1][row % to.height()];
  }

 private:
  void find_run() {
    const std::int64_t* w = table[2];
    for (std::int64_t begin = 0; begin < to.width();) {
      std::int64_t end = begin + 1;
      while (end < to.width() && w[end] == w[end - 1] + 1) ++end;
      if (end - begin > run_end - run_begin) run_begin = begin, run_end = end;
      begin = end;
    }
    if (run_end - run_begin < 4) run_end = run_begin;
  }
};

template <class W>
void gather_planes(const Context& context, const IndexMap& map, const W* in, W* out) {
  const std::int64_t rows = map.to.depth() * map.to.height(), width = map.to.width();
  const std::int64_t* column = map.table[2];
  const auto run = static_cast<std::size_t>(map.run_end - map.run_begin) * sizeof(W);
  over_ranges(context, map.to.count, grain_of(map.to.numel()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const W* plane = in + p * map.from.numel();
      W* to = out + p * map.to.numel();
      std::int64_t last = -1;
      for (std::int64_t r = 0; r < rows; ++r, to += width) {
        const std::int64_t source = map.source_row(r);
        if (source == last) {
          std::memcpy(to, to - width, static_cast<std::size_t>(width) * sizeof(W));
          continue;
        }
        const W* from = plane + source * map.from.width();
        for (std::int64_t i = 0; i < map.run_begin; ++i) to[i] = from[column[i]];
        if (run > 0) std::memcpy(to + map.run_begin, from + column[map.run_begin], run);
        for (std::int64_t i = map.run_end; i < width; ++i) to[i] = from[column[i]];
        last = source;
      }
    }
  });
}

// Adds every element of `grad` to the place it was picked from, row by row in the order of `grad`.
template <class T>
void scatter_planes(const Context& context, const IndexMap& map, const T* grad, T* out) {
  using P = Vec<T>;
  const std::int64_t rows = map.to.depth() * map.to.height(), width = map.to.width();
  const std::int64_t* column = map.table[2];
  over_ranges(context, map.to.count, grain_of(map.to.numel()), [&](std::int64_t begin, std::int64_t end) {
    std::memset(out + begin * map.from.numel(), 0,
                static_cast<std::size_t>((end - begin) * map.from.numel()) * sizeof(T));
    for (std::int64_t p = begin; p < end; ++p) {
      T* plane = out + p * map.from.numel();
      const T* g = grad + p * map.to.numel();
      for (std::int64_t r = 0; r < rows; ++r, g += width) {
        T* to = plane + map.source_row(r) * map.from.width();
        for (std::int64_t i = 0; i < map.run_begin; ++i) to[column[i]] += g[i];
        if (map.run_end > map.run_begin) {
          T* run = to + column[map.run_begin];
          const T* from = g + map.run_begin;
          const std::int64_t n = map.run_end - map.run_begin;
          std::int64_t i = 0;
          for (; i + P::kLanes <= n; i += P::kLanes) (P::load(run + i) + P::load(from + i)).store(run + i);
          for (; i < n; ++i) run[i] += from[i];
        }
        // Neighbours that share a source are summed in a register.
        for (std::int64_t i = map.run_end; i < width;) {
          const std::int64_t source = column[i];
          T sum = to[source];
          do {
            sum += g[i++];
          } while (i < width && column[i] == source);
          to[source] = sum;
        }
      }
    }
  });
}

}  // namespace unspool::kernels::cpu
