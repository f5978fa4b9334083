// The Python type `unspool.Tensor`: a C type whose instances hold one tensor handle. Written against the C
// API rather than as a pybind11 class because its construction is on every hot path (docs/decisions).
#pragma once

#include <Python.h>

#include "tensor/tensor.h"

namespace unspool::bind {

struct PyTensor {
  PyObject_HEAD Tensor tensor;
  PyObject* dict;
  PyObject* weakrefs;
};

extern PyTypeObject* tensor_type;

// Creates the type and adds it to the module as "Tensor". Methods derived from the registry are attached
// later.
void add_tensor_type(PyObject* module);

// A new reference to the tensor's Python object; the living one if there is one. None for an undefined
// tensor.
PyObject* wrap(Tensor tensor);
// A new object of a subclass over this tensor, which must not have one yet.
PyObject* wrap_as(PyTypeObject* type, Tensor tensor);

inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tensor_type || PyType_IsSubtype(Py_TYPE(object), tensor_type);
}
// Precondition: is_tensor(object).
inline const Tensor& tensor_of(PyObject* object) { return reinterpret_cast<PyTensor*>(object)->tensor; }

// unspool.Size: the tuple subclass that shapes are.
PyObject* wrap_size(DimSpan dims);

}  // namespace unspool::bind
