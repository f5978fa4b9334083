// Recognising such calls and running them.
#include "exec/plain.h"

#include <bit>
#include <iterator>

#include "exec/kernel_map.h"
#include "exec/number.h"

namespace unspool::exec {

PlainCall::PlainCall(const ops::Call& call) : call_(call) {
  const ops::Record& record = call.op.record;
  const bool may_be = record.kind == ops::Kind::kElementwise && !record.infer && !record.first_is_mask &&
                      call.in.size() <= kMostOperands;
  if (!may_be) return;
  const TensorImpl* form = nullptr;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const ops::Operand& operand = call.in[i];
    if (operand.kind() > ops::Operand::Kind::kBool) {
      numbers_ |= 1u << i;
      continue;
    }
    if (!operand.is_tensor()) return;  // also True and False, which not every operation takes
    const TensorImpl& x = operand.impl();
    if (!x.contiguous) return;
    if (!form)
      form = &x;
    else if (x.dtype != form->dtype || !(x.sizes == form->sizes))
      return;
    in_[i] = x.data();
  }
  if (form && (record.dtypes & ops::kFloats & ops::bit(form->dtype))) form_ = form;
}

// Short work is one call of the kernel's loop, with nothing around it.
void PlainCall::run(const Tensor& out) const {
  const kernels::Kernel& kernel = kernel_of(call_.op);
  if (!kernel.loops || is_long_work(form_->numel * static_cast<std::int64_t>(1 + call_.in.size())))
    return run_long(out);
  const void* in[kMostOperands] = {in_[0], in_[1], in_[2]};
  union {
    float single;
    double wide;
  } numbers[kMostOperands];
  for (unsigned rest = numbers_; rest; rest &= rest - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(rest));
    const ops::Operand& operand = call_.in[i];
    const bool is_integer = operand.kind() != ops::Operand::Kind::kFloat;
    if (form_->dtype == Dtype::kFloat64)
      numbers[i].wide = operand.number();
    else
      numbers[i].single =
          is_integer ? static_cast<float>(operand.integer()) : static_cast<float>(operand.number());
    in[i] = &numbers[i];
  }
  double attrs[std::size(ops::Args{}.items)];
  for (std::size_t i = 0; i < call_.attrs.size(); ++i) attrs[i] = call_.attrs[i].number();
  kernel.loops[static_cast<int>(form_->dtype)](out.data(), in, numbers_, form_->numel, attrs);
}

void PlainCall::run_long(const Tensor& out) const {
  View in[kMostOperands];
  Number numbers[kMostOperands];
  std::int64_t elements = form_->numel;
  for (std::size_t i = 0; i < call_.in.size(); ++i) {
    const ops::Operand& operand = call_.in[i];
    in[i] = operand.is_tensor() ? operand.impl().view() : numbers[i].set(operand, form_->dtype);
    elements += operand.is_tensor() ? form_->numel : 1;
  }
  const View to = out.view();
  run_kernel(call_.op, {in, call_.in.size()}, {&to, 1}, call_.attrs, is_long_work(elements));
}

}  // namespace unspool::exec
