// Distances of all rows to all rows. One row is compared with several packets of rows of the other set at
// once, whose coordinates are transposed first so that a packet holds one coordinate of neighbouring rows.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/packets.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/transpose.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu {
namespace {

// A norm: what a coordinate's difference adds, and what the sum finally becomes; `slope` is the derivative of
// the distance by one difference, apart from the `share` that all coordinates of a pair have in common. `p`
// is the exponent where the norm needs it.
template <class T>
struct Counting {
  using P = Vec<T>;
  static P add(P sum, P d, T) { return sum + select(d == P(T(0)), P(T(0)), P(T(1))); }
  static P finish(P sum, T) { return sum; }
};
template <class T>
struct Absolute {
  using P = Vec<T>;
  static P add(P sum, P d, T) { return sum + abs(d); }
  static P finish(P sum, T) { return sum; }
  static T share(T) { return T(1); }
  static P slope(P d, T, T) { return select(d > P(T(0)), P(T(1)), select(d < P(T(0)), P(T(-1)), P(T(0)))); }
};
template <class T>
struct Euclidean {
  using P = Vec<T>;
  static P add(P sum, P d, T) { return fma(d, d, sum); }
  static P finish(P sum, T) { return sqrt(sum); }
  static T share(T distance) { return T(1) / distance; }
  static P slope(P d, T, T) { return d; }
};
template <class T>
struct Largest {
  using P = Vec<T>;
  static P add(P sum, P d, T) { return max(sum, abs(d)); }
  static P finish(P sum, T) { return sum; }
  static T share(T) { return T(1); }
  static P slope(P d, T distance, T p) {
    return select(abs(d) == P(distance), Absolute<T>::slope(d, distance, p), P(T(0)));
  }
};
template <class T>
struct Power {
  using P = Vec<T>;
  static P add(P sum, P d, T p) { return sum + pow(abs(d), P(p)); }
  static P finish(P sum, T p) { return pow(sum, P(T(1) / p)); }
  static T share(T) { return T(1); }
  static P slope(P d, T distance, T p) {
    const P size = copysign(pow(abs(d) / P(distance), P(p - T(1))), d);
    return select(d == P(T(0)), P(T(0)), size);
  }
};

// Calls visit(norm) with the kind of norm that p names.
template <class T, class F>
void visit_norm(double p, F&& visit) {
  if (p == 0) return visit(Counting<T>{});
  if (p == 1) return visit(Absolute<T>{});
  if (p == 2) return visit(Euclidean<T>{});
  if (p == std::numeric_limits<double>::infinity()) return visit(Largest<T>{});
  visit(Power<T>{});
}

struct Sizes {
  std::int64_t batch, rows, others, columns;

