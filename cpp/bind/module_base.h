// The C base type of nn.Module: calling a module without Python in between.
#pragma once

#include <Python.h>

namespace unspool::bind {

void add_module_base(PyObject* core);

}  // namespace unspool::bind
