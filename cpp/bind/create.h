// Making tensors: from Python data and arrays, constants, ranges and random numbers.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "tensor/tensor.h"

namespace unspool::bind {

void bind_creation(pybind11::module_& core);  // tensor, zeros, ones, full, empty, arange, linspace, eye
void bind_arrays(pybind11::module_& core);    // from_numpy, Tensor.numpy, DLPack
void bind_random(pybind11::module_& core);  // Generator, manual_seed, rand, randn, ... and the in-place fills

// A new tensor with the values of nested sequences, numbers, or anything that offers an array.
Tensor tensor_from_data(PyObject* data, std::optional<Dtype> dtype);

// A tensor that shares the array's memory; null when the object is no NumPy array.
Tensor share_array(pybind11::handle array);

Dtype default_dtype();

// The keywords that every factory takes; those that make tensors of given sizes also take `out`, whose dtype
// counts where none is named.
struct TensorOptions {
  const char* who = nullptr;
  std::optional<Dtype> dtype;
  bool requires_grad = false;
  Tensor out;
};
TensorOptions read_options(const pybind11::kwargs& kwargs, const char* who, bool takes_out = false);
Tensor finish(Tensor tensor, const TensorOptions& options);

// Sizes given as (2, 3), ((2, 3),), or size=(2, 3).
Dims read_sizes(const pybind11::args& args, pybind11::kwargs& kwargs, const char* who);

}  // namespace unspool::bind
