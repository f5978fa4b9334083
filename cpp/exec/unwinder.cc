// What every engine shares. Set-up turns the reachable graph into arrays indexed by integers, in reverse
// forward order; it runs no kernels and no user code, so its scratch fields in the nodes are never seen
// half-written. Then one node after the other is visited, in the order that the engine chooses.
#include "exec/unwinder.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "exec/anomaly.h"
#include "exec/observer.h"
#include "exec/program/trace.h"
#include "ops/api.h"
#include "ops/arithmetic.h"

namespace unspool::exec {
namespace {

std::uint32_t next_unwinding() {
  static std::atomic<std::uint32_t> epoch{0};
  return epoch.fetch_add(1, std::memory_order_relaxed) + 1;
}

void unwind_node(Node& node, std::span<Tensor> arrived, std::span<const bool> wanted,
                 std::span<Tensor> grads) {
  if (!anomaly_mode().enabled) return node.unwind(arrived, wanted, grads);
  with_origin(node, [&] {
    node.unwind(arrived, wanted, grads);
    if (anomaly_mode().checks_nan) check_gradients(node, grads);
  });
}

Tensor fitted(const Node& from, std::size_t input, Tensor cotangent, const ops::OutputSpec& spec) {
  if (!fit(cotangent, spec)) {
    fail("backward: ", from.name(), " returned a gradient of shape ", to_string(cotangent.sizes()),
         " for input ", input, ", whose shape is ", to_string(spec.sizes));
  }
  return cotangent;
}

// Nodes that were reached and not yet taken.
class Frontier {
 public:
  void add(Node* node) {
    if (!newest_) {
      newest_ = node;
      return;
    }
    if (newest_->sequence > node->sequence) std::swap(newest_, node);
    others_.push_back({newest_->sequence, std::exchange(newest_, node)});
    std::push_heap(others_.begin(), others_.end());
  }
  // The one that was recorded last; null when there is none.
  Node* take_latest() {
    if (others_.empty() || (newest_ && newest_->sequence > others_.front().sequence))
      return std::exchange(newest_, nullptr);
    std::pop_heap(others_.begin(), others_.end());
    Node* const node = others_.back().node;
    others_.pop_back();
    return node;
  }

 private:
  struct Reached {
    std::uint64_t sequence;
    Node* node;
    bool operator<(const Reached& other) const { return sequence < other.sequence; }
  };
  Node* newest_ = nullptr;           // stays out of the heap, which a chain of operations never sees
  SmallVector<Reached, 16> others_;  // a heap
};

// While a hook or a user's Function runs: reading memory that was changed raises.
class ForeignCode {
 public:
  explicit ForeignCode(const MemoryWatch& watch) : emitter_(watch), trace_(Trace::current()) {
    ops::ThreadState& state = ops::thread_state();
    if (trace_)
      trace_->watch_reads(&watch);
    else if (!state.emitter)
      state.emitter = &emitter_;
  }
  ~ForeignCode() {
    ops::ThreadState& state = ops::thread_state();
    if (trace_) trace_->watch_reads(nullptr);
    if (state.emitter == &emitter_) state.emitter = nullptr;
  }
  ForeignCode(const ForeignCode&) = delete;
  ForeignCode& operator=(const ForeignCode&) = delete;