  Sizes(const View& a, const View& b) : Sizes(a.sizes[0], a.sizes[1], b.sizes[1], a.sizes[2]) {}
  Sizes(std::int64_t batches, std::int64_t row_count, std::int64_t other_count, std::int64_t column_count)
      : batch(batches), rows(row_count), others(other_count), columns(column_count) {}
};

// Distances of kRows rows (`step` apart) to the packet of others that begins at `across`.
template <class Norm, int kRows, class T, class Lanes>
void compare(const T* row, std::int64_t step, const T* across, const Sizes& s, T p, T* out, Lanes lanes) {
  using P = Vec<T>;
  P sums[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = P(T(0));
  for (std::int64_t c = 0; c < s.columns; ++c) {
    const P other = load_lanes<P>(across + c * s.others, lanes);
    for (int r = 0; r < kRows; ++r) sums[r] = Norm::add(sums[r], P(row[r * step + c]) - other, p);
  }
  for (int r = 0; r < kRows; ++r) store_lanes<P>(out + r * s.others, Norm::finish(sums[r], p), lanes);
}

// Distances of one row to kPackets packets of others.
template <class Norm, int kPackets, class T>
void compare_row(const T* row, const T* across, const Sizes& s, T p, T* out) {
  using P = Vec<T>;
  P sums[kPackets];
  for (int k = 0; k < kPackets; ++k) sums[k] = P(T(0));
  for (std::int64_t c = 0; c < s.columns; ++c) {
    const P here(row[c]);
    for (int k = 0; k < kPackets; ++k) {
      sums[k] = Norm::add(sums[k], here - P::load(across + c * s.others + k * P::kLanes), p);
    }
  }
  for (int k = 0; k < kPackets; ++k) Norm::finish(sums[k], p).store(out + k * P::kLanes);
}

template <class Norm, class T>
void distances(const Context& context, const Sizes& s, const T* a, const T* across, T* out, T p) {
  using P = Vec<T>;
  constexpr int kRows = 4;
  const std::int64_t blocks = divide_up(s.rows, kRows);
  over_ranges(context, s.batch * blocks, grain_of(kRows * s.others * s.columns / 4),
              [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t unit = begin; unit < end; ++unit) {
                  const std::int64_t b = unit / blocks, first = unit % blocks * kRows;
                  const std::int64_t count = std::min<std::int64_t>(kRows, s.rows - first);
                  const T* row = a + (b * s.rows + first) * s.columns;
                  T* to = out + (b * s.rows + first) * s.others;
                  const T* others = across + b * s.others * s.columns;
                  each_packet<P>(s.others, [&](std::int64_t j, auto lanes) {
                    if (count == kRows)
                      return compare<Norm, kRows>(row, s.columns, others + j, s, p, to + j, lanes);
                    for (std::int64_t r = 0; r < count; ++r) {
                      compare<Norm, 1>(row + r * s.columns, s.columns, others + j, s, p,
                                       to + r * s.others + j, lanes);
                    }
                  });
                }
              });
}

template <class T>
void run_forward(const Context& context, const KernelCall& call) {
  using W = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const Sizes s(call.in[0], call.in[1]);
  const T* b = call.in[1].as<const T>();
  T* across = reinterpret_cast<T*>(context.scratch);
  for (std::int64_t i = 0; i < s.batch; ++i) {
    const std::int64_t at = i * s.others * s.columns;
    transpose(reinterpret_cast<W*>(across + at), s.others, reinterpret_cast<const W*>(b + at), s.columns,
              s.columns, s.others);
  }
  const double p = call.attrs[0].number();
  visit_norm<T>(p, [&]<class Norm>(Norm) {
    distances<Norm>(context, s, call.in[0].as<const T>(), static_cast<const T*>(across), call.out[0].as<T>(),
                    static_cast<T>(p));
  });
}

constexpr std::int64_t kNoPair = -1;

// Packets of a row's cotangent from column c on, kept in registers while the other rows pass.
template <class Norm, int kPackets, class T, class Lanes, class Pair>
void add_slopes_at(const T* row, const T* others, std::int64_t columns, std::int64_t count, const T* distance,
                   const T* grad, T p, T* out, const Pair& pair, Lanes lanes) {
  using P = Vec<T>;
  P sums[kPackets], here[kPackets];
  for (int k = 0; k < kPackets; ++k) {
    sums[k] = P(T(0));
    here[k] = load_lanes<P>(row + k * P::kLanes, lanes);
  }
  for (std::int64_t r = 0; r < count; ++r, others += columns) {
    const std::int64_t at = pair(r);
    if (at == kNoPair || distance[at] == T(0)) continue;
    const P g(grad[at] * Norm::share(distance[at]));
    for (int k = 0; k < kPackets; ++k) {
      const P gap = here[k] - load_lanes<P>(others + k * P::kLanes, lanes);
      sums[k] = fma(g, Norm::slope(gap, distance[at], p), sums[k]);
    }
  }
  for (int k = 0; k < kPackets; ++k) store_lanes<P>(out + k * P::kLanes, sums[k], lanes);
}

// out = Σ_r grad[pair(r)] * slope(row - others[r]), over `count` others.
template <class Norm, class T, class Pair>
void add_slopes(const T* row, const T* others, std::int64_t columns, std::int64_t count, const T* distance,
                const T* grad, T p, T* out, const Pair& pair) {
  using P = Vec<T>;
  constexpr int kPackets = 4;
  std::int64_t c = 0;
  for (; c + kPackets * P::kLanes <= columns; c += kPackets * P::kLanes) {
    add_slopes_at<Norm, kPackets>(row + c, others + c, columns, count, distance, grad, p, out + c, pair,
                                  AllLanes<P>{});
  }
  each_packet<P>(columns - c, [&](std::int64_t j, auto lanes) {
    add_slopes_at<Norm, 1>(row + c + j, others + c + j, columns, count, distance, grad, p, out + c + j, pair,
                           lanes);
  });
}

// Σ_r grad[i, r] * slope(a[i] - b[r]); where a distance is 0 its derivative is taken as 0.
template <class T>
void run_backward(const Context& context, const KernelCall& call) {
  const Sizes s(call.in[1], call.in[2]);
  const T *grad = call.in[0].as<const T>(), *a = call.in[1].as<const T>(), *b = call.in[2].as<const T>();
  const T* distance = call.in[3].as<const T>();
  T* out = call.out[0].as<T>();
  const double p = call.attrs[0].number();
  visit_norm<T>(p, [&]<class Norm>(Norm) {
    if constexpr (!std::is_same_v<Norm, Counting<T>>) {
      over_ranges(context, s.batch * s.rows, grain_of(s.others * s.columns),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) {
                      const std::int64_t first = i / s.rows * s.others;
                      add_slopes<Norm>(a + i * s.columns, b + first * s.columns, s.columns, s.others,
                                       distance + i * s.others, grad + i * s.others, static_cast<T>(p),
                                       out + i * s.columns, [](std::int64_t r) { return r; });
                    }
                  });
    }
  });
}

