// What other kernels use of softmax.cc.
#pragma once

#include <cstdint>

#include "kernels/context.h"
#include "tensor/view.h"

namespace unspool::kernels::cpu {

// Of a row-major tensor of floats or doubles, along dim.
void log_softmax(const Context& context, const View& x, std::int64_t dim, const View& out);

}  // namespace unspool::kernels::cpu
