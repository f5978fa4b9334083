// Largest first, lowest fit.
#include "exec/program/plan.h"

#include <algorithm>
#include <numeric>

namespace unspool::exec {
namespace {

std::size_t aligned(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment;
}

bool meet(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

Plan plan(std::span<const Lifetime> lifetimes) {
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return aligned(lifetimes[a].bytes) > aligned(lifetimes[b].bytes);
  });
  Plan result{std::vector<std::size_t>(lifetimes.size()), 0};
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t block : order) {
    const std::size_t bytes = aligned(lifetimes[block].bytes);
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      if (!meet(lifetimes[block], lifetimes[other])) continue;
      if (offset + bytes <= result.offsets[other]) break;
      offset = std::max(offset, result.offsets[other] + aligned(lifetimes[other].bytes));
    }
    result.offsets[block] = offset;
    result.bytes = std::max(result.bytes, offset + bytes);
    const auto by_offset = [&](std::size_t a, std::size_t b) {
      return result.offsets[a] < result.offsets[b];
    };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block, by_offset), block);
  }
  return result;
}

}  // namespace unspool::exec
