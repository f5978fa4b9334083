// Rows of a table by index, and their sums over bags. Additions to one row happen in the order of the
// indices; threads share rows, columns or bags, never the additions to one element.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kPanel = 64;  // columns that one thread adds up

// Calls visit(T{}) for the dtypes that have gradients.
template <class F>
void visit_float(Dtype dtype, F&& visit) {
  if (dtype == Dtype::kFloat32)
    visit(float{});
  else
    visit(double{});
}

// Calls visit(pointer) with the indices in their own dtype, when all of them name a row.
template <class F>
void with_rows(const KernelCall& call, const View& indices, std::int64_t rows, F&& visit) {
  if (indices.dtype == Dtype::kInt64) {
    if (indices_are_valid<std::int64_t>(call, indices, rows, "index"))
      visit(indices.as<const std::int64_t>());
  } else {
    if (indices_are_valid<std::int32_t>(call, indices, rows, "index"))
      visit(indices.as<const std::int32_t>());
  }
}

// A part of a table: rows [begin, end), `width` columns from `first` on.
struct Part {
  std::int64_t begin, end, first, width;

  bool has(std::int64_t row) const { return row >= begin && row < end; }

  template <class T>
  void clear(T* table, std::int64_t columns) const {
    if (width == columns) return std::fill(table + begin * columns, table + end * columns, T(0));
    for (std::int64_t r = begin; r < end; ++r) std::fill_n(table + r * columns + first, width, T(0));
  }
};

// add(part) in parallel for parts of a table that gets `additions` of rows: for rows where most get none, so
// that a thread clears what it adds to, otherwise for columns.
template <class F>
void over_table(const Context& context, std::int64_t rows, std::int64_t columns, std::int64_t additions,
                const F& add) {
  if (rows > 2 * additions) {
    const bool few = rows * columns < kOneCore;
    const std::int64_t grain = few ? rows : divide_up(rows, 2 * context.threads);
    return over_ranges(context, rows, grain,
                       [&](std::int64_t begin, std::int64_t end) { add(Part{begin, end, 0, columns}); });
  }
  const std::int64_t panels = divide_up(columns, kPanel);
  over_ranges(context, panels, grain_of((rows + additions) * std::min(columns, kPanel)),
              [&](std::int64_t begin, std::int64_t end) {
                const std::int64_t first = begin * kPanel;
                add(Part{0, rows, first, std::min(columns, end * kPanel) - first});
              });
}

template <class T>
void clear(const Context& context, T* out, std::int64_t n) {
  over_ranges(context, n, kGrain,
              [&](std::int64_t begin, std::int64_t end) { std::fill(out + begin, out + end, T(0)); });
}

void run_embedding(const Context& context, const KernelCall& call) {
  const View &weight = call.in[0], &indices = call.in[1];
  with_rows(call, indices, weight.sizes[0], [&](const auto* row) {
    const std::int64_t bytes = weight.sizes[1] * static_cast<std::int64_t>(size_of(weight.dtype));
    const auto* from = weight.as<const std::byte>();
    auto* to = call.out[0].as<std::byte>();
    over_ranges(context, indices.numel(), grain_of(bytes / 4), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::memcpy(to + i * bytes, from + static_cast<std::int64_t>(row[i]) * bytes,
                    static_cast<std::size_t>(bytes));
      }
    });
  });
}

std::size_t embedding_backward_scratch(const KernelCall& call, int) {
  const bool by_frequency = call.attrs[2].flag();
  return by_frequency ? static_cast<std::size_t>(call.attrs[0].integer()) * sizeof(std::int32_t) : 0;
}

void run_embedding_backward(const Context& context, const KernelCall& call) {
  const View& indices = call.in[1];
  const std::int64_t rows = call.attrs[0].integer(), padding = call.attrs[1].integer();
  const std::int64_t columns = call.out[0].sizes[1], n = indices.numel();
  with_rows(call, indices, rows, [&](const auto* row) {
    std::int32_t* counts = nullptr;
    if (call.attrs[2].flag()) {
      counts = reinterpret_cast<std::int32_t*>(context.scratch);
      std::fill(counts, counts + rows, 0);
      for (std::int64_t i = 0; i < n; ++i) ++counts[row[i]];
    }
    visit_float(call.out[0].dtype, [&]<class T>(T) {
      const T* grad = call.in[0].as<const T>();
      T* out = call.out[0].as<T>();
      over_table(context, rows, columns, n, [&](const Part& part) {
        part.clear(out, columns);
        for (std::int64_t i = 0; i < n; ++i) {
          const std::int64_t r = row[i];
          if (r == padding || !part.has(r)) continue;
          T* __restrict to = out + r * columns + part.first;
          const T* __restrict from = grad + i * columns + part.first;
          if (counts) {
            const T share = T(1) / static_cast<T>(counts[r]);
            for (std::int64_t c = 0; c < part.width; ++c) to[c] += from[c] * share;
          } else {
            for (std::int64_t c = 0; c < part.width; ++c) to[c] += from[c];
          }
        }
      });
    });
  });
}

