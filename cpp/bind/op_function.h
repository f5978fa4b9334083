// Operations as Python callables: one C type whose instances parse their arguments by the records'
// declarations and pass the call through the Emitter. Functions and methods are the same objects.
#pragma once

#include <Python.h>

#include <string>

namespace unspool::bind {

// Creates the type, one callable per public name, and puts them where the records say: the modules `ops`
// (unspool.X), `functional` (unspool.nn.functional.X) and `linalg`, and the Tensor type.
void add_operations(PyObject* core);

// The registry as a list of dicts, for tests, stubs and documentation.
PyObject* registry_list();

}  // namespace unspool::bind
