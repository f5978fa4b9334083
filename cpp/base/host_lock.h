// How long work gives back a lock that its caller holds (an interpreter's global lock), without this floor
// knowing whose lock it is. The binding registers two functions once; everyone else only writes `Unlocked`.
#pragma once

#include <atomic>

namespace unspool {

struct HostLock {
  // Releases the lock if the calling thread holds it and returns what `acquire` needs to take it back;
  // otherwise returns nullptr and changes nothing.
  void* (*release)();
  // Must return normally: a host that ends threads at its shutdown has to park them instead, because
  // destructors cannot be unwound through.
  void (*acquire)(void* state);
};

namespace internal {
inline constinit std::atomic<const HostLock*> host_lock{nullptr};
}

// `lock` must live until the end of the process. nullptr takes the registration back (tests do).
inline void register_host_lock(const HostLock* lock) noexcept {
  internal::host_lock.store(lock, std::memory_order_release);
}

// Holds the host's lock released for its lifetime. Does nothing without a registration, on a thread that does
// not hold the lock (so it nests), or when `wanted` is false (for work shorter than a release).
class [[nodiscard]] Unlocked {
 public:
  explicit Unlocked(bool wanted = true) noexcept
      : lock_(wanted ? internal::host_lock.load(std::memory_order_acquire) : nullptr),
        state_(lock_ ? lock_->release() : nullptr) {}
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() {
    if (state_) lock_->acquire(state_);
  }

 private:
  const HostLock* lock_;
  void* state_;
};

}  // namespace unspool
