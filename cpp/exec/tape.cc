// The node of a recorded operation. One block of memory holds the node and everything of variable length:
// edges, saved values, attributes, output geometry.
#include "exec/tape.h"

#include <bit>
#include <cstring>
#include <new>

#include "base/error.h"
#include "exec/observer.h"
#include "exec/recompute/replay_recorder.h"
#include "exec/views.h"
#include "ops/api.h"

namespace unspool::exec {

namespace {

using ops::Attr;
using ops::Operand;
using ops::Reads;

// A tensor whose memory may be dropped, because a recorder knows how its value was made.
struct Droppable {
  Droppable(const Tensor& tensor, Ref<Value> made)
      : value(std::move(made)),
        sizes(tensor.sizes()),
        strides(tensor.strides()),
        offset(tensor->offset),
        dtype(tensor.dtype()),
        requires_grad(tensor->requires_grad),
        output_nr(tensor->output_nr),
        node(tensor->node) {
    value->hold(tensor->storage);
  }
  ~Droppable() { value->let_go(); }
  Droppable(const Droppable&) = delete;
  Droppable& operator=(const Droppable&) = delete;

  // Without history.
  Tensor plain() const {
    return Tensor(Ref<TensorImpl>(new TensorImpl(dtype, sizes, strides, value->get(), offset)));
  }
  Tensor tensor() const {
    Tensor result = plain();
    result->node = node;
    result->output_nr = output_nr;
    result->requires_grad = requires_grad;
    return result;
  }

  Ref<Value> value;
  Dims sizes, strides;
  std::int64_t offset;
  Dtype dtype;
  bool requires_grad;
  std::uint32_t output_nr;
  Ref<GraphNode> node;
};

// A value that a rule reads. A contiguous output is kept as its storage alone: the node knows its geometry,
// and keeping the tensor itself would be a cycle.
class Saved {
 public:
  Saved() noexcept = default;
  ~Saved() { clear(); }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

  void keep(const Operand& value) {
    kind_ = value.kind();
    if (value.is_tensor()) {
      value_.tensor = Ref<TensorImpl>(&value.impl()).release();
      version_ = value_.tensor->storage->version();
    } else if (kind_ == Operand::Kind::kFloat) {
      value_.f = value.number();
    } else {
      value_.i = value.integer();
    }
  }
  void keep(const Ref<Storage>& storage) {
    form_ = Form::kStorage;
    value_.storage = Ref<Storage>(storage).release();
    version_ = storage->version();
  }
  void keep(std::unique_ptr<Droppable> droppable) {
    form_ = Form::kDroppable;
    value_.droppable = droppable.release();
  }
  void clear() noexcept {
    if (is_plain()) Ref<Storage>::adopt(value_.storage);
    if (form_ == Form::kDroppable) delete value_.droppable;
    if (kind_ == Operand::Kind::kTensor) Ref<TensorImpl>::adopt(value_.tensor);
    form_ = Form::kValue;
    kind_ = Operand::Kind::kNone;
  }

  bool is_plain() const { return form_ == Form::kStorage; }
  const Droppable* droppable() const { return form_ == Form::kDroppable ? value_.droppable : nullptr; }
  Operand value() const {
    switch (kind_) {
      case Operand::Kind::kTensor:
        return Tensor(Ref<TensorImpl>(value_.tensor));
      case Operand::Kind::kBool:
        return value_.i != 0;
      case Operand::Kind::kInt:
        return value_.i;
      case Operand::Kind::kFloat:
        return value_.f;
      default:
        return {};
    }
  }
  Ref<Storage> plain() const { return Ref<Storage>(value_.storage); }
  // Whose version counts; null for numbers, absent operands, and values that can be made again.
  const Storage* storage() const {
    if (is_plain()) return value_.storage;
    return kind_ == Operand::Kind::kTensor ? value_.tensor->storage.get() : nullptr;
  }
  // What is in memory now.
  const Storage* memory() const {
    if (const Droppable* dropped = droppable())
      return dropped->value->is_here() ? dropped->value->storage().get() : nullptr;
    return storage();
  }
  std::uint32_t version() const { return version_; }

