// unspool.Size.
#pragma once

#include <Python.h>

namespace unspool::bind {

void add_size_type(PyObject* module);

bool is_size(PyObject* object) noexcept;

}  // namespace unspool::bind
