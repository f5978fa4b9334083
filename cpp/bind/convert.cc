// From Python values to operands and attributes, and back.
#include "bind/convert.h"

#include <mutex>
#include <unordered_set>

#include "bind/errors.h"
#include "bind/tensor_object.h"
#include "ops/api.h"

namespace unspool::bind {

using ops::ArgKind;
using ops::Attr;
using ops::Operand;

namespace {

// True for NumPy scalars and 0-d arrays, without importing NumPy.
bool is_zero_dim(PyObject* object) {
  Owned ndim(PyObject_GetAttrString(object, "ndim"));
  if (!ndim) {
    PyErr_Clear();
    return false;
  }
  const long value = PyLong_Check(ndim.get()) ? PyLong_AsLong(ndim.get()) : -1;
  PyErr_Clear();
  return value == 0;
}

std::int64_t long_value(PyObject* number) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow) fail("an integer argument does not fit into 64 bits");
  if (value == -1 && PyErr_Occurred()) throw PythonError{};
  return value;
}

}  // namespace

std::optional<Operand> number_operand(PyObject* object) {
  if (PyFloat_CheckExact(object)) return Operand(PyFloat_AS_DOUBLE(object));
  if (PyBool_Check(object)) return Operand(object == Py_True);
  if (PyLong_Check(object)) return Operand(long_value(object));
  if (PyFloat_Check(object)) return Operand(PyFloat_AS_DOUBLE(object));
  if (PyComplex_Check(object)) fail(ErrorKind::kNotImplemented, "complex numbers are not supported");
  if (PyUnicode_Check(object) || PyBytes_Check(object) || is_tensor(object) || !is_zero_dim(object))
    return std::nullopt;
  const std::string type = Py_TYPE(object)->tp_name;
  if (type == "numpy.bool" || type == "numpy.bool_") return Operand(PyObject_IsTrue(object) == 1);
  if (PyIndex_Check(object)) {
    Owned index(PyNumber_Index(object));
    if (index) return Operand(long_value(index.get()));
    PyErr_Clear();
  }
  Owned real(PyNumber_Float(object));
  if (!real) {
    PyErr_Clear();
    return std::nullopt;
  }
  return Operand(PyFloat_AS_DOUBLE(real.get()));
}

std::optional<std::int64_t> as_integer(PyObject* object) {
  if (PyLong_CheckExact(object)) return long_value(object);
  if (PyBool_Check(object) || !PyIndex_Check(object)) return std::nullopt;
  if (is_tensor(object) && (tensor_of(object).numel() != 1 || is_floating(tensor_of(object).dtype())))
    return std::nullopt;
  Owned index(PyNumber_Index(object));
  if (!index) {
    PyErr_Clear();
    return std::nullopt;
  }
  return long_value(index.get());
}

std::optional<double> as_real(PyObject* object) {
  if (PyFloat_CheckExact(object)) return PyFloat_AS_DOUBLE(object);
  if (is_tensor(object)) {
    if (tensor_of(object).numel() != 1 || tensor_of(object).ndim() != 0) return std::nullopt;
    Owned item(checked(item_of(tensor_of(object))));
    return PyFloat_AsDouble(item.get());
  }
  const auto operand = number_operand(object);
  if (!operand) return std::nullopt;
  return operand->number();
}

bool as_dims(PyObject* object, Dims& dims) {
  if (const auto single = as_integer(object)) {
    dims.push_back(*single);
    return true;
  }
  if (!PyTuple_Check(object) && !PyList_Check(object)) return false;
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
  for (Py_ssize_t i = 0; i < count; ++i) {
    const auto value = as_integer(PySequence_Fast_GET_ITEM(object, i));
    if (!value) return false;
    dims.push_back(*value);
  }
  return true;
}

std::string why_no_dims(PyObject* object) {
  const auto type_of = [](PyObject* value) { return value == Py_None ? "None" : Py_TYPE(value)->tp_name; };
  if (PyTuple_Check(object) || PyList_Check(object)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(object, i);
      if (!as_integer(item)) return "but element " + std::to_string(i) + " is " + type_of(item);
    }
  }
  return std::string("not ") + type_of(object);
}

Dims need_dims(PyObject* object, const char* who, const char* argument) {
  Dims dims;
  if (!as_dims(object, dims)) {
    fail(ErrorKind::kType, who, "(): argument '", argument, "' must be an int or a tuple of ints, ",
         why_no_dims(object));
  }
  return dims;
}

