// The node of a recorded operation. One block of memory holds the node and everything of variable length:
// edges, saved values, attributes, output geometry.
#include "exec/tape.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <optional>

#include "base/blocks.h"
#include "base/error.h"
#include "exec/attr_list.h"
#include "exec/observer.h"
#include "exec/recompute/replay_recorder.h"
#include "exec/saved.h"
#include "exec/views.h"
#include "ops/api.h"

namespace unspool::exec {

namespace {

using ops::Attr;
using ops::Operand;
using ops::Reads;

// Who can make values again; mostly nobody.
const ReplayRecorder* replay_recorder() {
  return ops::thread_state().emitter ? ReplayRecorder::current() : nullptr;
}

// The tensor with the history it is saved with, droppable if the recorder can make it again.
std::unique_ptr<Droppable> droppable(const ReplayRecorder& recorder, const Tensor& tensor) {
  Ref<Value> value = recorder.recomputable(tensor);
  return value ? std::make_unique<Droppable>(tensor, std::move(value)) : nullptr;
}

// An output's geometry; its sizes take two bytes each, or four or eight where one needs them.
struct OutputMeta {
  std::uint16_t sizes;  // where they begin, in steps of two bytes from the first OutputMeta
  std::uint8_t ndim;
  std::uint8_t log_width : 2;  // of a size's bytes
  std::uint8_t dtype : 6;

  std::size_t bytes() const { return std::size_t{ndim} << log_width; }
};
static_assert(sizeof(OutputMeta) == 4 && kDtypeCount < 64);

constexpr std::uint8_t kNarrow = 1, kMiddle = 2;  // else wide

// A size of one of the outputs that begin at `first`.
std::int64_t size_at(const OutputMeta* first, const OutputMeta& meta, std::size_t d) {
  const auto* sizes = reinterpret_cast<const std::uint16_t*>(first) + meta.sizes;
  if (meta.log_width == kNarrow) return sizes[d];
  if (meta.log_width == kMiddle) {
    std::uint32_t size;
    std::memcpy(&size, sizes + 2 * d, sizeof(size));
    return size;
  }
  std::int64_t size;
  std::memcpy(&size, sizes + 4 * d, sizeof(size));
  return size;
}

// Bytes that hold any of the sizes, as a power of two.
std::uint8_t log_width_of(DimSpan sizes) {
  std::uint64_t bits = 0;
  for (const std::int64_t size : sizes) bits |= static_cast<std::uint64_t>(size);
  return bits >> 16 == 0 ? 1 : bits >> 32 == 0 ? 2 : 3;
}

// More attributes than these are kept outside of the node, shared with others.
constexpr std::size_t kOwnAttrs = 1;

struct Layout {
  std::size_t attrs, saved, metas, total;
};

constexpr int kOutputBit = 16;
constexpr Reads kInputBits = (1u << kOutputBit) - 1;

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
  Reads reads = 0;         // bits of the values that the rules for the wanted inputs read
  std::size_t edges = 0;   // up to the last operand that a rule leads to; none if there is no such operand
  std::uint64_t led = 0;   // bits of the operands that a rule leads to, as far as there are bits
  bool passes_on = false;  // it leads to one, whose cotangent is that of the output itself
};

// Whether a rule leads to operand i.
bool leads_to(const ops::Record& record, const Operand& operand, std::size_t i) {
  if (!operand.is_tensor() || !exec::needs_gradient(operand.impl())) return false;
  return record.joint_vjp.cotangents || rule_for(record, i);
}

Needs needs_of(const ops::Call& call, std::span<const Tensor> out) {
  const ops::Record& record = call.op.record;
  const bool is_joint = record.joint_vjp.cotangents;
  Needs needs;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const Operand& operand = call.in[i];
    if (!operand.is_tensor() || !exec::needs_gradient(operand.impl())) continue;
    const ops::Rule* const rule = is_joint ? nullptr : rule_for(record, i);
    if (!is_joint && !rule) continue;
    needs.reads |= is_joint ? record.joint_vjp.reads : rule->reads;
    needs.passes_on = needs.edges == 0 && rule && rule->cotangent == ops::pass_on;
    needs.edges = i + 1;
    if (i < 64) needs.led |= std::uint64_t{1} << i;
  }
  if (needs.reads == 0) return needs;
  // A rule of an operation with any number of operands declares more than this call may have; optional ones
  // may be absent, and results empty.
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i].numel() == 0) needs.reads &= ~ops::out(static_cast<int>(i));
  }
  for (Reads rest = needs.reads & kInputBits; rest; rest &= rest - 1) {
    const auto place = static_cast<std::size_t>(std::countr_zero(rest));
    if (place >= call.in.size() || call.in[place].is_none()) needs.reads &= ~(rest & ~(rest - 1));
  }
  return needs;
}

