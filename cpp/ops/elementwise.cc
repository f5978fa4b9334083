// The inference rule of every element-wise operation: broadcast the shapes, promote the dtypes.
#include "ops/elementwise.h"

#include "ops/arithmetic.h"
#include "ops/comparison.h"
#include "ops/fitting.h"
#include "ops/one_dtype.h"
#include "tensor/default_dtype.h"

namespace unspool::ops {
namespace {

// All tensors of one dtype and shape, all numbers of a category that does not change it: the usual case.
bool is_uniform(const Inference& c, std::size_t first) {
  const TensorImpl* reference = nullptr;
  for (std::size_t i = first; i < c.in.size(); ++i) {
    const Operand& operand = c.in[i];
    if (!operand.is_tensor()) continue;
    if (!reference)
      reference = &operand.impl();
    else if (operand.impl().dtype != reference->dtype || !(operand.impl().sizes == reference->sizes))
      return false;
  }
  if (!reference) return false;
  for (std::size_t i = first; i < c.in.size(); ++i) {
    if (c.in[i].is_number() && c.in[i].category() > category(reference->dtype)) return false;
  }
  return true;
}

std::string names_of(DtypeSet set) {
  std::string text;
  for (int i = 0; i < kDtypeCount; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    if (set & bit(dtype)) text += (text.empty() ? "" : ", ") + std::string(name(dtype));
  }
  return text;
}

const TensorImpl* first_tensor(const Inference& c, std::size_t first) {
  for (std::size_t i = first; i < c.in.size(); ++i) {
    if (c.in[i].is_tensor()) return &c.in[i].impl();
  }
  return nullptr;
}

void expect_no_mask(const Inference& c) {
  for (const Operand& operand : c.in) {
    if (operand.is_tensor() ? operand.impl().dtype == Dtype::kBool : operand.kind() == Operand::Kind::kBool) {
      c.fail("not defined for bool tensors or bools (", c.describe(),
             "); use ~ or logical_not to invert a mask, ^ for what differs, .to() or int() to count");
    }
  }
}

}  // namespace

void expect_a_tensor(Inference& c) {
  if (first_tensor(c, 0)) return;
  c.fail_as(ErrorKind::kType, "one of the operands must be a Tensor, got only numbers (", c.describe(),
            "); make one with tensor()");
}

void infer_elementwise(Inference& c) {
  const Record& record = c.op.record;
  if (record.infer) record.infer(c);
  const std::size_t first = record.first_is_mask ? 1 : 0;
  Dims sizes;
  Dtype compute;
  if (is_uniform(c, first)) {
    const TensorImpl& x = *first_tensor(c, first);
    compute = x.dtype;
    sizes = x.sizes;
  } else {
    if (&c.op == &op_of<Lerp>) expect_one_dtype(c);
    compute = result_type(c.in.subspan(first));
    for (std::size_t i = first; i < c.in.size(); ++i) {
      if (c.in[i].is_tensor() && !broadcast_into(sizes, c.in[i].impl().sizes)) {
        c.fail("shapes do not broadcast: ", c.describe(),
               "; sizes must be equal or 1, counted from the last dimension");
      }
    }
  }
  if (first) {
    if (!c[0].is_tensor()) c.fail_as(ErrorKind::kType, "condition must be a Tensor");
    if (c[0].impl().dtype != Dtype::kBool && c[0].impl().dtype != Dtype::kUInt8) {
      c.fail("condition must be bool, got ", name(c[0].impl().dtype), "; compare it, e.g. condition != 0");
    }
    if (!broadcast_into(sizes, c[0].impl().sizes)) c.fail("shapes do not broadcast: ", c.describe());
  }
  if (record.result == Result::kFloating && !is_floating(compute)) compute = default_compute_dtype();
  if ((record.dtypes & kBoolAsInteger) && compute == Dtype::kBool) compute = Dtype::kInt64;
  if (&c.op == &op_of<Sub> || &c.op == &op_of<Rsub>) expect_no_mask(c);
  if (!(record.dtypes & bit(compute))) {
    c.fail("not defined for ", name(compute), " (", c.describe(), "); it takes ", names_of(record.dtypes));
  }
  if (!is_floating(compute)) expect_fitting_numbers(c, compute);
  c.compute = compute;
  c.casts = ~0u;
  c.give(0, std::move(sizes), record.result == Result::kBool ? Dtype::kBool : compute);
}

}  // namespace unspool::ops
