// Properties and methods of Tensor that are not operations: metadata, gradients, conversions, pickling.
#pragma once

#include <Python.h>

#include "tensor/tensor.h"

namespace unspool::bind {

PyGetSetDef* tensor_properties();
PyMethodDef* tensor_methods();

// Tensor(2, 3), Tensor(sequence), Tensor(array): the old constructor, always float32.
Tensor construct_legacy(PyObject* args, PyObject* kwargs);

}  // namespace unspool::bind