// Whether any rule of the operation declares that it reads the value.
bool declares(const ops::Record& record, int bit) {
  Reads reads = record.joint_vjp.reads;
  for (const ops::Rule& rule : record.vjp) reads |= rule.reads;
  return (reads >> bit) & 1u;
}

class OpNode final : public Node {
 public:
  static OpNode* make(const ops::Call& call, std::span<Tensor> out, const Needs& needs,
                      const Tensor& overwritten);

  std::string name() const override { return std::string(op_.record.name); }
  Links links() const override { return {{edges(), edge_count()}, inputs_, outputs_}; }
  ops::OutputSpec output(std::uint32_t i) const override {
    const OutputMeta* const first = metas();
    ops::OutputSpec spec{{}, static_cast<Dtype>(first[i].dtype)};
    for (std::size_t d = 0; d < first[i].ndim; ++d) spec.sizes.push_back(size_at(first, first[i], d));
    return spec;
  }
  bool is_like_output(std::uint32_t i, const TensorImpl& x) const override {
    const OutputMeta* const first = metas();
    const OutputMeta& meta = first[i];
    if (x.dtype != static_cast<Dtype>(meta.dtype) || x.sizes.size() != meta.ndim) return false;
    for (std::size_t d = 0; d < meta.ndim; ++d) {
      if (x.sizes[d] != size_at(first, meta, d)) return false;
    }
    return true;
  }
  void unwind(std::span<Tensor> cotangents, std::span<const bool> wanted, std::span<Tensor> grads) override;
  [[gnu::noinline]] void apply(std::span<Tensor> cotangents, std::span<const bool> wanted,
                               std::span<Tensor> grads);
  void release() override;
  void visit_saved(const StorageVisitor& visit) const override;

  const ops::Op& op() const { return op_; }
  std::size_t bytes() const override { return bytes(layout()); }
  std::span<const Attr> attributes() const {
    const Layout l = layout();
    return attrs_ > kOwnAttrs ? (*at<Ref<AttrList>>(l.attrs))->attrs() : std::span(at<Attr>(l.attrs), attrs_);
  }
  std::size_t saved_count() const { return saved_; }
  bool reads(int bit) const { return (reads_ >> bit) & 1u; }
  const Saved& saved(int bit) const {
    return at<Saved>(layout().saved)[count_of(reads_ & ((1u << bit) - 1))];
  }
  OpReport inspect() const;

 private:
  OpNode(const ops::Call& call, std::size_t outputs, std::size_t edges, Reads reads)
      : outputs_(static_cast<std::uint8_t>(outputs)),
        attrs_(call.attrs.size() & 31u),
        edgeless_(static_cast<std::uint8_t>(call.in.size() - edges)),
        inputs_(static_cast<std::uint32_t>(call.in.size()) & kMostInputs),
        saved_(count_of(reads) & 31u),
        reads_(reads),
        op_(call.op) {
    holds_values = reads != 0;
    runs_operations = true;
  }
  ~OpNode() = default;
  void destroy_now() noexcept override;

  // Edges are kept up to the last operand that has one, as far as edgeless_ can say so.
  static std::size_t edges_for(const ops::Call& call, const Needs& needs) {
    constexpr std::size_t kMostEdgeless = 255;
    return std::max(needs.edges, call.in.size() - std::min(call.in.size(), kMostEdgeless));
  }
  std::uint32_t edge_count() const { return inputs_ - edgeless_; }

