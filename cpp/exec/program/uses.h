// Which instructions read and write each buffer, in order: what passes ask that move an instruction.
#pragma once

#include <algorithm>
#include <vector>

#include "exec/program/recording.h"

namespace unspool::exec {

class Uses {
 public:
  explicit Uses(const Recording& recording)
      : by_buffer_(recording.buffers.size()), count_(recording.instructions.size()) {
    for (std::size_t i = 0; i < count_; ++i)
      visit(recording.instructions[i], [&](auto id, bool w) { add(id, i, w); });
  }

  // Behind the last instruction.
  std::size_t end() const { return count_; }
  std::size_t first(BufferId id) const { return by_buffer_[id].empty() ? count_ : by_buffer_[id].front().at; }
  // The first use after instruction `at`; end() if there is none.
  std::size_t next(BufferId id, std::size_t at) const {
    for (const Use& use : by_buffer_[id]) {
      if (use.at > at) return use.at;
    }
    return count_;
  }
  // The last use, or write, before instruction `before`; 0 if there is none.
  std::size_t last(BufferId id, std::size_t before) const { return find_last(id, before, false); }
  std::size_t last_write(BufferId id, std::size_t before) const { return find_last(id, before, true); }
  // Whether an instruction strictly between the two uses, or writes, the buffer.
  bool any(BufferId id, std::size_t after, std::size_t before) const {
    return find(id, after, before, false);
  }
  bool any_write(BufferId id, std::size_t after, std::size_t before) const {
    return find(id, after, before, true);
  }

  // What instruction `from` does is done by instruction `to` from now on.
  void move(const Recording& recording, std::size_t from, std::size_t to) {
    visit(recording.instructions[from], [&](BufferId id, bool) {
      std::vector<Use>& uses = by_buffer_[id];
      std::erase_if(uses, [&](const Use& use) { return use.at == from; });
    });
    visit(recording.instructions[to], [&](BufferId id, bool writes) {
      const auto place = std::find_if(by_buffer_[id].begin(), by_buffer_[id].end(),
                                      [&](const Use& use) { return use.at > to; });
      by_buffer_[id].insert(place, {to, writes});
    });
  }

 private:
  struct Use {
    std::size_t at;
    bool writes;
  };

  template <class F>
  static void visit(const Instruction& instruction, F&& f) {
    visit_buffers(instruction, [&](BufferId id) { f(id, false); }, [&](BufferId id) { f(id, true); });
  }
  void add(BufferId id, std::size_t at, bool writes) { by_buffer_[id].push_back({at, writes}); }
  bool find(BufferId id, std::size_t after, std::size_t before, bool only_writes) const {
    return std::any_of(by_buffer_[id].begin(), by_buffer_[id].end(), [&](const Use& use) {
      return use.at > after && use.at < before && (use.writes || !only_writes);
    });
  }

  std::size_t find_last(BufferId id, std::size_t before, bool only_writes) const {
    const std::vector<Use>& uses = by_buffer_[id];
    const auto found = std::find_if(uses.rbegin(), uses.rend(), [&](const Use& use) {
      return use.at < before && (use.writes || !only_writes);
    });
    return found == uses.rend() ? 0 : found->at;
  }

  std::vector<std::vector<Use>> by_buffer_;  // a use that reads and writes is there twice
  std::size_t count_;
};

}  // namespace unspool::exec
