// The tape without Python: nanoseconds per node for recording, unwinding and freeing a chain over a few
// elements, and what recording adds to a call. The chain `y + 1` has nothing but its nodes to unwind; in
// `y + x` every node also adds to the gradient of x, a kernel call each. 100 nodes stay in the cache. What
// the tape itself costs is record - run + unwind. With --benchmark_min_time=0.1 it takes half a minute.
#include <benchmark/benchmark.h>

#include <chrono>

#include "exec/backward.h"
#include "exec/node.h"
#include "floors.h"
#include "ops/api.h"

namespace {

using namespace unspool;

Tensor leaf() {
  Tensor x = bench::operand(Dims{4});
  x->requires_grad = true;
  return x;
}

enum class Chain { kNumber, kLeaf };

Tensor chain(const Tensor& x, std::int64_t nodes, Chain kind) {
  Tensor y = x;
  for (std::int64_t i = 0; i < nodes; ++i)
    y = kind == Chain::kLeaf ? ops::add(y, x) : ops::add(y, ops::Operand(1.0));
  return y;
}

void per_node(benchmark::State& state) {
  const auto nodes = static_cast<double>(state.iterations() * state.range(0));
  state.counters["s/node"] =
      benchmark::Counter(nodes, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// Runs `part` with the clock stopped around everything else.
template <class Before, class Part>
void timed(benchmark::State& state, Before before, Part part) {
  for (auto _ : state) {
    auto tape = before();
    const auto start = std::chrono::steady_clock::now();
    part(tape);
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  per_node(state);
}

void add_unrecorded(benchmark::State& state) {
  const Tensor a = bench::operand(Dims{4}), b = bench::operand(Dims{4});
  for (auto _ : state) benchmark::DoNotOptimize(ops::add(a, b));
}

void add_recorded(benchmark::State& state) {
  const Tensor a = leaf(), b = leaf();
  for (auto _ : state) benchmark::DoNotOptimize(ops::add(a, b));
}

// The same calls with nothing to record.
void run(benchmark::State& state, Chain kind) {
  const Tensor x = bench::operand(Dims{4});
  timed(state, [] { return Tensor(); }, [&](Tensor& y) { y = chain(x, state.range(0), kind); });
}

void record(benchmark::State& state, Chain kind) {
  const Tensor x = leaf();
  timed(state, [] { return Tensor(); }, [&](Tensor& y) { y = chain(x, state.range(0), kind); });
}

void unwind(benchmark::State& state, Chain kind) {
  const Tensor x = leaf(), ones = bench::operand(Dims{4});
  timed(
      state, [&] { return chain(x, state.range(0), kind); },
      [&](Tensor& y) { exec::unwind({&y, 1}, {&ones, 1}, {}); });
}

void record_and_unwind(benchmark::State& state, Chain kind) {
  const Tensor x = leaf(), ones = bench::operand(Dims{4});
  timed(
      state, [] { return Tensor(); },
      [&](Tensor& y) {
        y = chain(x, state.range(0), kind);
        exec::unwind({&y, 1}, {&ones, 1}, {});
      });
}

// A tape that was never unwound, so that every node still holds what it saved.
void free_tape(benchmark::State& state, Chain kind) {
  const Tensor x = leaf();
  timed(state, [&] { return chain(x, state.range(0), kind); }, [](Tensor& y) { y = Tensor(); });
}

BENCHMARK(add_unrecorded);
BENCHMARK(add_recorded);
#define UNSPOOL_CHAINS(part)                                                                   \
  BENCHMARK_CAPTURE(part, "y + 1", Chain::kNumber)->Arg(100)->Arg(1'000'000)->UseManualTime(); \
  BENCHMARK_CAPTURE(part, "y + x", Chain::kLeaf)->Arg(100)->Arg(1'000'000)->UseManualTime()
UNSPOOL_CHAINS(run);
UNSPOOL_CHAINS(record);
UNSPOOL_CHAINS(unwind);
UNSPOOL_CHAINS(record_and_unwind);
UNSPOOL_CHAINS(free_tape);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  bench::start_library();
  benchmark::RunSpecifiedBenchmarks();
}
