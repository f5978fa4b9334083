// Implementation of the allocator: per-thread lists of small blocks that need no lock, one shared state
// behind a mutex that refills them, the statistics, and the door to the large blocks.
#include "tensor/allocator.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/sanitizers.h"
#include "tensor/large_blocks.h"
#include "tensor/size_class.h"

namespace unspool {
namespace {

using namespace internal;

// Every block then comes from the sanitizer's own allocator, so that it sees each overflow and each use after
// the end.
constexpr bool kPassThrough = kAddressSanitizer;

// More than any machine has, and small enough that no rounding can overflow.
constexpr std::size_t kMaxBytes = std::size_t{1} << 46;
// Small blocks are carved from spans of this size.
constexpr std::size_t kSpan = std::size_t{256} << 10;

// How much of a span becomes blocks. Kernels read whole vectors with some lanes masked, which costs a
// processor many times its usual time where the rest would lie on a page that is not there: so no block of a
// few vectors ends where the span does.
constexpr std::size_t kVector = 64, kFewVectors = 2048;
constexpr std::size_t carved_bytes(std::size_t size) {
  return (size <= kFewVectors ? kSpan - kVector : kSpan) / size * size;
}

// How many blocks of a class one thread may keep: about 64 KiB, at least 8 blocks.
constexpr std::uint32_t cache_limit(std::size_t size_class) {
  return static_cast<std::uint32_t>(
      std::max<std::size_t>(8, (std::size_t{64} << 10) / small_size(size_class)));
}

struct FreeSmallBlock {
  FreeSmallBlock* next;
};

struct FreeList {
  FreeSmallBlock* head = nullptr;
  std::uint32_t count = 0;

  void push(void* data) noexcept {
    head = ::new (data) FreeSmallBlock{head};
    ++count;
  }
  void* pop() noexcept {
    void* data = head;
    head = head->next;
    --count;
    return data;
  }
};

// What one thread has allocated and deallocated since it last told the shared state. Only the owner writes,
// except for a reset of the peak; others read at any time. So no read-modify-write is needed.
struct Tally {
  std::atomic<std::int64_t> bytes{0};
  std::atomic<std::int64_t> peak{0};  // of `bytes`, at least 0
  std::atomic<std::int64_t> allocations{0};