  static Layout layout(std::size_t edges, std::size_t saved, std::size_t attrs) {
    Layout l;
    l.attrs = sizeof(OpNode) + edges * sizeof(Edge);
    l.saved = l.attrs + (attrs > kOwnAttrs ? sizeof(Ref<AttrList>) : attrs * sizeof(Attr));
    l.metas = l.saved + saved * sizeof(Saved);
    return l;
  }
  Layout layout() const { return layout(edge_count(), saved_, attrs_); }
  std::size_t bytes(const Layout& layout) const;
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(const_cast<std::byte*>(reinterpret_cast<const std::byte*>(this)) + offset);
  }
  Edge* edges() const { return at<Edge>(sizeof(OpNode)); }
  const OutputMeta* metas() const { return at<OutputMeta>(layout().metas); }
  void keep_attributes(const ops::Call& call, void* place);
  void save_values(const ops::Call& call, std::span<const Tensor> out, const Tensor& overwritten,
                   Saved* place);
  void save_input(Saved& place, const Operand& value);
  void save_output(Saved& place, const Tensor& value);

  // Begin in the gap that the base class leaves at its end.
  std::uint8_t outputs_;
  std::uint8_t attrs_ : 5;
  bool passes_on_ : 1 = false;  // the last edge is the only one, and gets the cotangent of the output itself
  std::uint8_t edgeless_;       // inputs at the end without an edge
  static constexpr std::uint32_t kMostInputs = (1u << 27) - 1;
  std::uint32_t inputs_ : 27;
  std::uint32_t saved_ : 5;
  Reads reads_;
  const ops::Op& op_;

  friend class TapeVjp;
};
static_assert(sizeof(OpNode) == 64);

// A view is kept without its base where the base may yet get a history that leads back to the node.
Operand without_base(const Operand& operand) {
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

// The outputs' geometry, on its way into a node.
class Geometry {
 public:
  explicit Geometry(std::span<const Tensor> out) : out_(out), bytes_(out.size() * sizeof(OutputMeta)) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const Dims& dims = out[i].sizes();
      metas_[i] = {static_cast<std::uint16_t>(bytes_ / 2), static_cast<std::uint8_t>(dims.size()),
                   static_cast<std::uint8_t>(log_width_of(dims) & 3u),
                   static_cast<std::uint8_t>(static_cast<unsigned>(out[i].dtype()) & 63u)};
      bytes_ += metas_[i].bytes();
    }
  }
  std::size_t bytes() const { return bytes_; }
  void write_to(void* place) const {
    ::new (place) OutputMeta(metas_[0]);
    for (std::size_t i = 1; i < out_.size(); ++i)
      ::new (static_cast<OutputMeta*>(place) + i) OutputMeta(metas_[i]);
    auto* next = static_cast<std::byte*>(place) + out_.size() * sizeof(OutputMeta);
    for (std::size_t i = 0; i < out_.size(); ++i) {
      const Dims& dims = out_[i].sizes();
      if (metas_[i].log_width == kNarrow)
        next = write<std::uint16_t>(next, dims);
      else if (metas_[i].log_width == kMiddle)
        next = write<std::uint32_t>(next, dims);
      else
        next = write<std::int64_t>(next, dims);
    }
  }

 private:
  template <class T>
  static std::byte* write(std::byte* next, const Dims& dims) {
    for (const std::int64_t dim : dims) {
      const T size = static_cast<T>(dim);
      std::memcpy(next, &size, sizeof(T));
      next += sizeof(T);
    }
    return next;
  }

  std::span<const Tensor> out_;
  OutputMeta metas_[ops::kMaxOutputs];
  std::size_t bytes_;
};

OpNode* OpNode::make(const ops::Call& call, std::span<Tensor> out, const Needs& needs,
                     const Tensor& overwritten) {
  if (call.in.size() > kMostInputs) call.fail("more than ", kMostInputs, " operands cannot be recorded");
  const std::size_t edges = edges_for(call, needs);
  const Layout l = layout(edges, needs.reads ? count_of(needs.reads) : 0, call.attrs.size());
  const Geometry geometry(out);
  void* memory = allocate_block(l.metas + geometry.bytes());
  auto* node = ::new (memory) OpNode(call, out.size(), edges, needs.reads);
  Edge* edge = node->edges();
  for (std::size_t i = 0; i < edges; ++i, ++edge) {
    const Operand& operand = call.in[i];
    const bool leads = i < 64 ? needs.led >> i & 1u : leads_to(call.op.record, operand, i);
    if (!leads)
      ::new (edge) Edge;
    else if (const TensorImpl& impl = operand.impl(); impl.node)
      ::new (edge) Edge(impl.node, impl.output_nr);
    else
      ::new (edge) Edge(edge_of(operand.impl()));
  }
  if (!call.attrs.empty()) node->keep_attributes(call, node->at<void>(l.attrs));
  if (needs.reads) node->save_values(call, out, overwritten, node->at<Saved>(l.saved));
  geometry.write_to(node->at<void>(l.metas));
  node->passes_on_ = needs.passes_on && needs.edges == edges;
  node->sequence = take_sequence({node->edges(), edges});
  return node;
}

