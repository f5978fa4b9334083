// The Python type unspool.dtype: one singleton per element type.
#include <Python.h>

#include <string>

#include "bind/convert.h"
#include "bind/errors.h"

namespace unspool::bind {
namespace {

struct PyDtype {
  PyObject_HEAD Dtype dtype;
};

PyTypeObject* dtype_type = nullptr;
PyObject* singletons[kDtypeCount] = {};

Dtype value_of(PyObject* self) { return reinterpret_cast<PyDtype*>(self)->dtype; }

PyObject* represent(PyObject* self) {
  return PyUnicode_FromFormat("unspool.%s", std::string(name(value_of(self))).c_str());
}
// Pickles as the name of the module attribute.
PyObject* reduce(PyObject* self, PyObject*) {
  return PyUnicode_FromString(std::string(name(value_of(self))).c_str());
}
PyObject* item_size(PyObject* self, void*) { return PyLong_FromSize_t(size_of(value_of(self))); }
PyObject* floating(PyObject* self, void*) { return PyBool_FromLong(is_floating(value_of(self))); }
PyObject* complex(PyObject*, void*) { Py_RETURN_FALSE; }
PyObject* is_signed(PyObject* self, void*) {
  return PyBool_FromLong(value_of(self) != Dtype::kBool && value_of(self) != Dtype::kUInt8);
}
PyObject* text_name(PyObject* self, void*) { return reduce(self, nullptr); }

}  // namespace

void add_dtype_type(PyObject* module) {
  static PyGetSetDef properties[] = {
      {"itemsize", item_size, nullptr, "Bytes per element.", nullptr},
      {"is_floating_point", floating, nullptr, "Whether this is float16, bfloat16, float32 or float64.",
       nullptr},
      {"is_complex", complex, nullptr, "False: complex numbers are not supported.", nullptr},
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
  for (int i = 0; i < kDtypeCount; ++i) {
    singletons[i] = checked(dtype_type->tp_alloc(dtype_type, 0));
    reinterpret_cast<PyDtype*>(singletons[i])->dtype = static_cast<Dtype>(i);
    const std::string text(name(static_cast<Dtype>(i)));
    if (PyModule_AddObjectRef(module, text.c_str(), singletons[i]) < 0) throw PythonError{};
  }
}

PyObject* dtype_object(Dtype dtype) { return singletons[static_cast<int>(dtype)]; }

bool is_dtype(PyObject* object) { return Py_TYPE(object) == dtype_type; }

Dtype dtype_of_object(PyObject* object, const char* who) {
  if (is_dtype(object)) return value_of(object);
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return Dtype::kFloat64;
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return Dtype::kInt64;
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return Dtype::kBool;
  fail(ErrorKind::kType, who, ": expected an unspool dtype such as unspool.float32, not ",
       Py_TYPE(object)->tp_name);
}

}  // namespace unspool::bind