 private:
  enum class Form : std::uint8_t { kValue, kStorage, kDroppable };
  Operand::Kind kind_ = Operand::Kind::kNone;
  Form form_ = Form::kValue;
  std::uint32_t version_ = 0;
  union {
    TensorImpl* tensor;
    Storage* storage;
    Droppable* droppable;
    std::int64_t i;
    double f;
  } value_{};
};
static_assert(sizeof(Saved) == 16);

// The tensor with the history it is saved with, droppable if the thread's recorder can make it again.
std::unique_ptr<Droppable> droppable(const Tensor& tensor) {
  const ReplayRecorder* recorder = ops::thread_state().emitter ? ReplayRecorder::current() : nullptr;
  Ref<Value> value = recorder ? recorder->recomputable(tensor) : nullptr;
  return value ? std::make_unique<Droppable>(tensor, std::move(value)) : nullptr;
}

struct OutputMeta {
  std::uint32_t sizes;  // where they begin, in bytes from the beginning of the node
  std::uint16_t ndim;
  Dtype dtype;
};

struct Layout {
  std::size_t edges, saved, attrs, metas, sizes, total;
};

constexpr int kOutputBit = 16;

std::size_t count_of(Reads reads) {
  std::size_t count = 0;
  for (; reads; reads &= reads - 1) ++count;
  return count;
}

// The rule for operand i, if it has one. All elements of a list share the rule of the list.
const ops::Rule* rule_for(const ops::Record& record, std::size_t i) {
  const bool is_list = record.args.size() > 0 && record.args[0].kind == ops::ArgKind::kTensors;
  const int place = is_list ? 0 : static_cast<int>(i);
  return place < record.vjp.size() && record.vjp[place].cotangent ? &record.vjp[place] : nullptr;
}

// What a node for the call keeps.
struct Needs {
  Reads reads = 0;        // bits of the values that the rules for the wanted inputs read
  std::size_t edges = 0;  // up to the last operand that a rule leads to; none if there is no such operand
};

bool leads_to(const ops::Record& record, const Operand& operand, std::size_t i) {
  if (!operand.is_tensor() || !exec::needs_gradient(operand.impl())) return false;
  return record.joint_vjp.cotangents || rule_for(record, i);
}

Needs needs_of(const ops::Call& call) {
  const ops::Record& record = call.op.record;
  Needs needs;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    if (!leads_to(record, call.in[i], i)) continue;
    needs.reads |= record.joint_vjp.cotangents ? record.joint_vjp.reads : rule_for(record, i)->reads;
    needs.edges = i + 1;
  }
  // A rule of an operation with any number of operands declares more than this call may have.
  if (call.in.size() < kOutputBit) needs.reads &= ~((1u << kOutputBit) - (1u << call.in.size()));
  return needs;
}

class OpNode final : public Node {
 public:
  static OpNode* make(const ops::Call& call, std::span<Tensor> out, const Needs& needs,
                      const Tensor& overwritten);

  std::string name() const override { return std::string(op_.record.name); }
  Links links() const override { return {{edges(), edge_count()}, inputs_, outputs_}; }
  ops::OutputSpec output(std::uint32_t i) const override {
    const DimSpan sizes = sizes_of(i);
    return {Dims(sizes), metas()[i].dtype};
  }
  bool is_like_output(std::uint32_t i, const TensorImpl& x) const override {
    const DimSpan sizes = sizes_of(i);
    if (x.dtype != metas()[i].dtype || x.sizes.size() != sizes.size()) return false;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      if (x.sizes[d] != sizes[d]) return false;
    }
    return true;
  }
  void unwind(std::span<Tensor> cotangents, std::span<const bool> wanted, std::span<Tensor> grads) override;
  void release() override;
  void visit_saved(const StorageVisitor& visit) const override;

