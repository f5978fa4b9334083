// The matrix product alone, at named shapes (m, k, n) and with either operand transposed: GFLOP/s on one
// thread. Operands are in cache after the first run where they fit; nothing above the kernel is measured.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/cpu/gemm.h"

namespace {

using unspool::kernels::Context;
using unspool::kernels::cpu::Gemm;

struct Free {
  void operator()(std::byte* data) const { std::free(data); }
};

enum Layout : std::int64_t { kNN, kNT, kTN };

template <class T>
void gemm(benchmark::State& state) {
  const std::int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  const auto size = [](std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows * columns);
  };
  const std::vector<T> a(size(m, k), T(0.5)), b(size(k, n), T(0.25));
  std::vector<T> c(size(m, n));
  Gemm<T> product{.m = m,
                  .n = n,
                  .k = k,
                  .a = a.data(),
                  .a_row = k,
                  .a_col = 1,
                  .b = b.data(),
                  .b_row = n,
                  .b_col = 1,
                  .c = c.data(),
                  .c_row = n};
  if (state.range(3) == kTN) product.a_row = 1, product.a_col = m;
  if (state.range(3) == kNT) product.b_row = 1, product.b_col = k;

  Context context;
  const std::size_t bytes = (unspool::kernels::cpu::gemm_scratch(product, 1) + 64) / 64 * 64;
  const std::unique_ptr<std::byte, Free> scratch(static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
  context.scratch = scratch.get();
  for (auto _ : state) {
    unspool::kernels::cpu::gemm(context, product);
    benchmark::ClobberMemory();
  }
  const double flops = 2.0 * static_cast<double>(m * n * k) * static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsRate);
  state.SetLabel(state.range(3) == kNN ? "NN" : state.range(3) == kNT ? "NT" : "TN");
}

void shapes(benchmark::internal::Benchmark* bench) {
  constexpr std::int64_t kShapes[][3] = {{16, 16, 16},       {32, 32, 32},    {64, 64, 64},
                                         {128, 128, 128},    {256, 256, 256}, {512, 512, 512},
                                         {1024, 1024, 1024}, {128, 784, 512}, {128, 512, 10},
                                         {5, 3, 4},          {64, 4, 64},     {256, 2048, 2048}};
  for (const auto& shape : kShapes) {
    for (const std::int64_t layout : {kNN, kNT, kTN}) bench->Args({shape[0], shape[1], shape[2], layout});
  }
  bench->ArgNames({"m", "k", "n", "layout"});
}

BENCHMARK(gemm<float>)->Apply(shapes);
BENCHMARK(gemm<double>)->Apply(shapes);

}  // namespace

BENCHMARK_MAIN();
