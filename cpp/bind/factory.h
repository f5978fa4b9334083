// The arguments that functions which make tensors have in common.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "tensor/tensor.h"

namespace unspool::bind {

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

// The result of a factory that was given a tensor's shape, in that tensor's class if results keep it.
pybind11::object like(const Tensor& input, Tensor result);

// Removes the argument from the keywords; null when it is not among them.
pybind11::object take_argument(pybind11::kwargs& kwargs, const char* name);
// Sizes given as (2, 3), ((2, 3),), or size=(2, 3).
Dims read_sizes(const pybind11::args& args, pybind11::kwargs& kwargs, const char* who);

}  // namespace unspool::bind
