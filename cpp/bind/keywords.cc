// Keyword names that UTF-8 cannot hold (a lone surrogate, as in f(**{"\ud800": 1})): pybind11's dispatcher
// would throw through the interpreter when it writes them into its error, and end the process.
#include "bind/errors.h"
#include "bind/topics.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

using Dispatcher = PyObject* (*)(PyObject*, PyObject* const*, std::size_t, PyObject*);

// That of all functions made by this copy of pybind11.
Dispatcher dispatcher = nullptr;

PyCFunction as_method(Dispatcher function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyObject* dispatch(PyObject* self, PyObject* const* args, std::size_t count, PyObject* names) {
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    if (PyUnicode_AsUTF8(name)) continue;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "%s(): got an unexpected keyword argument %R",
                 py::detail::function_record_ptr_from_PyObject(self)->name, name);
    return nullptr;
  }
  return dispatcher(self, args, count, names);
}

void guard(py::handle object, int depth);

void guard_members(py::handle dict, int depth) {
  for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(dict)) guard(value, depth + 1);
}

// Functions wherever they may be: in modules and types, as methods, static methods and properties.
void guard(py::handle object, int depth) {
  if (depth > 4) return;
  PyObject* const o = object.ptr();
  if (PyCFunction_Check(o)) {
    PyMethodDef* method = reinterpret_cast<PyCFunctionObject*>(o)->m_ml;
    if (method->ml_meth == as_method(dispatcher)) method->ml_meth = as_method(dispatch);
  } else if (PyInstanceMethod_Check(o)) {
    guard(PyInstanceMethod_GET_FUNCTION(o), depth + 1);
  } else if (Py_IS_TYPE(o, &PyStaticMethod_Type)) {
    guard(py::object(object.attr("__func__")), depth + 1);
  } else if (PyObject_TypeCheck(o, &PyProperty_Type)) {
    for (const char* part : {"fget", "fset", "fdel"}) guard(py::object(object.attr(part)), depth + 1);
  } else if (PyModule_Check(o)) {
    guard_members(PyModule_GetDict(o), depth);
  } else if (PyType_Check(o)) {
    guard_members(py::dict(object.attr("__dict__")), depth);
  }
}

}  // namespace

void guard_keywords(py::module_& core) {
  const py::cpp_function probe([] {});
  PyMethodDef* method = reinterpret_cast<PyCFunctionObject*>(probe.ptr())->m_ml;
  dispatcher = reinterpret_cast<Dispatcher>(reinterpret_cast<void (*)()>(method->ml_meth));
  guard(core, 0);
}

}  // namespace unspool::bind
