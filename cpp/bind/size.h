// unspool.Size.
#pragma once

#include <Python.h>

namespace unspool::bind {

void add_size_type(PyObject* module);

}  // namespace unspool::bind
