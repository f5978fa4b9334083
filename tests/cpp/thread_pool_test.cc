// What the thread pool promises: every chunk once, from any thread, nested, after a fork, with any thread
// count.
#include "base/thread_pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/sanitizers.h"
#include "kernels/context.h"

namespace unspool {
namespace {

// Restores the thread count, because it belongs to the whole process.
struct ThreadCountGuard {
  int before = thread_count();
  ~ThreadCountGuard() { set_thread_count(before); }
};

kernels::Context context_with(int threads) {
  kernels::Context context;
  context.threads = threads;
  context.run_chunks = run_chunks;
  return context;
}

// True when each chunk ran exactly once. The counters are plain: a chunk that ran twice at a time is a race.
bool each_chunk_runs_once(int threads, std::int64_t chunks) {
  std::vector<int> runs(static_cast<std::size_t>(chunks), 0);
  context_with(threads).parallel(chunks,
                                 [&](std::int64_t chunk) { ++runs[static_cast<std::size_t>(chunk)]; });
  for (int count : runs) {
    if (count != 1) return false;
  }
  return true;
}

TEST_CASE("every chunk runs exactly once") {
  for (int threads : {1, 2, 3, 8, kMaxThreads + 5}) {
    for (std::int64_t chunks : {0, 1, 2, 3, 7, 64, 1000}) {
      if (threads > 8 && chunks > 7) continue;
      CAPTURE(threads, chunks);
      CHECK(each_chunk_runs_once(threads, chunks));
    }
  }
}

TEST_CASE("many short jobs one after another lose no chunk") {
  std::int64_t sum = 0;
  for (int job = 0; job < 20000; ++job) {
    std::int64_t parts[4] = {};
    context_with(2).parallel(4, [&](std::int64_t chunk) { parts[chunk] = chunk; });
    sum += parts[0] + parts[1] + parts[2] + parts[3];
  }
  CHECK(sum == 20000 * 6);
}

TEST_CASE("a job is done by no more threads than it asked for") {
  for (int threads : {1, 2, 3}) {
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    context_with(threads).parallel(40, [&](std::int64_t) {
      const int now = inside.fetch_add(1) + 1;
      int before = most.load();
      while (before < now && !most.compare_exchange_weak(before, now)) {
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      inside.fetch_sub(1);
    });
    CHECK(most.load() >= 1);
    CHECK(most.load() <= threads);
  }
}

// A long job: whatever the pool has learned before, it finds it worth a wake-up.
bool workers_take_part() {
  const auto caller = std::this_thread::get_id();
  std::atomic<int> by_others{0};
  context_with(2).parallel(20, [&](std::int64_t) {
    by_others.fetch_add(std::this_thread::get_id() != caller);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  return by_others.load() > 0;
}

TEST_CASE("workers take part in a long job") { CHECK(workers_take_part()); }

TEST_CASE("workers that slept take part in the next long job") {
  for (int job = 0; job < 3; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(workers_take_part());
  }
}

TEST_CASE("a parallel call inside a chunk runs on the same thread") {
  std::vector<int> sums(8, 0);
  std::vector<int> strays(8, 0);
  context_with(2).parallel(8, [&](std::int64_t outer) {
    const auto caller = std::this_thread::get_id();
    const auto at = static_cast<std::size_t>(outer);
    context_with(2).parallel(10, [&](std::int64_t inner) {
      sums[at] += static_cast<int>(inner);
      strays[at] += std::this_thread::get_id() != caller;
    });
  });
  CHECK(sums == std::vector<int>(8, 45));
  CHECK(strays == std::vector<int>(8, 0));
}

TEST_CASE("several user threads may call at once") {
  std::atomic<int> wrong{0};
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user) {
    users.emplace_back([&wrong] {
      for (int job = 0; job < 500; ++job) wrong.fetch_add(!each_chunk_runs_once(2, 5));
    });
  }
  for (std::thread& user : users) user.join();
  CHECK(wrong.load() == 0);
}

TEST_CASE("the results of workers are visible when the call returns") {
  for (int job = 0; job < 2000; ++job) {
    std::vector<std::int64_t> out(16, -1);
    context_with(3).parallel(
        16, [&](std::int64_t chunk) { out[static_cast<std::size_t>(chunk)] = chunk * chunk; });
    std::int64_t sum = 0;
    for (std::int64_t value : out) sum += value;
    REQUIRE(sum == 1240);
  }
}

// The thread sanitizer does not allow threads in the child of a threaded process.
#if !defined(__SANITIZE_THREAD__)

int exit_code_of_child(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("a forked child has a working pool of its own") {
  REQUIRE(workers_take_part());
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool good = workers_take_part();
    for (int job = 0; job < 50; ++job) good = good && each_chunk_runs_once(2, 50);
    _exit(good ? 0 : 1);
  }
  CHECK(exit_code_of_child(child) == 0);
  CHECK(each_chunk_runs_once(2, 50));
}

// The address sanitizer's allocator does not let go of its locks in a child forked while others allocate, and
// its leak check at the exit of a child stumbles over the parent's threads.
#if !UNSPOOL_ADDRESS_SANITIZER
TEST_CASE("a child forked while another thread uses the pool is not held up") {
  std::atomic<bool> stop{false};
  std::thread user([&stop] {
    while (!stop.load()) each_chunk_runs_once(2, 20);
  });
  for (int i = 0; i < 5; ++i) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    // Whether workers come in time is not asked: the parent keeps both processors of a small machine busy.
    if (child == 0) _exit(each_chunk_runs_once(2, 50) ? 0 : 1);
    CHECK(exit_code_of_child(child) == 0);
  }
  stop.store(true);
  user.join();
}

TEST_CASE("a process may end while workers wait and while they work") {
  for (const bool busy : {false, true}) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      std::thread user([busy] {
        do {
          each_chunk_runs_once(2, 1000);
        } while (busy);
      });
      if (busy) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        user.detach();
      } else {
        user.join();
      }
      std::exit(0);
    }
    CHECK(exit_code_of_child(child) == 0);
  }
}
#endif

#endif

TEST_CASE("the thread count can be set, within limits") {
  const ThreadCountGuard guard;
  CHECK(thread_count() >= 1);
  set_thread_count(3);
  CHECK(thread_count() == 3);
  for (int bad : {0, -1, kMaxThreads + 1}) {
    try {
      set_thread_count(bad);
      FAIL("accepted " << bad);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kValue);
      CHECK_THAT(error.what(), Catch::Contains(std::to_string(bad)));
    }
  }
  CHECK(thread_count() == 3);
}

}  // namespace
}  // namespace unspool
