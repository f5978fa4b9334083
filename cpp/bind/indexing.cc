// Basic indexing is a sequence of view operations; one integer tensor picks slices through index_select.
#include "bind/indexing.h"

#include <string>

#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/tensor_object.h"
#include "ops/api.h"
#include "ops/joining.h"
#include "ops/shape.h"

namespace unspool::bind {
namespace {

[[noreturn]] void refuse(PyObject* index) {
  if (PyFloat_Check(index) || PyUnicode_Check(index)) {
    fail(ErrorKind::kIndex, "index: tensors are indexed by integers, slices, None, ... and tensors, not by ",
         Py_TYPE(index)->tp_name);
  }
  const bool is_array = PySequence_Check(index) || PyObject_HasAttrString(index, "__array__") == 1;
  fail(is_array ? ErrorKind::kNotImplemented : ErrorKind::kType, "index: indexing by ",
       Py_TYPE(index)->tp_name,
       " is not supported; use integers, slices, None, ..., one int64 tensor, or gather(), index_select() "
       "and where()");
}

// How many dimensions of the tensor an index item consumes.
int consumed_by(PyObject* item) {
  return item == Py_None || item == Py_Ellipsis || PyBool_Check(item) ? 0 : 1;
}

std::int64_t bound(PyObject* object, std::int64_t otherwise) {
  if (object == Py_None) return otherwise;
  const auto value = as_integer(object);
  if (!value)
    fail(ErrorKind::kType, "index: slice bounds must be integers or None, not ", Py_TYPE(object)->tp_name);
  return *value;
}

Tensor take_slice(const Tensor& x, std::int64_t dim, PyObject* object) {
  auto* range = reinterpret_cast<PySliceObject*>(object);
  const std::int64_t step = bound(range->step, 1);
  if (step <= 0) {
    fail(ErrorKind::kValue, "index: the step of a slice must be positive, got ", step,
         "; use flip() to reverse");
  }
  const std::int64_t size = x.size(static_cast<int>(dim));
  const std::int64_t start = bound(range->start, 0), stop = bound(range->stop, size);
  if (start == 0 && stop >= size && step == 1) return x;
  return ops::slice(x, dim, start, stop, step);
}

struct Cursor {
  Tensor tensor;
  std::int64_t dim = 0;
};

void apply(Cursor& at, PyObject* item) {
  if (PySlice_Check(item)) {
    if (at.dim >= at.tensor.ndim()) fail(ErrorKind::kIndex, "index: a 0-d tensor cannot be sliced");
    at.tensor = take_slice(at.tensor, at.dim, item);
    ++at.dim;
  } else if (item == Py_None) {
    at.tensor = ops::unsqueeze(at.tensor, at.dim++);
  } else if (is_tensor(item) && tensor_of(item).dtype() == Dtype::kBool) {
    fail(ErrorKind::kNotImplemented,
         "index: indexing by a bool mask is not supported; use where() or masked_fill()");
  } else if (is_tensor(item) && tensor_of(item).ndim() == 1 && !is_floating(tensor_of(item).dtype())) {
    const Tensor index = ops::to(tensor_of(item), Dtype::kInt64);
    // Negative indices count from the end.
    const Tensor wrapped =
        ops::where(ops::lt(index, 0), ops::add(index, at.tensor.size(static_cast<int>(at.dim))), index);
    at.tensor = ops::call<ops::IndexSelect>({at.tensor, wrapped}, {at.dim});
    ++at.dim;
  } else if (const auto index = PyBool_Check(item) ? std::nullopt : as_integer(item)) {
    at.tensor = ops::select(at.tensor, at.dim, *index);
  } else {
    refuse(item);
  }
}

Tensor take(const Tensor& tensor, PyObject* index) {
  if (const auto single = PyBool_Check(index) ? std::nullopt : as_integer(index)) {
    return ops::select(tensor, 0, *single);
  }
  Cursor at{tensor};
  if (!PyTuple_Check(index)) {
    if (index == Py_Ellipsis)
      return tensor.numel() >= 0 ? ops::call<ops::ViewOp>({tensor}, {tensor.sizes()}) : tensor;
    apply(at, index);
  } else {
    const Py_ssize_t count = PyTuple_GET_SIZE(index);
    int consumed = 0, ellipses = 0, lists = 0;
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* item = PyTuple_GET_ITEM(index, i);
      consumed += consumed_by(item);
      ellipses += item == Py_Ellipsis;
      lists += is_tensor(item) && tensor_of(item).ndim() > 0;
    }
    if (ellipses > 1) fail(ErrorKind::kIndex, "index: only one ... may appear");
    if (lists > 1) {
      fail(ErrorKind::kNotImplemented, "index: indexing by several tensors is not supported; use gather()");
    }
    if (consumed > tensor.ndim()) {
      fail(ErrorKind::kIndex, "index: ", consumed, " indices for a tensor of shape ",
           to_string(tensor.sizes()));
    }
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* item = PyTuple_GET_ITEM(index, i);
      if (item == Py_Ellipsis)
        at.dim += tensor.ndim() - consumed;
      else
        apply(at, item);
    }
  }
  // A read always gives a tensor of its own, as slicing does in NumPy.
  return at.tensor.is_same(tensor) ? ops::call<ops::ViewOp>({tensor}, {tensor.sizes()}) : at.tensor;
}

Tensor value_tensor(const Tensor& target, PyObject* value) {
  if (is_tensor(value)) return tensor_of(value);
  const auto number = number_operand(value);
  if (!number) {
    fail(ErrorKind::kType, "index: a tensor's elements can be set to a tensor or a number, not to ",
         Py_TYPE(value)->tp_name);
  }
  const ops::Attr attr = number->kind() == ops::Operand::Kind::kFloat ? ops::Attr(number->number())
                                                                      : ops::Attr(number->integer());
  return ops::full({}, attr, target.dtype());
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* index) {
  return guarded([&] { return wrap(take(tensor_of(self), index)); });
}

int set_item(PyObject* self, PyObject* index, PyObject* value) {
  return guarded(-1, [&] {
    if (!value) fail(ErrorKind::kType, "index: elements of a tensor cannot be deleted");
    const Tensor& tensor = tensor_of(self);
    const bool picks = is_tensor(index) && tensor_of(index).ndim() > 0;
    if (picks) {
      fail(ErrorKind::kNotImplemented,
           "index: assigning through an index tensor is not supported; use where()");
    }
    const Tensor target = take(tensor, index);
    Tensor source = value_tensor(target, value);
    // Leading dimensions of size 1 may be left over, as in NumPy.
    while (source.ndim() > target.ndim() && source.size(0) == 1) source = ops::squeeze(source, 0);
    const ops::Operand operands[2] = {target, source};
    const ops::Attr attrs[1] = {false};
    ops::emitter().emit_into({ops::op_of<ops::CopyInto>, operands, attrs}, target);
    return 0;
  });
}

PyObject* iterate(PyObject* self) {
  return guarded([&] {
    const Tensor& tensor = tensor_of(self);
    if (tensor.ndim() == 0) fail(ErrorKind::kType, "iter: a 0-d tensor cannot be iterated");
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
