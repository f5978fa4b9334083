// tensor[...] for reading and writing, iteration and membership.
#pragma once

#include <Python.h>

namespace unspool::bind {

PyObject* get_item(PyObject* self, PyObject* index);
int set_item(PyObject* self, PyObject* index, PyObject* value);
PyObject* iterate(PyObject* self);
int contains(PyObject* self, PyObject* value);

}  // namespace unspool::bind
