// The arena plan: what is in use at the same time never overlaps, and the arena is no larger than it must be
// where that is easy to say.
#include "exec/program/plan.h"

#include <catch2/catch.hpp>
#include <random>

using unspool::exec::kPlanAlignment;
using unspool::exec::Lifetime;
using unspool::exec::plan;
using unspool::exec::Plan;

namespace {

bool overlap(const Lifetime& a, std::size_t at, const Lifetime& b, std::size_t other) {
  const bool at_once = a.first <= b.last && b.first <= a.last;
  return at_once && at < other + b.bytes && other < at + a.bytes;
}

void check(const std::vector<Lifetime>& lifetimes) {
  const Plan result = plan(lifetimes);
  REQUIRE(result.offsets.size() == lifetimes.size());
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    REQUIRE(result.offsets[i] % kPlanAlignment == 0);
    REQUIRE(result.offsets[i] + lifetimes[i].bytes <= result.bytes);
    for (std::size_t j = 0; j < i; ++j)
      REQUIRE_FALSE(overlap(lifetimes[i], result.offsets[i], lifetimes[j], result.offsets[j]));
  }
}

}  // namespace

TEST_CASE("plans of random lifetimes") {
  std::mt19937 random(1);
  const auto pick = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Lifetime> lifetimes(pick(60));
    for (Lifetime& each : lifetimes) {
      each.bytes = pick(3) ? pick(1000) : pick(100000);
      each.first = pick(50);
      each.last = each.first + pick(20);
    }
    check(lifetimes);
  }
}

TEST_CASE("a chain needs the memory of two neighbours") {
  std::vector<Lifetime> chain;
  for (std::size_t i = 0; i < 100; ++i) chain.push_back({1024, i, i + 1});
  check(chain);
  REQUIRE(plan(chain).bytes == 2 * 1024);
}

TEST_CASE("blocks that live at the same time stand side by side") {
  const std::vector<Lifetime> together{{64, 0, 9}, {128, 0, 9}, {256, 0, 9}};
  REQUIRE(plan(together).bytes == 64 + 128 + 256);
}

TEST_CASE("nothing needs nothing") {
  REQUIRE(plan({}).bytes == 0);
  const std::vector<Lifetime> empty{{0, 0, 1}, {0, 0, 1}};
  check(empty);
}
