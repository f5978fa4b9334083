// Implementation of the process-wide pool: a single job slot that workers enter through a gate, chunks
// claimed from a shared counter, and futexes for those who have nothing to do. No policy about what is worth
// running in parallel.
#include "base/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>

#include "base/cpu.h"
#include "base/error.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace unspool {
namespace {

using Clock = std::chrono::steady_clock;
using ChunkBody = void (*)(void*, std::int64_t);

// A worker spins this long for the next job before it blocks: enough to bridge two operations of one step.
constexpr auto kIdleSpin = std::chrono::microseconds(5);
// The owner of a job spins this long for the last chunks of the workers: a chunk is rarely longer, unless its
// worker has lost its core, and then spinning would only take another one away.
constexpr auto kFinishSpin = std::chrono::microseconds(20);

void pause_spinning() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

template <class Done>
bool spin_until(const Done& done, std::chrono::nanoseconds budget) noexcept {
  const auto deadline = Clock::now() + budget;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      pause_spinning();
    }
  } while (Clock::now() < deadline);
  return done();
}

// Blocks while `word` holds `expected`; may also return early.
void block_while(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
#if defined(__linux__)
  static_assert(sizeof(word) == sizeof(std::uint32_t));
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
#else
  word.wait(expected, std::memory_order_relaxed);
#endif
}

void unblock(std::atomic<std::uint32_t>& word, std::uint32_t count) noexcept {
#if defined(__linux__)
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
#else
  if (count == 1) {
    word.notify_one();
  } else {
    word.notify_all();
  }
#endif
}

// True on workers always, and on a thread that owns a job while it does: parallel calls from there run
// inline.
thread_local bool inside_job = false;

// The fields of a job are plain: the owner writes them while the gate is shut and nobody is inside, and a
// worker reads them only between entering and leaving.
class Pool {
 public:
  bool try_own() noexcept {
    return !owned_.load(std::memory_order_relaxed) && !owned_.exchange(true, std::memory_order_acquire);
  }
  void disown() noexcept { owned_.store(false, std::memory_order_release); }

  void run(std::uint32_t helpers, std::int64_t chunks, ChunkBody body, void* task) noexcept {
    start_workers(helpers);
    body_ = body;
    task_ = task;
    chunks_ = chunks;
    next_.store(0, std::memory_order_relaxed);
    gate_.store(helpers * kPlace, std::memory_order_release);
    announce(helpers);
    work();
    shut_gate();
  }

 private:
  // The gate counts places still free in its upper bits and workers inside in its lower ones. Without free
  // places it is shut. kOwnerBlocks asks the last worker to leave to wake the owner.
  static constexpr std::uint32_t kInside = 0xffff;
  static constexpr std::uint32_t kPlace = 0x10000;
  static constexpr std::uint32_t kOwnerBlocks = 0x80000000;
  static_assert(kMaxThreads < 0x7fff);

  // Everyone awake sees the new epoch by itself; only the missing workers are woken.
  void announce(std::uint32_t helpers) noexcept {
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint32_t asleep = sleepers_.load(std::memory_order_seq_cst);
    const std::uint32_t awake = workers_ - std::min(asleep, workers_);
    if (asleep > 0 && awake < helpers) unblock(epoch_, helpers - awake);
  }

