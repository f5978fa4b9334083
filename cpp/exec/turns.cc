// Turns are handed out in the order of the loop.
#include "exec/turns.h"

#include <algorithm>

namespace unspool::exec {

Turns::Turns(std::span<const std::int64_t> slots, std::size_t count) : turn_of_(slots.size()), next_(count) {
  for (std::size_t edge = 0; edge < slots.size(); ++edge) {
    if (slots[edge] >= 0) turn_of_[edge] = next_[static_cast<std::size_t>(slots[edge])]++;
  }
  std::fill(next_.begin(), next_.end(), 0);
}

}  // namespace unspool::exec
