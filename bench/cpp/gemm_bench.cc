// The matrix product alone, at named shapes (m, k, n) and with either operand transposed: GFLOP/s on one
// thread. Operands are in cache after the first run where they fit; nothing above the kernel is measured.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "kernels/cpu/gemm.h"

namespace {

using unspool::kernels::Context;
using unspool::kernels::cpu::Gemm;

struct Free {
  void operator()(void* data) const { std::free(data); }
};

// Aligned as the library's own memory is, on huge pages where there are any.
template <class T>
std::unique_ptr<T[], Free> memory(std::int64_t elements, T value) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t bytes = (static_cast<std::size_t>(elements) * sizeof(T) / kHugePage + 1) * kHugePage;
  std::unique_ptr<T[], Free> data(static_cast<T*>(std::aligned_alloc(kHugePage, bytes)));
  madvise(data.get(), bytes, MADV_HUGEPAGE);
  std::fill_n(data.get(), elements, value);
  return data;
}

enum Layout : std::int64_t { kNN, kNT, kTN };

template <class T>
void gemm(benchmark::State& state) {
  const std::int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  const auto a = memory<T>(m * k, T(0.5)), b = memory<T>(k * n, T(0.25)), c = memory<T>(m * n, T(0));
  Gemm<T> product{.m = m,
                  .n = n,
                  .k = k,
                  .a = a.get(),
                  .a_row = k,
                  .a_col = 1,
                  .b = b.get(),
                  .b_row = n,
                  .b_col = 1,
                  .c = c.get(),
                  .c_row = n};
  if (state.range(3) == kTN) product.a_row = 1, product.a_col = m;
  if (state.range(3) == kNT) product.b_row = 1, product.b_col = k;

  Context context;
  const auto scratch = memory<std::byte>(
      static_cast<std::int64_t>(unspool::kernels::cpu::gemm_scratch(product, 1)), std::byte{});
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
