// unspool.Size: the tuple of a tensor's sizes.
#include "bind/size.h"

#include <Python.h>

#include "bind/errors.h"
#include "bind/tensor_object.h"

namespace unspool::bind {
namespace {

PyTypeObject* size_type = nullptr;

PyObject* count_elements(PyObject* self, PyObject*) {
  Owned total(PyLong_FromLong(1));
  for (Py_ssize_t i = 0; total && i < PyTuple_GET_SIZE(self); ++i) {
    total = Owned(PyNumber_Multiply(total.get(), PyTuple_GET_ITEM(self, i)));
  }
  return total.release();
}

PyObject* represent(PyObject* self) {
  const Owned list(PySequence_List(self));
  return list ? PyUnicode_FromFormat("unspool.Size(%R)", list.get()) : nullptr;
}

PyObject* as_size(PyObject* tuple) {
  if (!tuple || !PyTuple_CheckExact(tuple)) return tuple;
  const Owned plain(tuple);
  return PyObject_CallOneArg(reinterpret_cast<PyObject*>(size_type), plain.get());
}

// Slices and sums of sizes are sizes again.
PyObject* concatenate(PyObject* self, PyObject* other) {
  return as_size(PyTuple_Type.tp_as_sequence->sq_concat(self, other));
}
PyObject* subscript(PyObject* self, PyObject* index) {
  return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(self, index));
}

}  // namespace

bool is_size(PyObject* object) noexcept { return PyObject_TypeCheck(object, size_type); }

void add_size_type(PyObject* module) {
  static PyMethodDef methods[] = {
      {"numel", count_elements, METH_NOARGS, "The number of elements of a tensor of this size."},
      {nullptr, nullptr, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_methods, methods},
                                {Py_tp_repr, reinterpret_cast<void*>(represent)},
                                {Py_sq_concat, reinterpret_cast<void*>(concatenate)},
                                {Py_mp_subscript, reinterpret_cast<void*>(subscript)},
                                {Py_tp_doc, const_cast<char*>("The sizes of a tensor's dimensions.")},
                                {0, nullptr}};
  static PyType_Spec spec = {"unspool.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  const Owned bases(checked(PyTuple_Pack(1, &PyTuple_Type)));
  size_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpecWithBases(&spec, bases.get())));
  if (PyModule_AddObjectRef(module, "Size", reinterpret_cast<PyObject*>(size_type)) < 0) throw PythonError{};
}

PyObject* wrap_size(DimSpan dims) {
  Owned size(checked(size_type->tp_alloc(size_type, static_cast<Py_ssize_t>(dims.size()))));
  for (std::size_t i = 0; i < dims.size(); ++i) {
    PyTuple_SET_ITEM(size.get(), static_cast<Py_ssize_t>(i), checked(PyLong_FromLongLong(dims[i])));
  }
  return size.release();
}

}  // namespace unspool::bind
