// Calls of operations as Python objects: recorded ones, those on the tape, and those an observer is shown.
#pragma once

#include <pybind11/pybind11.h>

namespace unspool::bind {

void bind_inspection(pybind11::module_& core);

}  // namespace unspool::bind
