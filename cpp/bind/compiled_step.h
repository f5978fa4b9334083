// The type behind unspool.compile: a callable that replays the program of a known signature and asks Python
// to capture a new one otherwise.
#pragma once

#include <Python.h>

namespace unspool::bind {

// Adds CompiledStep and CaptureError to the module.
void add_compiled_step(PyObject* core);

}  // namespace unspool::bind
