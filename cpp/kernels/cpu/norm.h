// What the normalization kernels share: sums over runs of consecutive elements, one or two at a time, and
// sums over the rows of a matrix.
#pragma once

#include <algorithm>
#include <utility>

#include "kernels/cpu/fold.h"
#include "kernels/cpu/ranges.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu::norm {

template <class T>
T sum_of(const T* x, std::int64_t n) {
  return fold_row<T>(SumStep<T>{}, n,
                     [&](std::int64_t i, auto lanes) { return load_lanes<Vec<T>>(x + i, lanes); })[0];
}

// Σ (x - center)^2. What lies `next` elements behind x is fetched meanwhile.
template <class T>
T squares_around(T center, const T* x, std::int64_t n, std::int64_t next) {
  const Vec<T> middle(center);
  return fold_row<T>(SumStep<T>{}, n, [&](std::int64_t i, auto lanes) {
    __builtin_prefetch(x + next + i);
    const Vec<T> z = load_lanes<Vec<T>>(x + i, lanes) - middle;
    return z * z;
  })[0];
}

// Two sums that grow together.
template <class T>
struct Sums {
  static constexpr int kLanes = Vec<T>::kLanes;
  Vec<T> a, b;
};

template <class T>
Sums<T> keep_first(Sums<T> mapped, Sums<T> identity, std::int64_t n) {
  return {cpu::keep_first(mapped.a, identity.a, n), cpu::keep_first(mapped.b, identity.b, n)};
}

template <class T>
struct SumsStep {
  static Sums<T> identity() { return {Vec<T>(T(0)), Vec<T>(T(0))}; }
  static Sums<T> combine(Sums<T> x, Sums<T> y) { return {x.a + y.a, x.b + y.b}; }
};

// The sums of both parts of map(i, lanes) over n elements.
template <class T, class Map>
std::pair<T, T> two_sums(std::int64_t n, const Map& map) {
  using S = Sums<T>;
  const SumsStep<T> step;
  S total;
  if (n <= kFoldBlock) {
    total = fold_chains<S>(step, n, map);
  } else {
    Pairwise<S> partial;
    for (std::int64_t start = 0; start < n; start += kFoldBlock) {
      partial.push(step, fold_chains<S>(step, std::min(kFoldBlock, n - start),
                                        [&](std::int64_t i, auto lanes) { return map(start + i, lanes); }));
    }
    total = partial.total(step);
  }
  return {combine_lanes(SumStep<T>{}, total.a), combine_lanes(SumStep<T>{}, total.b)};
}

// Splitting rows whose columns are summed: few chunks, so that their partial sums stay cheap, cut by the
// number of rows alone.
struct RowChunks {
  static constexpr std::int64_t kMost = 16, kLeastRows = 16;
  std::int64_t rows, count, each;

  explicit RowChunks(std::int64_t n)
      : rows(n),
        count(std::clamp<std::int64_t>(divide_up(n, kLeastRows), 1, kMost)),
        each(divide_up(n, count)) {}
  std::int64_t begin(std::int64_t chunk) const { return std::min(rows, chunk * each); }
  std::int64_t end(std::int64_t chunk) const { return std::min(rows, (chunk + 1) * each); }
};

// Groups of kRows rows, then the rest one by one: body(row, count as a constant).
template <int kRows, class F>
void each_rows(std::int64_t begin, std::int64_t end, const F& body) {
  std::int64_t r = begin;
  for (; r + kRows <= end; r += kRows) body(r, std::integral_constant<int, kRows>{});
  for (; r < end; ++r) body(r, std::integral_constant<int, 1>{});
}

// sums[c] = Σ over chunks of partial[chunk * step + c], for n columns.
template <class T>
void add_chunks(const T* partial, std::int64_t chunks, std::int64_t step, std::int64_t n, T* sums) {
  using P = Vec<T>;
  each_packet<P>(n, [&](std::int64_t c, auto lanes) {
    P total = load_lanes<P>(partial + c, lanes);
    for (std::int64_t k = 1; k < chunks; ++k) total = total + load_lanes<P>(partial + k * step + c, lanes);
    store_lanes<P>(sums + c, total, lanes);
  });
}

// Operand i, or null where it is absent.
template <class T>
const T* data_of(const KernelCall& call, int i) {
  return call.has(i) ? call.in[static_cast<std::size_t>(i)].as<const T>() : nullptr;
}

// run(constant true or false)
template <class F>
void with_flag(bool flag, const F& run) {
  if (flag)
    run(std::true_type{});
  else
    run(std::false_type{});
}

}  // namespace unspool::kernels::cpu::norm