void OpNode::save_values(const ops::Call& call, std::span<const Tensor> out, const Tensor& overwritten,
                         Saved* place) {
  for (Reads rest = reads_; rest; rest &= rest - 1, ++place) {
    const int bit = std::countr_zero(rest);
    ::new (place) Saved;
    if (bit >= kOutputBit) {
      save_output(*place, out[static_cast<std::size_t>(bit - kOutputBit)]);
      continue;
    }
    const Operand& operand = call.in[static_cast<std::size_t>(bit)];
    const bool is_old = overwritten && operand.is_tensor() && &operand.impl() == &out[0].impl();
    if (is_old)
      save_input(*place, Operand(overwritten));
    else if (operand.is_tensor() && operand.impl().base)
      save_input(*place, without_base(operand));
    else
      save_input(*place, operand);
  }
}

void OpNode::keep_attributes(const ops::Call& call, void* place) {
  if (attrs_ > kOwnAttrs) {
    ::new (place) Ref<AttrList>(shared_attributes(call));
    return;
  }
  for (std::size_t i = 0; i < attrs_; ++i) ::new (static_cast<Attr*>(place) + i) Attr(call.attrs[i]);
}

void OpNode::save_input(Saved& place, const Operand& value) {
  // A leaf is saved itself: gradients of higher order flow to it.
  const auto is_leaf = [&] { return value.impl().requires_grad && !value.impl().node; };
  const ReplayRecorder* const recorder = replay_recorder();
  if (recorder && value.is_tensor() && !is_leaf()) {
    if (auto dropped = droppable(*recorder, value.tensor())) return place.keep(std::move(dropped));
  }
  place.keep(value);
}

void OpNode::save_output(Saved& place, const Tensor& value) {
  // The alias has no history: an output's is the node itself.
  if (const ReplayRecorder* const recorder = replay_recorder()) {
    if (auto dropped = droppable(*recorder, value.alias())) return place.keep(std::move(dropped));
  }
  const bool is_plain = value.is_contiguous() && value->offset == 0;
  if (is_plain)
    place.keep(value->storage);
  else
    place.keep(Operand(value.alias()));
}

void OpNode::release() {
  if (!holds_values) return;
  Saved* saved = at<Saved>(layout().saved);
  for (std::size_t i = 0; i < saved_count(); ++i) saved[i].clear();
  released = true;
}

void OpNode::destroy_now() noexcept {
  const Layout l = layout();
  const std::size_t size = bytes(l);
  std::destroy_n(edges(), edge_count());
  std::destroy_n(at<Saved>(l.saved), saved_);
  if (attrs_ > kOwnAttrs)
    std::destroy_at(at<Ref<AttrList>>(l.attrs));
  else
    std::destroy_n(at<Attr>(l.attrs), attrs_);
  this->~OpNode();
  deallocate_block(this, size);
}

void OpNode::visit_saved(const StorageVisitor& visit) const {
  const Saved* saved = at<Saved>(layout().saved);
  for (std::size_t i = 0; i < saved_count(); ++i) {
    if (const Storage* storage = saved[i].memory()) visit(*storage);
  }
}