template <class T>
T norm_of(const T* row, std::int64_t n, double p) {
  double sum = 0;
  if (p == 2) {
    for (std::int64_t c = 0; c < n; ++c) sum += static_cast<double>(row[c]) * static_cast<double>(row[c]);
    return static_cast<T>(std::sqrt(sum));
  }
  if (p == std::numeric_limits<double>::infinity()) {
    for (std::int64_t c = 0; c < n; ++c) sum = std::max(sum, std::abs(static_cast<double>(row[c])));
    return static_cast<T>(sum);
  }
  for (std::int64_t c = 0; c < n; ++c) sum += std::pow(std::abs(static_cast<double>(row[c])), p);
  return static_cast<T>(std::pow(sum, 1 / p));
}

// A row that was shortened is not longer than the limit when its index comes again.
void run_embedding_renorm(const Context&, const KernelCall& call) {
  const View &weight = call.in[0], &indices = call.in[1];
  const std::int64_t columns = weight.sizes[1], n = indices.numel();
  with_rows(call, indices, weight.sizes[0], [&](const auto* row) {
    visit_float(weight.dtype, [&]<class T>(T) {
      T* out = call.out[0].as<T>();
      if (call.out[0].data != weight.data) std::copy_n(weight.as<const T>(), weight.numel(), out);
      const T limit = static_cast<T>(call.attrs[0].number());
      for (std::int64_t i = 0; i < n; ++i) {
        T* place = out + static_cast<std::int64_t>(row[i]) * columns;
        const T norm = norm_of(place, columns, call.attrs[1].number());
        if (!(norm > limit)) continue;
        const T scale = limit / (norm + static_cast<T>(1e-7));
        for (std::int64_t c = 0; c < columns; ++c) place[c] *= scale;
      }
    });
  });
}

// A bag's table rows: indices, where each bag begins, and which index does not count.
struct Bags {
  const std::int64_t* rows;
  const std::int64_t* offsets;
  std::int64_t count, places, padding;

  Bags(const View& indices, const View& starts, std::int64_t padding_row)
      : rows(indices.as<const std::int64_t>()),
        offsets(starts.as<const std::int64_t>()),
        count(starts.sizes[0] - 1),
        places(indices.sizes[0]),
        padding(padding_row) {}

  // visit(place, row) for the places of a bag that count.
  template <class F>
  void each(std::int64_t bag, const F& visit) const {
    for (std::int64_t i = offsets[bag]; i < offsets[bag + 1]; ++i) {
      if (rows[i] != padding) visit(i, rows[i]);
    }
  }
};

// Whether the offsets are those of bags that follow each other from the first index on.
bool offsets_are_valid(const KernelCall& call, const View& offsets, std::int64_t places) {
  const auto* at = offsets.as<const std::int64_t>();
  for (std::int64_t i = 0; i < offsets.sizes[0]; ++i) {
    const bool fits = i == 0 ? at[i] == 0 : at[i] >= at[i - 1] && at[i] <= places;
    if (fits) continue;
    *call.fault = {"an offset that does not start at 0, goes back or leaves the indices, at place", i, -1};
    return false;
  }
  return true;
}

bool bags_are_valid(const KernelCall& call, const View& indices, const View& offsets, std::int64_t rows) {
  return indices_are_valid<std::int64_t>(call, indices, rows, "index") &&
         offsets_are_valid(call, offsets, indices.sizes[0]);
}

void run_bag_sum(const Context& context, const KernelCall& call) {
  if (!bags_are_valid(call, call.in[1], call.in[2], call.in[0].sizes[0])) return;
  const Bags bags(call.in[1], call.in[2], call.attrs[0].integer());
  const std::int64_t columns = call.in[0].sizes[1];
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    const T *weight = call.in[0].as<const T>(), *scale = call.in[3].as<const T>();
    T* out = call.out[0].as<T>();
    over_ranges(context, bags.count,
                grain_of(columns * (1 + bags.places / std::max<std::int64_t>(1, bags.count))),
                [&](std::int64_t begin, std::int64_t end) {
                  for (std::int64_t bag = begin; bag < end; ++bag) {
                    T* __restrict to = out + bag * columns;
                    std::fill(to, to + columns, T(0));
                    bags.each(bag, [&](std::int64_t i, std::int64_t row) {
                      const T* __restrict from = weight + row * columns;
                      for (std::int64_t c = 0; c < columns; ++c) to[c] += scale[i] * from[c];
                    });
                  }
                });
  });
}

