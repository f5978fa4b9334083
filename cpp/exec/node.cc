// Lifetime of nodes, leaves and gradient slots.
#include "exec/node.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/graveyard.h"
#include "exec/anomaly.h"
#include "exec/observer.h"
#include "exec/program/trace.h"
#include "exec/views.h"
#include "ops/api.h"
#include "ops/arithmetic.h"

namespace unspool::exec {
namespace {

std::atomic<std::uint64_t> next_hook{1};

}  // namespace

void Node::remember_origin() {
  hooks = std::make_unique<HookList>();
  hooks->origin = anomaly_mode().where();
}

// Destroying a node drops its inputs' nodes, which would recurse once per operation of the chain.
void Node::dispose() noexcept {
  Graveyard<Node>::bury(this, [](Node* node) {
    if (Observer* watching = observer()) watching->dying(*node);
    node->destroy_now();
  });
}

// Counted for all threads together: a graph may be built by several of them.
internal::Positions internal::new_positions() noexcept {
  constexpr std::uint64_t kBlock = 4096;
  static std::atomic<std::uint64_t> next{1};
  const std::uint64_t first = next.fetch_add(kBlock, std::memory_order_relaxed);
  return {first, first + kBlock};
}

AutogradSlot::~AutogradSlot() {
  if (accumulator) static_cast<LeafNode*>(accumulator.get())->forget_leaf();
  if (retainer) remove_hook(*retainer, retain_hook);
}

void Edge::refuse(std::uint32_t output) {
  fail("output ", output, " of a recorded operation cannot be differentiated: it may have at most ",
       kMostOutputs, " outputs");
}

const Edge& Node::edge(std::uint32_t input) const {
  static const Edge nowhere;
  const std::span<const Edge> edges = links().edges;
  return input < edges.size() ? edges[input] : nowhere;
}

void LeafNode::forget_leaf() {
  spec_ = {leaf_->sizes, leaf_->dtype};
  leaf_ = nullptr;
}

ops::OutputSpec LeafNode::output(std::uint32_t) const {
  return leaf_ ? ops::OutputSpec{leaf_->sizes, leaf_->dtype} : spec_;
}

void LeafNode::unwind(std::span<Tensor> cotangents, std::span<const bool>, std::span<Tensor>) {
  if (!leaf_ || !cotangents[0] || !leaf_->requires_grad) return;
  const Ref<TensorImpl> leaf(leaf_);
  if (Trace* trace = Trace::current()) trace->accumulating_gradient(Tensor(leaf));
  AutogradSlot& slot = slot_of(*leaf);
  Tensor& incoming = cotangents[0];
  const bool recording = ops::thread_state().grad_enabled;
  if (!slot.grad) {
    // Memory that nobody else sees may become the gradient; anything shared is copied.
    const bool is_ours =
        incoming->ref_count() == 1 && incoming->storage->is_sole() && incoming.is_contiguous();
    slot.is_spent = false;
    slot.grad = recording ? incoming : is_ours ? std::move(incoming) : ops::clone(incoming);
  } else {
    const Tensor sum = slot.grad;  // held: while a long kernel runs, the program may drop the gradient
    if (recording) {
      slot.grad = ops::add(sum, incoming);
    } else {
      const ops::Borrowed operands[2] = {sum, incoming};
      const ops::Attr attrs[1] = {1.0};
      ops::emitter().emit_into({ops::op_of<ops::Add>, ops::operands_of(operands), attrs}, sum);
    }
  }
  if (!post_hooks.empty()) {
    const auto running = post_hooks;  // a copy: a hook may remove itself
    for (const auto& [id, hook] : running) hook(Tensor(leaf));
  }
}

AutogradSlot& slot_of(TensorImpl& impl) {
  if (!impl.slot) impl.slot = std::make_unique<AutogradSlot>();
  return static_cast<AutogradSlot&>(*impl.slot);
}

Tensor gradient_of(const Tensor& tensor) {
  const AutogradSlot* slot = slot_if_any(tensor.impl());
  return slot ? slot->grad : Tensor();
}

void set_gradient(const Tensor& tensor, Tensor grad) {
  if (Trace* trace = Trace::current()) trace->replacing_gradient(tensor);
  if (!grad && !tensor->slot) return;
  if (grad) {
    if (!(grad.sizes() == tensor.sizes())) {
      fail("grad: a gradient of shape ", to_string(grad.sizes()), " does not fit a tensor of shape ",
           to_string(tensor.sizes()));
    }
    if (grad.dtype() != tensor.dtype()) {
      fail("grad: a gradient of dtype ", name(grad.dtype()), " does not fit a tensor of dtype ",
           name(tensor.dtype()));
    }
    if (grad.is_same(tensor)) fail("grad: a tensor cannot be its own gradient");
  }
  AutogradSlot& slot = slot_of(tensor.impl());
  slot.grad = std::move(grad);
  slot.is_spent = false;
}

bool is_spent(const Tensor& tensor) {
  const AutogradSlot* slot = slot_if_any(tensor.impl());
  return slot && slot->is_spent;
}

void spend_gradient(const Tensor& tensor) {
  AutogradSlot& slot = slot_of(tensor.impl());
  slot.grad = Tensor();
  slot.is_spent = true;
}

LeafNode& accumulator_of(TensorImpl& leaf) {
  AutogradSlot& slot = slot_of(leaf);
  if (!slot.accumulator) slot.accumulator = Ref<GraphNode>(new LeafNode(&leaf));
  return static_cast<LeafNode&>(*slot.accumulator);
}

Edge edge_of(TensorImpl& impl) {
  if (!exec::needs_gradient(impl)) return {};
  if (impl.node) return {impl.node, impl.output_nr};
  accumulator_of(impl);
  return {slot_if_any(impl)->accumulator, 0};
}

std::uint64_t add_hook(const Tensor& tensor, TensorHook hook) {
  if (!tensor.requires_grad())
    fail("register_hook: the tensor does not require grad, so no cotangent will reach it");
  const Edge edge = edge_of(tensor.impl());
  Node& node = *edge.get();
  if (!node.hooks) node.hooks = std::make_unique<HookList>();
  auto& entries = node.hooks->entries;
  const std::uint64_t id = next_hook.fetch_add(1, std::memory_order_relaxed);
  const auto keeping = std::find_if(entries.begin(), entries.end(), [](const auto& e) { return e.keeps; });
  entries.insert(keeping, {id, edge.output(), std::move(hook)});
  return id;
}

void remove_hook(GraphNode& graph_node, std::uint64_t id) {
  auto& node = static_cast<Node&>(graph_node);
  if (node.hooks) {
    std::erase_if(node.hooks->entries, [id](const HookList::Entry& entry) { return entry.id == id; });
  }
  if (node.is_leaf()) {
    std::erase_if(static_cast<LeafNode&>(node).post_hooks,
                  [id](const auto& entry) { return entry.first == id; });
  }
}

namespace {

void keep_from(const Tensor& tensor, AutogradSlot& slot) {
  // The hook must not keep the tensor alive, which owns the node that owns the hook; the slot removes it in
  // time.
  const Edge edge = edge_of(tensor.impl());
  Node& node = *edge.get();
  if (!node.hooks) node.hooks = std::make_unique<HookList>();
  slot.retainer = edge.node();
  slot.retain_hook = next_hook.fetch_add(1, std::memory_order_relaxed);
  const auto keep = [&slot](const Tensor& g) {
    const Tensor before = slot.grad;
    slot.grad = before ? ops::add(before, g) : g;
    return Tensor();
  };
  node.hooks->entries.push_back({slot.retain_hook, edge.output(), keep, true});
}

}  // namespace

void retain_grad(const Tensor& tensor) {
  if (!tensor.requires_grad()) fail("retain_grad: the tensor does not require grad");
  if (is_leaf(tensor.impl())) return;
  AutogradSlot& slot = slot_of(tensor.impl());
  if (slot.retainer) return;
  keep_from(tensor, slot);
}

void move_retained(const Tensor& tensor) {
  AutogradSlot& slot = slot_of(tensor.impl());
  if (!slot.retainer) return;
  remove_hook(*slot.retainer, slot.retain_hook);
  keep_from(tensor, slot);
}

}  // namespace unspool::exec
