// The tape's nodes: what a recorded operation keeps for the way back, and how nodes point at each other. A
// node that dies hands its inputs to a worklist, so that chains of any length are freed without recursion.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/small_vector.h"
#include "exec/anomaly_mode.h"
#include "ops/emitter.h"
#include "tensor/tensor.h"

namespace unspool::exec {

class Node;

// Where a cotangent flows: an output of a node; nowhere when it is empty. One word, because a tape consists
// of these to a good part: addresses leave the upper sixteen bits to the number of the output.
class Edge {
 public:
  static constexpr std::uint32_t kMostOutputs = 1u << 16;

  Edge() = default;
  Edge(Ref<GraphNode> node, std::uint32_t output) : word_(word(node.get(), output)) { node.release(); }
  Edge(const Edge& other) noexcept : Edge(other.word_) {
    if (word_) graph_node()->add_ref();
  }
  Edge(Edge&& other) noexcept : Edge(std::exchange(other.word_, 0)) {}
  Edge& operator=(Edge other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~Edge() {
    if (word_) graph_node()->drop_ref();
  }

  Node* get() const;
  Ref<GraphNode> node() const { return Ref<GraphNode>(graph_node()); }
  std::uint32_t output() const { return static_cast<std::uint32_t>(word_ >> kAddressBits); }
  explicit operator bool() const { return word_ != 0; }

 private:
  static constexpr int kAddressBits = 48;
  static constexpr std::uint64_t kAddress = (std::uint64_t{1} << kAddressBits) - 1;

  explicit Edge(std::uint64_t word) noexcept : word_(word) {}
  static std::uint64_t word(const GraphNode* node, std::uint32_t output) {
    const auto address = std::bit_cast<std::uint64_t>(node);
    if ((output / kMostOutputs | address >> kAddressBits) != 0) refuse(output);
    return address ? address | std::uint64_t{output} << kAddressBits : 0;
  }
  [[noreturn]] static void refuse(std::uint32_t output);
  GraphNode* graph_node() const { return std::bit_cast<GraphNode*>(word_ & kAddress); }

  std::uint64_t word_ = 0;
};
static_assert(sizeof(Edge) == 8);

// Sees a complete cotangent; a defined return value replaces it.
using TensorHook = std::function<Tensor(const Tensor&)>;

struct HookList {
  struct Entry {
    std::uint64_t id;
    std::uint32_t output;
    TensorHook hook;
    bool keeps = false;  // what arrives, for retain_grad()
  };
  std::vector<Entry> entries;
  std::string origin;  // in anomaly mode: where the node's operation was called
};

using StorageVisitor = std::function<void(const Storage&)>;

// How a node is tied to others. Inputs beyond the last edge lead nowhere.
struct Links {
  std::span<const Edge> edges;
  std::uint32_t inputs, outputs;
};

class Node : public GraphNode {
 public:
  // In an order that leaves no gaps. Scratch of the engine's set-up: the traversal that last saw this node,
  // and its place there (index).
  std::uint32_t epoch = 0;
  // Position in forward order; leaves, and nothing else, have 0. Inputs of a node always have smaller
  // numbers.
  std::uint64_t sequence = 0;
  // The module that was running when the operation was recorded.
  const ops::Scope* scope = nullptr;
  std::unique_ptr<HookList> hooks;
  std::uint32_t index = 0;
  bool released : 1 = false;
  // Whether there is anything to release.
  bool holds_values : 1 = true;
  // All operands and the output are of one shape and dtype, and so are the cotangents that the rules make of
  // one of the output's.
  bool is_uniform : 1 = false;
  // Nothing but operations uses the cotangents, and those check their operands themselves.
  bool runs_operations : 1 = false;

  virtual std::string name() const = 0;
  virtual bool is_leaf() const { return false; }
  virtual Links links() const = 0;
  std::uint32_t input_count() const { return links().inputs; }
  std::uint32_t output_count() const { return links().outputs; }
  const Edge& edge(std::uint32_t input) const;
  virtual ops::OutputSpec output(std::uint32_t i) const = 0;
  // Whether the tensor has the sizes and dtype of output i.
  virtual bool is_like_output(std::uint32_t i, const TensorImpl& x) const = 0;
  // From the outputs' cotangents (undefined ones count as zero) to those of the wanted inputs.
  virtual void unwind(std::span<Tensor> cotangents, std::span<const bool> wanted,
                      std::span<Tensor> grads) = 0;
  // Drops what was saved; the node can then not be unwound again.
  virtual void release() = 0;
  // Calls the visitor for the memory of each value that was saved.
  virtual void visit_saved(const StorageVisitor& visit) const = 0;
  // What the node itself takes, without the values that it saved.
  virtual std::size_t bytes() const = 0;
  // Whether unwinding runs code that may look at more than was saved.
  virtual bool runs_user_code() const { return false; }

