// Order along a dimension: sort, the k first, the k-th, the median and the most frequent; whole slices in
// lexicographic order; and binary search. Equal elements keep the order they stand in; NaN is the largest.
#include <array>
#include <numeric>

#include "kernels/cpu/families.h"
#include "kernels/cpu/lines.h"
#include "kernels/cpu/radix.h"

namespace unspool::kernels::cpu {
namespace {

std::int64_t size_along(const View& x, std::int64_t dim) { return Along(x, dim).n; }

// The scratch of a kernel over lines: `per_line(n, item)` bytes besides the buffers.
template <class F>
std::size_t lines_scratch(const KernelCall& call, std::int64_t dim, std::int64_t m, int threads,
                          const F& per_line) {
  const Lines lines(call.in[0], dim, m);
  return visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    return Slots::bytes(threads, lines.bytes<T>(per_line(lines.along.n, sizeof(T))));
  });
}

std::size_t sort_bytes(std::int64_t n, std::size_t) { return line_sort_bytes(n); }

void run_sort(const Context& context, const KernelCall& call) {
  const std::int64_t dim = call.attrs[0].integer();
  const bool descending = call.attrs[1].flag();
  const Lines lines(call.in[0], dim, size_along(call.in[0], dim));
  visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    const std::int64_t n = lines.along.n;
    over_lines<T>(context, call, lines, dim, line_sort_bytes(n),
                  [&](const T* x, T* values, std::int64_t* indices, std::byte* work) {
                    sort_line(x, n, descending, values, indices, work);
                  });
  });
}

std::size_t sort_scratch(const KernelCall& call, int threads) {
  const std::int64_t dim = call.attrs[0].integer();
  return lines_scratch(call, dim, size_along(call.in[0], dim), threads, sort_bytes);
}

// A key and where it stands, ordered by both: in one word where the key has 32 bits.
struct Placed {
  std::uint64_t key;
  std::uint64_t place;
  friend bool operator<(const Placed& a, const Placed& b) {
    return a.key != b.key ? a.key < b.key : a.place < b.place;
  }
};
template <class T>
using Word = std::conditional_t<sizeof(T) == 8, Placed, std::uint64_t>;

std::uint64_t joined(std::uint32_t key, std::int64_t place, std::uint64_t) {
  return static_cast<std::uint64_t>(key) << 32 | static_cast<std::uint64_t>(place);
}
Placed joined(std::uint64_t key, std::int64_t place, Placed) {
  return {key, static_cast<std::uint64_t>(place)};
}
std::int64_t place_of(std::uint64_t word) { return static_cast<std::int64_t>(word & kPlaceMask); }
std::int64_t place_of(const Placed& word) { return static_cast<std::int64_t>(word.place); }

std::size_t placed_bytes(std::int64_t count, std::size_t item) {
  return static_cast<std::size_t>(count) * (item == 8 ? sizeof(Placed) : sizeof(std::uint64_t));
}

// How many candidates are gathered before the k best of them are kept.
std::int64_t room_for(std::int64_t k, std::int64_t n) { return std::min(n, 2 * k + 32); }

// The k smallest words (as `word` gives them) of a line, in order, to the front of `best`.
template <class W, class F>
void first_of_line(std::int64_t n, std::int64_t k, W* best, const F& word) {
  if (k == 1) {
    best[0] = word(0);
    for (std::int64_t i = 1; i < n; ++i) best[0] = std::min(best[0], word(i));
    return;
  }
  const std::int64_t room = room_for(k, n);
  std::int64_t count = 0, i = 0;
  for (; i < room; ++i) best[i] = word(i);
  count = room;
  while (count > k) {
    std::nth_element(best, best + (k - 1), best + count);
    const W limit = best[k - 1];
    count = k;
    for (; i < n && count < room; ++i) {
      const W here = word(i);
      best[count] = here;
      count += here < limit;
    }
    if (i == n && count == k) break;
  }
  std::sort(best, best + k);
}

