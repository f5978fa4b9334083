// Sums of slices that lie side by side: the parts of a tensor that was split come back as as many tensors of
// its whole size, zero but for one slice, and are added up. Here each part is written to its place.
#pragma once

#include "exec/program/recording.h"

namespace unspool::exec {

void join_slices(Recording& recording);

}  // namespace unspool::exec
