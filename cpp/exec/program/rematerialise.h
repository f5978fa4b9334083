// A recorded step within a limit of memory: temporaries are given up and computed again, where that brings
// the arena under the limit, at the least extra work.
#pragma once

#include <memory>

#include "exec/program/program.h"

namespace unspool::exec {

// The program whose arena and scratch take at most `limit` bytes. `outside`: what the caller's budget has to
// hold besides, for the error that names the smallest budget when there is no such program.
std::unique_ptr<Program> program_within(const Trace::Result& traced, const Passes& passes, std::size_t limit,
                                        std::size_t outside);

}  // namespace unspool::exec
