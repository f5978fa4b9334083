// Running sums along a dimension of row-major tensors. Floating sums run in double, so that long ones stay
// accurate.
#include <array>

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
T value_of(Running<T> sum) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(sum);
  else
    return sum.value;
}

// Four rows at a time, because one chain of additions waits for itself.
template <class T>
void sum_rows(const T* x, T* out, std::int64_t n, std::int64_t rows) {
  constexpr std::int64_t kRows = 4;
  std::int64_t r = 0;
  for (; r + kRows <= rows; r += kRows, x += kRows * n, out += kRows * n) {
    Running<T> a(T(0)), b(T(0)), c(T(0)), d(T(0));
    for (std::int64_t i = 0; i < n; ++i) {
      a = a + Running<T>(x[i]);
      b = b + Running<T>(x[n + i]);
      c = c + Running<T>(x[2 * n + i]);
      d = d + Running<T>(x[3 * n + i]);
      out[i] = value_of<T>(a);
      out[n + i] = value_of<T>(b);
      out[2 * n + i] = value_of<T>(c);
      out[3 * n + i] = value_of<T>(d);
    }
  }
  for (; r < rows; ++r, x += n, out += n) {
    Running<T> sum(T(0));
    for (std::int64_t i = 0; i < n; ++i) {
      sum = sum + Running<T>(x[i]);
      out[i] = value_of<T>(sum);
    }
  }
}

template <class T>
void sum_columns(const T* x, T* out, const Along& a, std::int64_t width) {
  Running<T> sums[kPanel];
  std::fill_n(sums, width, Running<T>(T(0)));
  for (std::int64_t i = 0; i < a.n; ++i, x += a.inner, out += a.inner) {
    for (std::int64_t c = 0; c < width; ++c) {
      sums[c] = sums[c] + Running<T>(x[c]);
      out[c] = value_of<T>(sums[c]);
    }
  }
}

void run_cumsum(const Context& context, const KernelCall& call) {
  const Along a(call.out[0], call.attrs[0].integer());
  if (a.outer * a.n * a.inner == 0) return;
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    const T* x = call.in[0].as<const T>();
    T* out = call.out[0].as<T>();
    if (a.inner == 1) {
      over_ranges(context, a.outer, grain_of(a.n), [&](std::int64_t begin, std::int64_t end) {
        sum_rows(x + begin * a.n, out + begin * a.n, a.n, end - begin);
      });
      return;
    }
    const std::int64_t panels = divide_up(a.inner, kPanel);
    const std::int64_t grain = grain_of(a.n * std::min(a.inner, kPanel));
    over_ranges(context, a.outer * panels, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t column = unit % panels * kPanel, at = unit / panels * a.n * a.inner + column;
        sum_columns(x + at, out + at, a, std::min(kPanel, a.inner - column));
      }
    });
  });
}

constexpr std::array<Kernel, 1> kKernels = {{{"cumsum", run_cumsum}}};

}  // namespace

std::span<const Kernel> scan_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
