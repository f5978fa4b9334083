// autograd.Function: tape nodes whose derivative is a Python method.
#pragma once

#include <pybind11/pybind11.h>

namespace unspool::bind {

void bind_function_node(pybind11::module_& core);

}  // namespace unspool::bind
