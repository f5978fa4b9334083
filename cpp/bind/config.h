// What this build is and how it runs.
#pragma once

#include <pybind11/pybind11.h>

namespace unspool::bind {

void bind_config(pybind11::module_& core);

}  // namespace unspool::bind