  const ops::Op& op() const { return op_; }
  std::size_t bytes() const;
  std::span<const Attr> attributes() const { return {at<Attr>(layout().attrs), attrs_}; }
  std::size_t saved_count() const { return count_of(reads_); }
  bool reads(int bit) const { return (reads_ >> bit) & 1u; }
  const Saved& saved(int bit) const {
    return at<Saved>(layout().saved)[count_of(reads_ & ((1u << bit) - 1))];
  }
  std::size_t saved_bytes() const;
  OpReport inspect() const;

 private:
  OpNode(const ops::Call& call, std::size_t outputs, std::size_t edges, Reads reads)
      : outputs_(static_cast<std::uint8_t>(outputs)),
        attrs_(static_cast<std::uint8_t>(call.attrs.size())),
        edgeless_(static_cast<std::uint8_t>(call.in.size() - edges)),
        inputs_(static_cast<std::uint32_t>(call.in.size())),
        reads_(reads),
        op_(call.op) {}
  ~OpNode() = default;
  void destroy_now() noexcept override;

  // Edges are kept up to the last operand that has one, as far as edgeless_ can say so.
  static std::size_t edges_for(const ops::Call& call, const Needs& needs) {
    constexpr std::size_t kMostEdgeless = 255;
    return std::max(needs.edges, call.in.size() - std::min(call.in.size(), kMostEdgeless));
  }
  std::uint32_t edge_count() const { return inputs_ - edgeless_; }

  static Layout layout(std::size_t edges, std::size_t saved, std::size_t attrs, std::size_t outputs,
                       std::size_t sizes) {
    Layout l;
    l.edges = sizeof(OpNode);
    l.metas = l.edges + edges * sizeof(Edge);
    l.attrs = l.metas + outputs * sizeof(OutputMeta);
    l.saved = l.attrs + attrs * sizeof(Attr);
    l.sizes = l.saved + saved * sizeof(Saved);
    l.total = l.sizes + sizes * sizeof(std::int64_t);
    return l;
  }
  Layout layout() const { return layout(edge_count(), saved_count(), attrs_, outputs_, 0); }
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(const_cast<std::byte*>(reinterpret_cast<const std::byte*>(this)) + offset);
  }
  Edge* edges() const { return at<Edge>(sizeof(OpNode)); }
  const OutputMeta* metas() const { return at<OutputMeta>(sizeof(OpNode) + edge_count() * sizeof(Edge)); }
  DimSpan sizes_of(std::uint32_t i) const {
    const OutputMeta& meta = metas()[i];
    return {at<std::int64_t>(meta.sizes), meta.ndim};
  }

  void save_input(Saved& place, const Operand& value);
  void save_output(Saved& place, const Tensor& value);

  // Begin in the gap that the base class leaves at its end.
  std::uint8_t outputs_;
  std::uint8_t attrs_;
  std::uint8_t edgeless_;  // inputs at the end without an edge
  std::uint32_t inputs_;
  Reads reads_;
  const ops::Op& op_;

  friend class TapeVjp;
};
static_assert(sizeof(OpNode) == 64);

// A view is kept without its base where the base may yet get a history that leads back to the node.
Operand without_base(const Operand& operand) {
  if (!operand.is_tensor() || !operand.impl().base) return operand;
  TensorImpl& view = operand.impl();
  const bool base_is_fixed = view.base->requires_grad && !view.base->node;
  const bool is_own_leaf = view.requires_grad && !view.node;
  if (base_is_fixed || is_own_leaf) return operand;
  Tensor copy = operand.tensor().alias();
  copy->node = view.node;
  copy->output_nr = view.output_nr;
  copy->requires_grad = view.requires_grad;
  return copy;
}

