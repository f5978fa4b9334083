// One call, from inference to the recorded result.
#include "exec/eager.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"
#include "exec/backward.h"
#include "exec/kernel_map.h"
#include "exec/narrow.h"
#include "exec/number.h"
#include "exec/observer.h"
#include "exec/plain.h"
#include "exec/tape.h"
#include "exec/views.h"
#include "ops/api.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/picking.h"
#include "ops/registry.h"
#include "ops/shape.h"

namespace unspool::exec {
namespace {

using ops::Attr;
using ops::Call;
using ops::Operand;

using Operands = SmallVector<Operand, 4>;

// It is then the last argument.
bool takes_generator(const ops::Record& record) {
  const int count = record.args.size();
  return count > 0 && record.args[count - 1].kind == ops::ArgKind::kGenerator;
}

// A prepared call: inferred, cast, and laid out for the kernel.
class Launch {
 public:
  explicit Launch(const Call& call) : call_(call), inference_{call, {specs_, outputs()}} {
    const ops::Record& record = call.op.record;
    if (record.kind == ops::Kind::kElementwise)
      ops::infer_elementwise(inference_);
    else
      record.infer(inference_);
    inference_.compute = carrier(inference_.compute);
    cast_inputs();
  }

  const Call& call() const { return call_; }
  Dtype compute() const { return inference_.compute; }
  std::size_t outputs() const { return static_cast<std::size_t>(call_.op.record.outputs.size()); }
  ops::OutputSpec& spec(std::size_t i) { return specs_[i]; }

  void allocate(std::span<Tensor> out) {
    for (std::size_t i = 0; i < outputs(); ++i)
      out[i] = Tensor::empty(std::move(specs_[i].sizes), specs_[i].dtype);
  }

  void run(std::span<const Tensor> out) {
    if (is_narrow_cast(call_)) return run_narrow_cast(call_.tensor(0), out[0]);
    SmallVector<View, 4> in_views;
    SmallVector<Number, 4> numbers;
    numbers.reserve(call_.in.size());  // views point to them
    Operands row_major;                // keeps copies alive while the kernel runs
    for (const Operand& operand : call_.in) in_views.emplace_back(view_of(operand, numbers, row_major));
    SmallVector<View, ops::kMaxOutputs> outs;
    Tensor wide[ops::kMaxOutputs];
    for (std::size_t i = 0; i < outputs(); ++i) outs.emplace_back(target_of(out[i], wide[i]));
    if (takes_generator(call_.op.record)) {
      SmallVector<Attr, 6> attrs(call_.attrs.begin(), call_.attrs.end());
      if (attrs.back().is_none()) attrs.back() = Attr(default_generator());
      run_kernel(call_.op, in_views, outs, attrs);
    } else {
      run_kernel(call_.op, in_views, outs, call_.attrs);
    }
    for (std::size_t i = 0; i < outputs(); ++i) {
      if (wide[i]) run_narrow_cast(wide[i], out[i]);
    }
  }

 private:
  void cast_inputs() {
    for (std::size_t i = 0; i < call_.in.size(); ++i) {
      const bool is_index = static_cast<int>(i) == inference_.index;
      const bool casts = is_index || ((inference_.casts >> std::min<std::size_t>(i, 31)) & 1u);
      const bool is_mask = i == 0 && call_.op.record.first_is_mask;
      const Dtype dtype = is_index ? Dtype::kInt64 : is_mask ? Dtype::kBool : inference_.compute;
      if (!casts || !call_.in[i].is_tensor() || call_.in[i].impl().dtype == dtype) continue;
      if (cast_.empty()) cast_.assign(call_.in.begin(), call_.in.end());
      cast_[i] = ops::to(call_.in[i].tensor(), dtype);
    }
    if (!cast_.empty()) call_.in = cast_;
  }

