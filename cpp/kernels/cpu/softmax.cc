// softmax, log_softmax and their cotangents along one dimension of row-major tensors: along rows where that dimension
// is the last, and otherwise over neighbouring columns at once.
#include <array>
#include <limits>

#include "kernels/cpu/along.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/fold.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
struct MaxStep : SumStep<T> {
  static Vec<T> identity() { return Vec<T>(-std::numeric_limits<T>::infinity()); }
  static Vec<T> combine(Vec<T> a, Vec<T> b) { return max(a, b); }
};

// The fold of map(i, lanes) over a row, in blocks.
template <class T, class Step, class Map>
Vec<T> fold_row(const Step& step, std::int64_t n, const Map& map) {
  using P = Vec<T>;
  if (n <= kFoldBlock) return P(combine_lanes(step, fold_chains<P>(step, n, map)));
  Pairwise<P> partial;
  for (std::int64_t start = 0; start < n; start += kFoldBlock) {
    partial.push(step, fold_chains<P>(step, std::min(kFoldBlock, n - start), [&](std::int64_t i, auto lanes) {
      return map(start + i, lanes);
    }));
  }
  return P(combine_lanes(step, partial.total(step)));
}

// Each operation in two forms: `row` for n consecutive elements, `column` for a packet of columns whose elements are
// `step` apart.

template <class T>
struct Softmax {
  using P = Vec<T>;
  static void row(const T* x, const T*, T* out, std::int64_t n) {
    const P highest = fold_row<T>(MaxStep<T>{}, n, [&](std::int64_t i, auto lanes) { return load_lanes<P>(x + i, lanes); });
    const P total = fold_row<T>(SumStep<T>{}, n, [&](std::int64_t i, auto lanes) {
      const P e = exp(load_lanes<P>(x + i, lanes) - highest);
      store_lanes<P>(out + i, e, lanes);
      return e;
    });
    const P scale = P(T(1)) / total;
    each_packet<P>(n, [&](std::int64_t i, auto lanes) {
      store_lanes<P>(out + i, load_lanes<P>(out + i, lanes) * scale, lanes);
    });
  }
  template <class Lanes>
  static void column(const T* x, const T*, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P highest = MaxStep<T>::identity(), total = P(T(0));
    for (std::int64_t i = 0; i < n; ++i) highest = max(highest, load_lanes<P>(x + i * step, lanes));
    for (std::int64_t i = 0; i < n; ++i) {
      const P e = exp(load_lanes<P>(x + i * step, lanes) - highest);
      store_lanes<P>(out + i * step, e, lanes);
      total = total + e;
    }
    const P scale = P(T(1)) / total;
    for (std::int64_t i = 0; i < n; ++i) {
      store_lanes<P>(out + i * step, load_lanes<P>(out + i * step, lanes) * scale, lanes);
    }
  }
};

template <class T>
struct LogSoftmax {
  using P = Vec<T>;
  static void row(const T* x, const T*, T* out, std::int64_t n) {
    const P highest = fold_row<T>(MaxStep<T>{}, n, [&](std::int64_t i, auto lanes) { return load_lanes<P>(x + i, lanes); });
    const P total = fold_row<T>(SumStep<T>{}, n, [&](std::int64_t i, auto lanes) {
      return exp(load_lanes<P>(x + i, lanes) - highest);
    });
    const P log_total = log(total);
    each_packet<P>(n, [&](std::int64_t i, auto lanes) {
      store_lanes<P>(out + i, load_lanes<P>(x + i, lanes) - highest - log_total, lanes);
    });
  }
  template <class Lanes>
  static void column(const T* x, const T*, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P highest = MaxStep<T>::identity(), total = P(T(0));
    for (std::int64_t i = 0; i < n; ++i) highest = max(highest, load_lanes<P>(x + i * step, lanes));
    for (std::int64_t i = 0; i < n; ++i) total = total + exp(load_lanes<P>(x + i * step, lanes) - highest);
    const P log_total = log(total);
    for (std::int64_t i = 0; i < n; ++i) {
      store_lanes<P>(out + i * step, load_lanes<P>(x + i * step, lanes) - highest - log_total, lanes);
    }
  }
};

