// Widening before an operation, rounding after it.
#include "exec/narrow.h"

#include <algorithm>
#include <optional>

#include "exec/kernel_map.h"
#include "exec/number.h"
#include "ops/api.h"
#include "ops/emitter.h"
#include "ops/fitting.h"
#include "ops/one_dtype.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/sorting.h"

namespace unspool::exec {
namespace {

using ops::Operand;

bool is_narrow_tensor(const Operand& operand) {
  return operand.is_tensor() && is_narrow(operand.impl().dtype);
}

// Whether the operand names places: its dtype says nothing about the result's.
bool is_index(const ops::Record& record, std::size_t operand) {
  for (const ops::Arg& arg : record.args) {
    if (ops::is_tensor_kind(arg.kind) && operand-- == 0) return arg.name == "index" || arg.name == "indices";
  }
  return false;
}

// The dtype that stands for the operands of the first carried one's category; element-wise operations promote
// over all operands, numbers and 0-d tensors included.
Dtype target_of(const ops::Call& call) {
  if (call.op.record.kind == ops::Kind::kElementwise)
    return ops::result_type(call.in.subspan(call.op.record.first_is_mask ? 1 : 0));
  const auto carried = std::ranges::find_if(call.in, is_narrow_tensor);
  Dtype target = carried->impl().dtype;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const Operand& operand = call.in[i];
    // int64 makes a result of int64, which is no carrier.
    if (operand.is_tensor() && !is_index(call.op.record, i) && operand.impl().dtype != Dtype::kInt64 &&
        category(operand.impl().dtype) == category(target))
      target = promote(target, operand.impl().dtype);
  }
  return target;
}

// The dtype of the result where the caller has named it: by the dtype, or by the flag for short places.
std::optional<Dtype> asked_for(const ops::Call& call) {
  for (const ops::Attr& attr : call.attrs) {
    if (attr.kind() == ops::Attr::Kind::kDtype) return attr.dtype();
  }
  if (&call.op == &ops::op_of<ops::SearchSorted> && call.flag("out_int32")) return Dtype::kInt32;
  return std::nullopt;
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
  ops::expect_one_dtype_before_widening(call);
  SmallVector<Operand, 4> operands(call.in.begin(), call.in.end());
  for (Operand& operand : operands) {
    if (is_narrow_tensor(operand)) operand = ops::to(operand.tensor(), carrier(operand.impl().dtype));
  }
  const std::optional<Dtype> asked = asked_for(call);
  const Dtype target = asked ? *asked : target_of(call);
  if (is_narrow(target)) ops::expect_fitting_numbers(call, target);
  SmallVector<ops::Attr, 4> attrs(call.attrs.begin(), call.attrs.end());
  for (ops::Attr& attr : attrs) {
    if (attr.kind() == ops::Attr::Kind::kDtype && is_narrow(attr.dtype())) attr = carrier(attr.dtype());
  }
  ops::emitter().emit({call.op, operands, attrs}, out);
  if (!is_narrow(target)) return;
  for (Tensor& result : out) {
    if (result.dtype() == carrier(target)) result = ops::to(result, target);
  }
}

namespace {

bool is_narrow_floating(Dtype dtype) { return is_narrow(dtype) && is_floating(dtype); }

// The operand that has the result's shape, if all tensors are such that one block of each makes one of the
// result.
const TensorImpl* form_of(const ops::Call& call) {
  const TensorImpl* form = nullptr;
  for (const Operand& operand : call.in) {
    if (operand.is_number()) continue;
    if (!operand.is_tensor()) return nullptr;
    const TensorImpl& x = operand.impl();
    if (!x.contiguous || !(is_narrow_floating(x.dtype) || x.dtype == Dtype::kFloat32)) return nullptr;
    if (!form || x.numel > form->numel || (x.numel == form->numel && x.sizes.size() > form->sizes.size()))
      form = &x;
  }
  for (const Operand& operand : call.in) {
    if (!operand.is_tensor() || operand.impl().sizes == form->sizes) continue;
    if (operand.impl().numel != 1 || operand.impl().sizes.size() > form->sizes.size()) return nullptr;
  }
  return form;
}

bool emit_elementwise(const ops::Call& call, std::span<Tensor> out) {
  const ops::Record& record = call.op.record;
  if (record.infer || record.first_is_mask || !(record.dtypes & ops::bit(Dtype::kFloat32))) return false;
  const TensorImpl* form = form_of(call);
  if (!form || form->numel == 0) return false;
  const Dtype target = record.result == ops::Result::kBool ? Dtype::kBool : target_of(call);
  SmallVector<View, 4> views;
  SmallVector<Number, 4> numbers;
  numbers.reserve(call.in.size());  // views point to them
  for (const Operand& operand : call.in) {
    views.push_back(operand.is_tensor() ? operand.impl().view()
                                        : numbers.emplace_back().set(operand, Dtype::kFloat32));
  }
  out[0] = Tensor::empty(form->sizes, target);
  const View to = out[0].view();
  run_kernel(call.op, views, {&to, 1}, call.attrs);
  return true;
}

bool emit_sum(const ops::Call& call, std::span<Tensor> out) {
  const Tensor x = call.tensor(0);
  if (!is_narrow_floating(x.dtype()) || call.given("dtype")) return false;
  const Tensor total =
      Tensor::empty(ops::reduced_sizes(call, ops::dims_of(call), call.flag("keepdim")), carrier(x.dtype()));
  const View from = x.view(), to = total.view();
  run_kernel(call.op, {&from, 1}, {&to, 1}, call.attrs);
  out[0] = converted(total, x.dtype());
  return true;
}

}  // namespace

bool emit_converting(const ops::Call& call, std::span<Tensor> out) {
  ops::expect_one_dtype_before_widening(call);
  if (call.op.record.kind == ops::Kind::kElementwise) return emit_elementwise(call, out);
  if (&call.op == &ops::op_of<ops::SumOp> || &call.op == &ops::op_of<ops::MeanOp>) return emit_sum(call, out);
  return false;
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
