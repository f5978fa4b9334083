// Functions whose derivative the step computes as well: both at once, where they share what is dear. What
// waits for the backward pass is then the derivative and no longer the argument.
#pragma once

#include "exec/program/recording.h"

namespace unspool::exec {

void pair_slopes(Recording& recording);

}  // namespace unspool::exec