// y * (g - Σ g y)
template <class T>
struct SoftmaxBackward {
  using P = Vec<T>;
  static void row(const T* g, const T* y, T* out, std::int64_t n) {
    const P dot = fold_row<T>(SumStep<T>{}, n, [&](std::int64_t i, auto lanes) {
      return load_lanes<P>(g + i, lanes) * load_lanes<P>(y + i, lanes);
    });
    each_packet<P>(n, [&](std::int64_t i, auto lanes) {
      store_lanes<P>(out + i, load_lanes<P>(y + i, lanes) * (load_lanes<P>(g + i, lanes) - dot), lanes);
    });
  }
  template <class Lanes>
  static void column(const T* g, const T* y, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P dot = P(T(0));
    for (std::int64_t i = 0; i < n; ++i) {
      dot = dot + load_lanes<P>(g + i * step, lanes) * load_lanes<P>(y + i * step, lanes);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const P grad = load_lanes<P>(g + i * step, lanes);
      store_lanes<P>(out + i * step, load_lanes<P>(y + i * step, lanes) * (grad - dot), lanes);
    }
  }
};

// g - exp(y) Σ g
template <class T>
struct LogSoftmaxBackward {
  using P = Vec<T>;
  static void row(const T* g, const T* y, T* out, std::int64_t n) {
    const P total = fold_row<T>(SumStep<T>{}, n, [&](std::int64_t i, auto lanes) { return load_lanes<P>(g + i, lanes); });
    each_packet<P>(n, [&](std::int64_t i, auto lanes) {
      store_lanes<P>(out + i, load_lanes<P>(g + i, lanes) - exp(load_lanes<P>(y + i, lanes)) * total, lanes);
    });
  }
  template <class Lanes>
  static void column(const T* g, const T* y, T* out, std::int64_t n, std::int64_t step, Lanes lanes) {
    P total = P(T(0));
    for (std::int64_t i = 0; i < n; ++i) total = total + load_lanes<P>(g + i * step, lanes);
    for (std::int64_t i = 0; i < n; ++i) {
      const P grad = load_lanes<P>(g + i * step, lanes);
      store_lanes<P>(out + i * step, grad - exp(load_lanes<P>(y + i * step, lanes)) * total, lanes);
    }
  }
};

template <template <class> class Op, class T>
void run_along(const Context& context, const KernelCall& call, const View* saved, std::int64_t dim) {
  using P = Vec<T>;
  const Along a(call.out[0], dim);
  if (a.n == 0) return;
  const T* x = call.in[0].as<const T>();
  const T* y = saved ? saved->as<const T>() : x;
  T* out = call.out[0].as<T>();
  if (a.inner == 1) {
    over_ranges(context, a.outer, grain_of(4 * a.n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) Op<T>::row(x + r * a.n, y + r * a.n, out + r * a.n, a.n);
    });
    return;
  }
  const std::int64_t strips = divide_up(a.inner, P::kLanes);
  over_ranges(context, a.outer * strips, grain_of(4 * a.n * P::kLanes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t column = unit % strips * P::kLanes, at = unit / strips * a.n * a.inner + column;
      if (column + P::kLanes <= a.inner) {
        Op<T>::column(x + at, y + at, out + at, a.n, a.inner, AllLanes<P>{});
      } else {
        Op<T>::column(x + at, y + at, out + at, a.n, a.inner, static_cast<int>(a.inner - column));
      }
    }
  });
}

// Arguments: input, or grad and saved; the dimension is the first attribute.
template <template <class> class Op, bool kBackward>
void run_softmax(const Context& context, const KernelCall& call) {
  const View* saved = kBackward ? &call.in[1] : nullptr;
  const std::int64_t dim = call.attrs[0].integer();
  if (call.out[0].dtype == Dtype::kFloat32) run_along<Op, float>(context, call, saved, dim);
  else run_along<Op, double>(context, call, saved, dim);
}

constexpr std::array<Kernel, 4> kKernels = {{
    {"softmax", run_softmax<Softmax, false>},
    {"log_softmax", run_softmax<LogSoftmax, false>},
    {"softmax_backward", run_softmax<SoftmaxBackward, true>},
    {"log_softmax_backward", run_softmax<LogSoftmaxBackward, true>},
}};

}  // namespace

std::span<const Kernel> softmax_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
