// What the allocator promises: alignment, reuse, statistics, errors instead of crashes, safety between
// threads.
#include "tensor/allocator.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/sanitizers.h"
#include "tensor/size_class.h"

#if UNSPOOL_ADDRESS_SANITIZER
// Impossible sizes are asked for on purpose; the allocator must see the failure instead of an abort.
extern "C" [[gnu::visibility("default")]] const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
#endif

namespace unspool {
namespace {

constexpr bool kCaches = !kAddressSanitizer;

struct Piece {
  unsigned char* data;
  std::size_t bytes;
  unsigned char mark;
};

Piece make_piece(std::size_t bytes, unsigned char mark) {
  auto* data = static_cast<unsigned char*>(allocate(bytes));
  std::memset(data, mark, bytes);
  return {data, bytes, mark};
}

// True when nobody else has written there.
bool is_untouched(const Piece& piece) {
  for (std::size_t i = 0; i < piece.bytes; ++i) {
    if (piece.data[i] != piece.mark) return false;
  }
  return true;
}

std::size_t some_size(std::mt19937& random) {
  const std::size_t most = std::size_t{1} << (random() % 20);
  return random() % (most + 1);
}

// Allocates and deallocates at random; returns whether all blocks kept what was written into them.
bool churn(unsigned seed, int rounds) {
  std::mt19937 random(seed);
  std::vector<Piece> live;
  bool good = true;
  for (int round = 0; round < rounds; ++round) {
    if (live.size() < 20 || random() % 2) {
      live.push_back(make_piece(some_size(random), static_cast<unsigned char>(random())));
    } else {
      std::swap(live[random() % live.size()], live.back());
      good = good && is_untouched(live.back());
      deallocate(live.back().data, live.back().bytes);
      live.pop_back();
    }
  }
  for (const Piece& piece : live) {
    good = good && is_untouched(piece);
    deallocate(piece.data, piece.bytes);
  }
  return good;
}

TEST_CASE("blocks of every size are aligned, never null, and their own") {
  std::vector<Piece> pieces;
  std::set<void*> addresses;
  for (std::size_t bytes = 0; bytes < 200000; bytes = bytes + 1 + bytes / 5) {
    pieces.push_back(make_piece(bytes, static_cast<unsigned char>(bytes)));
    REQUIRE(pieces.back().data != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(pieces.back().data) % kTensorAlignment == 0);
    addresses.insert(pieces.back().data);
  }
  CHECK(addresses.size() == pieces.size());
  for (const Piece& piece : pieces) {
    CHECK(is_untouched(piece));
    deallocate(piece.data, piece.bytes);
  }
  deallocate(nullptr, 100);
}

TEST_CASE("blocks keep their contents while others come and go") { CHECK(churn(1, 4000)); }

TEST_CASE("a small size class holds the size and loses at most a fifth") {
  using namespace internal;
  for (std::size_t bytes = 0; bytes <= kSmallMax; ++bytes) {
    const std::size_t size_class = small_class(bytes);
    REQUIRE(size_class < kSmallClasses);
    REQUIRE(small_size(size_class) >= bytes);
    REQUIRE(small_size(size_class) % kTensorAlignment == 0);
    if (size_class > 0) REQUIRE(small_size(size_class - 1) < bytes);
    if (bytes > 256) REQUIRE(small_size(size_class) - bytes <= bytes / 4);
  }
}

TEST_CASE("a large size holds the request, loses at most an eighth, and lies in rising bins") {
  using namespace internal;
  std::size_t bin = 0;
  for (std::size_t bytes = kSmallMax + 1; bytes < (std::size_t{1} << 40); bytes += bytes / 37) {
    const std::size_t size = large_size(bytes);
    REQUIRE(size >= bytes);
    REQUIRE(size % kPage == 0);
    REQUIRE(size - bytes <= bytes / 8);
    REQUIRE(large_size(size) == size);
    REQUIRE(large_bin(size) >= bin);
    bin = large_bin(size);
    REQUIRE(bin < kLargeBins);
  }
}

TEST_CASE("freed memory is used again without asking the system") {
  if (!kCaches) return;
  for (std::size_t bytes :
       {std::size_t{100}, std::size_t{20000}, std::size_t{4} << 20, std::size_t{40} << 20}) {
    CAPTURE(bytes);
    void* first = allocate(bytes);
    deallocate(first, bytes);
    const std::int64_t before = allocator_stats().system_allocations;
    void* second = allocate(bytes);
    CHECK(second == first);
    deallocate(second, bytes);
    // A slightly smaller request takes the same large block; a much smaller one does not waste it.
    if (bytes > internal::kSmallMax) {
      void* third = allocate(bytes - bytes / 10);
      CHECK(third == first);
      deallocate(third, bytes - bytes / 10);
    }
    CHECK(allocator_stats().system_allocations == before);
    void* half = allocate(bytes / 2);
    CHECK(half != first);
    deallocate(half, bytes / 2);
  }
}

TEST_CASE("large blocks are aligned to huge pages") {
  if (!kCaches) return;
  void* data = allocate(std::size_t{5} << 20);
  CHECK(reinterpret_cast<std::uintptr_t>(data) % internal::kHugePage == 0);
  deallocate(data, std::size_t{5} << 20);
}

TEST_CASE("statistics count what was asked for, to the byte") {
  empty_cache();
  reset_peak_stats();
  const AllocatorStats before = allocator_stats();
  CHECK(before.peak_allocated_bytes == before.allocated_bytes);
  CHECK(before.peak_reserved_bytes == before.reserved_bytes);
  void* small = allocate(100);
  void* large = allocate(1000001);
  void* medium = allocate(30000);
  CHECK(allocator_stats().allocated_bytes == before.allocated_bytes + 1030101);
  deallocate(large, 1000001);
  void* again = allocate(50);
  const AllocatorStats after = allocator_stats();
  CHECK(after.allocated_bytes == before.allocated_bytes + 30150);
  CHECK(after.peak_allocated_bytes == before.allocated_bytes + 1030101);
  CHECK(after.allocations == before.allocations + 4);
  CHECK(after.reserved_bytes >= after.allocated_bytes);
  CHECK(after.peak_reserved_bytes >= after.peak_allocated_bytes);
  reset_peak_stats();
  CHECK(allocator_stats().peak_allocated_bytes == before.allocated_bytes + 30150);
  deallocate(small, 100);
  deallocate(medium, 30000);
  deallocate(again, 50);
  CHECK(allocator_stats().allocated_bytes == before.allocated_bytes);
  CHECK(allocator_stats().peak_allocated_bytes == before.allocated_bytes + 30150);
}

TEST_CASE("the peak of many small blocks is exact on one thread") {
  reset_peak_stats();
  const std::int64_t before = allocator_stats().allocated_bytes;
  std::vector<void*> blocks(10000);
  for (void*& block : blocks) block = allocate(40);
  for (void* block : blocks) deallocate(block, 40);
  CHECK(allocator_stats().peak_allocated_bytes == before + 400000);
}

TEST_CASE("empty_cache gives back everything that is free") {
  empty_cache();
  const std::int64_t before = allocator_stats().reserved_bytes;
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t bytes : {64u, 1000u, 32768u, 70000u, 5000000u}) {
    for (int i = 0; i < 50; ++i) blocks.emplace_back(allocate(bytes), bytes);
  }
  CHECK(allocator_stats().reserved_bytes > before + 250000000);
  for (const auto& [data, bytes] : blocks) deallocate(data, bytes);
  empty_cache();
  CHECK(allocator_stats().reserved_bytes <= before);
  Piece piece = make_piece(1000, 7);
  CHECK(is_untouched(piece));
  deallocate(piece.data, piece.bytes);
}

TEST_CASE("empty_cache leaves blocks that are in use alone") {
  std::mt19937 random(3);
  std::vector<Piece> pieces;
  for (int i = 0; i < 3000; ++i)
    pieces.push_back(make_piece(some_size(random) % 40000, static_cast<unsigned char>(i)));
  std::vector<Piece> kept;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i % 17 == 0) {
      kept.push_back(pieces[i]);
    } else {
      deallocate(pieces[i].data, pieces[i].bytes);
    }
  }
  empty_cache();
  CHECK(churn(4, 2000));
  for (const Piece& piece : kept) {
    CHECK(is_untouched(piece));
    deallocate(piece.data, piece.bytes);
  }
}

