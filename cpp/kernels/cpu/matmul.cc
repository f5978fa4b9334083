// Kernels of the matrix products: views become the operands of gemm.h. Small dtypes, which gemm does not
// have, run as plain loops.
#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/finishing.h"
#include "kernels/cpu/fold.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_columns.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

static_assert(kSumRows == kFoldRows);

template <class T>
constexpr bool kIsFloat = std::is_floating_point_v<T>;

std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

// Wrapping sums of products; on bool, "any of both".
template <class T>
void plain_product(const Context& context, const Gemm<T>& g) {
  over_ranges(context, g.m, grain_of(g.n * g.k), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t j = 0; j < g.n; ++j) {
        Lane<T> sum = g.bias ? g.bias[j] : T(0);
        for (std::int64_t p = 0; p < g.k; ++p) {
          sum = sum + Lane<T>(g.a[i * g.a_row + p * g.a_col]) * Lane<T>(g.b[p * g.b_row + j * g.b_col]);
        }
        g.c[i * g.c_row + j] = sum.value;
      }
    }
  });
}

template <class T>
void product(const Context& context, const Gemm<T>& g) {
  if constexpr (kIsFloat<T>)
    gemm(context, g);
  else if constexpr (sizeof(T) >= 4)
    integer_gemm(context, g);
  else
    plain_product(context, g);
}

// The matrices in the last two dimensions.
template <class T>
Gemm<T> gemm_of(const View& a, const View& b, const View& c) {
  const int d = a.ndim - 2;
  Gemm<T> g{};
  g.m = a.sizes[d], g.k = a.sizes[d + 1], g.n = b.sizes[d + 1];
  g.a = a.as<const T>(), g.a_row = a.strides[d], g.a_col = a.strides[d + 1];
  g.b = b.as<const T>(), g.b_row = b.strides[d], g.b_col = b.strides[d + 1];
  g.c = c.as<T>(), g.c_row = g.n;
  return g;
}

// What a program has put behind the product: attributes that the operation itself does not have say which
// function and its parameter, one more operand, laid out like the result, is the function's, and one more
// result takes the sums of the columns.
template <class T>
void add_finish(const KernelCall& call, int other, Gemm<T>& g) {
  g.sums_columns = call.out.size() > 1;
  if (g.sums_columns) g.column_sums = call.out[1].template as<T>();
  if (call.attrs.empty()) return;
  if constexpr (kIsFloat<T>) {
    Finish<T> finish = kFinishes<T>[static_cast<std::size_t>(call.attrs[0].integer())];
    finish.parameter = static_cast<T>(call.attrs[1].number());
    if (call.has(other)) {
      finish.other = call.in[static_cast<std::size_t>(other)].template as<const T>();
      finish.other_row = g.n;
    }
    // A sum that goes where the other operand is.
    if (finish.other == g.c)
      g.accumulate = true;
    else
      g.finish = finish;
  }
}

template <class T>
Gemm<T> mm_of(const KernelCall& call) {
  Gemm<T> g = gemm_of<T>(call.in[0], call.in[1], call.out[0]);
  add_finish(call, 2, g);
  return g;
}

template <class T>
GemmBatch<T> batch_of(const View& a, const View& b, const Gemm<T>& g) {
  return {a.sizes[0], a.strides[0], b.strides[0], g.m * g.n};
}

// Calls visit(T{}) for float and double, for which gemm has scratch.
template <class F>
std::size_t float_scratch(Dtype dtype, F&& visit) {
  if (dtype == Dtype::kFloat32) return visit(float{});
  if (dtype == Dtype::kFloat64) return visit(double{});
  return 0;
}

void run_mm(const Context& context, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) { product(context, mm_of<T>(call)); });
}

std::size_t mm_scratch(const KernelCall& call, int threads) {
  return float_scratch(call.out[0].dtype, [&]<class T>(T) { return gemm_scratch(mm_of<T>(call), threads); });
}

void run_bmm(const Context& context, const KernelCall& call) {
  const View &a = call.in[0], &b = call.in[1];
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    Gemm<T> g = gemm_of<T>(a, b, call.out[0]);
    const GemmBatch<T> batch = batch_of(a, b, g);
    if constexpr (kIsFloat<T>) {
      gemm_batch(context, g, batch);
    } else {
      for (std::int64_t e = 0; e < batch.count; ++e) {
        product(context, g);
        g.a += batch.a_batch, g.b += batch.b_batch, g.c += batch.c_batch;
      }
    }
  });
}

