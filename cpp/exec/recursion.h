// The recursive engine: unwinds a tape by true recursion, as one would write it on paper. The cotangent of a
// node is known when its consumers have been unwound, so each of them is unwound first, by the same function;
// the base case is the output, whose cotangent is given, and the returns go down the tape to the leaves.
#pragma once

#include "exec/unwinder.h"

namespace unspool::exec {

// Visits every node whose visit counts. Any depth: when the machine stack runs short, frames move to the
// heap.
void unwind_recursively(Unwinder& unwinder);

}  // namespace unspool::exec
