// What every kernel is handed besides its views: a way to run chunks in parallel and the scratch it asked
// for. Header-only plain data, because it crosses the border to the separately loaded kernel libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace unspool::kernels {

struct Context {
  using ChunkBody = void (*)(void* task, std::int64_t chunk);

  int threads = 1;
  void* pool = nullptr;
  // Runs body(task, chunk) for every chunk in [0, chunks), on at most `threads` threads, and returns when all
  // ended.
  void (*run_chunks)(void* pool, int threads, std::int64_t chunks, ChunkBody body, void* task) = nullptr;
  std::byte* scratch = nullptr;  // 64-byte aligned, at least as large as the kernel's scratch function said
  // What was read or written last is what the cache still holds, so where the order is free, the next walk
  // begins there: element by element after each other, reading a matrix from replay to replay. Never for what
  // a bit of the result depends on.
  bool from_end = false;

  // Where a sum is cut, the number of chunks must follow from the shapes alone, so that no bit depends on the
  // thread count.
  template <class F>
  void parallel(std::int64_t chunks, F&& body) const {
    if (threads <= 1 || chunks <= 1) {
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk) body(chunk);
      return;
    }
    using Body = std::remove_reference_t<F>;
    run_chunks(
        pool, threads, chunks, [](void* task, std::int64_t chunk) { (*static_cast<Body*>(task))(chunk); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }
};

}  // namespace unspool::kernels
