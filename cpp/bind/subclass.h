// Classes derived from Tensor that results keep: operations with their objects go through Python's
// `__torch_function__`. Nobody pays for that until the first such class is made.
#pragma once

#include <Python.h>

#include <string>

#include "bind/signature.h"
#include "tensor/tensor.h"

namespace unspool::bind {

// Whether there is such a class.
extern bool has_subclasses;

// Whether it is one of them.
bool is_kept(PyTypeObject* type);

// What `__torch_function__` of the arguments makes of the call; null without error where no argument, nor an
// element of a list among them, is of such a class, or where this thread does not ask.
PyObject* ask_subclasses(PyObject* callable, const RawArguments& raw);

// The same for an operator, whose operation Tensor has as a method of this name; `b` may be null.
PyObject* ask_operator(const std::string& method, PyObject* a, PyObject* b);
PyObject* ask_slot(const char* method, PyObject* self, PyObject* index, PyObject* value = nullptr);

// A new reference to the result of a function of `input` alone, in the input's class if that is kept.
PyObject* wrap_like(const Tensor& input, Tensor result);

// A tensor over the same memory and with the same history as an object of the class.
PyObject* as_subclass(PyObject* self, PyObject* type);

// Python's side: _set_dispatch(function), _keep_class(), _ask_subclasses(asks) -> what was before,
// _asks_subclasses().
void add_subclass_functions(PyObject* module);

}  // namespace unspool::bind
