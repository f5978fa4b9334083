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
  link();
  mark_needed();
  if (how_.receiver) watch_memory();
  seed(outputs, cotangents);
}

bool Unwinder::is_border(const Node* node) const {
  return std::any_of(how_.inputs.begin(), how_.inputs.end(),
                     [&](const Tensor& input) { return edge_of(input.impl()).get() == node; });
}

void Unwinder::collect(std::span<const Tensor> outputs) {
  std::vector<Node*> waiting, leaves;
  const auto reach = [&](Node* node) {
    if (!node || node->epoch == epoch_) return;
    node->epoch = epoch_;
    waiting.push_back(node);
  };
  for (const Tensor& output : outputs) reach(edge_of(output.impl()).get());
  bool is_sorted = true;
  while (!waiting.empty()) {
    Node* node = waiting.back();
    waiting.pop_back();
    if (node->sequence == 0) {
      leaves.push_back(node);
      continue;
    }
    is_sorted = is_sorted && (nodes_.empty() || nodes_.back()->sequence > node->sequence);
    node->index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back(node);
    const Links links = links_of(node);
    edges_ += links.inputs;
    for (const Edge& edge : links.edges) reach(edge.get());
  }
  first_leaf_ = nodes_.size();
  if (!is_sorted) {
    std::sort(nodes_.begin(), nodes_.end(),
              [](const Node* a, const Node* b) { return a->sequence > b->sequence; });
  }
  nodes_.insert(nodes_.end(), leaves.begin(), leaves.end());
  for (std::size_t i = is_sorted ? first_leaf_ : 0; i < nodes_.size(); ++i)
    nodes_[i]->index = static_cast<std::uint32_t>(i);
}

void Unwinder::link() {
  first_edge_.resize(nodes_.size() + 1);
  first_slot_.resize(nodes_.size() + 1);
  targets_.resize(edges_, kNowhere);
  outputs_.resize(edges_);
  wanted_.resize(edges_);
  pending_.resize(nodes_.size() - first_leaf_);
  std::uint32_t edge = 0, slot = 0, most_inputs = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    prefetch_after(i);
    const Links links = links_of(nodes_[i]);
    first_edge_[i] = edge;
    first_slot_[i] = slot;
    for (std::size_t e = 0; e < links.edges.size(); ++e) {
      const Node* target = links.edges[e].get();
      if (!target) continue;
      targets_[edge + e] = static_cast<std::int32_t>(target->index);
      outputs_[edge + e] = links.edges[e].output();
      wanted_[edge + e] = true;
      if (target->index >= first_leaf_) ++pending_[target->index - first_leaf_];
    }
    edge += links.inputs;
    slot += links.outputs;
    most_inputs = std::max(most_inputs, links.inputs);
  }
  first_edge_.back() = edge;
  first_slot_.back() = slot;
  slots_.resize(slot);
  grads_.resize(most_inputs);
}

void Unwinder::mark_needed() {
  if (how_.inputs.empty()) return;
  needed_.assign(nodes_.size(), 0);
  captured_.resize(how_.inputs.size());
  for (std::size_t i = 0; i < how_.inputs.size(); ++i) {
    const Edge edge = edge_of(how_.inputs[i].impl());
    if (edge.get()->epoch != epoch_) continue;
    captures_.push_back({edge.get()->index, edge.output(), i});
    needed_[edge.get()->index] = 1;
  }
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    for (std::uint32_t e = first_edge_[i]; e < first_edge_[i + 1] && !needed_[i]; ++e) {
      needed_[i] = targets_[e] != kNowhere && needed_[static_cast<std::size_t>(targets_[e])];
    }
  }
  for (std::size_t e = 0; e < targets_.size(); ++e)
    wanted_[e] = targets_[e] != kNowhere && needed_[static_cast<std::size_t>(targets_[e])];
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
    deliver(first_slot_[edge.get()->index] + edge.output(), std::move(cotangent));
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
  const std::span<const std::int32_t> all = targets(i);
  return std::all_of(all.begin(), all.end(), [](std::int32_t target) { return target == kNowhere; });
}

