// Recomputation: parts of a network whose values are dropped after the forward pass.
#pragma once

#include <pybind11/pybind11.h>

namespace unspool::bind {

void bind_recompute(pybind11::module_& core);

}  // namespace unspool::bind