 private:
  WatchedEmitter emitter_;
  Trace* trace_;
};

}  // namespace

bool fit(Tensor& cotangent, const ops::OutputSpec& spec) {
  if (!(cotangent.sizes() == spec.sizes)) {
    Dims sizes = spec.sizes;
    if (!broadcast_into(sizes, cotangent.sizes()) || !(sizes == cotangent.sizes())) return false;
    cotangent = ops::sum_to(cotangent, spec.sizes);
  }
  cotangent = ops::to(cotangent, spec.dtype);
  return true;
}

Unwinder::Unwinder(std::span<const Tensor> outputs, std::span<const Tensor> cotangents, const Unwinding& how)
    : how_(how), epoch_(next_unwinding()) {
  collect(outputs);
  mark_needed();
  if (how_.receiver) watch_memory();
  is_looked_on_ = watch_ || !captures_.empty();
  seed(outputs, cotangents);
}

bool Unwinder::is_border(const Node* node) const {
  return std::any_of(how_.inputs.begin(), how_.inputs.end(),
                     [&](const Tensor& input) { return edge_of(input.impl()).get() == node; });
}

// Of the nodes that were reached, the latest is always the next. Until a node's place is known, its index is
// the head of a list of the ways to it, linked through their `node`.
void Unwinder::collect(std::span<const Tensor> outputs) {
  Frontier waiting;
  SmallVector<Node*, 16> leaves;
  const auto reach = [&](Node* node) {
    if (node->epoch == epoch_) return;
    node->epoch = epoch_;
    node->index = kNowhere;
    if (node->sequence == 0)
      leaves.push_back(node);
    else
      waiting.add(node);
  };
  for (const Tensor& output : outputs) reach(edge_of(output.impl()).get());
  std::uint32_t slots = 0, most_inputs = 0;
  const auto stop_at = [&](Node* node, const Links& links) {
    const auto place = static_cast<std::uint32_t>(stops_.size());
    std::uint32_t count = 0;
    for (std::uint32_t way = node->index; way != kNowhere; ++count)
      way = std::exchange(ways_[way].node, place);
    node->index = place;
    add_stop(node, slots);
    slots += links.outputs;
    most_inputs = std::max(most_inputs, links.inputs);
    return count;
  };
  // Where each input has a rule of its own, none asks for inputs at the end that lead nowhere; an observer
  // is shown them all.
  const bool are_short = !observer();
  const Node* before = nullptr;
  while (Node* const node = waiting.take_latest()) {
    prefetch_beyond(before, node);
    before = node;
    Links links = node->links();
    if (how_.stops_at_inputs && is_border(node)) links = {{}, 0, links.outputs};
    stop_at(node, links);
    for (const Edge& edge : links.edges) {
      Node* const target = edge.get();
      std::uint32_t earlier = kNowhere;
      if (target) {
        reach(target);
        earlier = std::exchange(target->index, static_cast<std::uint32_t>(ways_.size()));
      }
      add_way(earlier, edge.output());
    }
    if (are_short && node->is_uniform) continue;
    for (std::size_t i = links.edges.size(); i < links.inputs; ++i) add_way(kNowhere, 0);
  }
  first_leaf_ = stops_.size();
  for (Node* leaf : leaves) pending_.push_back(stop_at(leaf, leaf->links()));
  add_stop(nullptr, slots);
  slots_.resize(slots);
  grads_.resize(most_inputs);
  wanted_.resize(most_inputs);
}

void Unwinder::mark_needed() {
  if (how_.inputs.empty()) return;
  needed_.assign(size(), 0);
  captured_.resize(how_.inputs.size());
  for (std::size_t i = 0; i < how_.inputs.size(); ++i) {
    const Edge edge = edge_of(how_.inputs[i].impl());
    if (edge.get()->epoch != epoch_) continue;
    captures_.push_back({edge.get()->index, edge.output(), i});
    needed_[edge.get()->index] = 1;
  }
  for (std::size_t i = size(); i-- > 0;) {
    if (needed_[i]) continue;
    const std::span<const Way> all = ways(i);
    needed_[i] =
        std::any_of(all.begin(), all.end(), [&](const Way& way) { return way.leads() && needed_[way.node]; });
  }
}

void Unwinder::seed(std::span<const Tensor> outputs, std::span<const Tensor> cotangents) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = outputs[i];
    Tensor cotangent = i < cotangents.size() ? cotangents[i] : Tensor();
    if (!cotangent) {
      if (output.numel() != 1) {
        fail(
            "backward: a gradient can be created implicitly only for a single number, not for an output of "
            "shape ",
            to_string(output.sizes()), "; pass gradient=, or reduce the output with sum() or mean()");
      }
      cotangent = ops::ones_like(output);
    } else if (!(cotangent.sizes() == output.sizes())) {
      fail("backward: gradient ", to_string(cotangent.sizes()), " does not have the shape of output ",
           to_string(output.sizes()));
    } else if (cotangent.dtype() != output.dtype()) {
      cotangent = ops::to(cotangent, output.dtype());
    }
    if (watch_) keep_apart(*watch_, {&cotangent, 1});
    const Edge edge = edge_of(output.impl());
    deliver(stops_[edge.get()->index].first_slot + edge.output(), std::move(cotangent));
  }
}

// Whether code of the user's may run at the node and read memory that was changed.
bool Unwinder::needs_guard(const MemoryWatch& watch, const Node& node) {
  return watch.has_changes() && (node.hooks || node.runs_user_code());
}

bool Unwinder::is_end(std::size_t i) const {
  if (!needed_.empty()) {
    return std::any_of(captures_.begin(), captures_.end(),
                       [&](const Capture& place) { return place.node == i; });
  }
  const std::span<const Way> all = ways(i);
  return std::none_of(all.begin(), all.end(), [](const Way& way) { return way.leads(); });
}

