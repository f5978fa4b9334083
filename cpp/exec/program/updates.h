// The update of a parameter as soon as its gradient is complete, while that is still in the cache.
#pragma once

#include "exec/program/recording.h"

namespace unspool::exec {

// Splits updates by the moment from which each of their parameters may be changed: when its gradient has been
// written for the last time, and nothing before the update looks at the parameter or its states any more.
void place_updates(Recording& recording);

}  // namespace unspool::exec