TEST_CASE("what is kept for later follows the demand") {
  if (!kCaches) return;
  empty_cache();
  // Sizes that no cached block serves: without trimming all of them would pile up.
  for (std::size_t i = 0; i < 40; ++i) {
    const std::size_t bytes = (std::size_t{33} << 20) + (i << 24);
    deallocate(allocate(bytes), bytes);
  }
  const AllocatorStats stats = allocator_stats();
  CHECK(stats.reserved_bytes < std::int64_t{1100} << 20);
  empty_cache();
}

TEST_CASE("impossible sizes are refused with the numbers in the message") {
  const std::int64_t before = allocator_stats().allocated_bytes;
  for (std::size_t bytes :
       {std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max() - 4096,
        std::size_t{1} << 63, (std::size_t{1} << 46) + 1, std::size_t{1} << 46}) {
    CAPTURE(bytes);
    try {
      void* data = allocate(bytes);
      deallocate(data, bytes);
      FAIL("accepted " << bytes);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::kMemory);
      CHECK_THAT(error.what(), Catch::Contains(std::to_string(bytes)));
      CHECK_THAT(error.what(), Catch::Contains(std::to_string(before) + " bytes are in use"));
    }
  }
  CHECK(allocator_stats().allocated_bytes == before);
  CHECK(churn(5, 500));
}

