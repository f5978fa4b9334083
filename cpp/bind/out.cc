// Where nothing stands against it the kernel writes into the tensor itself; otherwise the result is copied.
#include "bind/out.h"

#include <algorithm>
#include <initializer_list>

#include "bind/errors.h"
#include "bind/tensor_object.h"
#include "ops/api.h"
#include "ops/emitter.h"
#include "ops/shape.h"

namespace unspool::bind {
namespace {

const Tensor& target_of(const ops::Call& call, PyObject* object) {
  if (!is_tensor(object)) {
    fail(ErrorKind::kType, call.op.record.public_name(), "(): argument 'out' must be Tensor, not ",
         Py_TYPE(object)->tp_name);
  }
  return tensor_of(object);
}

void check_gradients(const ops::Call& call, std::span<const Tensor> targets) {
  if (!ops::thread_state().grad_enabled) return;
  bool any = false;
  for (const Tensor& target : targets) any = any || target.requires_grad();
  for (const ops::Operand& operand : call.in)
    any = any || (operand.is_tensor() && operand.impl().needs_gradient());
  if (any) {
    fail(
        call.op.record.public_name(),
        "(): out= does not support gradients, but one of the arguments requires grad; use the result that is "
        "returned without out=, or no_grad()");
  }
}

// Makes the target a tensor of the result's shape, over the result's memory.
void adopt(const Tensor& target, const Tensor& result) {
  const Tensor source = ops::contiguous(ops::to(result, target.dtype()));
  target->base = nullptr;
  target->storage = source->storage;
  target->offset = source->offset;
  target->numel = source->numel;
  target->contiguous = source->contiguous;
  target->sizes = source->sizes;
  target->strides = source->strides;
}

// Whether the kernel's output can only be what `target` is, or an error.
bool goes_straight(const ops::Call& call, const Tensor& target) {
  const ops::Kind kind = call.op.record.kind;
  return target.numel() > 0 && (kind == ops::Kind::kElementwise || kind == ops::Kind::kKernel);
}

bool is_any_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Sums and products whose dtype is not named are formed in that of `out`. Where an attribute has to be set
// for that, `attrs` holds all of them.
ops::Call formed_in(const ops::Call& call, Dtype dtype, SmallVector<ops::Attr, 6>& attrs) {
  if (!is_any_of(call.name(), {"sum", "prod", "cumsum", "cumprod"}) || call.given("dtype")) return call;
  attrs.assign(call.attrs.begin(), call.attrs.end());
  std::size_t place = 0;
  for (const ops::Arg& arg : call.op.record.args) {
    if (arg.name == "dtype") attrs[place] = dtype;
    if (!ops::is_tensor_kind(arg.kind)) ++place;
  }
  return {call.op, call.in, {attrs.data(), attrs.size()}};
}

}  // namespace

void write_out(std::string_view who, const Tensor& result, const Tensor& target) {
  if (category(result.dtype()) > category(target.dtype())) {
    fail(who, "(): the result is ", name(result.dtype()), " and cannot be written into an out tensor of ",
         name(target.dtype()));
  }
  if (target.sizes() == result.sizes()) {
    const ops::Operand operands[2] = {target, result};
    const ops::Attr attrs[1] = {false};
    ops::emitter().emit_into({ops::op_of<ops::CopyInto>, operands, attrs}, target);
    return;
  }
  if (target.numel() != 0) {
    fail(who, "(): the result has shape ", to_string(result.sizes()), ", but out has shape ",
         to_string(target.sizes()), "; pass an empty tensor, which takes on the shape");
  }
  adopt(target, result);
}

void write_out(const ops::Call& call, PyObject* out) {
  const auto count = static_cast<std::size_t>(call.op.record.outputs.size());
  SmallVector<Tensor, 4> targets;
  if (count == 1) {
    targets.push_back(target_of(call, out));
  } else {
    const bool is_list = PyTuple_Check(out) || PyList_Check(out);
    if (!is_list || static_cast<std::size_t>(PySequence_Fast_GET_SIZE(out)) != count) {
      fail(ErrorKind::kType, call.op.record.public_name(), "(): argument 'out' must be a tuple of ", count,
           " Tensors");
    }
    for (std::size_t i = 0; i < count; ++i) {
      targets.push_back(target_of(call, PySequence_Fast_GET_ITEM(out, static_cast<Py_ssize_t>(i))));
    }
  }
  check_gradients(call, {targets.data(), targets.size()});
  SmallVector<ops::Attr, 6> attrs;
  const ops::Call formed = count == 1 ? formed_in(call, targets[0].dtype(), attrs) : call;
  if (count == 1 && goes_straight(call, targets[0])) return ops::emitter().emit_into(formed, targets[0]);
  Tensor results[ops::kMaxOutputs];
  ops::emitter().emit(formed, {results, count});
  // 0 and 1 are numbers of every dtype.
  if (call.name() == "bernoulli") results[0] = ops::to(results[0], targets[0].dtype());
  for (std::size_t i = 0; i < count; ++i) write_out(call.op.record.public_name(), results[i], targets[i]);
}

}  // namespace unspool::bind
