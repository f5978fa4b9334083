// Integers and 0-d integer tensors select, slices and None make views, everything else becomes a tensor.
#include "bind/index_plan.h"

#include <string>

#include "bind/convert.h"
#include "bind/create.h"
#include "bind/errors.h"
#include "bind/tensor_object.h"
#include "ops/api.h"

namespace unspool::bind {
namespace {

struct Item {
  enum class Kind : std::uint8_t { kInteger, kSlice, kNewDim, kEllipsis, kPick };
  Kind kind;
  PyObject* object = nullptr;  // a slice
  std::int64_t integer = 0;
  Tensor pick{};

  bool is_mask() const { return pick.dtype() == Dtype::kBool || pick.dtype() == Dtype::kUInt8; }
  // How many dimensions of the tensor it consumes.
  int consumed() const {
    switch (kind) {
      case Kind::kInteger:
      case Kind::kSlice:
        return 1;
      case Kind::kPick:
        return is_mask() ? pick.ndim() : 1;
      default:
        return 0;
    }
  }
};
using Items = SmallVector<Item, 4>;

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

Item pick_of(Tensor tensor) { return {.kind = Item::Kind::kPick, .pick = std::move(tensor)}; }

Item tensor_item(const Tensor& tensor) {
  const bool is_mask = tensor.dtype() == Dtype::kBool || tensor.dtype() == Dtype::kUInt8;
  if (tensor.ndim() == 0 && category(tensor.dtype()) == Category::kInteger && !is_mask) {
    Owned value(checked(item_of(tensor)));
    return {.kind = Item::Kind::kInteger, .integer = PyLong_AsLongLong(value.get())};
  }
  // An empty list has no dtype of its own.
  if (tensor.numel() == 0 && is_floating(tensor.dtype())) return pick_of(ops::to(tensor, Dtype::kInt64));
  return pick_of(tensor);
}

bool is_array_like(PyObject* object) {
  return PySequence_Check(object) || PyObject_HasAttrString(object, "__array__") == 1;
}

Item item_from(PyObject* object) {
  if (object == Py_None) return {.kind = Item::Kind::kNewDim};
  if (object == Py_Ellipsis) return {.kind = Item::Kind::kEllipsis};
  if (PySlice_Check(object)) return {.kind = Item::Kind::kSlice, .object = object};
  if (PyBool_Check(object)) return pick_of(ops::full({}, object == Py_True, Dtype::kBool));
  if (is_tensor(object)) return tensor_item(tensor_of(object));
  if (const auto integer = as_integer(object)) return {.kind = Item::Kind::kInteger, .integer = *integer};
  if (!PyFloat_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object) && is_array_like(object)) {
    Tensor tensor = tensor_from_data(object, std::nullopt);
    if (tensor.numel() > 0 && is_floating(tensor.dtype())) {
      fail(ErrorKind::kIndex, "index: arrays and lists index by integers or bool, not by ",
           name(tensor.dtype()));
    }
    return tensor_item(tensor);
  }
  fail(PyUnicode_Check(object) ? ErrorKind::kType : ErrorKind::kIndex,
       "index: tensors are indexed by integers, slices, None, ..., bool, and tensors, arrays or lists of "
       "integers "
       "or bool, not by ",
       Py_TYPE(object)->tp_name);
}

// By an old rule a short list that holds anything but numbers is read as a tuple.
bool is_tuple_like(PyObject* index) {
  if (PyTuple_Check(index)) return true;
  if (!PyList_Check(index) || PyList_GET_SIZE(index) >= 32) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(index); ++i) {
    PyObject* item = PyList_GET_ITEM(index, i);
    if (item == Py_None || item == Py_Ellipsis || PySlice_Check(item) || is_tensor(item) ||
        PySequence_Check(item))
      return true;
  }
  return false;
}

Items items_of(PyObject* index) {
  Items items;
  if (!is_tuple_like(index)) {
    items.push_back(item_from(index));
    return items;
  }
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(index);
  for (Py_ssize_t i = 0; i < count; ++i) items.push_back(item_from(PySequence_Fast_GET_ITEM(index, i)));
  return items;
}

int consumed_by(const Items& items, const Tensor& x) {
  int consumed = 0, ellipses = 0;
  for (const Item& item : items) {
    consumed += item.consumed();
    ellipses += item.kind == Item::Kind::kEllipsis;
  }
  if (ellipses > 1) fail(ErrorKind::kIndex, "index: only one ... may appear");
  if (consumed > x.ndim()) {
    fail(ErrorKind::kIndex, "index: too many indices: ", consumed, " for a tensor of shape ",
         to_string(x.sizes()));
  }
  return consumed;
}

class Planner {
 public:
  Planner(const Tensor& x, const Items& items) : skipped_(x.ndim() - consumed_by(items, x)), plan_{x, {}} {
    for (const Item& item : items) apply(item);
  }
  IndexPlan take() { return std::move(plan_); }

 private:
  void apply(const Item& item) {
    switch (item.kind) {
      case Item::Kind::kInteger:
        plan_.view = ops::select(plan_.view, dim_, item.integer);
        break;
      case Item::Kind::kSlice:
        plan_.view = take_slice(plan_.view, dim_++, item.object);
        break;
      case Item::Kind::kNewDim:
        plan_.view = ops::unsqueeze(plan_.view, dim_++);
        break;
      case Item::Kind::kEllipsis:
        dim_ += skipped_;
        break;
      default:
        for (; covered_ < dim_; ++covered_) plan_.picks.emplace_back();
        plan_.picks.push_back(item.pick);
        covered_ += item.consumed();
        dim_ += item.consumed();
    }
  }

  int skipped_;  // dimensions that ... stands for
  IndexPlan plan_;
  std::int64_t dim_ = 0;
  std::int64_t covered_ = 0;  // dimensions of the view that the picks speak of
};

}  // namespace

IndexPlan plan_index(const Tensor& x, PyObject* index) {
  if (PyLong_CheckExact(index)) return {ops::select(x, 0, *as_integer(index)), {}};
  return Planner(x, items_of(index)).take();
}

}  // namespace unspool::bind
