// The order in which cotangents are added up, for engines that do not visit nodes in the order of the tape.
// Sums of floating-point numbers depend on it, so a contribution that comes before its turn waits.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace unspool::exec {

class Turns {
 public:
  // `slots`: for each edge, in the order in which the loop follows them, where its contribution goes;
  // negative where it goes nowhere. `count`: the number of slots.
  Turns(std::span<const std::int64_t> slots, std::size_t count);

  // The contribution of an edge (undefined when it has none) is there. Calls deliver(Tensor) for those whose
  // turn has come, in order.
  template <class Deliver>
  void take(std::size_t edge, std::size_t slot, Tensor contribution, Deliver&& deliver) {
    if (turn_of_[edge] != next_[slot]) {
      waiting_[slot].emplace(turn_of_[edge], std::move(contribution));
      return;
    }
    ++next_[slot];
    if (contribution) deliver(std::move(contribution));
    if (!waiting_.empty()) pass_waiting(slot, deliver);
  }

 private:
  template <class Deliver>
  void pass_waiting(std::size_t slot, Deliver& deliver) {
    const auto found = waiting_.find(slot);
    if (found == waiting_.end()) return;
    auto& by_turn = found->second;
    while (!by_turn.empty() && by_turn.begin()->first == next_[slot]) {
      ++next_[slot];
      Tensor contribution = std::move(by_turn.begin()->second);
      by_turn.erase(by_turn.begin());
      if (contribution) deliver(std::move(contribution));
    }
    if (by_turn.empty()) waiting_.erase(found);
  }

  std::vector<std::uint32_t> turn_of_;  // of each edge, among those of its slot
  std::vector<std::uint32_t> next_;     // the turn that each slot is at
  std::unordered_map<std::size_t, std::map<std::uint32_t, Tensor>> waiting_;  // by slot and turn
};

}  // namespace unspool::exec
