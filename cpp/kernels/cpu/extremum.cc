// Largest and smallest elements along a dimension and where they are: the first of equal elements, NaN before
// all.
#include <array>
#include <limits>

#include "kernels/cpu/along.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/reader.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kRowBlock = 1024;
constexpr std::int64_t kPanel = 256;

template <class T, bool kMax>
bool is_better(T x, T best) {
  if constexpr (std::is_floating_point_v<T>) {
    if (x != x) return best == best;
  }
  return kMax ? x > best : x < best;
}

template <class T, bool kMax>
Packet<T> better_of(Packet<T> a, Packet<T> b) {
  if constexpr (kMax)
    return max(a, b);
  else
    return min(a, b);
}

template <class T>
std::int64_t find_first(const T* x, std::int64_t n, T value) {
  std::int64_t i = 0;
  if constexpr (std::is_floating_point_v<T>) {
    using P = Vec<T>;
    const P wanted(value);
    for (; i + P::kLanes <= n; i += P::kLanes) {
      const P here = P::load(x + i);
      if (any((here == wanted) | ((here != here) & (wanted != wanted)))) break;
    }
    if (value != value) {
      while (x[i] == x[i]) ++i;
      return i;
    }
  }
  while (x[i] != value) ++i;
  return i;
}

// The extremum of a block, at any place.
template <class T, bool kMax>
T extremum(const T* x, std::int64_t n) {
  using P = Packet<T>;
  T best = x[0];
  std::int64_t i = 0;
  if (n >= P::kLanes) {
    P lanes = P::load(x);
    for (i = P::kLanes; i + P::kLanes <= n; i += P::kLanes) lanes = better_of<T, kMax>(lanes, P::load(x + i));
    T each[P::kLanes];
    lanes.store(each);
    best = each[0];
    for (int k = 1; k < P::kLanes; ++k) best = is_better<T, kMax>(each[k], best) ? each[k] : best;
  }
  for (; i < n; ++i) best = is_better<T, kMax>(x[i], best) ? x[i] : best;
  return best;
}

template <class T, bool kMax>
void scan_row(const Reader<T>& reader, std::int64_t begin, std::int64_t n, T& value, std::int64_t& index) {
  alignas(64) T buffer[kRowBlock];
  bool is_first = true;
  for (std::int64_t start = 0; start < n; start += kRowBlock) {
    const std::int64_t length = std::min(kRowBlock, n - start);
    const T* x = reader.read(begin + start, length, buffer);
    const T best = extremum<T, kMax>(x, length);
    if (!is_first && !is_better<T, kMax>(best, value)) continue;
    is_first = false;
    value = best;
    index = start + find_first(x, length, best);
  }
}

// Columns [column, column + width) of rows that are `inner` apart.
template <class T, bool kMax>
void scan_columns(const Reader<T>& reader, std::int64_t begin, const Along& a, std::int64_t width, T* values,
                  std::int64_t* indices) {
  alignas(64) T buffer[kPanel];
  std::copy_n(reader.read(begin, width, buffer), width, values);
  std::fill_n(indices, width, std::int64_t{0});
  for (std::int64_t i = 1; i < a.n; ++i) {
    const T* x = reader.read(begin + i * a.inner, width, buffer);
    for (std::int64_t c = 0; c < width; ++c) {
      const bool better = is_better<T, kMax>(x[c], values[c]);
      values[c] = better ? x[c] : values[c];
      indices[c] = better ? i : indices[c];
    }
  }
}

template <bool kMax>
void run_extremum(const Context& context, const KernelCall& call) {
  const Along a(call.in[0], call.attrs[0].integer());
  if (a.outer * a.inner == 0) return;
  visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    const Reader<T> reader(call.in[0]);
    T* values = call.out[0].as<T>();
    auto* indices = call.out[1].as<std::int64_t>();
    if (a.inner == 1) {
      over_ranges(context, a.outer, grain_of(a.n), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
          scan_row<T, kMax>(reader, r * a.n, a.n, values[r], indices[r]);
        }
      });
      return;
    }
    const std::int64_t panels = divide_up(a.inner, kPanel);
    const std::int64_t grain = grain_of(a.n * std::min(a.inner, kPanel));
    over_ranges(context, a.outer * panels, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t outer = unit / panels, column = unit % panels * kPanel;
        const std::int64_t place = outer * a.inner + column;
        scan_columns<T, kMax>(reader, outer * a.n * a.inner + column, a, std::min(kPanel, a.inner - column),
                              values + place, indices + place);
      }
    });
  });
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"max_dim", run_extremum<true>}, {"min_dim", run_extremum<false>}}};

}  // namespace

std::span<const Kernel> indexed_extremum_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
