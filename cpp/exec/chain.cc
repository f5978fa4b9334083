// Which operation is a link, which is beside the chain, and what is neither.
#include "exec/chain.h"

#include <algorithm>

#include "base/error.h"
#include "exec/node.h"
#include "exec/tape.h"

namespace unspool::exec {

using ops::Operand;

namespace {

bool flows_through(const Operand& operand) { return operand.is_tensor() && operand.impl().needs_gradient(); }

ops::OutputSpec spec_of(const Operand& operand) {
  return operand.is_tensor() ? ops::OutputSpec{operand.impl().sizes, operand.impl().dtype}
                             : ops::OutputSpec{};
}

}  // namespace

ChainRecorder::ChainRecorder(std::vector<Tensor> inputs, const std::vector<Tensor>& known)
    : inputs_(std::move(inputs)) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i].requires_grad()) {
      fail("recursive_step: argument ", i, " requires a gradient, and nobody could read it; detach() it");
    }
    values_[&inputs_[i].impl()] = {.kind = Kind::kInput, .number = static_cast<std::uint32_t>(i)};
    made_.insert(inputs_[i]->storage.get());
  }
  for (const Tensor& tensor : known) known_.insert(&tensor.impl());
}

void ChainRecorder::refuse(std::string_view op, const std::string& why) const {
  const ops::Scope* scope = ops::thread_state().scope;
  const std::string path = scope ? scope->path() : "";
  fail("recursive_step: ", op, path.empty() ? "" : " in module '" + path + "'", " ", why);
}

void ChainRecorder::emit(const ops::Call& call, std::span<Tensor> out) {
  if (call.op.record.kind == ops::Kind::kUpdate) refuse(call.name(), "updates parameters inside of the step");
  Eager::emit(call, out);
  if (call.op.record.kind == ops::Kind::kView) note(call, out);
}

void ChainRecorder::emit_into(const ops::Call& call, const Tensor&) {
  refuse(
      call.op.record.public_name(),
      "changes a tensor in place, which recursion through this network does not keep track of; use the form "
      "that gives a new tensor (inplace=False, no running statistics), or an ordinary step");
}

void ChainRecorder::read_on_host(const Tensor&, std::string_view who) {
  refuse(who, "looks at values that the step computes, which may decide what it does next");
}

void ChainRecorder::launched(const Launched& launch) { note(launch.call, launch.out); }

void ChainRecorder::note(const ops::Call& call, std::span<const Tensor> out) {
  const bool flows = needs_record(call.op, call.in);
  ChainCall common{&call.op, {}, {call.attrs.begin(), call.attrs.end()}, ops::thread_state().scope};
  for (const Operand& operand : call.in) common.in.push_back(operand_of(call, operand, flows));
  for (const Tensor& tensor : out) {
    alive_.push_back(tensor);
    made_.insert(tensor->storage.get());
  }
  if (flows)
    add_link(std::move(common), call, out);
  else
    add_side(std::move(common), out);
}

ChainOperand ChainRecorder::operand_of(const ops::Call& call, const Operand& operand, bool flows) {
  if (!operand.is_tensor()) return {.fixed = operand};
  const auto found = values_.find(&operand.impl());
  if (found == values_.end()) return outside(call, operand.tensor(), flows);
  if (found->second.kind == Kind::kCurrent && &operand.impl() != &current_.impl()) {
    refuse(call.name(),
           "reads a value from further back than the operation before it, as a skip connection does: what is "
           "run by recursion must be a chain");
  }
  return found->second;
}

ChainOperand ChainRecorder::outside(const ops::Call& call, const Tensor& tensor, bool flows) {
  alive_.push_back(tensor);
  if (made_.contains(tensor->storage.get())) {
    refuse(call.name(),
           "reads a value of the step past the tape (through detach(), data, or a view of an argument)");
  }
  if (!known_.contains(&tensor.impl())) {
    refuse(call.name(),
           "reads a tensor " + to_string(tensor.sizes()) +
               " that is neither an argument nor a parameter or buffer of model or loss; pass it "
               "as an argument, or register it as a buffer");
  }
  ChainOperand result{.fixed = tensor};
  if (!flows || !tensor.requires_grad()) return result;
  if (!is_leaf(tensor.impl())) refuse(call.name(), "reads a parameter that was computed from others");
  const AutogradSlot* slot = slot_if_any(tensor.impl());
  if (slot && slot->accumulator) {
    const auto& leaf = static_cast<const LeafNode&>(*slot->accumulator);
    if ((leaf.hooks && !leaf.hooks->entries.empty()) || !leaf.post_hooks.empty())
      refuse(call.name(), "reads a parameter with gradient hooks, which would not run");
  }
  if (!used_.insert(&tensor.impl()).second) {
    refuse(call.name(),
           "uses a parameter a second time (tied weights): its gradient is then not complete when "
           "the recursion returns from here");
  }
  result.parameter = static_cast<std::int32_t>(chain_.parameters.size());
  chain_.parameters.push_back(tensor);
  return result;
}

void ChainRecorder::add_link(ChainCall&& common, const ops::Call& call, std::span<const Tensor> out) {
  Link link{std::move(common)};
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    link.operands.push_back(spec_of(call.in[i]));
    const bool is_current = link.in[i].kind == Kind::kCurrent;
    link.passes_on = link.passes_on || (is_current && flows_through(call.in[i]));
  }
  if (current_ && !link.passes_on) {
    refuse(call.name(), "begins a second strand beside the layers: what is run by recursion must be a chain");
  }
  for (const Tensor& tensor : out) link.results.push_back({tensor.sizes(), tensor.dtype()});
  link.reads = reads_of(call);
  link.sides_end = static_cast<std::uint32_t>(chain_.sides.size());
  chain_.links.push_back(std::move(link));
  current_ = out[0];
  values_[&current_.impl()] = {.kind = Kind::kCurrent};
}

void ChainRecorder::add_side(ChainCall&& common, std::span<const Tensor> out) {
  SideCall side{std::move(common)};
  side.first_value = static_cast<std::uint32_t>(chain_.side_values);
  for (const Tensor& tensor : out) {
    values_[&tensor.impl()] = {.kind = Kind::kSide,
                               .number = static_cast<std::uint32_t>(chain_.side_values++)};
  }
  chain_.sides.push_back(std::move(side));
}

RecordedChain ChainRecorder::finish(const Tensor& loss) {
  if (!current_) fail("recursive_step: the loss does not depend on any parameter that requires a gradient");
  if (!loss.is_same(current_)) {
    fail("recursive_step: the loss must be the result of the last operation that gradients flow through");
  }
  if (loss.numel() != 1) {
    fail("recursive_step: the loss must be a single number, not a tensor of shape ", to_string(loss.sizes()),
         "; reduce it with mean() or sum()");
  }
  return std::move(chain_);
}

}  // namespace unspool::exec
