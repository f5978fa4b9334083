// softmax, log_softmax and their cotangents along one dimension of row-major tensors: along rows where that
// dimension is the last, and otherwise over neighbouring columns at once.
#include "kernels/cpu/softmax.h"

#include <algorithm>
#include <array>
#include <limits>

#include "kernels/cpu/along.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/fold.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/transpose.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
struct MaxStep : SumStep<T> {
  static Vec<T> identity() { return Vec<T>(-std::numeric_limits<T>::infinity()); }
  static Vec<T> combine(Vec<T> a, Vec<T> b) { return max(a, b); }
};

// Rows that go through each pass together, so that no row waits for its own fold, and what is worked out once
// a row is worked out for all of them in one register.
constexpr int kRowsAtOnce = 16;
constexpr std::int64_t kElementsAtOnce = 4096;  // of them all, which stay in the nearest cache

// What is found for each row.
template <class T>
struct PerRow {
  alignas(64) T values[kRowsAtOnce];

  explicit PerRow(T value) { std::fill_n(values, kRowsAtOnce, value); }
  Vec<T> operator[](int r) const { return Vec<T>(values[r]); }
  // f of every row's.
  template <class F>
  void apply(const F& f) {
    for (int r = 0; r < kRowsAtOnce; r += Vec<T>::kLanes) f(Vec<T>::load(values + r)).store(values + r);
  }
};

// find(at, lanes, r) folded over all of row r, where `at` are places in the rows together.
template <class T, class Step, class F>
PerRow<T> fold_each(std::int64_t n, int rows, const F& find) {
  PerRow<T> found(T(1));
  for (int r = 0; r < rows; ++r) {
    found.values[r] =
        fold_row<T>(Step{}, n, [&](std::int64_t i, auto lanes) { return find(r * n + i, lanes, r); })[0];
  }
  return found;
}
// write(at, lanes, r) for all of row r.
template <class T, class F>
void each_of_rows(std::int64_t n, int rows, const F& write) {
  for (int r = 0; r < rows; ++r)
    each_packet<Vec<T>>(n, [&](std::int64_t i, auto lanes) { write(r * n + i, lanes, r); });
}

// Each operation in two forms: `rows` for a few rows of n consecutive elements, `columns` for kCount packets
// of columns whose elements are `step` apart.

// visit(v, place, x) for packet v of each of n rows.
template <int kCount, class T, class Lanes, class F>
void each_column(const T* p, std::int64_t n, std::int64_t step, Lanes lanes, const F& visit) {
  for (std::int64_t i = 0; i < n; ++i) {
    for (int v = 0; v < kCount; ++v) {
      const std::int64_t at = i * step + v * Vec<T>::kLanes;
      visit(v, at, load_lanes<Vec<T>>(p + at, lanes));
    }
  }
}

template <class T>
struct Softmax {
  using P = Vec<T>;
  static void rows(const T* x, const T*, T* out, std::int64_t n, int rows) {
    const auto highest = fold_each<T, MaxStep<T>>(
        n, rows, [&](std::int64_t at, auto lanes, int) { return load_lanes<P>(x + at, lanes); });
    auto scale = fold_each<T, SumStep<T>>(n, rows, [&](std::int64_t at, auto lanes, int r) {
      const P e = exp(load_lanes<P>(x + at, lanes) - highest[r]);
      store_lanes<P>(out + at, e, lanes);
      return e;
    });
    scale.apply([](P total) { return P(T(1)) / total; });
    each_of_rows<T>(n, rows, [&](std::int64_t at, auto lanes, int r) {
      store_lanes<P>(out + at, load_lanes<P>(out + at, lanes) * scale[r], lanes);
    });
  }
  template <int kCount, class Lanes>
  static void columns(const T* x, const T*, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P highest[kCount], total[kCount];
    for (int v = 0; v < kCount; ++v) highest[v] = MaxStep<T>::identity(), total[v] = P(T(0));
    each_column<kCount>(x, n, step, lanes,
                        [&](int v, std::int64_t, P here) { highest[v] = max(highest[v], here); });
    each_column<kCount>(x, n, step, lanes, [&](int v, std::int64_t at, P here) {
      const P e = exp(here - highest[v]);
      store_lanes<P>(out + at, e, lanes);
      total[v] = total[v] + e;
    });
    for (int v = 0; v < kCount; ++v) total[v] = P(T(1)) / total[v];
    each_column<kCount>(static_cast<const T*>(out), n, step, lanes,
                        [&](int v, std::int64_t at, P e) { store_lanes<P>(out + at, e * total[v], lanes); });
  }
};

