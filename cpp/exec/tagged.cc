// The living followers, by epoch.
#include "exec/tagged.h"

#include <atomic>
#include <unordered_map>

namespace unspool::exec {
namespace {

std::unordered_map<std::uint32_t, StorageFollower*>& living() {
  static auto& all = *new std::unordered_map<std::uint32_t, StorageFollower*>;
  return all;
}

std::uint32_t next_epoch() {
  static std::atomic<std::uint32_t> epoch{0};
  return epoch.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

std::mutex& StorageFollower::mutex() {
  static auto& all = *new std::mutex;
  return all;
}

StorageFollower::StorageFollower() : epoch_(next_epoch()) {
  Storage::on_tagged_death = &dispatch;
  const std::lock_guard lock(mutex());
  living()[epoch_] = this;
}

void StorageFollower::stop_following() {
  const std::lock_guard lock(mutex());
  living().erase(epoch_);
}

void StorageFollower::follow_anew() {
  const std::lock_guard lock(mutex());
  living().erase(epoch_);
  epoch_ = next_epoch();
  living()[epoch_] = this;
}

void StorageFollower::dispatch(std::uint64_t tag) {
  const std::lock_guard lock(mutex());
  const auto found = living().find(static_cast<std::uint32_t>(tag >> 32));
  if (found != living().end()) found->second->died(static_cast<std::uint32_t>(tag));
}

}  // namespace unspool::exec
