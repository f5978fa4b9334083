// The C part of no_grad, enable_grad, set_grad_enabled and inference_mode: they stand around short work.
#pragma once

#include <Python.h>

namespace unspool::bind {

// Adds RecordingMode to the module.
void add_recording_mode(PyObject* core);

}  // namespace unspool::bind