  // What the kernel writes in place of `out`, where an attribute asks for a dtype that it does not compute
  // in.
  View target_of(const Tensor& out, Tensor& wide) const {
    if (!is_narrow(out.dtype()) || moves_only(call_.op)) return out.view();
    wide = Tensor::empty(out.sizes(), carrier(out.dtype()));
    return wide.view();
  }

  View view_of(const Operand& operand, SmallVector<Number, 4>& numbers, Operands& row_major) {
    if (operand.is_none()) return {.ndim = -1};
    if (operand.is_number()) return numbers.emplace_back().set(operand, inference_.compute);
    const TensorImpl& tensor = operand.impl();
    if (!call_.op.record.row_major || tensor.contiguous) return tensor.view();
    Tensor copy = Tensor::empty_like(tensor, tensor.dtype);
    const View from = tensor.view(), to = copy.view();
    run_kernel(ops::op_of<ops::Clone>, {&from, 1}, {&to, 1}, {});
    const View view = copy.view();
    row_major.push_back(std::move(copy));
    return view;
  }

  Call call_;
  ops::OutputSpec specs_[ops::kMaxOutputs];
  ops::Inference inference_;
  Operands cast_;
};

Tensor make_view(const Call& call) {
  const Tensor source = call.tensor(0);
  ops::Geometry geometry = call.op.record.view(call);
  Tensor view = source.alias(std::move(geometry.sizes), std::move(geometry.strides), geometry.offset);
  view->base = source->base ? source->base : source.ref();
  view->history = view->base->history;
  view->made_without_grad = source->made_without_grad || !ops::thread_state().grad_enabled;
  return view;
}

void run_update(const Call& call) {
  SmallVector<View, 16> views;
  views.reserve(call.in.size());
  std::vector<std::pair<Tensor, Tensor>> wide;  // stand-ins, and what they stand for
  for (const Operand& operand : call.in) {
    if (is_narrow(operand.impl().dtype)) {
      const Tensor narrow = operand.tensor();
      wide.emplace_back(Tensor::empty(narrow.sizes(), carrier(narrow.dtype())), narrow);
      run_narrow_cast(narrow, wide.back().first);
      views.push_back(wide.back().first.view());
      continue;
    }
    views.push_back(operand.impl().view());
  }
  run_kernel(call.op, views, {}, call.attrs);
  for (const auto& [from, to] : wide) run_narrow_cast(from, to);
  const auto arity = static_cast<std::size_t>(call.op.record.arity);
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    if (i % arity != 1) call.in[i].impl().storage->mark_written(call.op.record.name.data());
  }
}

[[noreturn]] void refuse(const Call& call, const std::string& why) {
  fail(call.op.record.public_name(), "_: ", why);
}

void check_target(const Call& call, const Tensor& target, bool recording) {
  if (!target->storage->writable()) {
    refuse(call, "the tensor shares memory with a read-only array; clone() it first");
  }
  if (!target.is_contiguous() && may_overlap_itself(target.sizes(), target.strides())) {
    refuse(call,
           "several elements of the tensor share one place in memory (it was expanded); clone() it first");
  }
  check_recordable(call.op.record.public_name(), target, recording);
}

bool lies_on(const TensorImpl& x, const Tensor& target) {
  return x.data() == target->data() && x.dtype == target->dtype && x.sizes == target->sizes &&
         x.strides == target->strides;
}

// Whether writing to the target would disturb the reading of an operand. Element-wise, each element is read
// before it is written; other kernels expect to find the target in their first operand and nowhere else.
bool is_entangled(const Call& call, const Tensor& target) {
  const ops::Record& record = call.op.record;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const Operand& operand = call.in[i];
    if (!operand.is_tensor() || !operand.impl().storage->overlaps(*target->storage)) continue;
    if (record.kind == ops::Kind::kElementwise && &operand.impl() == &target.impl()) continue;
    const bool is_safe = record.kind == ops::Kind::kElementwise
                             ? lies_on(operand.impl(), target)
                             : i == 0 && record.has_in_place && &operand.impl() == &target.impl();
    if (!is_safe) return true;
  }
  return false;
}

