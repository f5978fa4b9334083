// The Python type unspool.dtype: one singleton per element type.
#include <Python.h>

#include <string>

#include "bind/convert.h"
#include "bind/errors.h"

namespace unspool::bind {
namespace {

// What can be said of an element type.
struct Traits {
  std::string name;
  std::size_t size;
  bool is_floating;
  bool is_complex;
  bool is_signed;
};

// Element types that no tensor has. They can be named, as keys of the tables that libraries make of all
// types.
const Traits kNamedOnly[] = {
    {"complex32", 4, false, true, true},       {"complex64", 8, false, true, true},
    {"complex128", 16, false, true, true},     {"uint16", 2, false, false, false},
    {"uint32", 4, false, false, false},        {"uint64", 8, false, false, false},
    {"float8_e4m3fn", 1, true, false, true},   {"float8_e4m3fnuz", 1, true, false, true},
    {"float8_e5m2", 1, true, false, true},     {"float8_e5m2fnuz", 1, true, false, true},
    {"float8_e8m0fnu", 1, true, false, false},
};

struct PyDtype {
  PyObject_HEAD Dtype dtype;
  const Traits* named_only;  // null where tensors have this type
};

PyTypeObject* dtype_type = nullptr;
PyObject* singletons[kDtypeCount] = {};

const PyDtype& object_of(PyObject* self) { return *reinterpret_cast<PyDtype*>(self); }

Traits traits_of(PyObject* self) {
  const PyDtype& object = object_of(self);
  if (object.named_only) return *object.named_only;
  const Dtype dtype = object.dtype;
  return {std::string(name(dtype)), size_of(dtype), is_floating(dtype), false,
          dtype != Dtype::kBool && dtype != Dtype::kUInt8};
}

PyObject* represent(PyObject* self) {
  return PyUnicode_FromFormat("unspool.%s", traits_of(self).name.c_str());
}
// Pickles as the name of the module attribute.
PyObject* reduce(PyObject* self, PyObject*) { return PyUnicode_FromString(traits_of(self).name.c_str()); }
PyObject* item_size(PyObject* self, void*) { return PyLong_FromSize_t(traits_of(self).size); }
PyObject* floating(PyObject* self, void*) { return PyBool_FromLong(traits_of(self).is_floating); }
PyObject* complex(PyObject* self, void*) { return PyBool_FromLong(traits_of(self).is_complex); }
PyObject* is_signed(PyObject* self, void*) { return PyBool_FromLong(traits_of(self).is_signed); }
PyObject* text_name(PyObject* self, void*) { return reduce(self, nullptr); }

PyObject* make(PyObject* module, Dtype dtype, const Traits* named_only) {
  PyObject* object = checked(dtype_type->tp_alloc(dtype_type, 0));
  reinterpret_cast<PyDtype*>(object)->dtype = dtype;
  reinterpret_cast<PyDtype*>(object)->named_only = named_only;
  if (PyModule_AddObjectRef(module, traits_of(object).name.c_str(), object) < 0) throw PythonError{};
  return object;
}

}  // namespace

void add_dtype_type(PyObject* module) {
  static PyGetSetDef properties[] = {
      {"itemsize", item_size, nullptr, "Bytes per element.", nullptr},
      {"is_floating_point", floating, nullptr, "Whether this is a floating-point type.", nullptr},
      {"is_complex", complex, nullptr, "Whether this is complex, which no tensor is.", nullptr},
      {"is_signed", is_signed, nullptr, "Whether negative values exist.", nullptr},
      {"__name__", text_name, nullptr, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
  static PyType_Slot slots[] = {
      {Py_tp_repr, reinterpret_cast<void*>(represent)},
      {Py_tp_getset, properties},
      {Py_tp_methods, methods},
      {Py_tp_doc, const_cast<char*>("The type of a tensor's elements.")},
      {0, nullptr},
  };
  static PyType_Spec spec = {"unspool.dtype", sizeof(PyDtype), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  dtype_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)));
  if (PyModule_AddObjectRef(module, "dtype", reinterpret_cast<PyObject*>(dtype_type)) < 0)
    throw PythonError{};
  for (int i = 0; i < kDtypeCount; ++i) singletons[i] = make(module, static_cast<Dtype>(i), nullptr);
  for (const Traits& named : kNamedOnly) Py_DECREF(make(module, Dtype::kBool, &named));
}

PyObject* dtype_object(Dtype dtype) { return singletons[static_cast<int>(dtype)]; }

bool is_dtype(PyObject* object) { return Py_TYPE(object) == dtype_type; }

Dtype dtype_of_object(PyObject* object, const char* who) {
  if (is_dtype(object)) {
    const PyDtype& dtype = object_of(object);
    if (!dtype.named_only) return dtype.dtype;
    fail(ErrorKind::kNotImplemented, who, ": there are no tensors of ", dtype.named_only->name,
         " in unspool; ",
         dtype.named_only->is_complex
             ? "keep real and imaginary parts as two tensors"
             : "use one of the other dtypes, such as unspool.float32 or unspool.int64");
  }
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return Dtype::kFloat64;
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return Dtype::kInt64;
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return Dtype::kBool;
  fail(ErrorKind::kType, who, ": expected an unspool dtype such as unspool.float32, not ",
       Py_TYPE(object)->tp_name);
}

}  // namespace unspool::bind