void Unwinder::keep_order() {
  std::vector<std::int64_t> slots(ways_.size(), -1);
  for (std::size_t e = 0; e < ways_.size(); ++e) {
    if (ways_[e].leads()) slots[e] = stops_[ways_[e].node].first_slot + ways_[e].output;
  }
  turns_.emplace(slots, slots_.size());
}

void Unwinder::visit(std::size_t i) {
  if (!needed_.empty() && !needed_[i]) return;
  if (i >= first_leaf_) {
    if (slots(i)[0]) finish_leaf(i);
    return;
  }
  prefetch_after(i);
  Node& node = *stops_[i].node;
  const std::span<Tensor> arrived = slots(i);
  const std::span<const Way> all = ways(i);
  const std::span<Tensor> grads(grads_.data(), all.size());
  bool* const wanted = wanted_.data();
  bool is_any_wanted = false, any = false;
  for (std::size_t e = 0; e < all.size(); ++e) is_any_wanted |= wanted[e] = is_wanted(all[e]);
  for (const Tensor& cotangent : arrived) any |= cotangent.defined();
  if (any) {
    if (is_looked_on_ || node.hooks || anomaly_mode().enabled)
      unwind_looked_on(i, arrived, {wanted, all.size()}, is_any_wanted, grads);
    else if (is_any_wanted)
      node.unwind(arrived, {wanted, all.size()}, grads);
    if (is_any_wanted && node.holds_values && !how_.retain_graph) node.release();
    for (Tensor& cotangent : arrived) cotangent = Tensor();
  }
  if (watch_) after_node(*watch_, i, grads);
  const bool fits = node.is_uniform && !node.hooks;
  for (std::size_t e = 0; e < all.size(); ++e) {
    Tensor& grad = grads[e];
    if (!wanted[e]) {
      if (grad) grad = Tensor();
      continue;
    }
    const Way way = all[e];
    const Stop& target = stops_[way.node];
    if (grad && !(fits && target.node->runs_operations))
      bring_to_form(node, e, grad, {target.node, way.output});
    Tensor& slot = slots_[target.first_slot + way.output];
    if (turns_ || slot || way.node >= first_leaf_)
      pass_on(i, e, std::move(grad));
    else
      slot = std::move(grad);
  }
}

// Where more than the node's rules takes part: hooks, captures, a receiver that changes memory, anomaly mode.
void Unwinder::unwind_looked_on(std::size_t i, std::span<Tensor> arrived, std::span<const bool> wanted,
                                bool is_any_wanted, std::span<Tensor> grads) {
  Node& node = *stops_[i].node;
  std::optional<ForeignCode> foreign;
  if (watch_ && needs_guard(*watch_, node)) foreign.emplace(*watch_);
  if (node.hooks) run_hooks(node, arrived);
  if (!captures_.empty()) capture(i, arrived);
  if (is_any_wanted) unwind_node(node, arrived, wanted, grads);
}

// To that of the node's output where the cotangent of input e goes.
void Unwinder::bring_to_form(const Node& from, std::size_t e, Tensor& cotangent, Target target) {
  if (!target.node->is_like_output(target.output, cotangent.impl()))
    cotangent = fitted(from, e, std::move(cotangent), target.node->output(target.output));
}

// The cotangent, undefined when there is none, to where the way of input e leads.
void Unwinder::pass_on(std::size_t i, std::size_t e, Tensor&& cotangent) {
  const std::size_t number = stops_[i].first_way + e;
  const Way way = ways_[number];
  const std::size_t slot = stops_[way.node].first_slot + way.output;
  if (turns_) {
    turns_->take(number, slot, std::move(cotangent), [&](Tensor next) { deliver(slot, std::move(next)); });
  } else if (cotangent) {
    deliver(slot, std::move(cotangent));
  }
  if (way.node >= first_leaf_ && --pending_[way.node - first_leaf_] == 0 && slots_[slot])
    finish_leaf(way.node);
}

void Unwinder::deliver(std::size_t place, Tensor&& cotangent) {
  Tensor& slot = slots_[place];
  if (!slot) {
    slot = std::move(cotangent);
    return;
  }
  const Tensor contribution = std::move(cotangent);
  // A sum that only this slot holds may grow in place; a borrowed cotangent may not.
  const bool is_ours = slot->ref_count() == 1 && slot->storage->is_sole() && slot.is_contiguous();
  if (!is_ours || how_.create_graph) {
    slot = ops::add(slot, contribution);
    return;
  }
  const ops::Borrowed operands[2] = {slot, contribution};
  const ops::Attr attrs[1] = {1.0};
  ops::emitter().emit_into({ops::op_of<ops::Add>, ops::operands_of(operands), attrs}, slot);
}