TEST_CASE("threads allocate at once, and blocks may be freed by another thread") {
  const std::int64_t before = allocator_stats().allocated_bytes;
  std::atomic<int> bad{0};
  std::vector<std::vector<Piece>> left(4);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      bad.fetch_add(!churn(100 + t, 3000));
      std::mt19937 random(t);
      for (int i = 0; i < 500; ++i)
        left[t].push_back(make_piece(some_size(random), static_cast<unsigned char>(i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (const Piece& piece : left[(t + 1) % 4]) {
        bad.fetch_add(!is_untouched(piece));
        deallocate(piece.data, piece.bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(bad.load() == 0);
  CHECK(allocator_stats().allocated_bytes == before);
}

TEST_CASE("statistics may be read and reset while others allocate") {
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    for (unsigned round = 0; !stop.load(); ++round) churn(round, 200);
  });
  for (int i = 0; i < 200; ++i) {
    CHECK(allocator_stats().reserved_bytes >= 0);
    if (i % 10 == 0) reset_peak_stats();
    if (i % 20 == 0) empty_cache();
  }
  stop.store(true);
  worker.join();
}

TEST_CASE("a thread that ends leaves its cached blocks to the others") {
  if (!kCaches) return;
  empty_cache();
  const std::int64_t before = allocator_stats().reserved_bytes;
  std::thread([] { churn(9, 2000); }).join();
  empty_cache();
  CHECK(allocator_stats().reserved_bytes <= before);
}

struct FreesLate {
  void* data = nullptr;
  ~FreesLate() { deallocate(data, 300); }
};

TEST_CASE("a thread-local object may free its memory while its thread ends") {
  const std::int64_t before = allocator_stats().allocated_bytes;
  std::thread([] {
    static thread_local FreesLate late;
    late.data = allocate(300);
  }).join();
  CHECK(allocator_stats().allocated_bytes == before);
}

// The address sanitizer's allocator does not let go of its locks in a forked child, where this would hang.
#if !UNSPOOL_ADDRESS_SANITIZER
TEST_CASE("a forked child may allocate while the parent's threads do") {
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    for (unsigned round = 0; !stop.load(); ++round) churn(round, 200);
  });
  for (int i = 0; i < 5; ++i) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(churn(static_cast<unsigned>(i), 500) ? 0 : 1);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
  stop.store(true);
  worker.join();
}
#endif

}  // namespace
}  // namespace unspool
