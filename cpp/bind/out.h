// The out= argument of operations.
#pragma once

#include <Python.h>

#include <string_view>

#include "ops/call.h"

namespace unspool::bind {

// Runs the call and writes its results into `out`: a tensor, or a tuple or list with one for each output. A
// tensor without elements takes on the result's shape; any other must have it.
void write_out(const ops::Call& call, PyObject* out);
// The same for a result of something else, which messages call `who`.
void write_out(std::string_view who, const Tensor& result, const Tensor& out);

}  // namespace unspool::bind