void Unwinder::finish_leaf(std::size_t i) {
  std::span<Tensor> arrived = slots(i);
  auto& leaf = static_cast<LeafNode&>(*stops_[i].node);
  const bool is_frozen = leaf.leaf() && !leaf.leaf()->requires_grad;  // since the forward pass
  const bool accumulates = (how_.inputs.empty() || how_.accumulate) && !is_frozen;
  if (how_.receiver && leaf.leaf() && accumulates) how_.receiver->arriving(*leaf.leaf());
  {
    std::optional<ForeignCode> foreign;
    if (watch_ && needs_guard(*watch_, leaf)) foreign.emplace(*watch_);
    run_hooks(leaf, arrived);
    capture(i, arrived);
    if (accumulates) leaf.unwind(arrived, {}, {});
  }
  arrived[0] = Tensor();
  if (how_.receiver && leaf.leaf() && accumulates) complete(i);
}

void Unwinder::run_hooks(Node& node, std::span<Tensor> arrived) {
  if (!node.hooks) return;
  // A copy: a hook may remove itself.
  const auto entries = node.hooks->entries;
  for (const HookList::Entry& entry : entries) {
    if (entry.keeps && how_.is_rehearsal) continue;
    Tensor& cotangent = arrived[entry.output];
    if (!cotangent) continue;
    Observer* watching = observer();
    const Tensor before = watching ? ops::clone(cotangent.alias()) : Tensor();
    Tensor replaced = entry.hook(cotangent);
    if (watching) watching->hooked(node, entry.output, before, replaced ? replaced : cotangent);
    if (!replaced) continue;
    if (!(replaced.sizes() == cotangent.sizes())) {
      fail("backward: a hook on ", node.name(), " returned a gradient of shape ", to_string(replaced.sizes()),
           " in place of ", to_string(cotangent.sizes()));
    }
    cotangent = std::move(replaced);
  }
  if (watch_) keep_apart(*watch_, arrived);
}

void Unwinder::capture(std::size_t i, std::span<const Tensor> arrived) {
  for (const Capture& place : captures_) {
    if (place.node != i || !arrived[place.output]) continue;
    if (!how_.accumulate)
      captured_[place.input] = arrived[place.output];
    else if (!stops_[i].node->is_leaf())
      slot_of(how_.inputs[place.input].impl()).grad = arrived[place.output];
  }
}

// Which memory the receiver is going to change, and which nodes read it.
void Unwinder::watch_memory() {
  SmallVector<MemoryWatch::Changing, 16> changing;
  for (std::size_t i = first_leaf_; i < size(); ++i) {
    if (!needed_.empty() && !needed_[i]) continue;
    TensorImpl* leaf = static_cast<LeafNode*>(stops_[i].node)->leaf();
    if (leaf && how_.receiver->changes(*leaf))
      changing.emplace_back(static_cast<std::uint32_t>(i), leaf->storage.get());
  }
  how_.receiver->begin();
  if (changing.empty()) return;
  watch_.emplace(changing, first_leaf_);
  const StorageVisitor read = [this](const Storage& storage) { watch_->add_read(storage); };
  for (std::size_t i = 0; i < first_leaf_; ++i) {
    watch_->add_node();
    if (needed_.empty() || needed_[i]) stops_[i].node->visit_saved(read);
  }
  watch_->add_node();
}

// A node has been unwound: leaves that waited for it are complete.
void Unwinder::after_node(MemoryWatch& watch, std::size_t i, std::span<Tensor> grads) {
  keep_apart(watch, grads);
  watch.passed(i, [this](std::uint32_t leaf) { complete(leaf); });
}

// Cotangents that lie in memory which will be changed get memory of their own.
void Unwinder::keep_apart(const MemoryWatch& watch, std::span<Tensor> cotangents) {
  for (Tensor& cotangent : cotangents) {
    if (!cotangent || (cotangent->ref_count() == 1 && cotangent->storage->is_sole())) continue;
    if (watch.covers(*cotangent->storage)) cotangent = ops::clone(cotangent);
  }
}

void Unwinder::complete(std::size_t i) {
  TensorImpl* leaf = static_cast<LeafNode*>(stops_[i].node)->leaf();
  if (!leaf) return;
  const std::uint32_t place = watch_ ? watch_->place_of(*leaf->storage) : MemoryWatch::kNowhere;
  if (watch_ && !watch_->is_free(static_cast<std::uint32_t>(i), place)) return;
  how_.receiver->complete(*leaf);
  if (watch_) watch_->mark_changed(place);
}

}  // namespace unspool::exec