void run_topk(const Context& context, const KernelCall& call) {
  const std::int64_t dim = call.attrs[1].integer(), k = size_along(call.out[0], dim);
  const bool largest = call.attrs[2].flag();
  const Lines lines(call.in[0], dim, k);
  visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    using K = Key<T>;
    using W = Word<T>;
    over_lines<T>(context, call, lines, dim, placed_bytes(room_for(k, lines.along.n), sizeof(T)),
                  [&](const T* x, T* values, std::int64_t* indices, std::byte* work) {
                    auto* best = reinterpret_cast<W*>(work);
                    const K flip = largest ? ~K(0) : K(0);
                    first_of_line(lines.along.n, k, best,
                                  [&](std::int64_t i) { return joined(key_of(x[i]) ^ flip, i, W()); });
                    for (std::int64_t i = 0; i < k; ++i) {
                      indices[i] = place_of(best[i]);
                      values[i] = x[indices[i]];
                    }
                  });
  });
}

std::size_t topk_scratch(const KernelCall& call, int threads) {
  const std::int64_t dim = call.attrs[1].integer(), k = size_along(call.out[0], dim);
  return lines_scratch(call, dim, k, threads,
                       [&](std::int64_t n, std::size_t item) { return placed_bytes(room_for(k, n), item); });
}

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) return x != x;
  return false;
}

// The ranks that are not numbers: 0 is the lower median, NaN if there is one, and this the same without the
// NaNs.
constexpr std::int64_t kNanMedian = -1;

std::int64_t place_in_order(std::int64_t rank, std::int64_t n, std::int64_t nans) {
  if (rank > 0) return rank - 1;
  const std::int64_t numbers = n - nans;
  if (rank == kNanMedian) return std::max<std::int64_t>(0, (numbers - 1) / 2);
  return nans > 0 ? numbers : (n - 1) / 2;
}

void run_select(const Context& context, const KernelCall& call) {
  const std::int64_t rank = call.attrs[0].integer(), dim = call.attrs[1].integer();
  const Lines lines(call.in[0], dim, 1);
  visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    using W = Word<T>;
    const std::int64_t n = lines.along.n;
    over_lines<T>(context, call, lines, dim, placed_bytes(n, sizeof(T)),
                  [&](const T* x, T* values, std::int64_t* indices, std::byte* work) {
                    auto* all = reinterpret_cast<W*>(work);
                    std::int64_t nans = 0;
                    for (std::int64_t i = 0; i < n; ++i) {
                      all[i] = joined(key_of(x[i]), i, W());
                      nans += is_nan(x[i]);
                    }
                    W* chosen = all + place_in_order(rank, n, nans);
                    std::nth_element(all, chosen, all + n);
                    *indices = place_of(*chosen);
                    *values = x[*indices];
                  });
  });
}

std::size_t select_scratch(const KernelCall& call, int threads) {
  return lines_scratch(call, call.attrs[1].integer(), 1, threads, placed_bytes);
}

void run_mode(const Context& context, const KernelCall& call) {
  const std::int64_t dim = call.attrs[0].integer();
  const Lines lines(call.in[0], dim, 1);
  visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    const std::int64_t n = lines.along.n;
    over_lines<T>(context, call, lines, dim, line_sort_bytes(n) + placed_bytes(n, 8),
                  [&](const T* x, T* values, std::int64_t* indices, std::byte* work) {
                    auto* places = reinterpret_cast<std::int64_t*>(work + line_sort_bytes(n));
                    T* sorted = reinterpret_cast<T*>(places + n);
                    sort_line(x, n, false, sorted, places, work);
                    std::int64_t longest = 0, last = 0;
                    for (std::int64_t begin = 0, end = 1; begin < n; begin = end++) {
                      while (end < n && sorted[end] == sorted[begin]) ++end;
                      if (end - begin <= longest) continue;
                      longest = end - begin;
                      last = end - 1;
                    }
                    *indices = places[last];
                    *values = sorted[last];
                  });
  });
}

std::size_t mode_scratch(const KernelCall& call, int threads) {
  return lines_scratch(call, call.attrs[0].integer(), 1, threads,
                       [](std::int64_t n, std::size_t) { return line_sort_bytes(n) + placed_bytes(n, 8); });
}

