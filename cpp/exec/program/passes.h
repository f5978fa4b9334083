// Changes of a recording that leave every value as it was, bit for bit: nothing is computed that nobody
// reads, nothing twice, and results take the place of operands that end with them.
#pragma once

#include <array>

#include "exec/program/recording.h"

namespace unspool::exec {

struct Passes {
  bool dead_code = true;
  bool common_subexpressions = true;
  bool in_place = true;
  bool joins = true;      // see joins.h
  bool pairs = true;      // see pairs.h
  bool epilogues = true;  // see epilogues.h
  bool updates = true;    // see updates.h
  bool tiles = true;      // see tiles.h
};

// In the order in which Python names them.
inline constexpr std::array kPasses = {&Passes::dead_code, &Passes::common_subexpressions,
                                       &Passes::epilogues, &Passes::joins,
                                       &Passes::pairs,     &Passes::updates,
                                       &Passes::in_place,  &Passes::tiles};

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
