// Products of matrices that take the element-wise instruction behind them along: a bias, an activation, its
// derivative or a residual is then applied to sums that are still in registers, and a gradient that is only
// added to another is summed where that one is.
#pragma once

#include "exec/program/recording.h"

namespace unspool::exec {

void end_products(Recording& recording);

}  // namespace unspool::exec