template <class T>
struct LogSoftmax {
  using P = Vec<T>;
  static void rows(const T* x, const T*, T* out, std::int64_t n, int rows) {
    const auto highest = fold_each<T, MaxStep<T>>(
        n, rows, [&](std::int64_t at, auto lanes, int) { return load_lanes<P>(x + at, lanes); });
    auto log_total = fold_each<T, SumStep<T>>(n, rows, [&](std::int64_t at, auto lanes, int r) {
      return exp(load_lanes<P>(x + at, lanes) - highest[r]);
    });
    log_total.apply([](P total) { return log(total); });
    each_of_rows<T>(n, rows, [&](std::int64_t at, auto lanes, int r) {
      store_lanes<P>(out + at, load_lanes<P>(x + at, lanes) - highest[r] - log_total[r], lanes);
    });
  }
  template <int kCount, class Lanes>
  static void columns(const T* x, const T*, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P highest[kCount], total[kCount];
    for (int v = 0; v < kCount; ++v) highest[v] = MaxStep<T>::identity(), total[v] = P(T(0));
    each_column<kCount>(x, n, step, lanes,
                        [&](int v, std::int64_t, P here) { highest[v] = max(highest[v], here); });
    each_column<kCount>(x, n, step, lanes,
                        [&](int v, std::int64_t, P here) { total[v] = total[v] + exp(here - highest[v]); });
    for (int v = 0; v < kCount; ++v) total[v] = log(total[v]);
    each_column<kCount>(x, n, step, lanes, [&](int v, std::int64_t at, P here) {
      store_lanes<P>(out + at, here - highest[v] - total[v], lanes);
    });
  }
};

// y * (g - Σ g y)
template <class T>
struct SoftmaxBackward {
  using P = Vec<T>;
  static void rows(const T* g, const T* y, T* out, std::int64_t n, int rows) {
    const auto dot = fold_each<T, SumStep<T>>(n, rows, [&](std::int64_t at, auto lanes, int) {
      return load_lanes<P>(g + at, lanes) * load_lanes<P>(y + at, lanes);
    });
    each_of_rows<T>(n, rows, [&](std::int64_t at, auto lanes, int r) {
      store_lanes<P>(out + at, load_lanes<P>(y + at, lanes) * (load_lanes<P>(g + at, lanes) - dot[r]), lanes);
    });
  }
  template <int kCount, class Lanes>
  static void columns(const T* g, const T* y, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P dot[kCount];
    for (int v = 0; v < kCount; ++v) dot[v] = P(T(0));
    each_column<kCount>(g, n, step, lanes, [&](int v, std::int64_t at, P grad) {
      dot[v] = dot[v] + grad * load_lanes<P>(y + at, lanes);
    });
    each_column<kCount>(g, n, step, lanes, [&](int v, std::int64_t at, P grad) {
      store_lanes<P>(out + at, load_lanes<P>(y + at, lanes) * (grad - dot[v]), lanes);
    });
  }
};

// g - exp(y) Σ g
template <class T>
struct LogSoftmaxBackward {
  using P = Vec<T>;
  static void rows(const T* g, const T* y, T* out, std::int64_t n, int rows) {
    const auto total = fold_each<T, SumStep<T>>(
        n, rows, [&](std::int64_t at, auto lanes, int) { return load_lanes<P>(g + at, lanes); });
    each_of_rows<T>(n, rows, [&](std::int64_t at, auto lanes, int r) {
      store_lanes<P>(out + at, load_lanes<P>(g + at, lanes) - exp(load_lanes<P>(y + at, lanes)) * total[r],
                     lanes);
    });
  }
  template <int kCount, class Lanes>
  static void columns(const T* g, const T* y, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P total[kCount];
    for (int v = 0; v < kCount; ++v) total[v] = P(T(0));
    each_column<kCount>(g, n, step, lanes, [&](int v, std::int64_t, P grad) { total[v] = total[v] + grad; });
    each_column<kCount>(g, n, step, lanes, [&](int v, std::int64_t at, P grad) {
      store_lanes<P>(out + at, grad - exp(load_lanes<P>(y + at, lanes)) * total[v], lanes);
    });
  }
};

constexpr std::int64_t kShortRow = 32;

