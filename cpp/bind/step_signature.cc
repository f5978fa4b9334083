// Walks over nested values.
#include "bind/step_signature.h"

#include "bind/step_guards.h"
#include "bind/subclass.h"
#include "bind/tensor_object.h"

namespace unspool::bind {
namespace {

// Leaves that collect gradients count by identity: they are parts of the model, not data.
bool is_data(PyObject* object) {
  return is_tensor(object) && (!tensor_of(object).requires_grad() || Py_TYPE(object) == tensor_type);
}

bool is_plain_dict(PyObject* object) { return PyDict_Check(object); }

Owned type_of(PyObject* object) { return Owned(Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(object)))); }

Shape constant(PyObject* object) {
  Shape shape;
  shape.object = Owned(Py_NewRef(object));
  return shape;
}

// `take(object, shape)` handles what is not a container and returns whether it did.
template <class F>
Shape read(PyObject* object, F&& take) {
  Shape shape;
  if (take(object, shape)) return shape;
  if (PyTuple_Check(object) || PyList_CheckExact(object)) {
    const bool is_tuple = PyTuple_Check(object);
    shape.kind = is_tuple ? Shape::Kind::kTuple : Shape::Kind::kList;
    shape.object = type_of(object);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i)
      shape.items.push_back(read(PySequence_Fast_GET_ITEM(object, i), take));
    return shape;
  }
  if (is_plain_dict(object)) {
    shape.kind = Shape::Kind::kDict;
    shape.object = Owned(checked(PySequence_Tuple(object)));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape.object.get()); ++i) {
      PyObject* value = PyDict_GetItemWithError(object, PyTuple_GET_ITEM(shape.object.get(), i));
      shape.items.push_back(read(checked(value), take));
    }
    return shape;
  }
  return constant(object);
}

bool same_value(PyObject* a, PyObject* b) {
  if (a == b) return true;
  const bool comparable = PyFloat_Check(a) || PyLong_Check(a) || PyUnicode_Check(a);
  if (!comparable || Py_TYPE(a) != Py_TYPE(b)) return false;
  const int equal = PyObject_RichCompareBool(a, b, Py_EQ);
  if (equal < 0) throw PythonError{};
  return equal == 1;
}

bool matches_shape(const Shape& shape, PyObject* object, std::vector<Tensor>& tensors) {
  switch (shape.kind) {
    case Shape::Kind::kTensor:
      if (!is_data(object) || reinterpret_cast<PyObject*>(Py_TYPE(object)) != shape.object.get())
        return false;
      tensors.push_back(tensor_of(object));
      return true;
    case Shape::Kind::kConstant:
      return same_value(shape.object.get(), object) ||
             (shape.is_live && same_kind(object, shape.object.get()));
    case Shape::Kind::kTuple:
    case Shape::Kind::kList: {
      if (reinterpret_cast<PyObject*>(Py_TYPE(object)) != shape.object.get()) return false;
      const auto size = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(object));
      if (size != shape.items.size()) return false;
      for (std::size_t i = 0; i < size; ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(object, static_cast<Py_ssize_t>(i));
        if (!matches_shape(shape.items[i], item, tensors)) return false;
      }
      return true;
    }
    default: {
      if (!is_plain_dict(object)) return false;
      if (static_cast<std::size_t>(PyDict_GET_SIZE(object)) != shape.items.size()) return false;
      for (std::size_t i = 0; i < shape.items.size(); ++i) {
        PyObject* key = PyTuple_GET_ITEM(shape.object.get(), static_cast<Py_ssize_t>(i));
        PyObject* value = PyDict_GetItemWithError(object, key);
        if (!value && PyErr_Occurred()) throw PythonError{};
        if (!value || !matches_shape(shape.items[i], value, tensors)) return false;
      }
      return true;
    }
  }
}

// No arguments by name are an empty dict.
PyObject* or_empty(PyObject* kwargs, Owned& holder) {
  if (kwargs) return kwargs;
  holder = Owned(checked(PyDict_New()));
  return holder.get();
}

}  // namespace

StepSignature::StepSignature(PyObject* args, PyObject* kwargs, std::vector<Tensor>& tensors) {
  const auto take = [&](PyObject* object, Shape& shape) {
    if (!is_data(object)) return false;
    shape.kind = Shape::Kind::kTensor;
    shape.object = type_of(object);
    shape.tensor = tensors.size();
    tensors.push_back(tensor_of(object));
    return true;
  };
  Owned none;
  args_ = read(args, take);
  kwargs_ = read(or_empty(kwargs, none), take);
  for (std::size_t i = 0; i < tensors.size(); ++i) inputs_.push_back(describe(tensors, i));
}

