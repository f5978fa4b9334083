// x[...], x[...] = value, iteration and `in`.
#include "bind/indexing.h"

#include <algorithm>

#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/index_plan.h"
#include "bind/subclass.h"
#include "bind/tensor_object.h"
#include "ops/api.h"
#include "ops/comparison.h"
#include "ops/one_dtype.h"
#include "ops/picking.h"
#include "ops/shape.h"

namespace unspool::bind {
namespace {

Tensor take(const Tensor& tensor, PyObject* index) {
  const IndexPlan plan = plan_index(tensor, index);
  if (!plan.picks.empty()) return ops::index(plan.view, {plan.picks.data(), plan.picks.size()});
  // A read always gives a tensor of its own, as slicing does in NumPy.
  return plan.view.is_same(tensor) ? ops::call<ops::ViewOp>({tensor}, {tensor.sizes()}) : plan.view;
}

ops::Operand value_operand(PyObject* value) {
  if (is_tensor(value)) return tensor_of(value);
  const auto number = number_operand(value);
  if (!number) {
    fail(ErrorKind::kType, "index: a tensor's elements can be set to a tensor or a number, not to ",
         Py_TYPE(value)->tp_name);
  }
  return *number;
}

// The value as a tensor of the target's dtype, without leading dimensions of size 1 beyond `ndim`.
Tensor value_tensor(const ops::Operand& value, Dtype dtype, int ndim) {
  if (!value.is_tensor()) {
    const ops::Attr attr =
        value.kind() == ops::Operand::Kind::kFloat ? ops::Attr(value.number()) : ops::Attr(value.integer());
    return ops::full({}, attr, dtype);
  }
  const Tensor source = value.tensor();
  int extra = 0;
  while (source.ndim() - extra > ndim && source.size(extra) == 1) ++extra;
  return extra ? ops::reshape(source, DimSpan(source.sizes()).subspan(static_cast<std::size_t>(extra)))
               : source;
}

// x[1:] += y assigns the view that was changed back to where it is.
bool is_same_place(const Tensor& a, const Tensor& b) {
  return a->base && a->base == b->base && a->storage == b->storage && a->offset == b->offset &&
         a.sizes() == b.sizes() && a.strides() == b.strides();
}

void assign(const Tensor& target, const ops::Operand& value) {
  const Tensor source = value_tensor(value, target.dtype(), target.ndim());
  if (is_same_place(target, source)) return;
  const ops::Operand operands[2] = {target, source};
  const ops::Attr attrs[1] = {false};
  ops::emitter().emit_into({ops::op_of<ops::CopyInto>, operands, attrs}, target);
}

bool is_single(const ops::Operand& value) { return value.is_number() || value.impl().numel == 1; }

// The mask that is the plan's only pick, in a shape that broadcasts to the view's; nothing otherwise.
Tensor only_mask(const IndexPlan& plan) {
  const Tensor& mask = plan.picks.back();
  const auto before = plan.picks.size() - 1;
  for (std::size_t i = 0; i < before; ++i) {
    if (plan.picks[i]) return {};
  }
  if (mask.dtype() != Dtype::kBool || mask.ndim() == 0) return {};
  const DimSpan sizes = plan.view.sizes();
  if (!std::equal(mask.sizes().begin(), mask.sizes().end(),
                  sizes.begin() + static_cast<std::ptrdiff_t>(before))) {
    return {};
  }
  Dims shape = mask.sizes();
  while (shape.size() + before < sizes.size()) shape.push_back(1);
  return ops::reshape(mask, shape);
}

void assign_picked(const IndexPlan& plan, const ops::Operand& value) {
  const Dtype dtype = plan.view.dtype();
  if (is_single(value)) {
    if (const Tensor mask = only_mask(plan)) {
      const bool fits = value.is_number() && is_floating(dtype);
      const ops::Operand operands[3] = {
          plan.view, mask, fits ? value : ops::Operand(ops::to(value_tensor(value, dtype, 0), dtype))};
      return ops::emitter().emit_into({ops::op_of<ops::MaskedFill>, operands, {}}, plan.view);
    }
  }
  if (value.is_tensor() && !ops::may_meet(dtype, value.impl().dtype)) {
    fail("index: a tensor of ", name(dtype), " is assigned a tensor of ", name(value.impl().dtype),
         " at places; convert it with .to()");
  }
  const Tensor source = ops::to(value_tensor(value, dtype, 0), dtype);
  ops::index_write_into(plan.view, {plan.picks.data(), plan.picks.size()}, source, false);
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* index) {
  return guarded([&] {
    if (has_subclasses) [[unlikely]] {
      if (PyObject* answer = ask_slot("__getitem__", self, index)) return answer;
    }
    return wrap(take(tensor_of(self), index));
  });
}

int set_item(PyObject* self, PyObject* index, PyObject* value) {
  return guarded(-1, [&] {
    if (!value) fail(ErrorKind::kType, "index: elements of a tensor cannot be deleted");
    if (has_subclasses) [[unlikely]] {
      if (const Owned answer(ask_slot("__setitem__", self, index, value)); answer) return 0;
    }
    const ops::Operand operand = value_operand(value);
    const IndexPlan plan = plan_index(tensor_of(self), index);
    if (plan.picks.empty())
      assign(plan.view, operand);
    else
      assign_picked(plan, operand);
    return 0;
  });
}

PyObject* iterate(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Tensor& tensor = tensor_of(self);
    if (tensor.ndim() == 0) fail(ErrorKind::kType, "iter: a 0-d tensor cannot be iterated");
    if (has_subclasses) [[unlikely]] {
      if (const Owned rows(ask_operator("unbind", self, nullptr)); rows)
        return checked(PyObject_GetIter(rows.get()));
    }
    Owned rows(checked(PyTuple_New(static_cast<Py_ssize_t>(tensor.size(0)))));
    for (std::int64_t i = 0; i < tensor.size(0); ++i) {
      PyTuple_SET_ITEM(rows.get(), static_cast<Py_ssize_t>(i), wrap(ops::select(tensor, 0, i)));
    }
    return checked(PyObject_GetIter(rows.get()));
  });
}

int contains(PyObject* self, PyObject* value) {
  return guarded(-1, [&] {
    ops::Operand operand;
    if (!to_operand(value, ops::ArgKind::kOperand, operand)) {
      fail(ErrorKind::kType, "in: a tensor contains numbers and tensors, not ", Py_TYPE(value)->tp_name);
    }
    const Tensor equal = ops::eq(tensor_of(self), operand);
    if (equal.numel() == 0) return 0;
    Owned item(checked(item_of(ops::amax(equal))));
    return PyObject_IsTrue(item.get());
  });
}

}  // namespace unspool::bind
