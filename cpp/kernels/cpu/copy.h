// Copies between views of any layout and dtype, for the kernels that move data.
#pragma once

#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

// Writes `from`, broadcast to `to` and converted to its dtype.
void copy_view(const Context& context, const View& to, const View& from);

}  // namespace unspool::kernels::cpu