OpNode* OpNode::make(const ops::Call& call, std::span<Tensor> out, const Needs& needs,
                     const Tensor& overwritten) {
  std::size_t sizes = 0;
  for (const Tensor& tensor : out) sizes += tensor.sizes().size();
  const std::size_t edges = edges_for(call, needs);
  const Layout l = layout(edges, count_of(needs.reads), call.attrs.size(), out.size(), sizes);
  void* memory = ::operator new(l.total);
  auto* node = ::new (memory) OpNode(call, out.size(), edges, needs.reads);
  for (std::size_t i = 0; i < edges; ++i) {
    const Operand& operand = call.in[i];
    ::new (node->edges() + i) Edge(leads_to(call.op.record, operand, i) ? edge_of(operand.impl()) : Edge{});
  }
  Saved* place = node->at<Saved>(l.saved);
  for (Reads rest = needs.reads; rest; rest &= rest - 1, ++place) {
    const int bit = std::countr_zero(rest);
    ::new (place) Saved;
    if (bit >= kOutputBit) {
      node->save_output(*place, out[static_cast<std::size_t>(bit - kOutputBit)]);
    } else {
      const Operand& operand = call.in[static_cast<std::size_t>(bit)];
      const bool is_old = overwritten && operand.is_tensor() && &operand.impl() == &out[0].impl();
      node->save_input(*place, is_old ? Operand(overwritten) : without_base(operand));
    }
  }
  for (std::size_t i = 0; i < call.attrs.size(); ++i) ::new (node->at<Attr>(l.attrs) + i) Attr(call.attrs[i]);
  auto* metas = node->at<OutputMeta>(l.metas);
  std::size_t place_of_sizes = l.sizes;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Dims& dims = out[i].sizes();
    ::new (metas + i) OutputMeta{static_cast<std::uint32_t>(place_of_sizes),
                                 static_cast<std::uint16_t>(dims.size()), out[i].dtype()};
    auto* flat = node->at<std::int64_t>(place_of_sizes);
    for (std::size_t d = 0; d < dims.size(); ++d) flat[d] = dims[d];
    place_of_sizes += dims.size() * sizeof(std::int64_t);
  }
  node->sequence = take_sequence();
  return node;
}

void OpNode::save_input(Saved& place, const Operand& value) {
  // A leaf is saved itself: gradients of higher order flow to it.
  const bool is_leaf = value.is_tensor() && value.impl().requires_grad && !value.impl().node;
  std::unique_ptr<Droppable> dropped = value.is_tensor() && !is_leaf ? droppable(value.tensor()) : nullptr;
  if (dropped)
    place.keep(std::move(dropped));
  else
    place.keep(value);
}

void OpNode::save_output(Saved& place, const Tensor& value) {
  // The alias has no history: an output's is the node itself.
  if (std::unique_ptr<Droppable> dropped = droppable(value.alias())) return place.keep(std::move(dropped));
  const bool is_plain = value.is_contiguous() && value->offset == 0;
  if (is_plain)
    place.keep(value->storage);
  else
    place.keep(Operand(value.alias()));
}

void OpNode::release() {
  if (reads_ == 0) return;
  Saved* saved = at<Saved>(layout().saved);
  for (std::size_t i = 0; i < saved_count(); ++i) saved[i].clear();
  released = true;
}

void OpNode::destroy_now() noexcept {
  const Layout l = layout();
  std::destroy_n(edges(), edge_count());
  std::destroy_n(at<Saved>(l.saved), saved_count());
  std::destroy_n(at<Attr>(l.attrs), attrs_);
  this->~OpNode();
  ::operator delete(static_cast<void*>(this));
}

void OpNode::visit_saved(const StorageVisitor& visit) const {
  const Saved* saved = at<Saved>(layout().saved);
  for (std::size_t i = 0; i < saved_count(); ++i) {
    if (const Storage* storage = saved[i].memory()) visit(*storage);
  }
}

