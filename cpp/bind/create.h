// Making tensors from Python data and arrays.
#pragma once

#include <Python.h>

#include <optional>

#include "tensor/default_dtype.h"
#include "tensor/tensor.h"

namespace unspool::bind {

// A new tensor with the values of nested sequences, numbers, or anything that offers an array.
Tensor tensor_from_data(PyObject* data, std::optional<Dtype> dtype);
// The same for what is no tensor, unknown to a step that is being captured.
Tensor new_from_data(PyObject* data, std::optional<Dtype> dtype);
// Uninitialised.
Tensor new_empty(DimSpan sizes, Dtype dtype);

// Whether the object is a NumPy array.
bool is_array(PyObject* object);
// A tensor that shares the array's memory; null when the object is no NumPy array.
Tensor share_array(PyObject* array);

}  // namespace unspool::bind
