// Which memory will be written to while the tape is being unwound, how many nodes will still read it, and
// what has been written already. Memory counts, not storages or tensors: views, `x.data` and arrays that
// overlap are alike.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/small_vector.h"
#include "exec/eager.h"
#include "tensor/tensor.h"

namespace unspool::exec {

class MemoryWatch {
 public:
  // A leaf by its number, and its memory.
  using Changing = std::pair<std::uint32_t, const Storage*>;
  MemoryWatch(std::span<const Changing> leaves, std::size_t nodes);

  bool covers(const Storage& storage) const { return !overlapping(storage).empty(); }
  // A node, the next one in ascending order, and what it reads.
  void add_node() { first_read_.push_back(static_cast<std::uint32_t>(reads_.size())); }
  void add_read(const Storage& storage);

  // The node has been unwound; calls f(leaf) for each leaf that waited for it alone.
  template <class F>
  void passed(std::size_t node, F&& f);
  // The watched memory that a leaf lies in; kNowhere when it lies in none.
  static constexpr std::uint32_t kNowhere = 0xFFFFFFFF;
  std::uint32_t place_of(const Storage& storage) const;
  // Whether a leaf that lies there may be changed now; if not, `passed` will call for it.
  bool is_free(std::uint32_t leaf, std::uint32_t place);
  void mark_changed(std::uint32_t place);
  // Raises when the memory has been changed since the unwinding began.
  void check_read(const Storage& storage, std::string_view who) const;
  bool has_changes() const { return has_changes_; }

 private:
  struct Range {
    const std::byte* begin;
    const std::byte* end;
    std::uint32_t readers = 0;  // nodes that will still read it
    bool is_changed = false;
  };
  std::span<const Range> overlapping(const Storage& storage) const;
  std::span<Range> overlapping(const Storage& storage) {
    const std::span<const Range> found = std::as_const(*this).overlapping(storage);
    return {ranges_.data() + (found.data() - ranges_.data()), found.size()};
  }

  // Small networks get by without the heap.
  SmallVector<Range, 16> ranges_;              // apart from each other, in order of addresses
  SmallVector<std::uint32_t, 64> first_read_;  // node i reads reads_[first_read_[i] .. first_read_[i + 1])
  SmallVector<std::uint32_t, 64> reads_;       // ranges
  SmallVector<std::pair<std::uint32_t, std::uint32_t>, 8> waiting_;  // leaves, each with its range
  bool has_changes_ = false;
};

// Raises when an operand lies in memory that has been changed.
void check_reads(const MemoryWatch& watch, const ops::Call& call);

// Executes what a user's hook or Function asks for, and raises when that reads memory that has been changed.
class WatchedEmitter final : public Eager {
 public:
  explicit WatchedEmitter(const MemoryWatch& watch) : watch_(watch) {}
  void read_on_host(const Tensor& tensor, std::string_view who) override;

 protected:
  void launched(const Launched& launch) override;

 private:
  const MemoryWatch& watch_;
};

template <class F>
void MemoryWatch::passed(std::size_t node, F&& f) {
  for (std::uint32_t r = first_read_[node]; r < first_read_[node + 1]; ++r) {
    const std::uint32_t range = reads_[r];
    if (--ranges_[range].readers > 0) continue;
    for (std::size_t i = 0; i < waiting_.size();) {
      if (waiting_[i].second != range) {
        ++i;
        continue;
      }
      const std::uint32_t leaf = waiting_[i].first;
      waiting_.erase(i);
      f(leaf);
    }
  }
}

}  // namespace unspool::exec