std::size_t OpNode::saved_bytes() const {
  std::size_t total = 0;
  visit_saved([&](const Storage& storage) { total += storage.bytes(); });
  return total;
}

std::size_t OpNode::bytes() const {
  std::size_t sizes = 0;
  for (std::size_t i = 0; i < outputs_; ++i) sizes += metas()[i].ndim;
  return layout(edge_count(), saved_count(), attrs_, outputs_, sizes).total;
}

OpReport OpNode::inspect() const {
  OpReport result{&op_, attributes(), {}};
  for (int bit = 0; bit < 32 && !released; ++bit) {
    if (!reads(bit)) continue;
    const Saved& value = saved(bit);
    const int place = bit >= kOutputBit ? kOutputBit - 1 - bit : bit;
    if (!value.is_plain()) {
      const Droppable* dropped = value.droppable();
      result.saved.emplace_back(place, dropped ? Operand(dropped->plain()) : value.value());
      continue;
    }
    const ops::OutputSpec spec = output(static_cast<std::uint32_t>(bit - kOutputBit));
    result.saved.emplace_back(
        place, Tensor(Ref<TensorImpl>(new TensorImpl(spec.dtype, spec.sizes, contiguous_strides(spec.sizes),
                                                     value.plain(), 0))));
  }
  return result;
}

std::string in_module(const Node& node) {
  const std::string path = node.scope ? node.scope->path() : "";
  return path.empty() ? "" : " in module '" + path + "'";
}

// Unpacks what the tape saved, after checking that nobody has overwritten it.
class TapeVjp final : public ops::Vjp {
 public:
  TapeVjp(OpNode& node, std::span<Tensor> cotangents, std::span<const bool> wanted)
      : Vjp({node.op(), {}, node.attributes()}), node_(node), cotangents_(cotangents), wanted_(wanted) {}

  Tensor g(int i) override {
    Tensor& cotangent = cotangents_[static_cast<std::size_t>(i)];
    if (!cotangent) {
      const ops::OutputSpec spec = node_.output(static_cast<std::uint32_t>(i));
      cotangent = ops::full(spec.sizes, 0.0, spec.dtype);
    }
    return cotangent;
  }
  bool has_g(int i) const override { return static_cast<bool>(cotangents_[static_cast<std::size_t>(i)]); }
  Operand in(int i) override {
    const Saved& saved = checked(i);
    return saved.droppable() ? Operand(saved.droppable()->tensor()) : saved.value();
  }
  Tensor out(int i) override {
    const Saved& saved = checked(kOutputBit + i);
    Tensor value;
    if (saved.is_plain()) {
      const ops::OutputSpec spec = node_.output(static_cast<std::uint32_t>(i));
      value = Tensor(Ref<TensorImpl>(
          new TensorImpl(spec.dtype, spec.sizes, contiguous_strides(spec.sizes), saved.plain(), 0)));
    } else {
      value = saved.droppable() ? saved.droppable()->plain() : saved.value().tensor().alias();
    }
    // For higher derivatives the output is again this node's result.
    if (ops::thread_state().grad_enabled && is_floating(value.dtype())) {
      value->node = Ref<GraphNode>(&node_);
      value->output_nr = static_cast<std::uint32_t>(i);
      value->requires_grad = true;
    }
    return value;
  }
  bool wants(int i) const override { return wanted_[static_cast<std::size_t>(i)]; }
  const Dims& sizes(int i) const override { return spec(i).sizes; }
  Dtype dtype(int i) const override { return spec(i).dtype; }

 private:
  const ops::OutputSpec& spec(int i) const {
    if (known_ != i) {
      const Edge& edge = node_.edge(static_cast<std::uint32_t>(i));
      if (!edge)
        fail(node_.name(), ": its rule asks for the shape of input ", i, ", which needs no gradient");
      spec_ = edge.get()->output(edge.output);
      known_ = i;
    }
    return spec_;
  }

