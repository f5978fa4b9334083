// Reductions and softmax of a square float32 matrix, whole, over rows and over columns, through eager
// execution.
#include <benchmark/benchmark.h>

#include "floors.h"
#include "ops/api.h"

namespace {

using namespace unspool;

// Over everything, and over either dimension.
enum Over : std::int64_t { kAll, kRows, kColumns };

Dims dims_of(std::int64_t over) {
  if (over == kAll) return {};
  return {over == kRows ? 0 : 1};
}

template <class F>
void reduce(benchmark::State& state, F reduction) {
  const Tensor x = bench::operand(Dims{state.range(0), state.range(0)});
  const Dims dims = dims_of(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(reduction(x, dims));
  state.SetItemsProcessed(state.iterations() * x.numel());
  state.SetLabel(state.range(1) == kAll ? "all" : state.range(1) == kRows ? "over rows" : "over columns");
}

void cases(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{32, 1000}, {kAll, kRows, kColumns}})->ArgNames({"n", "over"});
}

void along(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{32, 1000}, {kRows, kColumns}})->ArgNames({"n", "over"});
}

BENCHMARK_CAPTURE(reduce, sum, [](const Tensor& x, const Dims& d) { return ops::sum(x, d); })->Apply(cases);
BENCHMARK_CAPTURE(reduce, mean, [](const Tensor& x, const Dims& d) { return ops::mean(x, d); })->Apply(cases);
BENCHMARK_CAPTURE(reduce, amax, [](const Tensor& x, const Dims& d) { return ops::amax(x, d); })->Apply(cases);
BENCHMARK_CAPTURE(reduce, argmax, [](const Tensor& x, const Dims& d) {
  return ops::argmax(x, d[0], false);
})->Apply(along);
BENCHMARK_CAPTURE(reduce, softmax, [](const Tensor& x, const Dims& d) {
  return ops::softmax(x, d[0]);
})->Apply(along);
BENCHMARK_CAPTURE(reduce, log_softmax, [](const Tensor& x, const Dims& d) {
  return ops::log_softmax(x, d[0]);
})->Apply(along);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  bench::start_library();
  benchmark::RunSpecifiedBenchmarks();
}