// Whether an operand is another tensor in the target's memory: a rule that reads it would find it
// overwritten.
bool is_seen_by_others(const Call& call, const Tensor& target) {
  return std::any_of(call.in.begin(), call.in.end(), [&](const Operand& operand) {
    return operand.is_tensor() && &operand.impl() != &target.impl() &&
           operand.impl().storage->overlaps(*target->storage);
  });
}

// A tensor's value with its history, in memory of its own: it is about to be overwritten.
Tensor copied_value(const Tensor& tensor) {
  Tensor value = ops::clone(tensor.alias());
  if (const Edge edge = edge_of(tensor.impl())) {
    value->node = edge.node();
    value->output_nr = edge.output();
    value->requires_grad = true;
  }
  return value;
}

// The same, when a rule or an observer will read it.
Tensor kept_value(const Call& call, const Tensor& target) {
  const ops::Reads reads = reads_of(call);
  bool is_read = false;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const bool is_target = call.in[i].is_tensor() && &call.in[i].impl() == &target.impl();
    is_read = is_read || (is_target && (observer() || (i < 16 && (reads & ops::in(static_cast<int>(i))))));
  }
  return is_read ? copied_value(target) : Tensor();
}

// The call with such copies in place of the target and of all that shares its memory.
Operands with_copies(const Call& call, const Tensor& target) {
  Operands operands(call.in.begin(), call.in.end());
  for (Operand& operand : operands) {
    if (operand.is_tensor() && operand.impl().storage->overlaps(*target->storage))
      operand = copied_value(operand.tensor());
  }
  return operands;
}

void check_result(const Call& call, const Tensor& target, DimSpan sizes, Dtype dtype) {
  if (!std::equal(sizes.begin(), sizes.end(), target.sizes().begin(), target.sizes().end())) {
    refuse(call, "the result has shape " + to_string(sizes) + ", which does not fit the tensor's " +
                     to_string(target.sizes()));
  }
  if (category(dtype) > category(target.dtype())) {
    refuse(call, "the result is " + std::string(name(dtype)) + " and cannot be written into a tensor of " +
                     std::string(name(target.dtype())) + "; convert the tensor first");
  }
}

void copy_into(const Tensor& target, const Tensor& source) {
  const Operand operands[2] = {target, source};
  const Attr attrs[1] = {false};
  ops::emitter().emit_into({ops::op_of<ops::CopyInto>, operands, attrs}, target);
}

// Whether the operation has a kernel that can write to memory laid out like the target's.
bool writes_into(const ops::Op& op, const Tensor& target) {
  if (op.record.kind == ops::Kind::kElementwise) return true;
  if (op.record.kind != ops::Kind::kKernel) return false;
  return target.is_contiguous() || moves_only(op) || &op == &ops::op_of<ops::IndexWrite>;
}

// Copies between dtypes of which one is kept in memory only are converted before they are written.
bool needs_cast(const Call& call, const Tensor& target) {
  if (&call.op != &ops::op_of<ops::CopyInto>) return false;
  const Dtype source = call.in[1].impl().dtype;
  return source != target.dtype() && (is_narrow(source) || is_narrow(target.dtype()));
}

bool shows_memory_of(const Tensor& result, const Call& call, std::span<const Tensor> out) {
  for (const Operand& operand : call.in) {
    if (operand.is_tensor() && operand.impl().storage == result->storage) return true;
  }
  return std::any_of(out.begin(), out.end(), [&](const Tensor& other) {
    return other && !other.is_same(result) && other->storage == result->storage;
  });
}

// A result of a composition that is a view of memory nobody else can reach is a tensor like any other.
void own(const Call& call, std::span<Tensor> out) {
  for (const Tensor& result : out) {
    if (!result || !result->base || shows_memory_of(result, call, out)) continue;
    result->base = nullptr;
    result->made_without_grad = false;
  }
}

class Unwatched final : public Eager {
  bool is_unwatched() const override { return true; }
};

}  // namespace