std::size_t OpNode::bytes(const Layout& layout) const {
  const auto* meta = at<OutputMeta>(layout.metas);
  std::size_t total = layout.metas + outputs_ * sizeof(OutputMeta);
  for (std::size_t i = 0; i < outputs_; ++i) total += meta[i].bytes();
  return total;
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
    result.saved.emplace_back(place,
                              Tensor(Ref<TensorImpl>(new TensorImpl(spec.dtype, spec.sizes, value.plain()))));
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

  const Tensor& g(int i) override {
    Tensor& cotangent = cotangents_[static_cast<std::size_t>(i)];
    if (!cotangent) {
      const ops::OutputSpec spec = node_.output(static_cast<std::uint32_t>(i));
      cotangent = ops::full(spec.sizes, 0.0, spec.dtype);
    }
    return cotangent;
  }
  bool has_g(int i) const override { return static_cast<bool>(cotangents_[static_cast<std::size_t>(i)]); }
  Operand in(int i) override {
    if (!node_.reads(i) && declares(node_.op().record, i)) return {};  // it was absent
    const Saved& saved = checked(i);
    return saved.droppable() ? Operand(saved.droppable()->tensor()) : saved.value();
  }
  Tensor out(int i) override {
    const ops::OutputSpec spec = node_.output(static_cast<std::uint32_t>(i));
    Tensor value;
    if (numel(spec.sizes) == 0 && declares(node_.op().record, kOutputBit + i)) {
      value = Tensor::empty(spec.sizes, spec.dtype);
    } else if (const Saved& saved = checked(kOutputBit + i); saved.is_plain()) {
      value = Tensor(Ref<TensorImpl>(new TensorImpl(spec.dtype, spec.sizes, saved.plain())));
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
  bool wants(int i) const override {
    const auto place = static_cast<std::size_t>(i);
    return place < wanted_.size() && wanted_[place];
  }
  const Dims& sizes(int i) const override { return spec(i).sizes; }
  Dtype dtype(int i) const override { return spec(i).dtype; }

 private:
  const ops::OutputSpec& spec(int i) const {
    if (known_ != i) {
      const Edge& edge = node_.edge(static_cast<std::uint32_t>(i));
      if (!edge)
        fail(node_.name(), ": its rule asks for the shape of input ", i, ", which needs no gradient");
      spec_ = edge.get()->output(edge.output());
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
    if (storage && !saved.is_unchanged(*storage)) {
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
  if (const std::size_t last = edge_count() - 1;
      passes_on_ && !released && wanted[last] && cotangents[0] && !observer()) {
    grads[last] = std::move(cotangents[0]);
    return;
  }
  apply(cotangents, wanted, grads);
}

void OpNode::apply(std::span<Tensor> cotangents, std::span<const bool> wanted, std::span<Tensor> grads) {
  if (released) {
    fail("backward: the graph was already freed when ", name(), in_module(*this),
         " was unwound; call backward(retain_graph=True) the first time to unwind it twice");
  }
  Observer* const watching = observer();
  TapeVjp vjp(*this, cotangents, wanted);
  apply_rules(op_.record, vjp, wanted, grads);
  if (watching) watching->unwound(*this, cotangents, grads);
}

// As make_node; nobody holds it yet.
inline OpNode* new_node(const ops::Call& call, std::span<Tensor> out, const Tensor& overwritten) {
  const Needs needs = needs_of(call, out);
  if (needs.edges == 0) return nullptr;
  OpNode* const node = OpNode::make(call, out, needs, overwritten);
  node->set_first_ref();
  if (Observer* watching = observer()) watching->recorded(call, *node, out[0], overwritten);
  return node;
}

}  // namespace

void apply_rules(const ops::Record& record, ops::Vjp& vjp, std::span<const bool> wanted,
                 std::span<Tensor> grads) {
  if (record.joint_vjp.cotangents) return record.joint_vjp.cotangents(vjp, grads);
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (!wanted[i]) continue;
    vjp.index = static_cast<int>(i);
    if (const ops::Rule* rule = rule_for(record, i)) grads[i] = rule->cotangent(vjp);
  }
}

ops::Reads reads_of(const ops::Call& call) { return needs_of(call, {}).reads; }

Ref<GraphNode> make_node(const ops::Call& call, std::span<Tensor> out, const Tensor& overwritten) {
  return Ref<GraphNode>::adopt(new_node(call, out, overwritten));
}

void record(const ops::Call& call, std::span<Tensor> out, bool is_uniform) {
  OpNode* const node = new_node(call, out, {});
  if (!node) return;
  node->is_uniform = is_uniform;
  const auto link = [](TensorImpl& result, std::size_t i, Ref<GraphNode> made_by) {
    if (!is_floating(result.dtype)) return;
    result.node = std::move(made_by);
    result.output_nr = static_cast<std::uint32_t>(i);
    result.requires_grad = true;
  };
  for (std::size_t i = 1; i < out.size(); ++i) link(out[i].impl(), i, Ref<GraphNode>(node));
  link(out[0].impl(), 0, Ref<GraphNode>::adopt(node));
}

NodeReport report(const Node& node) {
  NodeReport result{node.name(), node.scope ? node.scope->path() : "", 0};
  node.visit_saved([&](const Storage& storage) { result.saved_bytes += storage.bytes(); });
  return result;
}

std::optional<OpReport> inspect(const Node& node) {
  const auto* op = dynamic_cast<const OpNode*>(&node);
  return op ? std::optional<OpReport>(op->inspect()) : std::nullopt;
}

}  // namespace unspool::exec
