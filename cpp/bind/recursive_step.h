// What unspool.recursive_step is made of: a chain that was recorded for one kind of arguments, and the
// optimizer's side of a step over it.
#pragma once

#include <pybind11/pybind11.h>

namespace unspool::bind {

// Adds _RecordedChain.
void bind_recursive_step(pybind11::module_& core);

}  // namespace unspool::bind