void run_bag_scatter(const Context& context, const KernelCall& call) {
  const std::int64_t rows = call.attrs[0].integer(), columns = call.out[0].sizes[1];
  if (!bags_are_valid(call, call.in[1], call.in[2], rows)) return;
  const Bags bags(call.in[1], call.in[2], call.attrs[1].integer());
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    const T *grad = call.in[0].as<const T>(), *scale = call.in[3].as<const T>();
    T* out = call.out[0].as<T>();
    over_table(context, rows, columns, bags.places, [&](const Part& part) {
      part.clear(out, columns);
      for (std::int64_t bag = 0; bag < bags.count; ++bag) {
        const T* __restrict from = grad + bag * columns + part.first;
        bags.each(bag, [&](std::int64_t i, std::int64_t row) {
          if (!part.has(row)) return;
          T* __restrict to = out + row * columns + part.first;
          for (std::int64_t c = 0; c < part.width; ++c) to[c] += scale[i] * from[c];
        });
      }
    });
  });
}

void run_bag_dot(const Context& context, const KernelCall& call) {
  if (!bags_are_valid(call, call.in[2], call.in[3], call.in[1].sizes[0])) return;
  const Bags bags(call.in[2], call.in[3], call.attrs[0].integer());
  const std::int64_t columns = call.in[1].sizes[1];
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    const T *grad = call.in[0].as<const T>(), *weight = call.in[1].as<const T>();
    T* out = call.out[0].as<T>();
    clear(context, out, bags.places);
    over_ranges(context, bags.count,
                grain_of(columns * (1 + bags.places / std::max<std::int64_t>(1, bags.count))),
                [&](std::int64_t begin, std::int64_t end) {
                  for (std::int64_t bag = begin; bag < end; ++bag) {
                    const T* g = grad + bag * columns;
                    bags.each(bag, [&](std::int64_t i, std::int64_t row) {
                      const T* w = weight + row * columns;
                      T sum = T(0);
                      for (std::int64_t c = 0; c < columns; ++c) sum += g[c] * w[c];
                      out[i] = sum;
                    });
                  }
                });
  });
}

void run_bag_max(const Context& context, const KernelCall& call) {
  if (!bags_are_valid(call, call.in[1], call.in[2], call.in[0].sizes[0])) return;
  const Bags bags(call.in[1], call.in[2], call.attrs[0].integer());
  const std::int64_t columns = call.in[0].sizes[1];
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    const T* weight = call.in[0].as<const T>();
    T* out = call.out[0].as<T>();
    auto* chosen = call.out[1].as<std::int64_t>();
    over_ranges(context, bags.count, grain_of(columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t bag = begin; bag < end; ++bag) {
        T* best = out + bag * columns;
        std::int64_t* winner = chosen + bag * columns;
        std::fill(best, best + columns, T(0));
        std::fill(winner, winner + columns, std::int64_t{-1});
        bags.each(bag, [&](std::int64_t, std::int64_t row) {
          const T* from = weight + row * columns;
          for (std::int64_t c = 0; c < columns; ++c) {
            if (winner[c] >= 0 && !(from[c] > best[c])) continue;
            best[c] = from[c];
            winner[c] = row;
          }
        });
      }
    });
  });
}

void run_bag_mean_scales(const Context&, const KernelCall& call) {
  if (!offsets_are_valid(call, call.in[1], call.in[0].sizes[0])) return;
  const Bags bags(call.in[0], call.in[1], call.attrs[0].integer());
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    T* out = call.out[0].as<T>();
    std::fill(out, out + bags.places, T(0));
    for (std::int64_t bag = 0; bag < bags.count; ++bag) {
      std::int64_t size = 0;
      bags.each(bag, [&](std::int64_t, std::int64_t) { ++size; });
      bags.each(bag, [&](std::int64_t i, std::int64_t) { out[i] = T(1) / static_cast<T>(size); });
    }
  });
}

constexpr std::array<Kernel, 8> kKernels = {{
    {"embedding", run_embedding},
    {"embedding_dense_backward", run_embedding_backward, embedding_backward_scratch},
    {"embedding_renorm", run_embedding_renorm},
    {"embedding_bag_sum", run_bag_sum},
    {"embedding_bag_scatter", run_bag_scatter},
    {"embedding_bag_dot", run_bag_dot},
    {"embedding_bag_max", run_bag_max},
    {"embedding_bag_mean_scales", run_bag_mean_scales},
}};

}  // namespace

std::span<const Kernel> embedding_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
