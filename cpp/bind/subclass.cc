// The classes themselves are told from others by an attribute that Tensor.__init_subclass__ gives them.
#include "bind/subclass.h"

#include <utility>

#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/tensor_object.h"
#include "ops/shape.h"

namespace unspool::bind {

bool has_subclasses = false;

bool is_kept(PyTypeObject* type) {
  if (type == tensor_type || !PyType_IsSubtype(type, tensor_type)) return false;
  static PyObject* const name = PyUnicode_InternFromString("_keeps_class");
  Owned flag(PyObject_GetAttr(reinterpret_cast<PyObject*>(type), name));
  if (!flag) PyErr_Clear();
  return flag.get() == Py_True;
}

namespace {

thread_local bool asks = true;
PyObject* dispatch = nullptr;  // dispatch(function, args, kwargs)

bool is_any_kept(PyObject* value) {
  if (is_kept(Py_TYPE(value))) return true;
  if (!PyTuple_Check(value) && !PyList_Check(value)) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); ++i) {
    if (is_kept(Py_TYPE(PySequence_Fast_GET_ITEM(value, i)))) return true;
  }
  return false;
}

PyObject* set_dispatch(PyObject*, PyObject* function) {
  Py_XSETREF(dispatch, Py_NewRef(function));
  Py_RETURN_NONE;
}

PyObject* keep_class(PyObject*, PyObject*) { return PyBool_FromLong(std::exchange(has_subclasses, true)); }

PyObject* ask(PyObject*, PyObject* value) {
  const int truth = PyObject_IsTrue(value);
  if (truth < 0) return nullptr;
  const bool before = asks;
  asks = truth != 0;
  return PyBool_FromLong(before);
}

PyObject* does_ask(PyObject*, PyObject*) { return PyBool_FromLong(asks); }

}  // namespace

PyObject* ask_subclasses(PyObject* callable, const RawArguments& raw) {
  if (!asks) return nullptr;
  const Py_ssize_t named = raw.keywords ? PyTuple_GET_SIZE(raw.keywords) : 0;
  bool found = false;
  for (Py_ssize_t i = 0; i < raw.count + named && !found; ++i) found = is_any_kept(raw.values[i]);
  if (!found) return nullptr;
  Owned positional(checked(PyTuple_New(raw.count)));
  for (Py_ssize_t i = 0; i < raw.count; ++i) PyTuple_SET_ITEM(positional.get(), i, Py_NewRef(raw.values[i]));
  Owned keywords(checked(PyDict_New()));
  for (Py_ssize_t k = 0; k < named; ++k) {
    if (PyDict_SetItem(keywords.get(), PyTuple_GET_ITEM(raw.keywords, k), raw.values[raw.count + k]) < 0)
      throw PythonError{};
  }
  return checked(PyObject_CallFunctionObjArgs(dispatch, callable, positional.get(), keywords.get(), nullptr));
}

PyObject* ask_operator(const std::string& method, PyObject* a, PyObject* b) {
  if (!asks || !(is_kept(Py_TYPE(a)) || (b && is_kept(Py_TYPE(b))))) return nullptr;
  Owned callable(checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), method.c_str())));
  Owned positional(checked(b ? PyTuple_Pack(2, a, b) : PyTuple_Pack(1, a)));
  Owned keywords(checked(PyDict_New()));
  return checked(
      PyObject_CallFunctionObjArgs(dispatch, callable.get(), positional.get(), keywords.get(), nullptr));
}

PyObject* ask_slot(const char* method, PyObject* self, PyObject* index, PyObject* value) {
  if (!asks || !is_kept(Py_TYPE(self))) return nullptr;
  Owned callable(checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), method)));
  Owned positional(checked(value ? PyTuple_Pack(3, self, index, value) : PyTuple_Pack(2, self, index)));
  Owned keywords(checked(PyDict_New()));
  return checked(
      PyObject_CallFunctionObjArgs(dispatch, callable.get(), positional.get(), keywords.get(), nullptr));
}

PyObject* wrap_like(const Tensor& input, Tensor result) {
  auto* self = static_cast<PyObject*>(input->python);
  return has_subclasses && asks && self && is_kept(Py_TYPE(self)) ? wrap_as(Py_TYPE(self), std::move(result))
                                                                  : wrap(std::move(result));
}

PyObject* as_subclass(PyObject* self, PyObject* type) {
  return guarded([&] {
    if (!PyType_Check(type) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), tensor_type)) {
      fail(ErrorKind::kType, "as_subclass(): argument 'cls' must be a class derived from Tensor, not ",
           PyType_Check(type) ? reinterpret_cast<PyTypeObject*>(type)->tp_name : Py_TYPE(type)->tp_name);
    }
    const Tensor& tensor = tensor_of(self);
    return wrap_as(reinterpret_cast<PyTypeObject*>(type), ops::call<ops::ViewOp>({tensor}, {tensor.sizes()}));
  });
}

void add_subclass_functions(PyObject* module) {
  static PyMethodDef functions[] = {
      {"_set_dispatch", set_dispatch, METH_O, "The function that asks arguments' __torch_function__."},
      {"_keep_class", keep_class, METH_NOARGS,
       "There is a class derived from Tensor that results keep; whether there was one before."},
      {"_ask_subclasses", ask, METH_O, "Whether this thread asks __torch_function__; gives what was before."},
      {"_asks_subclasses", does_ask, METH_NOARGS, "Whether this thread asks __torch_function__."},
      {nullptr, nullptr, 0, nullptr}};
  if (PyModule_AddFunctions(module, functions) < 0) throw PythonError{};
}

}  // namespace unspool::bind
