// Widening before an operation, rounding after it.
#include "exec/narrow.h"

#include <algorithm>

#include "exec/kernel_map.h"
#include "ops/api.h"
#include "ops/emitter.h"
#include "ops/shape.h"

namespace unspool::exec {
namespace {

using ops::Operand;

bool is_narrow_tensor(const Operand& operand) {
  return operand.is_tensor() && is_narrow(operand.impl().dtype);
}

// The dtype that stands for the operands of the first carried one's category; element-wise operations promote
// over all operands, numbers and 0-d tensors included.
Dtype target_of(const ops::Call& call) {
  if (call.op.record.kind == ops::Kind::kElementwise)
    return ops::result_type(call.in.subspan(call.op.record.first_is_mask ? 1 : 0));
  const auto carried = std::ranges::find_if(call.in, is_narrow_tensor);
  Dtype target = carried->impl().dtype;
  for (const Operand& operand : call.in) {
    // int64 is an index, or makes a result of int64, which is no carrier.
    if (operand.is_tensor() && operand.impl().dtype != Dtype::kInt64 &&
        category(operand.impl().dtype) == category(target))
      target = promote(target, operand.impl().dtype);
  }
  return target;
}

void convert(const Tensor& source, const Tensor& target) {
  const View from = source.view(), to = target.view();
  const ops::Attr dtype[1] = {target.dtype()};
  run_kernel(ops::op_of<ops::Cast>, {&from, 1}, {&to, 1}, dtype);
}

Tensor converted(const Tensor& source, Dtype dtype) {
  Tensor target = Tensor::empty(source.sizes(), dtype);
  convert(source, target);
  return target;
}

}  // namespace

bool moves_only(const ops::Op& op) {
  return &op == &ops::op_of<ops::Clone> || &op == &ops::op_of<ops::Cast> || &op == &ops::op_of<ops::CopyInto>;
}

bool is_carried(const ops::Call& call) {
  for (const Operand& operand : call.in) {
    if (is_narrow_tensor(operand)) return !moves_only(call.op);
  }
  return false;
}

void emit_carried(const ops::Call& call, std::span<Tensor> out) {
  SmallVector<Operand, 4> operands(call.in.begin(), call.in.end());
  for (Operand& operand : operands) {
    if (is_narrow_tensor(operand)) operand = ops::to(operand.tensor(), carrier(operand.impl().dtype));
  }
  ops::emitter().emit({call.op, operands, call.attrs}, out);
  const Dtype target = target_of(call);
  if (!is_narrow(target)) return;
  for (Tensor& result : out) {
    if (result.dtype() == carrier(target)) result = ops::to(result, target);
  }
}

bool is_narrow_cast(const ops::Call& call) {
  return &call.op == &ops::op_of<ops::Cast> &&
         (is_narrow(call.in[0].impl().dtype) || is_narrow(call.attrs[0].dtype()));
}

// Kernels convert between a dtype and its carrier, and between carriers.
void run_narrow_cast(const Tensor& source, const Tensor& target) {
  Tensor x = source;
  if (source.dtype() != target.dtype()) {
    for (Dtype stage : {carrier(source.dtype()), carrier(target.dtype())}) {
      if (stage != x.dtype() && stage != target.dtype()) x = converted(x, stage);
    }
  }
  convert(x, target);
}

}  // namespace unspool::exec
