// The one pool of worker threads of the process, shared by everything that runs in parallel. Knows how to run
// numbered chunks and nothing about what they compute; splitting work into chunks belongs to the callers.
#pragma once

#include <cstdint>

namespace unspool {

inline constexpr int kMaxThreads = 1024;

// The number of threads that parallel work may use, the caller included. Starts as UNSPOOL_NUM_THREADS where
// that is a positive integer, otherwise as the number of physical cores the process may run on.
int thread_count() noexcept;

// Throws ValueError outside [1, kMaxThreads]. Takes effect with the next parallel call; running ones go on.
void set_thread_count(int count);

// Runs body(task, chunk) once for every chunk in [0, chunks), on the calling thread and at most threads - 1
// workers, and returns when all have ended. The calling thread takes part, and waits only for chunks that a
// worker has really begun, so a worker that the system does not schedule costs nothing. Calls from inside a
// body, and calls while another thread has the pool, run on the calling thread alone. The body must not
// throw. `pool` is not used: it is there so that the function fits kernels::Context.
void run_chunks(void* pool, int threads, std::int64_t chunks, void (*body)(void*, std::int64_t),
                void* task) noexcept;

}  // namespace unspool