StepSignature::Input StepSignature::describe(const std::vector<Tensor>& tensors, std::size_t i) {
  const Tensor& tensor = tensors[i];
  std::size_t first = 0;
  while (tensors[first]->storage.get() != tensor->storage.get()) ++first;
  return {tensor.dtype(),         tensor.sizes(), tensor.strides(),
          tensor.requires_grad(), first,          tensor->offset - tensors[first]->offset};
}

Py_ssize_t StepSignature::release(PyObject* number) {
  Py_ssize_t place = -1;
  for (std::size_t i = 0; i < args_.items.size(); ++i) {
    if (args_.items[i].kind != Shape::Kind::kConstant || args_.items[i].object.get() != number) continue;
    if (place >= 0) return -1;
    place = static_cast<Py_ssize_t>(i);
  }
  if (place >= 0) args_.items[static_cast<std::size_t>(place)].is_live = true;
  return place;
}

void StepSignature::hold(PyObject* number) {
  for (Shape& item : args_.items) item.is_live = item.is_live && item.object.get() != number;
}

bool StepSignature::matches(PyObject* args, PyObject* kwargs, std::vector<Tensor>& tensors) const {
  tensors.clear();
  if (!matches_shape(args_, args, tensors)) return false;
  if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
    if (!matches_shape(kwargs_, kwargs, tensors)) return false;
  } else if (!kwargs_.items.empty()) {
    return false;
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorImpl& tensor = tensors[i].impl();
    const Input& input = inputs_[i];
    if (tensor.dtype != input.dtype || tensor.needs_gradient() != input.requires_grad ||
        !(tensor.sizes == input.sizes) || !(tensor.strides == input.strides))
      return false;
    // The first of its storage, and as far from it as it was.
    for (std::size_t other = 0; other < i; ++other) {
      const bool shares = tensors[other]->storage.get() == tensor.storage.get();
      if (shares != (inputs_[other].shares_with == input.shares_with)) return false;
    }
    const TensorImpl& first = tensors[input.shares_with].impl();
    if (tensor.offset - first.offset != input.distance) return false;
  }
  return true;
}

Shape shape_of_result(PyObject* result, std::vector<Tensor>& tensors) {
  return read(result, [&](PyObject* object, Shape& shape) {
    if (is_tensor(object)) {
      shape.kind = Shape::Kind::kTensor;
      if (is_kept(Py_TYPE(object))) shape.object = type_of(object);
      shape.tensor = tensors.size();
      tensors.push_back(tensor_of(object));
      return true;
    }
    const bool is_plain = object == Py_None || PyBool_Check(object) || PyLong_CheckExact(object) ||
                          PyFloat_CheckExact(object) || PyUnicode_CheckExact(object);
    if (is_plain) {
      shape = constant(object);
      return true;
    }
    if (!PyTuple_Check(object) && !PyList_CheckExact(object) && !PyDict_CheckExact(object)) {
      fail(ErrorKind::kCapture, "a compiled step returned a ", Py_TYPE(object)->tp_name,
           "; it may return tensors, numbers, strings, None, and tuples, lists and dicts of these");
    }
    return false;
  });
}

PyObject* build_result(const Shape& shape, std::span<const Tensor> tensors) {
  switch (shape.kind) {
    case Shape::Kind::kTensor:
      if (!shape.object.get()) return checked(wrap(tensors[shape.tensor]));
      return checked(wrap_as(reinterpret_cast<PyTypeObject*>(shape.object.get()), tensors[shape.tensor]));
    case Shape::Kind::kConstant:
      return Py_NewRef(shape.object.get());
    case Shape::Kind::kDict: {
      Owned dict(checked(PyDict_New()));
      for (std::size_t i = 0; i < shape.items.size(); ++i) {
        const Owned value(build_result(shape.items[i], tensors));
        PyObject* key = PyTuple_GET_ITEM(shape.object.get(), static_cast<Py_ssize_t>(i));
        if (PyDict_SetItem(dict.get(), key, value.get()) < 0) throw PythonError{};
      }
      return dict.release();
    }
    default: {
      Owned list(checked(PyList_New(static_cast<Py_ssize_t>(shape.items.size()))));
      for (std::size_t i = 0; i < shape.items.size(); ++i)
        PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), build_result(shape.items[i], tensors));
      if (shape.kind == Shape::Kind::kList) return list.release();
      if (shape.object.get() == reinterpret_cast<PyObject*>(&PyTuple_Type))
        return checked(PyList_AsTuple(list.get()));
      // A named tuple, which is made from its fields.
      const Owned fields(checked(PyList_AsTuple(list.get())));
      const Owned make(checked(PyObject_GetAttrString(shape.object.get(), "_make")));
      return checked(PyObject_CallOneArg(make.get(), fields.get()));
    }
  }
}

}  // namespace unspool::bind