  static std::string what(int bit) {
    return bit >= kOutputBit ? "its output" : "input " + std::to_string(bit);
  }

  const Saved& checked(int bit) {
    if (!node_.reads(bit)) fail(node_.name(), ": its rule reads ", what(bit), " without having declared it");
    const Saved& saved = node_.saved(bit);
    const Storage* storage = saved.storage();
    if (storage && storage->version() != saved.version()) {
      fail("backward: ", node_.name(), in_module(node_), " saved ", what(bit), " for its gradient, but ",
           storage->writer() ? storage->writer() : "an in-place operation",
           " has since overwritten it (version ", storage->version(), ", saved at version ", saved.version(),
           "); use the operation that returns a new tensor, or clone() first");
    }
    return saved;
  }

  OpNode& node_;
  std::span<Tensor> cotangents_;
  std::span<const bool> wanted_;
  mutable ops::OutputSpec spec_;
  mutable int known_ = -1;
};

void OpNode::unwind(std::span<Tensor> cotangents, std::span<const bool> wanted, std::span<Tensor> grads) {
  if (released) {
    fail("backward: the graph was already freed when ", name(), in_module(*this),
         " was unwound; call backward(retain_graph=True) the first time to unwind it twice");
  }
  TapeVjp vjp(*this, cotangents, wanted);
  apply_rules(op_.record, vjp, wanted, grads);
  if (Observer* watching = observer()) watching->unwound(*this, cotangents, grads);
}

}  // namespace

void apply_rules(const ops::Record& record, ops::Vjp& vjp, std::span<const bool> wanted,
                 std::span<Tensor> grads) {
  if (record.joint_vjp.cotangents) return record.joint_vjp.cotangents(vjp, grads);
  for (std::size_t i = 0; i < grads.size(); ++i) {
    const ops::Rule* rule = wanted[i] ? rule_for(record, i) : nullptr;
    vjp.index = static_cast<int>(i);
    if (rule) grads[i] = rule->cotangent(vjp);
  }
}

bool needs_record(const ops::Op& op, std::span<const Operand> in) {
  const ops::ThreadState& state = ops::thread_state();
  if (!state.grad_enabled || !op.record.is_differentiable()) return false;
  for (const Operand& operand : in) {
    if (operand.is_tensor() && operand.impl().needs_gradient()) return true;
  }
  return false;
}

ops::Reads reads_of(const ops::Call& call) { return needs_of(call).reads; }

Ref<GraphNode> make_node(const ops::Call& call, std::span<Tensor> out, const Tensor& overwritten) {
  const Needs needs = needs_of(call);
  if (needs.edges == 0) return nullptr;
  Ref<GraphNode> node(OpNode::make(call, out, needs, overwritten));
  if (Observer* watching = observer()) {
    watching->recorded(call, static_cast<const Node&>(*node), out[0], overwritten);
  }
  return node;
}

void record(const ops::Call& call, std::span<Tensor> out) {
  Ref<GraphNode> node = make_node(call, out, {});
  if (!node) return;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!is_floating(out[i].dtype())) continue;
    out[i]->node = i + 1 < out.size() ? node : std::move(node);
    out[i]->output_nr = static_cast<std::uint32_t>(i);
    out[i]->requires_grad = true;
  }
}

NodeReport report(const Node& node) {
  NodeReport result{node.name(), node.scope ? node.scope->path() : "", 0};
  if (const auto* op = dynamic_cast<const OpNode*>(&node)) result.saved_bytes = op->saved_bytes();
  return result;
}

std::optional<OpReport> inspect(const Node& node) {
  const auto* op = dynamic_cast<const OpNode*>(&node);
  return op ? std::optional<OpReport>(op->inspect()) : std::nullopt;
}

std::size_t node_bytes(const Node& node) {
  const auto* op = dynamic_cast<const OpNode*>(&node);
  return op ? op->bytes() : 0;
}

}  // namespace unspool::exec
