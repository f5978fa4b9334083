// Implementation of the process-wide pool: a single job slot that workers enter through a gate, chunks that
// everyone claims from a share of their own and then from the others', and futexes for those who have nothing
// to do. No policy about what is worth running in parallel.
#include "base/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
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

// What waking a worker costs its waker: 1 to 15 microseconds, most in virtual machines. Measured at work,
// within these bounds. A worker spins as long for the next job before it blocks.
constexpr std::int64_t kLeastWakeCost = 3'000;
constexpr std::int64_t kMostWakeCost = 20'000;
// The owner of a job spins this long for the last chunks of the workers: a chunk is rarely longer, unless its
// worker has lost its core, and then spinning would only take another one away.
constexpr auto kFinishSpin = std::chrono::microseconds(20);

std::int64_t nanoseconds(Clock::duration duration) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

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
    sharers_ = helpers + 1;
    for (std::uint32_t i = 0; i < sharers_; ++i) {
      shares_[i].next.store(chunks * i / sharers_, std::memory_order_relaxed);
      shares_[i].end = chunks * (i + 1) / sharers_;
    }
    gate_.store(helpers * kPlace, std::memory_order_release);
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    const auto start = Clock::now();
    Record& record = record_of(body, chunks);
    work_as_owner(helpers, is_worth_waking(record, start), start);
    const std::int64_t entered = helpers - shut_gate();
    last_end_ = Clock::now();
    record.note(nanoseconds(last_end_ - start) * (entered + 1));
    learn_from_wake(entered > 0);
  }

 private:
  // The gate counts places still free in its upper bits and workers inside in its lower ones. Without free
  // places it is shut. kOwnerBlocks asks the last worker to leave to wake the owner.
  static constexpr std::uint32_t kInside = 0xffff;
  static constexpr std::uint32_t kPlace = 0x10000;
  static constexpr std::uint32_t kOwnerBlocks = 0x80000000;
  static_assert(kMaxThreads < 0x7fff);

  static constexpr std::uint32_t kStream = 8;
  static constexpr std::uint32_t kTrial = 8;
  static constexpr std::uint32_t kDeclines = 64;
  static constexpr std::int64_t kMostDoubt = 64;

  // What jobs of one body and number of chunks took, as if on one thread. A guess that only decides whether
  // sleeping workers are woken at once.
  struct Record {
    ChunkBody body = nullptr;
    std::int64_t chunks = 0;
    std::int64_t nanoseconds = 0;

    // Falls at once and rises slowly: a job that lost its core for a while was not longer for that.
    void note(std::int64_t taken) noexcept {
      const bool rises = nanoseconds != 0 && taken > nanoseconds;
      nanoseconds = rises ? nanoseconds + (taken - nanoseconds) / 4 : taken;
    }
  };

  Record& record_of(ChunkBody body, std::int64_t chunks) noexcept {
    const auto key = reinterpret_cast<std::uintptr_t>(body) ^ (static_cast<std::uint64_t>(chunks) << 20);
    Record& record = records_[(key * 0x9e3779b97f4a7c15u) >> 56];
    if (record.body != body || record.chunks != chunks) record = {body, chunks, 0};
    return record;
  }

  // Workers that are awake see the new epoch by themselves; a wake-up of the others has to earn its cost. It
  // does in a long job, in one that is not known yet, and in a stream of jobs that follow so closely that the
  // woken stay awake. Where the woken keep coming too late, because other processes hold their cores, only
  // longer and longer jobs try, and now and then a short one.
  bool is_worth_waking(const Record& record, Clock::time_point start) noexcept {
    const std::int64_t cost = wake_cost_.load(std::memory_order_relaxed);
    stream_ = nanoseconds(start - last_end_) < cost ? stream_ + 1 : 0;
    const bool is_long = record.nanoseconds == 0 || record.nanoseconds > 3 * cost;
    if (!is_long && stream_ < kStream) return false;
    return doubt_ == 1 || record.nanoseconds > 3 * cost * doubt_ || ++declined_ % kDeclines == 0;
  }

  void learn_from_wake(bool helped) noexcept {
    if (trial_ == 0) return;
    if (helped) {
      trial_ = 0;
      doubt_ = std::max<std::int64_t>(doubt_ / 2, 1);
    } else if (--trial_ == 0) {
      doubt_ = std::min<std::int64_t>(doubt_ * 2, kMostDoubt);
    }
  }

  // A job that was not worth waking for and turns out to last is worth it after all.
  void work_as_owner(std::uint32_t helpers, bool wake_now, Clock::time_point start) noexcept {
    const std::int64_t patience = wake_cost_.load(std::memory_order_relaxed) * doubt_;
    const bool everyone_awake = missing(helpers) == 0;
    if (wake_now) wake(missing(helpers));
    bool settled = wake_now || everyone_awake;
    std::int64_t left = chunks_;
    for_claimed(0, [&](std::int64_t chunk) {
      body_(task_, chunk);
      if (!settled && left-- > 2 && nanoseconds(Clock::now() - start) > patience) {
        wake(missing(helpers));
        settled = true;
      }
    });
  }

  // A range of chunks that one thread begins with. The same thread has the same share of every job of so many
  // chunks, so that it finds in its cache what it wrote before.
  struct alignas(64) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };

  template <class F>
  void for_claimed(std::uint32_t own, const F& run) noexcept {
    for (std::uint32_t i = 0; i < sharers_; ++i) {
      Share& share = shares_[(own + i) % sharers_];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const std::int64_t chunk = share.next.fetch_add(1, std::memory_order_relaxed);
        if (chunk < share.end) run(chunk);
      }
    }
  }

  // How many helpers would have to be woken.
  std::uint32_t missing(std::uint32_t helpers) const noexcept {
    const std::uint32_t asleep = sleepers_.load(std::memory_order_seq_cst);
    const std::uint32_t awake = workers_ - std::min(asleep, workers_);
    return asleep == 0 || awake >= helpers ? 0 : helpers - awake;
  }

  void wake(std::uint32_t count) noexcept {
    if (count == 0) return;
    const auto start = Clock::now();
    unblock(epoch_, count);
    if (trial_ == 0) trial_ = kTrial;
    const std::int64_t taken = std::clamp(nanoseconds(Clock::now() - start), kLeastWakeCost, kMostWakeCost);
    const std::int64_t before = wake_cost_.load(std::memory_order_relaxed);
    wake_cost_.store(before + (taken - before) / 8, std::memory_order_relaxed);
  }

  void work(std::uint32_t worker) noexcept {
    const std::uint32_t own = 1 + worker % (sharers_ - 1);
    for_claimed(own, [this](std::int64_t chunk) { body_(task_, chunk); });
  }

  // Returns how many places were still free.
  std::uint32_t shut_gate() noexcept {
    const std::uint32_t before = gate_.fetch_and(kInside, std::memory_order_acq_rel);
    if ((before & kInside) != 0) wait_until_empty();
    return before / kPlace;
  }

  void wait_until_empty() noexcept {
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
    if (spin_until(changed, std::chrono::nanoseconds(wake_cost_.load(std::memory_order_relaxed)))) return;
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    while (!changed()) block_while(epoch_, epoch);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

  [[noreturn]] void serve() noexcept {
    inside_job = true;
    const std::uint32_t worker = serving_.fetch_add(1, std::memory_order_relaxed);
    for (;;) {
      const std::uint32_t epoch = epoch_.load(std::memory_order_acquire);
      if (enter()) {
        work(worker);
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
  std::array<Record, 256> records_{};
  Clock::time_point last_end_{};
  std::uint32_t stream_ = 0;    // jobs that have followed each other closely
  std::uint32_t trial_ = 0;     // jobs that the last wake-up may still prove its worth in
  std::uint32_t declined_ = 0;  // wake-ups not made for doubt
  std::int64_t doubt_ = 1;
  std::uint32_t sharers_ = 1;
  std::array<Share, kMaxThreads> shares_{};
  std::atomic<std::uint32_t> serving_{0};
  alignas(64) std::atomic<std::uint32_t> gate_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<std::int64_t> wake_cost_{kLeastWakeCost};
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
