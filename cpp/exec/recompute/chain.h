// The least work for a chain of stages under a limit of memory: which stages of the first pass keep their
// tape, which keep their input, and what is run again before each backward. Arithmetic only.
//
// The model is the memory-persistent one of Beaumont, Eyraud-Dubois, Herrmann, Joly and Shilova (2019):
// stages have times and sizes of their own, and a stage keeps its whole tape or its input, until its backward
// has run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace unspool::exec {

// Times in any unit, sizes in bytes.
struct Stage {
  double forward = 1, backward = 0;
  std::size_t output = 0;  // the result; its cotangent is as large
  std::size_t tape = 0;    // what a recorded run leaves behind, the result included
  // What it takes for itself while it runs: beyond its input and the result, beyond its input and the tape,
  // and beyond its tape and both cotangents.
  std::size_t run_extra = 0, record_extra = 0, backward_extra = 0;
};

struct Chain {
  std::vector<Stage> stages;
  std::size_t input_cotangent = 0;  // 0 where the input needs none
  bool counts_cotangents = true;
};

struct ChainStep {
  enum class Kind : std::uint8_t {
    kForward,  // the input goes, the result stays
    kKeep,     // the input stays too, until the stage's backward
    kRecord,   // the tape stays
    kBackward
  };
  Kind kind;
  std::uint32_t stage;
};

struct ChainPlan {
  std::vector<ChainStep> steps;
  double time = 0;        // of all of them
  std::size_t bytes = 0;  // the most that is in use at any time, beyond the chain's input
};

// The best plan that is found for the limit; none if there is no plan at all. Up to kExactStages stages, or
// where all have nearly the same sizes, nothing is better under the limit, but for the rounding of memory:
// sizes are counted in units, rounded up, and the limit in whole units, rounded down, so that a plan never
// needs more than it says. Longer chains are first put together into kExactStages groups.
std::optional<ChainPlan> plan_chain(const Chain& chain, std::size_t limit);

// The smallest limit for which there is a plan.
std::size_t least_memory(const Chain& chain);

// What the steps take, by going through them.
std::size_t memory_of(const Chain& chain, std::span<const ChainStep> steps);

inline constexpr std::size_t kExactStages = 48;

}  // namespace unspool::exec