// As many rows of at most kShortRow elements as a packet has lanes, as columns: one packet per place in the
// row.
template <template <class> class Op, class T>
void run_short_rows(const T* x, const T* y, T* out, std::int64_t n, std::int64_t rows) {
  using P = Vec<T>;
  constexpr std::int64_t kLanes = P::kLanes;
  using W = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  // A second one for y where it is another tensor; lanes without a row hold zeros.
  alignas(64) W x_columns[kShortRow * kLanes] = {}, y_columns[kShortRow * kLanes],
                                      out_columns[kShortRow * kLanes];
  if (rows < kLanes) std::fill_n(y_columns, n * kLanes, W(0));
  const auto words = [](auto* p) { return reinterpret_cast<const W*>(p); };
  transpose(x_columns, kLanes, words(x), n, n, rows);
  if (y != x) transpose(y_columns, kLanes, words(y), n, n, rows);
  const auto values = [](const W* p) { return reinterpret_cast<const T*>(p); };
  Op<T>::template columns<1>(values(x_columns), values(y != x ? y_columns : x_columns),
                             reinterpret_cast<T*>(out_columns), n, kLanes, AllLanes<P>{});
  transpose(reinterpret_cast<W*>(out), n, static_cast<const W*>(out_columns), kLanes, rows, n);
}

template <template <class> class Op, class T>
void run_along(const Context& context, const Along& a, const T* x, const T* y, T* out) {
  using P = Vec<T>;
  if (a.n == 0) return;
  if (a.inner == 1 && a.n <= kShortRow) {
    over_either_way(context, divide_up(a.outer, P::kLanes), grain_of(4 * a.n * P::kLanes),
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t r = begin * P::kLanes; r < std::min(end * P::kLanes, a.outer);
                           r += P::kLanes) {
                        const std::int64_t rows = std::min<std::int64_t>(P::kLanes, a.outer - r);
                        run_short_rows<Op>(x + r * a.n, y + r * a.n, out + r * a.n, a.n, rows);
                      }
                    });
    return;
  }
  if (a.inner == 1) {
    over_either_way(context, a.outer, grain_of(4 * a.n), [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t most = std::clamp<std::int64_t>(kElementsAtOnce / a.n, 1, kRowsAtOnce);
      for (std::int64_t r = begin; r < end; r += most) {
        const std::int64_t at = r * a.n;
        Op<T>::rows(x + at, y + at, out + at, a.n, static_cast<int>(std::min(most, end - r)));
      }
    });
    return;
  }
  constexpr int kCount = 4;
  constexpr std::int64_t kStrip = kCount * P::kLanes;
  const std::int64_t strips = divide_up(a.inner, kStrip);
  over_either_way(
      context, a.outer * strips, grain_of(4 * a.n * kStrip), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t unit = begin; unit < end; ++unit) {
          std::int64_t column = unit % strips * kStrip, at = unit / strips * a.n * a.inner + column;
          if (column + kStrip <= a.inner) {
            Op<T>::template columns<kCount>(x + at, y + at, out + at, a.n, a.inner, AllLanes<P>{});
            continue;
          }
          for (; column + P::kLanes <= a.inner; column += P::kLanes, at += P::kLanes) {
            Op<T>::template columns<1>(x + at, y + at, out + at, a.n, a.inner, AllLanes<P>{});
          }
          if (column < a.inner) {
            Op<T>::template columns<1>(x + at, y + at, out + at, a.n, a.inner,
                                       static_cast<int>(a.inner - column));
          }
        }
      });
}

// `saved` is x where the operation reads nothing else.
template <template <class> class Op>
void run_softmax(const Context& context, const View& x, const View& saved, std::int64_t dim,
                 const View& out) {
  const Along a(out, dim);
  if (out.dtype == Dtype::kFloat32)
    run_along<Op>(context, a, x.as<const float>(), saved.as<const float>(), out.as<float>());
  else
    run_along<Op>(context, a, x.as<const double>(), saved.as<const double>(), out.as<double>());
}

// Arguments: input, or grad and saved; the dimension is the first attribute.
template <template <class> class Op, bool kBackward>
void run_softmax(const Context& context, const KernelCall& call) {
  run_softmax<Op>(context, call.in[0], call.in[kBackward ? 1 : 0], call.attrs[0].integer(), call.out[0]);
}

constexpr std::array<Kernel, 4> kKernels = {{
    {"softmax", run_softmax<Softmax, false>, nullptr, nullptr, true},
    {"log_softmax", run_softmax<LogSoftmax, false>, nullptr, nullptr, true},
    {"softmax_backward", run_softmax<SoftmaxBackward, true>, nullptr, nullptr, true},
    {"log_softmax_backward", run_softmax<LogSoftmaxBackward, true>, nullptr, nullptr, true},
}};

}  // namespace

void log_softmax(const Context& context, const View& x, std::int64_t dim, const View& out) {
  run_softmax<LogSoftmax>(context, x, x, dim, out);
}

std::span<const Kernel> softmax_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