// Where the distance of rows i < j lies among those of all such pairs of n.
std::int64_t place_of_pair(std::int64_t i, std::int64_t j, std::int64_t n) {
  return i * n - i * (i + 1) / 2 + j - i - 1;
}

// Distances of all rows i < j of one matrix.
template <class T>
void run_pairs(const Context& context, const KernelCall& call) {
  using P = Vec<T>;
  using W = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const View& x = call.in[0];
  const Sizes s{1, x.sizes[0], x.sizes[0], x.sizes[1]};
  const T* rows = x.as<const T>();
  T* across = reinterpret_cast<T*>(context.scratch);
  transpose(reinterpret_cast<W*>(across), s.others, reinterpret_cast<const W*>(rows), s.columns, s.columns,
            s.others);
  const double p = call.attrs[0].number();
  visit_norm<T>(p, [&]<class Norm>(Norm) {
    over_ranges(context, s.rows, grain_of(s.rows * s.columns / 4), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        T* to = call.out[0].as<T>() + place_of_pair(i, i + 1, s.rows);
        const T *row = rows + i * s.columns, *others = static_cast<const T*>(across) + i + 1;
        std::int64_t left = s.rows - i - 1;
        for (; left >= 4 * P::kLanes; left -= 4 * P::kLanes, to += 4 * P::kLanes, others += 4 * P::kLanes) {
          compare_row<Norm, 4>(row, others, s, static_cast<T>(p), to);
        }
        if (left >= 2 * P::kLanes) {
          compare_row<Norm, 2>(row, others, s, static_cast<T>(p), to);
          left -= 2 * P::kLanes, to += 2 * P::kLanes, others += 2 * P::kLanes;
        }
        each_packet<P>(left, [&](std::int64_t j, auto lanes) {
          compare<Norm, 1>(row, s.columns, others + j, s, static_cast<T>(p), to + j, lanes);
        });
      }
    });
  });
}

// Each row gathers from all of its pairs, in the order of the other row.
template <class T>
void run_pairs_backward(const Context& context, const KernelCall& call) {
  const View& x = call.in[1];
  const std::int64_t n = x.sizes[0], columns = x.sizes[1];
  const T *grad = call.in[0].as<const T>(), *rows = x.as<const T>(), *distance = call.in[2].as<const T>();
  const double p = call.attrs[0].number();
  visit_norm<T>(p, [&]<class Norm>(Norm) {
    if constexpr (!std::is_same_v<Norm, Counting<T>>) {
      over_ranges(context, n, grain_of(n * columns), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto pair = [i, n](std::int64_t j) {
            return j == i ? kNoPair : place_of_pair(std::min(i, j), std::max(i, j), n);
          };
          add_slopes<Norm>(rows + i * columns, rows, columns, n, distance, grad, static_cast<T>(p),
                           call.out[0].as<T>() + i * columns, pair);
        }
      });
    }
  });
}

void run_pdist(const Context& context, const KernelCall& call) {
  if (call.out[0].dtype == Dtype::kFloat32)
    run_pairs<float>(context, call);
  else
    run_pairs<double>(context, call);
}

std::size_t pdist_scratch(const KernelCall& call, int) {
  return static_cast<std::size_t>(call.in[0].numel()) * size_of(call.in[0].dtype);
}

void run_pdist_backward(const Context& context, const KernelCall& call) {
  if (call.out[0].dtype == Dtype::kFloat32)
    run_pairs_backward<float>(context, call);
  else
    run_pairs_backward<double>(context, call);
}

void run_cdist(const Context& context, const KernelCall& call) {
  if (call.out[0].dtype == Dtype::kFloat32)
    run_forward<float>(context, call);
  else
    run_forward<double>(context, call);
}

std::size_t cdist_scratch(const KernelCall& call, int) {
  return static_cast<std::size_t>(call.in[1].numel()) * size_of(call.in[1].dtype);
}

void run_cdist_backward(const Context& context, const KernelCall& call) {
  if (call.out[0].dtype == Dtype::kFloat32)
    run_backward<float>(context, call);
  else
    run_backward<double>(context, call);
}

constexpr std::array<Kernel, 4> kKernels = {{{"cdist_forward", run_cdist, cdist_scratch},
                                             {"cdist_backward", run_cdist_backward},
                                             {"pdist_forward", run_pdist, pdist_scratch},
                                             {"pdist_backward", run_pdist_backward}}};

}  // namespace

std::span<const Kernel> distance_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