void Unwinder::keep_order() {
  std::vector<std::int64_t> slots(targets_.size(), -1);
  for (std::size_t e = 0; e < targets_.size(); ++e) {
    if (targets_[e] != kNowhere) slots[e] = first_slot_[static_cast<std::size_t>(targets_[e])] + outputs_[e];
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
  const std::span<Tensor> arrived = slots(i);
  const std::span<Tensor> grads(grads_.data(), targets(i).size());
  const bool any = std::any_of(arrived.begin(), arrived.end(), [](const Tensor& t) { return t.defined(); });
  if (any) {
    if (watch_ && needs_guard(*watch_, *nodes_[i])) {
      const ForeignCode foreign(*watch_);
      apply(i, arrived, grads);
    } else {
      apply(i, arrived, grads);
    }
    for (Tensor& cotangent : arrived) cotangent = Tensor();
  }
  if (watch_) after_node(*watch_, i, grads);
  pass_on(i, grads);
}

void Unwinder::apply(std::size_t i, std::span<Tensor> arrived, std::span<Tensor> grads) {
  Node& node = *nodes_[i];
  if (node.hooks) run_hooks(node, arrived);
  if (!captures_.empty()) capture(i, arrived);
  const std::span<const bool> wanted(wanted_.data() + first_edge_[i], grads.size());
  if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) return;
  unwind_node(node, arrived, wanted, grads);
  if (!how_.retain_graph) node.release();
}

void Unwinder::pass_on(std::size_t i, std::span<Tensor> grads) {
  const std::size_t first = first_edge_[i];
  for (std::size_t e = 0; e < grads.size(); ++e) {
    const std::size_t edge = first + e;
    if (!wanted_[edge]) {
      if (grads[e]) grads[e] = Tensor();
      continue;
    }
    Tensor cotangent = std::move(grads[e]);
    const auto target = static_cast<std::size_t>(targets_[edge]);
    if (cotangent && !nodes_[target]->is_like_output(outputs_[edge], cotangent.impl()))
      cotangent = fitted(*nodes_[i], e, std::move(cotangent), nodes_[target]->output(outputs_[edge]));
    const std::size_t slot = first_slot_[target] + outputs_[edge];
    if (turns_) {
      turns_->take(edge, slot, std::move(cotangent), [&](Tensor next) { deliver(slot, std::move(next)); });
    } else if (cotangent) {
      deliver(slot, std::move(cotangent));
    }
    if (target >= first_leaf_ && --pending_[target - first_leaf_] == 0 && slots_[slot]) finish_leaf(target);
  }
}

void Unwinder::deliver(std::size_t place, Tensor cotangent) {
  Tensor& slot = slots_[place];
  if (!slot) {
    slot = std::move(cotangent);
    return;
  }
  // A sum that only this slot holds may grow in place; a borrowed cotangent may not.
  const bool is_ours = slot->ref_count() == 1 && slot->storage->is_sole() && slot.is_contiguous();
  if (!is_ours || how_.create_graph) {
    slot = ops::add(slot, cotangent);
    return;
  }
  const ops::Operand operands[2] = {slot, cotangent};
  const ops::Attr attrs[1] = {1.0};
  ops::emitter().emit_into({ops::op_of<ops::Add>, operands, attrs}, slot);
}

void Unwinder::finish_leaf(std::size_t i) {
  std::span<Tensor> arrived = slots(i);
  auto& leaf = static_cast<LeafNode&>(*nodes_[i]);
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
    else if (!nodes_[i]->is_leaf())
      slot_of(how_.inputs[place.input].impl()).grad = arrived[place.output];
  }
}

// Which memory the receiver is going to change, and which nodes read it.
void Unwinder::watch_memory() {
  SmallVector<MemoryWatch::Changing, 16> changing;
  for (std::size_t i = first_leaf_; i < nodes_.size(); ++i) {
    if (!needed_.empty() && !needed_[i]) continue;
    TensorImpl* leaf = static_cast<LeafNode*>(nodes_[i])->leaf();
    if (leaf && how_.receiver->changes(*leaf))
      changing.emplace_back(static_cast<std::uint32_t>(i), leaf->storage.get());
  }
  how_.receiver->begin();
  if (changing.empty()) return;
  watch_.emplace(changing, first_leaf_);
  const StorageVisitor read = [this](const Storage& storage) { watch_->add_read(storage); };
  for (std::size_t i = 0; i < first_leaf_; ++i) {
    watch_->add_node();
    if (needed_.empty() || needed_[i]) nodes_[i]->visit_saved(read);
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
  TensorImpl* leaf = static_cast<LeafNode*>(nodes_[i])->leaf();
  if (!leaf) return;
  const std::uint32_t place = watch_ ? watch_->place_of(*leaf->storage) : MemoryWatch::kNowhere;
  if (watch_ && !watch_->is_free(static_cast<std::uint32_t>(i), place)) return;
  how_.receiver->complete(*leaf);
  if (watch_) watch_->mark_changed(place);
}

}  // namespace unspool::exec
