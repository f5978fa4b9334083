// Changes of a recording that leave every value as it was, bit for bit: nothing is computed that nobody
// reads, nothing twice, and results take the place of operands that end with them.
#pragma once

#include "exec/program/recording.h"

namespace unspool::exec {

struct Passes {
  bool dead_code = true;
  bool common_subexpressions = true;
  bool in_place = true;
  bool tiles = true;  // see tiles.h
};

// Drops instructions whose results nobody reads. Those that draw random numbers stay: others come after them.
void drop_dead_code(Recording& recording);

// Drops instructions that repeat an earlier one over unchanged operands.
void merge_common_subexpressions(Recording& recording);

// Lets element-wise instructions write over a temporary operand that is read for the last time.
void work_in_place(Recording& recording);

void apply(const Passes& passes, Recording& recording);

// Whether the operation draws from a generator.
bool draws(const ops::Record& record);

}  // namespace unspool::exec
