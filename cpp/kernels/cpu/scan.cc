// Running results along a dimension of row-major tensors: sums, products, extrema, log-sum-exps and linear
// recurrences. Floating sums and products run in double, so that long ones stay accurate.
#include <array>
#include <cmath>
#include <limits>

#include "kernels/cpu/along.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kPanel = 256;

template <class T>
using Running = std::conditional_t<std::is_floating_point_v<T>, double, Lane<T>>;

template <class T>
T value_of(Running<T> running) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(running);
  else
    return running.value;
}

// A scan has a State, the one it starts from, and a step that reads and writes the element at a place, the
// i-th of its line.
template <class T>
struct SumScan {
  using State = Running<T>;
  const T* x;
  T* out;
  State first() const { return State(T(0)); }
  void step(State& state, std::int64_t, std::int64_t at) const {
    state = state + State(x[at]);
    out[at] = value_of<T>(state);
  }
};

template <class T>
struct ProductScan {
  using State = Running<T>;
  const T* x;
  T* out;
  State first() const { return State(T(1)); }
  void step(State& state, std::int64_t, std::int64_t at) const {
    state = state * State(x[at]);
    out[at] = value_of<T>(state);
  }
};

// The last of equal extrema is named; NaN beats all.
template <class T, bool kMax>
struct ExtremumScan {
  struct State {
    T best;
    std::int64_t index;
  };
  const T* x;
  T* values;
  std::int64_t* indices;
  State first() const { return {T(0), 0}; }
  void step(State& state, std::int64_t i, std::int64_t at) const {
    const T here = x[at];
    bool wins = kMax ? here >= state.best : here <= state.best;
    if constexpr (std::is_floating_point_v<T>) wins |= here != here;
    if (wins || i == 0) state = {here, i};
    values[at] = state.best;
    indices[at] = state.index;
  }
};

// ln Σ exp as the largest term so far and the sum of the others relative to it.
template <class T>
struct LogSumExpScan {
  struct State {
    T high, sum;
  };
  const T* x;
  T* out;
  State first() const { return {-std::numeric_limits<T>::infinity(), T(0)}; }
  void step(State& state, std::int64_t, std::int64_t at) const {
    const T here = x[at];
    if (here == state.high) {
      state.sum += T(1);  // also for infinities, whose difference would be NaN
    } else if (here > state.high) {
      state = {here, state.sum * std::exp(state.high - here) + T(1)};
    } else {
      state.sum += std::exp(here - state.high);
    }
    out[at] =
        std::isinf(state.high) && state.sum == state.sum ? state.high : state.high + std::log(state.sum);
  }
};

// s[k] = b[k] + a[k] s[k-1]; from the other end, its transpose: s[k] = b[k] + a[k+1] s[k+1].
template <class T>
struct Recurrence {
  using State = T;
  const T *a, *b;
  T* out;
  std::int64_t next;  // from an element to the one whose factor it takes
  State first() const { return T(0); }
  void step(State& state, std::int64_t i, std::int64_t at) const {
    state = i == 0 ? b[at] : b[at] + a[at + next] * state;
    out[at] = state;
  }
};

// Four rows at a time, because one chain of dependent steps waits for itself.
template <class Scan>
void scan_rows(const Scan& scan, std::int64_t n, std::int64_t begin, std::int64_t end, bool reversed) {
  using State = typename Scan::State;
  const std::int64_t step = reversed ? -1 : 1;
  std::int64_t r = begin;
  for (; r + 4 <= end; r += 4) {
    State a = scan.first(), b = a, c = a, d = a;
    std::int64_t at = reversed ? r * n + n - 1 : r * n;
    for (std::int64_t i = 0; i < n; ++i, at += step) {
      scan.step(a, i, at);
      scan.step(b, i, at + n);
      scan.step(c, i, at + 2 * n);
      scan.step(d, i, at + 3 * n);
    }
  }
  for (; r < end; ++r) {
    State state = scan.first();
    std::int64_t at = reversed ? r * n + n - 1 : r * n;
    for (std::int64_t i = 0; i < n; ++i, at += step) scan.step(state, i, at);
  }
}

template <class Scan>
void scan_columns(const Scan& scan, const Along& a, std::int64_t at, std::int64_t width, bool reversed) {
  typename Scan::State states[kPanel];
  std::fill_n(states, width, scan.first());
  if (reversed) at += (a.n - 1) * a.inner;
  for (std::int64_t i = 0; i < a.n; ++i, at += reversed ? -a.inner : a.inner) {
    for (std::int64_t c = 0; c < width; ++c) scan.step(states[c], i, at + c);
  }
}