  void allocated(std::size_t size) noexcept {
    const std::int64_t now = bytes.load(std::memory_order_relaxed) + static_cast<std::int64_t>(size);
    bytes.store(now, std::memory_order_relaxed);
    if (now > peak.load(std::memory_order_relaxed)) peak.store(now, std::memory_order_relaxed);
    allocations.store(allocations.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void deallocated(std::size_t size) noexcept {
    bytes.store(bytes.load(std::memory_order_relaxed) - static_cast<std::int64_t>(size),
                std::memory_order_relaxed);
  }
};

struct alignas(64) ThreadCache {
  std::array<FreeList, kSmallClasses> lists{};
  Tally tally;
  ThreadCache* next = nullptr;
  ThreadCache* previous = nullptr;
};

struct Span {
  std::byte* base;
  std::uint32_t size_class;
  std::uint32_t free_blocks;  // scratch of `release_free_spans`
};

// Everything that threads share. All members may be called only with `mutex` held. Never destroyed: tensors
// may be freed until the very end of the process.
class Shared {
 public:
  std::mutex mutex;

  void enlist(ThreadCache& cache) noexcept;
  void retire(ThreadCache& cache) noexcept;
  // Leaves at least one block in the cache's list; throws std::bad_alloc when the system refuses.
  void refill(ThreadCache& cache, std::size_t size_class);
  void take_half(ThreadCache& cache, std::size_t size_class) noexcept;
  void put(void* data, std::size_t size_class) noexcept { small_[size_class].push(data); }

  void* allocate_large(std::size_t bytes);
  void deallocate_large(void* data) noexcept;
  // For memory that is not part of any thread's tally.
  void count_allocated(std::size_t bytes) noexcept;
  void count_deallocated(std::size_t bytes) noexcept { allocated_ -= static_cast<std::int64_t>(bytes); }
  void count_system(std::size_t bytes) noexcept;
  void count_returned(std::size_t bytes) noexcept { small_reserved_ -= bytes; }

  void empty(ThreadCache* own) noexcept;
  void fold(ThreadCache& cache) noexcept;
  AllocatorStats stats() noexcept;
  void reset_peaks() noexcept;

 private:
  // The newest span of a class, up to where it has been carved.
  struct Carving {
    std::byte* next = nullptr;
    std::byte* end = nullptr;
  };

  void drain(ThreadCache& cache) noexcept;
  void add_span(std::size_t size_class);
  void release_free_spans() noexcept;
  std::uint32_t carved_blocks(const Span& span) const noexcept;
  Span* span_of(const void* data) noexcept;
  std::size_t reserved() const noexcept { return small_reserved_ + large_.mapped_bytes(); }
  void note_reserved() noexcept { peak_reserved_ = std::max(peak_reserved_, reserved()); }

  std::array<FreeList, kSmallClasses> small_{};
  std::array<Carving, kSmallClasses> carving_{};
  std::vector<Span> spans_;
  LargeBlocks large_;
  ThreadCache* caches_ = nullptr;
  std::int64_t allocated_ = 0;  // without what the tallies hold
  std::int64_t peak_allocated_ = 0;
  std::int64_t allocations_ = 0;
  std::int64_t system_allocations_ = 0;
  std::size_t small_reserved_ = 0;
  std::size_t peak_reserved_ = 0;
};

void Shared::enlist(ThreadCache& cache) noexcept {
  cache.next = caches_;
  if (caches_) caches_->previous = &cache;
  caches_ = &cache;
}

void Shared::retire(ThreadCache& cache) noexcept {
  drain(cache);
  fold(cache);
  (cache.previous ? cache.previous->next : caches_) = cache.next;
  if (cache.next) cache.next->previous = cache.previous;
}

void Shared::refill(ThreadCache& cache, std::size_t size_class) {
  FreeList& list = cache.lists[size_class];
  FreeList& stock = small_[size_class];
  Carving& carving = carving_[size_class];
  const std::size_t size = small_size(size_class);
  std::uint32_t wanted = cache_limit(size_class) / 2;
  for (; wanted > 0 && stock.head; --wanted) list.push(stock.pop());
  if (list.head == nullptr && carving.next == carving.end) add_span(size_class);
  if (wanted > 0 && carving.next != carving.end) {
    for (; wanted > 0 && carving.next != carving.end; --wanted, carving.next += size) list.push(carving.next);
    // So that the page behind the last block is there too.
    if (carving.next != carving.end || size <= kFewVectors) *carving.next = std::byte{0};
  }
  fold(cache);
}

void Shared::take_half(ThreadCache& cache, std::size_t size_class) noexcept {
  FreeList& list = cache.lists[size_class];
  for (std::uint32_t left = list.count / 2; left > 0; --left) small_[size_class].push(list.pop());
  fold(cache);
}

void Shared::drain(ThreadCache& cache) noexcept {
  for (std::size_t c = 0; c < kSmallClasses; ++c) {
    while (cache.lists[c].head) small_[c].push(cache.lists[c].pop());
  }
}

void Shared::add_span(std::size_t size_class) {
  if (spans_.size() == spans_.capacity()) spans_.reserve(2 * spans_.size() + 16);
  void* data = map_pages(kSpan);
  if (data == nullptr) {
    empty(nullptr);
    data = map_pages(kSpan);
  }
  if (data == nullptr) throw std::bad_alloc();
  std::byte* base = static_cast<std::byte*>(data);
  spans_.push_back({base, static_cast<std::uint32_t>(size_class), 0});
  const std::size_t size = small_size(size_class);
  carving_[size_class] = {base, base + carved_bytes(size)};
  count_system(kSpan);
}

void* Shared::allocate_large(std::size_t bytes) {
  void* data = large_.take(bytes);
  if (data == nullptr) {
    data = large_.map(bytes);
    if (data == nullptr) {
      empty(nullptr);
      data = large_.map(bytes);
    }
    if (data == nullptr) throw std::bad_alloc();
    count_system(0);
  }
  count_allocated(bytes);
  return data;
}

void Shared::deallocate_large(void* data) noexcept {
  large_.give_back(data);
  large_.trim_to_demand();
}

void Shared::count_allocated(std::size_t bytes) noexcept {
  ++allocations_;
  allocated_ += static_cast<std::int64_t>(bytes);
  peak_allocated_ = std::max(peak_allocated_, allocated_);
}

void Shared::count_system(std::size_t bytes) noexcept {
  ++system_allocations_;
  small_reserved_ += bytes;
  note_reserved();
}

void Shared::empty(ThreadCache* own) noexcept {
  if (own) drain(*own);
  large_.trim(0);
  release_free_spans();
}

std::uint32_t Shared::carved_blocks(const Span& span) const noexcept {
  const Carving& carving = carving_[span.size_class];
  const std::size_t size = small_size(span.size_class);
  const bool is_newest =
      carving.next >= span.base && carving.next < span.base + kSpan && carving.next != carving.end;
  const std::size_t bytes =
      is_newest ? static_cast<std::size_t>(carving.next - span.base) : carved_bytes(size);
  return static_cast<std::uint32_t>(bytes / size);
}

Span* Shared::span_of(const void* data) noexcept {
  const auto after =
      std::upper_bound(spans_.begin(), spans_.end(), data,
                       [](const void* wanted, const Span& span) { return wanted < span.base; });
  return &*(after - 1);
}

// A span goes back to the system when every block that was carved from it lies in the shared list of its
// class.
void Shared::release_free_spans() noexcept {
  std::sort(spans_.begin(), spans_.end(), [](const Span& a, const Span& b) { return a.base < b.base; });
  for (Span& span : spans_) span.free_blocks = 0;
  for (const FreeList& list : small_) {
    for (const FreeSmallBlock* block = list.head; block; block = block->next) ++span_of(block)->free_blocks;
  }
  const auto is_free = [this](const Span& span) { return span.free_blocks == carved_blocks(span); };
  for (FreeList& list : small_) {
    FreeList kept;
    while (list.head) {
      void* block = list.pop();
      if (!is_free(*span_of(block))) kept.push(block);
    }
    list = kept;
  }
  std::erase_if(spans_, [&](const Span& span) {
    if (!is_free(span)) return false;
    Carving& carving = carving_[span.size_class];
    if (carving.next >= span.base && carving.next <= span.base + kSpan) carving = {};
    unmap_pages(span.base, kSpan);
    small_reserved_ -= kSpan;
    return true;
  });
}

void Shared::fold(ThreadCache& cache) noexcept {
  Tally& tally = cache.tally;
  peak_allocated_ = std::max(peak_allocated_, allocated_ + tally.peak.load(std::memory_order_relaxed));
  allocated_ += tally.bytes.load(std::memory_order_relaxed);
  allocations_ += tally.allocations.load(std::memory_order_relaxed);
  tally.bytes.store(0, std::memory_order_relaxed);
  tally.peak.store(0, std::memory_order_relaxed);
  tally.allocations.store(0, std::memory_order_relaxed);
}

AllocatorStats Shared::stats() noexcept {
  std::int64_t now = allocated_, allocations = allocations_;
  for (const ThreadCache* cache = caches_; cache; cache = cache->next) {
    now += cache->tally.bytes.load(std::memory_order_relaxed);
    allocations += cache->tally.allocations.load(std::memory_order_relaxed);
    peak_allocated_ =
        std::max(peak_allocated_, allocated_ + cache->tally.peak.load(std::memory_order_relaxed));
  }
  peak_allocated_ = std::max(peak_allocated_, now);
  return {now,
          peak_allocated_,
          static_cast<std::int64_t>(reserved()),
          static_cast<std::int64_t>(peak_reserved_),
          allocations,
          system_allocations_};
}

void Shared::reset_peaks() noexcept {
  for (ThreadCache* cache = caches_; cache; cache = cache->next) {
    cache->tally.peak.store(std::max<std::int64_t>(cache->tally.bytes.load(std::memory_order_relaxed), 0),
                            std::memory_order_relaxed);
  }
  peak_allocated_ = 0;
  peak_allocated_ = stats().allocated_bytes;
  peak_reserved_ = reserved();
}

Shared& shared();

// One pointer, so it may live in the static part of thread-local storage even in a library that is opened
// late; that makes reading it one instruction.
#if defined(__ELF__)
[[gnu::tls_model("initial-exec")]]
#endif
constinit thread_local ThreadCache* this_thread = nullptr;

#if defined(__ELF__)
[[gnu::tls_model("initial-exec")]]
#endif
constinit thread_local AllocationGuard allocation_guard = nullptr;

pthread_key_t exit_key;

void retire_this_thread(void* data) {
  ThreadCache* cache = static_cast<ThreadCache*>(data);
  {
    const std::lock_guard lock(shared().mutex);
    shared().retire(*cache);
  }
  this_thread = nullptr;
  delete cache;
}

Shared* make_shared_state() {
  Shared* state = new Shared;
  pthread_key_create(&exit_key, retire_this_thread);
  return state;
}

Shared& shared() {
  static Shared& state = *make_shared_state();
  return state;
}

// nullptr when there is no memory even for that.
[[gnu::noinline, gnu::cold]] ThreadCache* make_cache() noexcept {
  Shared& state = shared();
  ThreadCache* cache = new (std::nothrow) ThreadCache;
  if (cache == nullptr) return nullptr;
  const std::lock_guard lock(state.mutex);
  state.enlist(*cache);
  this_thread = cache;
  // C++ thread-local objects die before the keys of pthreads, so their tensors still find the cache.
  pthread_setspecific(exit_key, cache);
  return cache;
}

// The thread that forks takes the lock along, so that the child finds the shared state whole.
[[maybe_unused]] const int fork_handlers = pthread_atfork(
    [] { shared().mutex.lock(); }, [] { shared().mutex.unlock(); }, [] { shared().mutex.unlock(); });

[[noreturn, gnu::noinline, gnu::cold]] void out_of_memory(std::size_t bytes) {
  const AllocatorStats now = allocator_stats();
  fail(ErrorKind::kMemory, "allocate: the system could not provide ", bytes, " bytes; ", now.allocated_bytes,
       " bytes are in use by tensors and ", now.reserved_bytes - now.allocated_bytes,
       " more are cached or lost to rounding");
}

[[gnu::noinline]] void* allocate_slowly(std::size_t bytes) {
  if (bytes > kMaxBytes) out_of_memory(bytes);
  ThreadCache* cache = this_thread ? this_thread : make_cache();
  if (cache == nullptr) out_of_memory(bytes);
  try {
    const std::lock_guard lock(shared().mutex);
    if (bytes > kSmallMax) {
      shared().fold(*cache);
      return shared().allocate_large(bytes);
    }
    const std::size_t size_class = small_class(bytes);
    if (cache->lists[size_class].head == nullptr) shared().refill(*cache, size_class);
    cache->tally.allocated(bytes);
    return cache->lists[size_class].pop();
  } catch (const std::bad_alloc&) {
  }
  out_of_memory(bytes);
}

[[gnu::noinline]] void deallocate_slowly(void* data, std::size_t bytes) noexcept {
  ThreadCache* cache = this_thread ? this_thread : make_cache();
  const std::lock_guard lock(shared().mutex);
  if (cache) shared().fold(*cache);
  if (bytes > kSmallMax) {
    shared().count_deallocated(bytes);
    return shared().deallocate_large(data);
  }
  const std::size_t size_class = small_class(bytes);
  if (cache == nullptr) {
    shared().count_deallocated(bytes);
    return shared().put(data, size_class);
  }
  cache->lists[size_class].push(data);
  cache->tally.deallocated(bytes);
  if (cache->lists[size_class].count > cache_limit(size_class)) shared().take_half(*cache, size_class);
}

[[maybe_unused]] void* allocate_from_sanitizer(std::size_t bytes) {
  void* data = nullptr;
  if (bytes > kMaxBytes || posix_memalign(&data, kTensorAlignment, bytes) != 0 || data == nullptr)
    out_of_memory(bytes);
  const std::lock_guard lock(shared().mutex);
  shared().count_allocated(bytes);
  shared().count_system(bytes);
  return data;
}

[[maybe_unused]] void deallocate_to_sanitizer(void* data, std::size_t bytes) noexcept {
  free(data);
  const std::lock_guard lock(shared().mutex);
  shared().count_deallocated(bytes);
  shared().count_returned(bytes);
}

constexpr auto kCacheLimits = [] {
  std::array<std::uint32_t, kSmallClasses> limits{};
  for (std::size_t c = 0; c < kSmallClasses; ++c) limits[c] = cache_limit(c);
  return limits;
}();

}  // namespace

void set_allocation_guard(AllocationGuard guard) noexcept { allocation_guard = guard; }

void* allocate(std::size_t bytes) {
  if (allocation_guard) [[unlikely]]
    allocation_guard(bytes);
  if constexpr (kPassThrough) return allocate_from_sanitizer(bytes);
  if (ThreadCache* cache = this_thread; cache && bytes <= kSmallMax) [[likely]] {
    if (FreeList& list = cache->lists[small_class(bytes)]; list.head) [[likely]] {
      cache->tally.allocated(bytes);
      return list.pop();
    }
  }
  return allocate_slowly(bytes);
}

void deallocate(void* data, std::size_t bytes) noexcept {
  if (data == nullptr) return;
  if constexpr (kPassThrough) return deallocate_to_sanitizer(data, bytes);
  if (ThreadCache* cache = this_thread; cache && bytes <= kSmallMax) [[likely]] {
    const std::size_t size_class = small_class(bytes);
    if (FreeList& list = cache->lists[size_class]; list.count < kCacheLimits[size_class]) [[likely]] {
      list.push(data);
      cache->tally.deallocated(bytes);
      return;
    }
  }
  deallocate_slowly(data, bytes);
}

void empty_cache() noexcept {
  const std::lock_guard lock(shared().mutex);
  shared().empty(this_thread);
}

AllocatorStats allocator_stats() noexcept {
  const std::lock_guard lock(shared().mutex);
  return shared().stats();
}

void reset_peak_stats() noexcept {
  const std::lock_guard lock(shared().mutex);
  shared().reset_peaks();
}

}  // namespace unspool
