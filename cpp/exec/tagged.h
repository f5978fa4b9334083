// Storages told apart by number instead of by address, which may be used again: whoever follows storages
// gives each a tag and is told when it dies, on whichever thread that is.
#pragma once

#include <cstdint>
#include <mutex>

#include "tensor/storage.h"

namespace unspool::exec {

class StorageFollower {
 public:
  StorageFollower(const StorageFollower&) = delete;
  StorageFollower& operator=(const StorageFollower&) = delete;

  // Whether this follower gave the storage its tag, and the number it did so with.
  bool follows(const Storage& storage) const {
    return storage.tag() && static_cast<std::uint32_t>(storage.tag() >> 32) == epoch_;
  }
  std::uint32_t number_of(const Storage& storage) const { return static_cast<std::uint32_t>(storage.tag()); }
  void follow(Storage& storage, std::uint32_t number) const {
    storage.set_tag((static_cast<std::uint64_t>(epoch_) << 32) | number);
  }

 protected:
  StorageFollower();
  ~StorageFollower() = default;
  // To be called before anything that `died` touches is gone.
  void stop_following();
  // Knows none of the storages that it followed so far.
  void follow_anew();
  // Called with the mutex held.
  virtual void died(std::uint32_t number) noexcept = 0;
  // Of all followers: storages may die on any thread.
  static std::mutex& mutex();

 private:
  static void dispatch(std::uint64_t tag);
  std::uint32_t epoch_;
};

}  // namespace unspool::exec