// The order of the rows of a matrix, by their first element that differs.
void run_sort_rows(const Context&, const KernelCall& call) {
  const View& x = call.in[0];
  const std::int64_t rows = x.sizes[0], columns = x.sizes[1];
  auto* order = call.out[0].as<std::int64_t>();
  std::iota(order, order + rows, std::int64_t{0});
  visit_dtype(x.dtype, [&]<class T>(T) {
    const T* data = x.as<const T>();
    std::sort(order, order + rows, [&](std::int64_t a, std::int64_t b) {
      const T *left = data + a * columns, *right = data + b * columns;
      for (std::int64_t c = 0; c < columns; ++c) {
        const auto l = key_of(left[c]), r = key_of(right[c]);
        if (l != r) return l < r;
      }
      return a < b;
    });
  });
}

// Which rows differ from the one before them, as the number of the run that each belongs to.
void run_runs(const Context&, const KernelCall& call) {
  const View& x = call.in[0];
  const std::int64_t rows = x.sizes[0], columns = x.sizes[1];
  auto* run_of = call.out[0].as<std::int64_t>();
  visit_dtype(x.dtype, [&]<class T>(T) {
    const T* row = x.as<const T>();
    std::int64_t run = 0;
    if (columns == 1) {
      if (rows > 0) run_of[0] = 0;
      for (std::int64_t r = 1; r < rows; ++r) run_of[r] = run += row[r] != row[r - 1];
      return;
    }
    for (std::int64_t r = 0; r < rows; ++r, row += columns) {
      if (r > 0 && !std::equal(row, row + columns, row - columns)) ++run;
      run_of[r] = run;
    }
  });
}

// The number of elements of a sorted row that lie before x: those below it, or also those equal. NaN lies
// after all.
template <class T, class At>
std::int64_t search_row(const At& at, std::int64_t n, T x, bool right) {
  std::int64_t begin = 0;
  while (n > 0) {
    const std::int64_t half = n / 2;
    const T middle = at(begin + half);
    const bool before = right ? !(middle > x) : !(middle >= x);
    begin = before ? begin + half + 1 : begin;
    n = before ? n - half - 1 : half;
  }
  return begin;
}

template <class T>
void search(const Context& context, const KernelCall& call, const std::int64_t* order) {
  const View &sequence = call.in[0], &values = call.in[1], &out = call.out[0];
  const std::int64_t n = sequence.ndim ? sequence.sizes[sequence.ndim - 1] : 1;
  const std::int64_t per_row =
      values.ndim && sequence.ndim > 1 ? values.sizes[values.ndim - 1] : values.numel();
  const bool right = call.attrs[1].flag() || (!call.attrs[2].is_none() && call.attrs[2].text() == "right");
  const T *all = sequence.as<const T>(), *x = values.as<const T>();
  over_ranges(context, out.numel(), kGrain / 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t start = i / per_row * n;
      const std::int64_t place =
          order ? search_row(
                      [&](std::int64_t k) {
                        // An order that points outside of the row is read as its nearest end.
                        return all[start + std::clamp<std::int64_t>(order[start + k], 0, n - 1)];
                      },
                      n, x[i], right)
                : search_row([&](std::int64_t k) { return all[start + k]; }, n, x[i], right);
      if (out.dtype == Dtype::kInt32)
        out.as<std::int32_t>()[i] = static_cast<std::int32_t>(place);
      else
        out.as<std::int64_t>()[i] = place;
    }
  });
}

void run_search(const Context& context, const KernelCall& call) {
  if (call.out[0].numel() == 0) return;
  const auto* order = call.has(2) ? call.in[2].as<const std::int64_t>() : nullptr;
  visit_dtype(call.in[0].dtype, [&]<class T>(T) { search<T>(context, call, order); });
}

constexpr std::array<Kernel, 7> kKernels = {{{"sort", run_sort, sort_scratch},
                                             {"topk", run_topk, topk_scratch},
                                             {"select_rank", run_select, select_scratch},
                                             {"mode", run_mode, mode_scratch},
                                             {"sort_rows", run_sort_rows},
                                             {"runs", run_runs},
                                             {"searchsorted", run_search}}};

}  // namespace

std::span<const Kernel> sorting_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
