// Ranges of addresses, looked up by bisection.
#include "exec/memory_watch.h"

#include <algorithm>

#include "base/error.h"

namespace unspool::exec {

MemoryWatch::MemoryWatch(std::span<const Changing> leaves, std::size_t nodes) {
  first_read_.reserve(nodes + 1);
  reads_.reserve(nodes);
  ranges_.reserve(leaves.size());
  for (const auto& [leaf, storage] : leaves) {
    if (storage->bytes() == 0) continue;
    const auto* begin = static_cast<const std::byte*>(storage->data());
    ranges_.push_back({begin, begin + storage->bytes()});
  }
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::size_t last = 0;
  for (std::size_t i = 1; i < ranges_.size(); ++i) {
    if (ranges_[i].begin < ranges_[last].end)
      ranges_[last].end = std::max(ranges_[last].end, ranges_[i].end);
    else
      ranges_[++last] = ranges_[i];
  }
  if (!ranges_.empty()) ranges_.resize(last + 1);
}

std::span<const MemoryWatch::Range> MemoryWatch::overlapping(const Storage& storage) const {
  const auto* begin = static_cast<const std::byte*>(storage.data());
  const auto first = std::partition_point(ranges_.begin(), ranges_.end(),
                                          [&](const Range& range) { return range.end <= begin; });
  auto last = first;
  while (last != ranges_.end() && last->begin < begin + storage.bytes()) ++last;
  return {first, last};
}

void MemoryWatch::add_read(const Storage& storage) {
  for (Range& range : overlapping(storage)) {
    ++range.readers;
    reads_.push_back(static_cast<std::uint32_t>(&range - ranges_.data()));
  }
}

std::uint32_t MemoryWatch::place_of(const Storage& storage) const {
  const std::span<const Range> found = overlapping(storage);  // one at most: each leaf lies in one
  return found.empty() ? kNowhere : static_cast<std::uint32_t>(found.data() - ranges_.data());
}

bool MemoryWatch::is_free(std::uint32_t leaf, std::uint32_t place) {
  if (place == kNowhere || ranges_[place].readers == 0) return true;
  waiting_.emplace_back(leaf, place);
  return false;
}

void MemoryWatch::mark_changed(std::uint32_t place) {
  if (place != kNowhere) ranges_[place].is_changed = has_changes_ = true;
}

void MemoryWatch::check_read(const Storage& storage, std::string_view who) const {
  for (const Range& range : overlapping(storage)) {
    if (!range.is_changed) continue;
    fail("backward(step=): ", who,
         ", called by a hook or by the backward of a Function, reads a parameter that this unwinding has "
         "already "
         "updated. Let the Function save it (ctx.save_for_backward()), so that its update waits, or call "
         "backward() and the optimizer's step() one after the other");
  }
}

void WatchedEmitter::read_on_host(const Tensor& tensor, std::string_view who) {
  watch_.check_read(*tensor->storage, who);
}

void check_reads(const MemoryWatch& watch, const ops::Call& call) {
  for (const ops::Operand& operand : call.in) {
    if (operand.is_tensor()) watch.check_read(*operand.impl().storage, call.op.record.public_name());
  }
}

void WatchedEmitter::launched(const Launched& launch) { check_reads(watch_, launch.call); }

}  // namespace unspool::exec
