// From lifetimes to places in one arena: arithmetic only.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace unspool::exec {

// A block of memory and the first and last moment at which it is in use, both included.
struct Lifetime {
  std::size_t bytes = 0;
  std::size_t first = 0;
  std::size_t last = 0;
};

struct Plan {
  std::vector<std::size_t> offsets;  // multiples of kPlanAlignment, one per lifetime
  std::size_t bytes = 0;             // of the arena
};

inline constexpr std::size_t kPlanAlignment = 64;

// Places the blocks, largest first, each at the lowest offset where it meets no block that is in use at the
// same time.
Plan plan(std::span<const Lifetime> lifetimes);

}  // namespace unspool::exec
