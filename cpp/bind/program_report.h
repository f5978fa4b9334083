// A program as Python data, for explain(), profile() and drawings.
#pragma once

#include <Python.h>

#include "exec/program/program.h"

namespace unspool::bind {

// {"instructions": [{"op", "formula", "scope", "in", "out", "bytes", "flops"}], "buffers": [...], sizes in
// bytes}.
PyObject* report(const exec::Program& program);

}  // namespace unspool::bind