  void work() noexcept {
    const std::int64_t chunks = chunks_;
    for (;;) {
      const std::int64_t chunk = next_.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= chunks) return;
      body_(task_, chunk);
    }
  }

  void shut_gate() noexcept {
    if ((gate_.fetch_and(kInside, std::memory_order_acq_rel) & kInside) == 0) return;
    const auto empty = [this] { return gate_.load(std::memory_order_acquire) == 0; };
    if (spin_until(empty, kFinishSpin)) return;
    std::uint32_t gate = gate_.fetch_or(kOwnerBlocks, std::memory_order_acq_rel) | kOwnerBlocks;
    while (gate & kInside) {
      block_while(gate_, gate);
      gate = gate_.load(std::memory_order_acquire);
    }
    gate_.store(0, std::memory_order_relaxed);
  }

  bool enter() noexcept {
    std::uint32_t gate = gate_.load(std::memory_order_relaxed);
    while ((gate & ~kOwnerBlocks) >= kPlace) {
      if (gate_.compare_exchange_weak(gate, gate - kPlace + 1, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  void leave() noexcept {
    if (gate_.fetch_sub(1, std::memory_order_acq_rel) == (kOwnerBlocks | 1)) unblock(gate_, 1);
  }

  void wait_for_news(std::uint32_t epoch) noexcept {
    const auto changed = [this, epoch] { return epoch_.load(std::memory_order_acquire) != epoch; };
    if (spin_until(changed, kIdleSpin)) return;
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    while (!changed()) block_while(epoch_, epoch);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

  [[noreturn]] void serve() noexcept {
    inside_job = true;
    for (;;) {
      const std::uint32_t epoch = epoch_.load(std::memory_order_acquire);
      if (enter()) {
        work();
        leave();
      }
      wait_for_news(epoch);
    }
  }

  // Only the owner of the pool comes here. When the system refuses a thread, the job makes do with fewer.
  void start_workers(std::uint32_t wanted) noexcept {
    while (workers_ < wanted && !refused_) {
      // Signals belong to the host's threads: an interpreter expects them there.
      sigset_t all, before;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      pthread_t thread;
      refused_ =
          pthread_create(
              &thread, nullptr, [](void* pool) -> void* { static_cast<Pool*>(pool)->serve(); }, this) != 0;
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      if (refused_) return;
#if defined(__linux__)
      pthread_setname_np(thread, "unspool-worker");
#endif
      pthread_detach(thread);
      ++workers_;
    }
  }

  // One cache line for each pattern of access.
  alignas(64) std::atomic<bool> owned_{false};
  std::uint32_t workers_ = 0;
  bool refused_ = false;
  ChunkBody body_ = nullptr;
  void* task_ = nullptr;
  std::int64_t chunks_ = 0;
  alignas(64) std::atomic<std::int64_t> next_{0};
  alignas(64) std::atomic<std::uint32_t> gate_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<std::uint32_t> sleepers_{0};
};

// Never destroyed: workers may look at it until the very end of the process.
std::atomic<Pool*> the_pool{nullptr};

// The child of a fork has none of the workers; it forgets the pool and makes a new one when it needs one.
void forget_pool() { the_pool.store(nullptr, std::memory_order_relaxed); }

[[gnu::noinline, gnu::cold]] Pool* make_pool() noexcept {
  static std::atomic<bool> registered{false};
  if (!registered.exchange(true)) pthread_atfork(nullptr, nullptr, forget_pool);
  Pool* fresh = new Pool;
  Pool* expected = nullptr;
  if (the_pool.compare_exchange_strong(expected, fresh, std::memory_order_acq_rel)) return fresh;
  delete fresh;
  return expected;
}

Pool& pool() noexcept {
  Pool* existing = the_pool.load(std::memory_order_acquire);
  return existing ? *existing : *make_pool();
}

int initial_thread_count() noexcept {
  if (const char* text = std::getenv("UNSPOOL_NUM_THREADS")) {
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (end != text && *end == '\0' && value >= 1)
      return static_cast<int>(std::min<long>(value, kMaxThreads));
  }
  return std::min(usable_cores(), kMaxThreads);
}

std::atomic<int> wanted_threads{0};  // 0: not yet decided

}  // namespace

int thread_count() noexcept {
  int count = wanted_threads.load(std::memory_order_relaxed);
  if (count == 0) [[unlikely]] {
    const int initial = initial_thread_count();
    count = wanted_threads.compare_exchange_strong(count, initial) ? initial : count;
  }
  return count;
}

void set_thread_count(int count) {
  if (count < 1 || count > kMaxThreads) {
    fail(ErrorKind::kValue, "set_thread_count: expected a number of threads from 1 to ", kMaxThreads,
         ", got ", count);
  }
  wanted_threads.store(count, std::memory_order_relaxed);
}

void run_chunks(void* /*pool*/, int threads, std::int64_t chunks, void (*body)(void*, std::int64_t),
                void* task) noexcept {
  if (threads > 1 && chunks > 1 && !inside_job) {
    if (Pool& shared = pool(); shared.try_own()) {
      inside_job = true;
      const std::int64_t used = std::min<std::int64_t>({threads, chunks, kMaxThreads});
      shared.run(static_cast<std::uint32_t>(used - 1), chunks, body, task);
      inside_job = false;
      shared.disown();
      return;
    }
  }
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) body(task, chunk);
}

}  // namespace unspool