 protected:
  Node() : scope(ops::thread_state().scope) {
    if (anomaly_mode().enabled) remember_origin();
  }
  ~Node() = default;
  virtual void destroy_now() noexcept = 0;

 private:
  void remember_origin();
  void dispose() noexcept final;
};

inline Node* Edge::get() const { return static_cast<Node*>(graph_node()); }

namespace internal {
// A block of positions in forward order, of which its thread has given out those before `next`.
struct Positions {
  std::uint64_t next = 0, end = 0;
};
[[gnu::tls_model("initial-exec")]] inline constinit thread_local Positions positions;
// Behind all blocks that any thread was given.
Positions new_positions() noexcept;
}  // namespace internal

// A position in forward order for a new node: behind those of its inputs, and of all nodes that this thread
// has made.
inline std::uint64_t take_sequence(std::span<const Edge> inputs) noexcept {
  internal::Positions& own = internal::positions;
  bool is_behind = own.next != own.end;
  for (const Edge& input : inputs) is_behind &= !input || input.get()->sequence < own.next;
  if (!is_behind) own = internal::new_positions();
  return own.next++;
}

// What a tensor knows of its gradient.
class LeafNode;
struct AutogradSlot : GradientSlot {
  Tensor grad;
  bool is_spent = false;       // the gradient was used while the tape was unwound, and dropped
  Ref<GraphNode> accumulator;  // leaves only; made on first use
  Ref<GraphNode> retainer;     // the node whose hook keeps this tensor's gradient, when it is not a leaf
  std::uint64_t retain_hook = 0;
  ~AutogradSlot() override;
};

// Adds what arrives to the leaf's gradient.
class LeafNode final : public Node {
 public:
  explicit LeafNode(TensorImpl* leaf) : leaf_(leaf) {}
  // Null once the leaf has died: its gradient then has no reader.
  TensorImpl* leaf() const { return leaf_; }
  void forget_leaf();
  // Called after the gradient was accumulated.
  std::vector<std::pair<std::uint64_t, std::function<void(const Tensor&)>>> post_hooks;

  std::string name() const override { return "accumulate"; }
  bool is_leaf() const override { return true; }
  Links links() const override { return {{}, 0, 1}; }
  ops::OutputSpec output(std::uint32_t) const override;
  bool is_like_output(std::uint32_t, const TensorImpl& x) const override {
    return leaf_ ? x.dtype == leaf_->dtype && x.sizes == leaf_->sizes
                 : x.dtype == spec_.dtype && x.sizes == spec_.sizes;
  }
  void unwind(std::span<Tensor> cotangents, std::span<const bool> wanted, std::span<Tensor> grads) override;
  void release() override {}
  void visit_saved(const StorageVisitor&) const override {}
  std::size_t bytes() const override { return sizeof(LeafNode); }
  bool runs_user_code() const override { return !post_hooks.empty(); }

 private:
  ~LeafNode() = default;
  void destroy_now() noexcept override { delete this; }
  TensorImpl* leaf_;
  ops::OutputSpec spec_;  // of a leaf that has died
};

AutogradSlot& slot_of(TensorImpl& impl);
inline AutogradSlot* slot_if_any(const TensorImpl& impl) {
  return static_cast<AutogradSlot*>(impl.slot.get());
}

// The tensor's gradient; undefined when there is none.
Tensor gradient_of(const Tensor& tensor);
void set_gradient(const Tensor& tensor, Tensor grad);
// Drops the gradient, which somebody has used up.
void spend_gradient(const Tensor& tensor);
bool is_spent(const Tensor& tensor);

// Where the tensor's cotangent goes: the node that made it, or its accumulator; nothing when it needs no
// gradient.
Edge edge_of(TensorImpl& impl);
inline bool is_leaf(const TensorImpl& impl) {
  return !impl.node && !(impl.is_stale() && impl.needs_gradient());
}
LeafNode& accumulator_of(TensorImpl& leaf);

// Registers a hook on the tensor's cotangent and returns the id by which remove_hook finds it.
std::uint64_t add_hook(const Tensor& tensor, TensorHook hook);
void remove_hook(GraphNode& node, std::uint64_t id);
// Keeps the gradient of a tensor that is not a leaf.
void retain_grad(const Tensor& tensor);
// After the tensor got another node: what retain_grad() asked for follows it there.
void move_retained(const Tensor& tensor);

}  // namespace unspool::exec
