// The type behind unspool.compile: a callable that replays the program of a known signature and asks Python
// to capture a new one otherwise.
#pragma once

#include <Python.h>

#include "tensor/tensor.h"

namespace unspool::bind {

// Adds CompiledStep and CaptureError to the module.
void add_compiled_step(PyObject* core);

// Refuses a capture when a Python object from outside of the step is about to stand for something else: that
// happens only while Python runs.
void before_rebinding(const Tensor& tensor, const char* who);

}  // namespace unspool::bind
