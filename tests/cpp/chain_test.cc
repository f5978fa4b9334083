// The planner of chains against closed forms and exhaustive search.
#include "exec/recompute/chain.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <random>
#include <tuple>

namespace unspool::exec {
namespace {

Chain alike(std::size_t count, std::size_t tape) {
  return {std::vector<Stage>(count, Stage{1, 0, 1, tape, 0, 0, 0}), 0, false};
}

// The smallest number of forward runs that reverses l steps with s snapshots: r l - C(s + r, s + 1) for
// C(s + r - 1, s) < l <= C(s + r, s) (Griewank and Walther 2000, proposition 1).
std::int64_t revolve(std::int64_t l, std::int64_t s) {
  const auto choose = [](std::int64_t n, std::int64_t k) {
    std::int64_t result = 1;
    for (std::int64_t i = 1; i <= k; ++i) result = result * (n - k + i) / i;
    return result;
  };
  std::int64_t r = 0;
  while (choose(s + r, s) < l) ++r;
  return r * l - choose(s + r, s + 1);
}

using Known = std::map<std::tuple<std::size_t, std::size_t, std::int64_t>, double>;

// Everything that the model allows, tried.
double least_time(const Chain& chain, std::size_t s, std::size_t t, std::int64_t m, Known& known) {
  const double never = std::numeric_limits<double>::infinity();
  if (m < 0) return never;
  const auto key = std::tuple(s, t, m);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  const auto size = [](std::size_t bytes) { return static_cast<std::int64_t>(bytes); };
  const auto output = [&](std::size_t i) { return size(chain.stages[i].output); };
  const Stage& first = chain.stages[s];
  const std::int64_t before = s ? output(s - 1) : size(chain.input_cotangent);
  double best = never;
  if (m >= size(first.tape) + std::max(output(t) + size(first.record_extra),
                                       output(s) + before + size(first.backward_extra))) {
    const double rest = s == t ? 0 : least_time(chain, s + 1, t, m - size(first.tape), known);
    best = first.forward + first.backward + rest;
  }
  double run = 0;
  std::int64_t needed = 0;
  for (std::size_t next = s + 1; next <= t; ++next) {
    const Stage& last = chain.stages[next - 1];
    run += last.forward;
    needed = std::max(needed,
                      output(t) + (next > s + 1 ? output(next - 2) : 0) + size(last.output + last.run_extra));
    if (m < needed) break;
    best = std::min(best, run + least_time(chain, next, t, m - size(last.output), known) +
                              least_time(chain, s, next - 1, m, known));
  }
  return known[key] = best;
}

double backward_time(const Chain& chain) {
  double time = 0;
  for (const Stage& stage : chain.stages) time += stage.backward;
  return time;
}

TEST_CASE("snapshots alone: Revolve's closed form") {
  // A tape as large as everything is a snapshot's run that is recorded just before its backward: then only
  // snapshots help, and each step is recorded once more than it is advanced.
  for (const std::size_t snapshots : {1u, 2u, 3u, 5u, 8u}) {
    for (const std::size_t length : {1u, 2u, 3u, 7u, 20u, 45u, 200u}) {
      constexpr std::size_t kLarge = 1000;
      const auto plan = plan_chain(alike(length, kLarge), kLarge + snapshots);
      REQUIRE(plan);
      const auto advanced = static_cast<std::int64_t>(plan->time) - static_cast<std::int64_t>(length);
      CHECK(advanced == revolve(static_cast<std::int64_t>(length), static_cast<std::int64_t>(snapshots)));
    }
  }
}

TEST_CASE("a thousand stages that are alike") {
  const std::size_t memory[] = {10, 20, 32, 48, 64, 80};
  const double tape_1[] = {3.265, 1.853, 1.488, 0.981, 0.954, 0.933};
  const double tape_4[] = {5.256, 2.706, 1.922, 1.732, 1.503, 1.219};
  for (std::size_t i = 0; i < 6; ++i) {
    for (const bool is_large : {false, true}) {
      const auto plan = plan_chain(alike(1000, is_large ? 4 : 1), memory[i]);
      REQUIRE(plan);
      CHECK(plan->bytes <= memory[i]);
      CHECK((plan->time - 1000) / 1000 == Approx(is_large ? tape_4[i] : tape_1[i]).margin(1e-9));
    }
  }
}

TEST_CASE("chains of any sizes and times: nothing is better, and the limit holds") {
  std::mt19937 random(1);
  const auto draw = [&](std::size_t low, std::size_t high) { return low + random() % (high - low + 1); };
  for (int trial = 0; trial < 60; ++trial) {
    Chain chain{{}, draw(0, 3), true};
    const std::size_t count = draw(1, 9);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t output = draw(1, 6);
      chain.stages.push_back({static_cast<double>(draw(1, 9)), static_cast<double>(draw(1, 9)), output,
                              output + draw(0, 8), draw(0, 3), draw(0, 3), draw(0, 3)});
    }
    Known known;
    const std::size_t least = least_memory(chain);
    CHECK_FALSE(plan_chain(chain, least - 1));
    for (std::size_t limit = least; limit < least + 40; limit += 3) {
      const auto plan = plan_chain(chain, limit);
      REQUIRE(plan);
      CHECK(plan->bytes <= limit);
      CHECK(memory_of(chain, plan->steps) == plan->bytes);
      // The recursion counts a cotangent in the first pass too, so it may miss what steps alone allow.
      CHECK(plan->time <= least_time(chain, 0, count - 1, static_cast<std::int64_t>(limit), known) + 1e-9);
    }
  }
}

TEST_CASE("every stage is unwound once, from its tape, in reverse order") {
  Chain chain = alike(300, 2);
  for (std::size_t i = 0; i < 300; ++i) chain.stages[i].output = 1 + i % 3, chain.stages[i].tape = 3 + i % 5;
  for (const std::size_t limit : {40u, 60u, 200u, 500u}) {
    const auto plan = plan_chain(chain, limit);
    REQUIRE(plan);
    CHECK(plan->bytes <= limit);
    std::vector<bool> has_tape(300), has_input(301);
    has_input[0] = true;
    std::size_t expected = 300;
    for (const ChainStep& step : plan->steps) {
      if (step.kind == ChainStep::Kind::kBackward) {
        CHECK(has_tape[step.stage]);
        CHECK(step.stage == --expected);
        continue;
      }
      if (step.kind == ChainStep::Kind::kRecord) has_tape[step.stage] = true;
    }
    CHECK(expected == 0);
    CHECK(plan->time >= 300 + backward_time(chain));
  }
}

}  // namespace
}  // namespace unspool::exec