std::size_t bmm_scratch(const KernelCall& call, int threads) {
  return float_scratch(call.out[0].dtype, [&]<class T>(T) {
    const Gemm<T> g = gemm_of<T>(call.in[0], call.in[1], call.out[0]);
    return gemm_batch_scratch(g, batch_of(call.in[0], call.in[1], g), threads);
  });
}

// The input of `linear` as a matrix of rows, copied first if its leading dimensions do not lie evenly.
struct Rows {
  std::int64_t count = 1;
  std::int64_t row_stride = 0, column_stride = 1;
  bool needs_copy = false;

  explicit Rows(const View& x) {
    const int last = x.ndim - 1;
    column_stride = x.strides[last];
    bool first = true;
    std::int64_t next = 0;  // stride at which the next outer dimension continues the rows
    for (int d = last - 1; d >= 0; --d) {
      count *= x.sizes[d];
      if (x.sizes[d] == 1) continue;
      if (first)
        row_stride = x.strides[d];
      else
        needs_copy |= x.strides[d] != next;
      first = false;
      next = x.strides[d] * x.sizes[d];
    }
    if (first) row_stride = x.sizes[last];
  }
};

template <class T>
Gemm<T> linear_of(const KernelCall& call, const Rows& rows, const T* copy) {
  const View &x = call.in[0], &w = call.in[1];
  Gemm<T> g{};
  g.m = rows.count, g.k = x.sizes[x.ndim - 1], g.n = w.ndim == 2 ? w.sizes[0] : 1;
  g.a = copy ? copy : x.as<const T>();
  g.a_row = copy ? g.k : rows.row_stride;
  g.a_col = copy ? 1 : rows.column_stride;
  g.b = w.as<const T>();
  g.b_row = w.strides[w.ndim - 1];
  g.b_col = w.ndim == 2 ? w.strides[0] : g.k;
  g.c = call.out[0].as<T>(), g.c_row = g.n;
  add_finish(call, 3, g);
  return g;
}

template <class T>
std::size_t copy_bytes(const KernelCall& call, const Rows& rows) {
  return rows.needs_copy ? rounded(static_cast<std::size_t>(call.in[0].numel()) * sizeof(T)) : 0;
}

void run_linear(const Context& context, const KernelCall& call) {
  const View& x = call.in[0];
  const Rows rows(x);
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    Context rest = context;
    T* copy = nullptr;
    if (rows.needs_copy) {
      copy = reinterpret_cast<T*>(context.scratch);
      std::int64_t strides[kMaxDims];
      std::int64_t step = 1;
      for (int d = x.ndim - 1; d >= 0; --d) {
        strides[d] = step;
        step *= x.sizes[d];
      }
      copy_view(context, {copy, x.sizes, strides, x.ndim, x.dtype, true}, x);
      rest.scratch += copy_bytes<T>(call, rows);
    }
    Gemm<T> g = linear_of<T>(call, rows, copy);
    T bias[1];
    const bool has_bias = call.has(2) && g.n > 0;
    // A strided bias of several elements is added afterwards; gemm reads consecutive ones.
    const bool is_even = has_bias && (g.n == 1 || call.in[2].strides[0] == 1);
    if (is_even && g.n == 1) {
      bias[0] = *call.in[2].as<const T>();
      g.bias = bias;
    } else if (is_even) {
      g.bias = call.in[2].as<const T>();
    }
    product(rest, g);
    if (!has_bias || is_even) return;
    const T* values = call.in[2].as<const T>();
    for (std::int64_t i = 0; i < g.m; ++i) {
      T* row = g.c + i * g.c_row;
      for (std::int64_t j = 0; j < g.n; ++j) {
        if constexpr (kIsFloat<T>)
          row[j] += values[j * call.in[2].strides[0]];
        else
          row[j] = (Lane<T>(row[j]) + Lane<T>(values[j * call.in[2].strides[0]])).value;
      }
    }
  });
}

std::size_t linear_scratch(const KernelCall& call, int threads) {
  const Rows rows(call.in[0]);
  return visit_dtype(call.out[0].dtype, [&]<class T>(T) -> std::size_t {
    const std::size_t copied = copy_bytes<T>(call, rows);
    if constexpr (kIsFloat<T>) {
      // Only the geometry counts here, so any non-null pointer stands for the copy.
      const T* copy = rows.needs_copy ? call.in[0].as<const T>() : nullptr;
      return copied + gemm_scratch(linear_of<T>(call, rows, copy), threads);
    } else {
      return copied;
    }
  });
}

constexpr std::array<Kernel, 3> kKernels = {{
    {"mm", run_mm, mm_scratch},
    {"bmm", run_bmm, bmm_scratch},
    {"linear", run_linear, linear_scratch},
}};

}  // namespace

std::span<const Kernel> matmul_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
