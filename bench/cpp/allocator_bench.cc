// The caching allocator against malloc: one block taken and given back, a step's worth of blocks held and
// then given back, and blocks that another thread gives back.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "tensor/allocator.h"

namespace {

struct Caching {
  static void* take(std::size_t bytes) { return unspool::allocate(bytes); }
  static void give(void* data, std::size_t bytes) { unspool::deallocate(data, bytes); }
};

struct Malloc {
  static void* take(std::size_t bytes) { return std::malloc(bytes); }
  static void give(void* data, std::size_t) { std::free(data); }
};

template <class Allocator>
void take_and_give(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    void* data = Allocator::take(bytes);
    benchmark::DoNotOptimize(data);
    Allocator::give(data, bytes);
  }
}

// As a forward and a backward pass do: 64 blocks of mixed sizes, given back in reverse.
template <class Allocator>
void hold_and_unwind(benchmark::State& state) {
  constexpr std::size_t kBlocks = 64;
  const auto bytes = static_cast<std::size_t>(state.range(0));
  void* held[kBlocks];
  const auto size = [bytes](std::size_t i) { return bytes << (i % 4); };
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBlocks; ++i) held[i] = Allocator::take(size(i));
    benchmark::ClobberMemory();
    for (std::size_t i = kBlocks; i-- > 0;) Allocator::give(held[i], size(i));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBlocks));
}

// What a data loader does: one thread allocates, another frees.
template <class Allocator>
void give_elsewhere(benchmark::State& state) {
  constexpr std::size_t kBlocks = 10'000;
  const auto bytes = static_cast<std::size_t>(state.range(0));
  std::vector<void*> held(kBlocks);
  for (auto _ : state) {
    for (void*& data : held) data = Allocator::take(bytes);
    std::thread([&] {
      for (void* data : held) Allocator::give(data, bytes);
    }).join();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBlocks));
}

void sizes(benchmark::internal::Benchmark* bench) {
  for (const std::int64_t bytes : {16, 256, 4096, 65'536, 1'048'576, 16'777'216}) bench->Arg(bytes);
}

BENCHMARK(take_and_give<Caching>)->Apply(sizes);
BENCHMARK(take_and_give<Malloc>)->Apply(sizes);
BENCHMARK(hold_and_unwind<Caching>)->Arg(16)->Arg(4096)->Arg(262'144);
BENCHMARK(hold_and_unwind<Malloc>)->Arg(16)->Arg(4096)->Arg(262'144);
BENCHMARK(give_elsewhere<Caching>)->Arg(256)->UseRealTime();
BENCHMARK(give_elsewhere<Malloc>)->Arg(256)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
