// Recognising such calls and running them.
#include "exec/plain.h"

#include <iterator>

#include "exec/kernel_map.h"
#include "exec/number.h"

namespace unspool::exec {
namespace {

constexpr std::size_t kMostOperands = 3;

}  // namespace

const TensorImpl* plain_form(const ops::Call& call) {
  const ops::Record& record = call.op.record;
  const bool may_be = record.kind == ops::Kind::kElementwise && !record.infer && !record.first_is_mask &&
                      call.in.size() <= kMostOperands;
  if (!may_be) return nullptr;
  const TensorImpl* form = nullptr;
  for (const ops::Operand& operand : call.in) {
    if (operand.is_number()) continue;
    if (operand.is_none()) return nullptr;
    const TensorImpl& x = operand.impl();
    if (!x.contiguous) return nullptr;
    if (!form)
      form = &x;
    else if (x.dtype != form->dtype || !(x.sizes == form->sizes))
      return nullptr;
  }
  return form && (record.dtypes & ops::kFloats & ops::bit(form->dtype)) ? form : nullptr;
}

namespace {

// Short work is one call of the kernel's loop, with nothing around it.
void run_loop(const ops::Call& call, const TensorImpl& form, void* out, kernels::Loop loop) {
  const void* in[kMostOperands];
  union {
    float single;
    double wide;
  } numbers[kMostOperands];
  unsigned repeated = 0;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const ops::Operand& operand = call.in[i];
    if (operand.is_tensor()) {
      in[i] = operand.impl().data();
      continue;
    }
    const bool is_integer = operand.kind() != ops::Operand::Kind::kFloat;
    if (form.dtype == Dtype::kFloat64)
      numbers[i].wide = operand.number();
    else
      numbers[i].single =
          is_integer ? static_cast<float>(operand.integer()) : static_cast<float>(operand.number());
    in[i] = &numbers[i];
    repeated |= 1u << i;
  }
  double attrs[std::size(ops::Args{}.items)];
  for (std::size_t i = 0; i < call.attrs.size(); ++i) attrs[i] = call.attrs[i].number();
  loop(out, in, repeated, form.numel, attrs);
}

}  // namespace

void run_plain(const ops::Call& call, const TensorImpl& form, const Tensor& out) {
  const kernels::Kernel& kernel = kernel_of(call.op);
  if (kernel.loops && !is_long_work(form.numel * static_cast<std::int64_t>(1 + call.in.size()))) {
    run_loop(call, form, out.data(), kernel.loops[static_cast<int>(form.dtype)]);
    return;
  }
  View in[kMostOperands];
  Number numbers[kMostOperands];
  std::int64_t elements = form.numel;
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const ops::Operand& operand = call.in[i];
    in[i] = operand.is_tensor() ? operand.impl().view() : numbers[i].set(operand, form.dtype);
    elements += operand.is_tensor() ? form.numel : 1;
  }
  const View to = out.view();
  run_kernel(call.op, {in, call.in.size()}, {&to, 1}, call.attrs, is_long_work(elements));
}

}  // namespace unspool::exec
