// The node that a change through a view leaves on the base, and the renewal of nodes of views.
#include "exec/views.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "exec/packed_region.h"
#include "exec/tape.h"
#include "ops/api.h"
#include "ops/shape.h"
#include "ops/strided.h"

namespace unspool::exec {

namespace {

using ops::Attr;
using ops::Operand;

// Of a view that is to be changed: the base whose history the change belongs to.
TensorImpl* base_of(const Tensor& target) {
  TensorImpl* base = target->base.get();
  return base && base->storage.get() == target->storage.get() ? base : nullptr;
}

constexpr std::uint32_t kNoInput = ~1u;  // one more is still no input's number

bool is_copy(const ops::Call& call) { return &call.op == &ops::op_of<ops::CopyInto>; }

// Which operand of the writer is the region itself.
std::uint32_t region_input(const ops::Call& call, const Tensor& target) {
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    if (call.in[i].is_tensor() && &call.in[i].impl() == &target.impl()) return static_cast<std::uint32_t>(i);
  }
  return kNoInput;
}

// A region of the base was written by another node, its writer, or by values that no gradient flows to. The
// cotangent of the base's earlier value is that of the present one outside of the region; inside, it is what
// the writer's rule makes of it.
class RegionNode final : public Node {
 public:
  RegionNode(Edge base, const ops::Region& region, Dtype dtype, Ref<GraphNode> writer,
             std::uint32_t region_input, bool reads_region)
      : region_(region),
        writer_(std::move(writer)),
        region_input_(region_input),
        dtype_(dtype),
        reads_region_(reads_region),
        is_row_major_(is_contiguous(region.whole_size, region.whole_stride)) {
    edges_.push_back(std::move(base));
    const std::span<const Edge> written = writer_ ? this->writer()->links().edges : std::span<const Edge>();
    for (std::size_t i = 0; i < written.size(); ++i)
      edges_.push_back(i == region_input_ ? Edge{} : written[i]);
    sequence = take_sequence({edges_.data(), edges_.size()});
  }

  std::string name() const override { return "assign_region"; }
  Links links() const override {
    return {{edges_.data(), edges_.size()}, 1 + (writer_ ? writer()->input_count() : 0), 1};
  }
  ops::OutputSpec output(std::uint32_t) const override { return {region_.whole_size(), dtype_}; }
  bool is_like_output(std::uint32_t, const TensorImpl& x) const override {
    return x.dtype == dtype_ && x.sizes == region_.whole_size();
  }
  Node* writer() const { return static_cast<Node*>(writer_.get()); }

  void unwind(std::span<Tensor> cotangents, std::span<const bool> wanted, std::span<Tensor> grads) override {
    const bool is_recorded = ops::thread_state().grad_enabled;
    const ops::Region region = region_.get();
    Tensor& arrived = cotangents[0];
    Tensor inside;  // cotangent of what was in the region before
    SmallVector<bool, 8> wanted_by_writer(wanted.data() + 1, wanted.data() + wanted.size());
    if (reads_region_) wanted_by_writer[region_input_] = wanted[0];
    if (std::find(wanted_by_writer.begin(), wanted_by_writer.end(), true) != wanted_by_writer.end()) {
      Tensor written =
          is_recorded ? ops::strided_gather(arrived, region) : ops::clone(window(arrived, region));
      const std::span<Tensor> found = grads.subspan(1);
      writer()->unwind({&written, 1}, wanted_by_writer, found);
      if (reads_region_) inside = std::move(found[region_input_]);
    }
    if (wanted[0])
      grads[0] =
          is_recorded ? replaced(arrived, inside, region) : rewritten(std::move(arrived), inside, region);
  }
  void release() override {
    if (writer_) writer()->release();
  }
  void visit_saved(const StorageVisitor& visit) const override {
    if (writer_) writer()->visit_saved(visit);
  }
  std::size_t bytes() const override {
    const std::size_t outside = edges_.size() > kOwnEdges ? edges_.size() * sizeof(Edge) : 0;
    return sizeof(RegionNode) + outside + region_.bytes() + (writer_ ? writer()->bytes() : 0);
  }

 private:
  ~RegionNode() = default;
  void destroy_now() noexcept override { delete this; }

  // The region of a cotangent of the base; a copy where the base is not row-major.
  Tensor window(const Tensor& cotangent, const ops::Region& region) const {
    if (!is_row_major_) return ops::strided_gather(cotangent, region);
    const Tensor whole = ops::contiguous(cotangent);
    return whole.alias(region.size, region.stride, whole->offset + region.offset - region.whole_offset);
  }

  Tensor replaced(const Tensor& cotangent, const Tensor& inside, const ops::Region& region) const {
    const Tensor source =
        inside ? ops::to(ops::expand(inside, region.size), dtype_) : ops::full(region.size, 0.0, dtype_);
    return ops::strided_scatter(cotangent, source, region);
  }