void Eager::emit(const Call& call, std::span<Tensor> out) {
  const PlainCall plain(call);
  if (!plain) return emit_any(call, out);
  out[0] = Tensor::empty_like(plain.form(), plain.result());
  plain.run(out[0]);
  launched({call, plain.form().dtype, out, true});
  if (needs_record(call.op, call.in)) exec::record(call, out, true);
}

void Eager::emit_any(const Call& call, std::span<Tensor> out) {
  const ops::Record& record = call.op.record;
  switch (record.kind) {
    case ops::Kind::kComposite:
      record.compose(call, out);
      return own(call, out);
    case ops::Kind::kUpdate:
      run_update(call);
      return launched({call, Dtype::kFloat32, {}, false});
    case ops::Kind::kView: {
      out[0] = make_view(call);
      if (needs_record(call.op, call.in)) exec::record(call, out);
      return;
    }
    default:
      break;
  }
  if (is_carried(call)) {
    const bool is_direct = is_unwatched() && !needs_record(call.op, call.in) && emit_converting(call, out);
    if (!is_direct) emit_carried(call, out);
    return;
  }
  Launch launch(call);
  launch.allocate(out);
  launch.run(out);
  launched({launch.call(), launch.compute(), out, true});
  if (needs_record(call.op, launch.call().in)) exec::record(launch.call(), out);
}

void Eager::emit_into(const Call& call, const Tensor& target) {
  const ops::Record& record = call.op.record;
  if (needs_cast(call, target)) return copy_into(target, ops::to(call.tensor(1), target.dtype()));
  if (record.change) return record.change(call, target);
  if (&call.op == &ops::op_of<ops::Full> && !target.is_contiguous())
    return copy_into(target, ops::full({}, call.attrs[1], call.attrs[2].dtype()));
  const bool recording = needs_record(call.op, call.in);
  check_target(call, target, recording);
  const PlainCall plain(call);
  const bool fits = plain && !recording && target.is_contiguous() && plain.result() == target.dtype() &&
                    plain.form().sizes == target.sizes();
  if (fits && !is_entangled(call, target)) {
    plain.run(target);
    launched({call, plain.form().dtype, {&target, 1}, false});
    target->storage->mark_written(record.public_name().data());
    return record_write(call, target, recording, Tensor());
  }
  const bool may_write = !recording || !is_seen_by_others(call, target);
  if (may_write && writes_into(call.op, target) && record.outputs.size() == 1 && !is_carried(call)) {
    Launch launch(call);
    check_result(call, target, launch.spec(0).sizes, launch.spec(0).dtype);
    if (launch.spec(0).dtype == target.dtype() && !is_entangled(launch.call(), target)) {
      const Tensor overwritten = recording ? kept_value(launch.call(), target) : Tensor();
      launch.run({&target, 1});
      launched({launch.call(), launch.compute(), {&target, 1}, false});
      target->storage->mark_written(record.public_name().data());
      record_write(launch.call(), target, recording, overwritten);
      return;
    }
  }
  Tensor out[ops::kMaxOutputs];
  const Operands operands = recording ? with_copies(call, target) : Operands();
  emit({call.op, recording ? std::span<const Operand>(operands) : call.in, call.attrs},
       {out, static_cast<std::size_t>(record.outputs.size())});
  check_result(call, target, out[0].sizes(), out[0].dtype());
  copy_into(target, out[0]);
}

std::vector<Tensor> Eager::derive(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                                  std::span<const Tensor> inputs) {
  return unwind(outputs, cotangents,
                {.retain_graph = true, .create_graph = true, .inputs = inputs, .stops_at_inputs = true});
}

void start(const kernels::Table& table) {
  static Unwatched eager;
  map_kernels(table);
  ops::set_default_emitter(&eager);
}

const Ref<Generator>& default_generator() {
  static const auto& generator = *new Ref<Generator>(new Generator);
  return generator;
}

}  // namespace unspool::exec