template <class Scan>
void run_scan(const Context& context, const Along& a, const Scan& scan, bool reversed = false) {
  if (a.outer * a.n * a.inner == 0) return;
  if (a.inner == 1) {
    over_ranges(context, a.outer, grain_of(a.n),
                [&](std::int64_t begin, std::int64_t end) { scan_rows(scan, a.n, begin, end, reversed); });
    return;
  }
  const std::int64_t panels = divide_up(a.inner, kPanel);
  const std::int64_t grain = grain_of(a.n * std::min(a.inner, kPanel));
  over_ranges(context, a.outer * panels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t column = unit % panels * kPanel, at = unit / panels * a.n * a.inner + column;
      scan_columns(scan, a, at, std::min(kPanel, a.inner - column), reversed);
    }
  });
}

// A long row alone is summed in four parts side by side, each started from the sum of those before it.
template <class T>
void sum_long_row(const T* x, T* out, std::int64_t n) {
  constexpr int kParts = 4;
  const std::int64_t part = n / kParts;
  Running<T> sums[kParts];
  for (auto& sum : sums) sum = Running<T>(T(0));
  for (std::int64_t i = 0; i < part; ++i) {
    for (std::int64_t p = 0; p < kParts - 1; ++p) sums[p + 1] = sums[p + 1] + Running<T>(x[p * part + i]);
  }
  for (int p = 1; p < kParts; ++p) sums[p] = sums[p] + sums[p - 1];
  for (std::int64_t i = 0; i < part; ++i) {
    for (std::int64_t p = 0; p < kParts; ++p) {
      sums[p] = sums[p] + Running<T>(x[p * part + i]);
      out[p * part + i] = value_of<T>(sums[p]);
    }
  }
  for (std::int64_t i = kParts * part; i < n; ++i) {
    sums[kParts - 1] = sums[kParts - 1] + Running<T>(x[i]);
    out[i] = value_of<T>(sums[kParts - 1]);
  }
}

void run_cumsum(const Context& context, const KernelCall& call) {
  constexpr std::int64_t kLong = 4096;
  const Along a(call.out[0], call.attrs[0].integer());
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    const T* x = call.in[0].as<const T>();
    T* out = call.out[0].as<T>();
    if (a.outer == 1 && a.inner == 1 && a.n >= kLong) return sum_long_row(x, out, a.n);
    run_scan(context, a, SumScan<T>{x, out});
  });
}

void run_cumprod(const Context& context, const KernelCall& call) {
  const Along a(call.out[0], call.attrs[0].integer());
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    run_scan(context, a, ProductScan<T>{call.in[0].as<const T>(), call.out[0].as<T>()});
  });
}

template <bool kMax>
void run_extremum(const Context& context, const KernelCall& call) {
  const Along a(call.in[0], call.attrs[0].integer());
  visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    run_scan(
        context, a,
        ExtremumScan<T, kMax>{call.in[0].as<const T>(), call.out[0].as<T>(), call.out[1].as<std::int64_t>()});
  });
}

void run_logcumsumexp(const Context& context, const KernelCall& call) {
  const Along a(call.in[0], call.attrs[0].integer());
  if (call.in[0].dtype == Dtype::kFloat32)
    run_scan(context, a, LogSumExpScan<float>{call.in[0].as<const float>(), call.out[0].as<float>()});
  else
    run_scan(context, a, LogSumExpScan<double>{call.in[0].as<const double>(), call.out[0].as<double>()});
}

void run_recurrence(const Context& context, const KernelCall& call) {
  const Along along(call.out[0], call.attrs[0].integer());
  const bool reversed = call.attrs[1].flag();
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {
      const Recurrence<T> scan{call.in[0].as<const T>(), call.in[1].as<const T>(), call.out[0].as<T>(),
                               reversed ? along.inner : 0};
      run_scan(context, along, scan, reversed);
    }
  });
}

constexpr std::array<Kernel, 6> kKernels = {{{"cumsum", run_cumsum},
                                             {"cumprod", run_cumprod},
                                             {"cummax", run_extremum<true>},
                                             {"cummin", run_extremum<false>},
                                             {"logcumsumexp", run_logcumsumexp},
                                             {"recurrence", run_recurrence}}};

}  // namespace

std::span<const Kernel> scan_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