  // The same in the cotangent's own memory, where nobody else sees it: thousands of small changes of one
  // large tensor then cost what they change.
  Tensor rewritten(Tensor cotangent, const Tensor& inside, const ops::Region& region) const {
    if (!is_row_major_) return replaced(cotangent, inside, region);
    const bool is_ours =
        cotangent->ref_count() == 1 && cotangent->storage->is_sole() && cotangent.is_contiguous();
    if (!is_ours) cotangent = ops::clone(cotangent);
    const Tensor part = window(cotangent, region);
    const Operand operands[2] = {part, inside ? inside : ops::full({}, 0.0, dtype_)};
    const Attr attrs[1] = {false};
    ops::emitter().emit_into({ops::op_of<ops::CopyInto>, operands, attrs}, part);
    return cotangent;
  }

  static constexpr std::size_t kOwnEdges = 3;
  SmallVector<Edge, kOwnEdges> edges_;  // to the base, then those of the writer
  PackedRegion region_;
  Ref<GraphNode> writer_;
  std::uint32_t region_input_;
  Dtype dtype_;
  bool reads_region_;
  bool is_row_major_;
};

void set_node(const Tensor& target, Ref<GraphNode> node, std::uint32_t output = 0) {
  target->node = std::move(node);
  target->output_nr = output;
  target->requires_grad = true;
  ++target->history;
  if (target->slot) move_retained(target);
}

// All of the target was replaced by values that no gradient flows to: it still has a history, through which
// zeros flow.
Ref<GraphNode> overwriting_node(const Tensor& target) {
  const Operand operands[1] = {target};
  const Attr attrs[1] = {false};
  Tensor result = target;
  return make_node({ops::op_of<ops::CopyInto>, operands, attrs}, {&result, 1}, {});
}

}  // namespace

void follow_base(TensorImpl& view) {
  const TensorImpl& base = *view.base;
  if (view.made_without_grad && view.node && base.requires_grad) {
    fail(
        "a custom Function gave out a view of a tensor, or the tensor itself, which has since been changed "
        "in place: the change would bypass the Function's backward; return a clone() from its forward");
  }
  view.history = base.history;
  const bool is_own_leaf = view.requires_grad && !view.node;
  if (view.made_without_grad || is_own_leaf || !base.requires_grad) return;
  if (view.storage.get() != base.storage.get()) return;  // one of them was given other data
  const Operand operands[1] = {Tensor(view.base)};
  const Attr attrs[6] = {view.sizes, view.strides, view.offset, base.sizes, base.strides, base.offset};
  Tensor result{Ref<TensorImpl>(&view)};
  const ops::Call call{ops::op_of<ops::StridedView>, operands, attrs};
  view.node = make_node(call, {&result, 1}, {});
  view.output_nr = 0;
  view.requires_grad = true;
  if (view.slot) move_retained(result);
}

void check_recordable(std::string_view who, const Tensor& target, bool recording) {
  if (!ops::thread_state().grad_enabled) return;
  const TensorImpl* base = base_of(target);
  if (base && (recording || base->requires_grad)) {
    if (target->made_without_grad) {
      fail(who,
           "_: the tensor is a view that was taken under no_grad() or given out by a custom Function and is "
           "changed with gradients on, which could mean two things; take the view outside of no_grad(), "
           "clone() it, or use detach() or no_grad() for the change too");
    }
    if (base->requires_grad && is_leaf(*base)) {
      fail(who,
           "_: a view of a leaf that requires grad cannot be changed in place; use no_grad(), or work on "
           "a clone()");
    }
  }
  if (needs_gradient(target.impl()) && is_leaf(target.impl())) {
    fail(who, "_: a leaf that requires grad cannot be changed in place; use no_grad(), or work on a clone()");
  }
}

void record_write(const ops::Call& call, const Tensor& target, bool recording, const Tensor& overwritten) {
  if (!ops::thread_state().grad_enabled || !is_floating(target.dtype())) return;
  TensorImpl* base = base_of(target);
  if (!recording && !(base ? base->requires_grad : target->requires_grad)) return;
  // A copy replaces what was there: only its source matters to a region.
  if (base && is_copy(call)) recording = needs_gradient(call.in[1].impl());
  Tensor result = target;
  Ref<GraphNode> writer = recording ? make_node(call, {&result, 1}, overwritten) : nullptr;
  if (!writer && !(base ? base->requires_grad : target->requires_grad)) return;
  if (!base) {
    set_node(target, writer ? std::move(writer) : overwriting_node(target));
    return;
  }
  const std::uint32_t region = writer ? region_input(call, target) : kNoInput;
  Ref<GraphNode> node(new RegionNode(edge_of(*base), ops::Region::of(target.impl(), *base), base->dtype,
                                     std::move(writer), region, region != kNoInput && !is_copy(call)));
  set_node(Tensor(target->base), std::move(node));
}

void replace_history(const Tensor& target, const Edge& from) {
  if (!base_of(target)) return set_node(target, from.node(), from.output());
  Tensor value = target.alias();
  value->node = from.node();
  value->output_nr = from.output();
  value->requires_grad = true;
  const Operand operands[2] = {target, value};
  const Attr attrs[1] = {false};
  record_write({ops::op_of<ops::CopyInto>, operands, attrs}, target, true, {});
}

}  // namespace unspool::exec