const char* intern_text(const std::string& text) {
  static auto& mutex = *new std::mutex;
  static auto& texts = *new std::unordered_set<std::string>;
  const std::lock_guard lock(mutex);
  return texts.insert(text).first->c_str();
}

bool to_operand(PyObject* object, ArgKind kind, Operand& operand) {
  if (is_tensor(object)) {
    operand = Operand(tensor_of(object));
    return true;
  }
  if (object == Py_None) return kind == ArgKind::kOptionalTensor || kind == ArgKind::kOptionalOperand;
  if (kind == ArgKind::kTensor || kind == ArgKind::kOptionalTensor) return false;
  auto number = number_operand(object);
  if (!number) return false;
  operand = std::move(*number);
  return true;
}

bool to_attr(PyObject* object, ArgKind kind, Attr& attr) {
  const bool is_none = object == Py_None;
  switch (kind) {
    case ArgKind::kOptionalInt:
      if (is_none) return true;
      [[fallthrough]];
    case ArgKind::kInt:
      if (const auto value = as_integer(object)) {
        attr = Attr(*value);
        return true;
      }
      return false;
    case ArgKind::kOptionalFloat:
      if (is_none) return true;
      [[fallthrough]];
    case ArgKind::kFloat: {
      if (PyUnicode_Check(object)) return false;
      const auto value = as_real(object);
      if (!value) return false;
      attr = Attr(*value);
      return true;
    }
    case ArgKind::kOptionalBool:
      if (is_none) return true;
      [[fallthrough]];
    case ArgKind::kBool:
      if (PyBool_Check(object)) {
        attr = Attr(object == Py_True);
        return true;
      }
      if (const auto operand = number_operand(object); operand && operand->kind() == Operand::Kind::kBool) {
        attr = Attr(operand->integer() != 0);
        return true;
      }
      return false;
    case ArgKind::kOptionalDims:
      if (is_none) return true;
      [[fallthrough]];
    case ArgKind::kDims: {
      Dims dims;
      if (!as_dims(object, dims)) return false;
      attr = Attr(dims);
      return true;
    }
    case ArgKind::kDtype:
      if (!is_none) attr = Attr(dtype_of_object(object, "dtype"));
      return true;
    case ArgKind::kOptionalText:
      if (is_none) return true;
      [[fallthrough]];
    case ArgKind::kText: {
      if (!PyUnicode_Check(object)) return false;
      const char* text = PyUnicode_AsUTF8(object);
      if (!text) throw PythonError{};
      attr = Attr(intern_text(text));
      return true;
    }
    case ArgKind::kGenerator:
      if (!is_none && !is_generator(object)) return false;
      attr = Attr(generator_of_object(object));
      return true;
    default:
      return false;
  }
}

const char* kind_name(ArgKind kind) {
  switch (kind) {
    case ArgKind::kTensor:
      return "Tensor";
    case ArgKind::kOptionalTensor:
      return "Tensor or None";
    case ArgKind::kOperand:
      return "Tensor or a number";
    case ArgKind::kOptionalOperand:
      return "Tensor, a number or None";
    case ArgKind::kTensors:
      return "a tuple or list of Tensors";
    case ArgKind::kInt:
      return "int";
    case ArgKind::kOptionalInt:
      return "int or None";
    case ArgKind::kFloat:
      return "float";
    case ArgKind::kOptionalFloat:
      return "float or None";
    case ArgKind::kBool:
      return "bool";
    case ArgKind::kOptionalBool:
      return "bool or None";
    case ArgKind::kDims:
      return "an int or a tuple of ints";
    case ArgKind::kOptionalDims:
      return "an int, a tuple of ints or None";
    case ArgKind::kDtype:
      return "a dtype or None";
    case ArgKind::kText:
      return "str";
    case ArgKind::kOptionalText:
      return "str or None";
    default:
      return "a Generator or None";
  }
}

PyObject* item_of(const Tensor& tensor) {
  if (tensor.numel() != 1) {
    fail("item: only a tensor of one element has a single value, this one has shape ",
         to_string(tensor.sizes()));
  }
  ops::before_host_read(tensor, "item");
  if (is_narrow(tensor.dtype())) return item_of(ops::to(tensor, carrier(tensor.dtype())));
  return visit_dtype(tensor.dtype(), [&]<class T>(T) -> PyObject* {
    const T value = *static_cast<const T*>(tensor.data());
    if constexpr (std::is_same_v<T, bool>)
      return PyBool_FromLong(value);
    else if constexpr (std::is_floating_point_v<T>)
      return PyFloat_FromDouble(value);
    else
      return PyLong_FromLongLong(value);
  });
}

}  // namespace unspool::bind
