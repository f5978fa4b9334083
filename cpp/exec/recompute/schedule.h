// Which work of a fixed order is done again, so that less memory is in use at once. Arithmetic only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace unspool::exec {

struct Work {
  double time = 1;
  std::vector<std::uint32_t> reads, writes;  // blocks
  // Up to where in the order it gives the same results again; 0 if it is done once.
  std::uint32_t repeats_until = 0;
};

// Work in order, over blocks of memory. A block of no bytes is not ours: it is there all the time.
struct WorkGraph {
  std::vector<Work> work;
  std::vector<std::size_t> blocks;  // bytes
};

struct Schedule {
  std::vector<std::uint32_t> order;  // of work, some of it more than once
  double time = 0;
  std::size_t bytes = 0;  // the most in use at once
};

// Schedules of which each takes less memory and more time than the one before; the first repeats nothing.
std::vector<Schedule> schedules(const WorkGraph& graph);

}  // namespace unspool::exec
