// The part of the tape that leads from outputs to leaves, unwound node by node. Engines choose the order and
// the form of the walk (backward.cc); what happens at a node is the same for all of them.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "exec/backward.h"
#include "exec/memory_watch.h"
#include "exec/node.h"
#include "exec/turns.h"

namespace unspool::exec {

// Brings a cotangent to its input's geometry: undoes broadcasting and dtype promotion. False when its shape
// cannot be that of the input's gradient.
bool fit(Tensor& cotangent, const ops::OutputSpec& spec);

// Nodes are numbered in reverse forward order, so that the consumers of a node have smaller numbers; leaves
// come last. A node may be visited once all of its consumers were.
class Unwinder {
 public:
  // Collects the nodes and seeds the cotangents of the outputs. Everything passed must outlive this object.
  Unwinder(std::span<const Tensor> outputs, std::span<const Tensor> cotangents, const Unwinding& how);

  std::size_t size() const { return stops_.size() - 1; }
  const Node& node(std::size_t i) const { return *stops_[i].node; }
  // Where the cotangent of an input goes: an output of a node, which is kNowhere for inputs without gradient.
  static constexpr std::uint32_t kNowhere = 0xFFFFFFFF;
  struct Way {
    std::uint32_t node;
    std::uint32_t output;
    bool leads() const { return node != kNowhere; }
  };
  // Those of node i's inputs; some at the end that lead nowhere may be missing.
  std::span<const Way> ways(std::size_t i) const {
    return {ways_.data() + stops_[i].first_way, stops_[i + 1].first_way - stops_[i].first_way};
  }

  // Whether cotangents end here: in a leaf, or where one was asked for. Everything else that must be visited
  // lies on the way to such a node.
  bool is_end(std::size_t i) const;
  // From now on nodes are visited in another order than by number: sums are formed in that order all the
  // same.
  void keep_order();

  // Turns what has arrived at node i into the cotangents of its inputs and hands those on. A leaf is finished
  // as soon as its last contribution has arrived; visiting it finishes one that got nothing but a seed.
  void visit(std::size_t i);
  // After all visits: one cotangent per tensor in `how.inputs`, undefined where no path leads to it.
  std::vector<Tensor> take_captured() { return std::move(captured_); }

 private:
  // A place where a requested cotangent is picked up.
  struct Capture {
    std::size_t node;
    std::uint32_t output;
    std::size_t input;
  };

  // A node on the way back: its inputs are ways_[first_way] and up, its outputs slots_[first_slot] and up,
  // until those of the next one.
  struct Stop {
    Node* node;
    std::uint32_t first_way;
    std::uint32_t first_slot;
  };

  void collect(std::span<const Tensor> outputs);
  bool is_border(const Node* node) const;
  // Member by member: what is read soon after it was written should be written as it is read.
  void add_stop(Node* node, std::uint32_t first_slot) {
    Stop& stop = stops_.emplace_back();
    stop.node = node;
    stop.first_way = static_cast<std::uint32_t>(ways_.size());
    stop.first_slot = first_slot;
  }
  void add_way(std::uint32_t node, std::uint32_t output) {
    Way& way = ways_.emplace_back();
    way.node = node;
    way.output = output;
  }
  // A long tape is not in the cache: asks for the memory of a node that is some places ahead, where it is
  // known, or where it lies if nodes follow each other in memory as these two do.
  static constexpr std::size_t kAhead = 8;
  static void prefetch(std::uintptr_t address) {
    constexpr std::uintptr_t kCacheLine = 64;
    __builtin_prefetch(std::bit_cast<const void*>(address));
    __builtin_prefetch(std::bit_cast<const void*>(address + kCacheLine));
  }
  void prefetch_after(std::size_t i) const {
    if (i + kAhead < size()) prefetch(std::bit_cast<std::uintptr_t>(stops_[i + kAhead].node));
  }
  static void prefetch_beyond(const Node* before, const Node* node) {
    const auto address = std::bit_cast<std::uintptr_t>(node);
    prefetch(address + kAhead * (address - std::bit_cast<std::uintptr_t>(before)));
  }
  void mark_needed();
  void seed(std::span<const Tensor> outputs, std::span<const Tensor> cotangents);
  struct Target {
    const Node* node;
    std::uint32_t output;
  };
  static void bring_to_form(const Node& from, std::size_t e, Tensor& cotangent, Target target);
  void unwind_looked_on(std::size_t i, std::span<Tensor> arrived, std::span<const bool> wanted,
                        bool is_any_wanted, std::span<Tensor> grads);
  void pass_on(std::size_t i, std::size_t e, Tensor&& cotangent);
  bool is_wanted(const Way& way) const { return way.leads() && (needed_.empty() || needed_[way.node]); }
  void deliver(std::size_t slot, Tensor&& cotangent);
  void finish_leaf(std::size_t leaf);
  // For a receiver:
  void watch_memory();
  void complete(std::size_t leaf);
  static void keep_apart(const MemoryWatch& watch, std::span<Tensor> cotangents);
  void after_node(MemoryWatch& watch, std::size_t i, std::span<Tensor> grads);
  static bool needs_guard(const MemoryWatch& watch, const Node& node);
  void run_hooks(Node& node, std::span<Tensor> arrived);
  void capture(std::size_t i, std::span<const Tensor> arrived);
  std::span<Tensor> slots(std::size_t i) {
    return {slots_.data() + stops_[i].first_slot, stops_[i + 1].first_slot - stops_[i].first_slot};
  }

  const Unwinding& how_;
  std::uint32_t epoch_;
  // Small networks get by without the heap.
  SmallVector<Stop, 32> stops_;  // and one behind the last
  std::size_t first_leaf_ = 0;
  SmallVector<Way, 64> ways_;
  SmallVector<Tensor, 32> slots_;  // cotangents that have arrived, one per output of each node
  // Of the inputs of the node that is being visited: the cotangents, empty between visits, and whether one is
  // wanted.
  SmallVector<Tensor, 8> grads_;
  SmallVector<bool, 8> wanted_;
  SmallVector<std::uint32_t, 16> pending_;  // contributions that each leaf still waits for
  std::vector<std::uint8_t> needed_;
  std::vector<Capture> captures_;
  std::vector<Tensor> captured_;
  std::optional<MemoryWatch> watch_;  // while a receiver changes memory
  std::optional<Turns> turns_;        // when the order must be kept
  bool is_looked_on_ = false;         // at every node something else may have to be done
};

}  // namespace unspool::exec
