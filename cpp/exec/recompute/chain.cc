// Two dynamic programmes, over lengths where all stages are alike and over intervals where they are not.
#include "exec/recompute/chain.h"

#include <algorithm>
#include <cmath>
#include <experimental/simd>
#include <limits>
#include <numeric>

namespace unspool::exec {
namespace {

using StepKind = ChainStep::Kind;

constexpr float kNever = std::numeric_limits<float>::infinity();

// Sizes in units of memory.
struct Sizes {
  std::int32_t output, tape, run_extra, record_extra, backward_extra, cotangent;
};

// What a recursion over (first, length, memory) decided: the whole tape of the first stage, or its input and
// a run up to where the rest begins.
constexpr std::uint16_t kTape = 0;

struct Part {
  std::uint32_t first, count;
  std::int32_t memory;
};

std::int32_t rounded_up(std::size_t bytes, std::size_t unit) {
  return static_cast<std::int32_t>(std::min<std::size_t>((bytes + unit - 1) / unit, 1u << 28));
}

Sizes in_units(const Stage& stage, std::size_t unit, bool counts_cotangents) {
  const std::int32_t output = rounded_up(stage.output, unit);
  return {output,
          rounded_up(stage.tape, unit),
          rounded_up(stage.run_extra, unit),
          rounded_up(stage.record_extra, unit),
          rounded_up(stage.backward_extra, unit),
          counts_cotangents ? output : 0};
}

// --- all stages alike: the state is a length and a memory

class AlikeChain {
 public:
  AlikeChain(const Sizes& sizes, std::int32_t input_cotangent, std::uint32_t count, std::int32_t memory)
      : sizes_(sizes), count_(count), stride_(count + 1) {
    const std::int32_t before = std::max(input_cotangent, sizes.cotangent);
    records_from_ =
        sizes.cotangent + sizes.tape + std::max(sizes.record_extra, before + sizes.backward_extra);
    runs_from_ = std::max(sizes.cotangent + sizes.output + sizes.run_extra, sizes.output);
    const std::size_t all = static_cast<std::size_t>(memory + 1) * stride_;
    with_run_.assign(all, kNever);
    reversed_.assign(all, kNever);
    for (std::int32_t m = 0; m <= memory; ++m) {
      for (std::uint32_t l = 0; l <= count; ++l) put(l, m, l ? std::min(recorded(l, m), split(l, m)) : 0);
    }
  }

  // In forward runs of one stage.
  float cost(std::uint32_t count, std::int32_t memory) const { return reversed_[at(count_ - count, memory)]; }

  std::uint16_t choice(const Part& part) const {
    const float best = cost(part.count, part.memory);
    if (recorded(part.count, part.memory) == best) return kTape;
    const float* first = with_run_.data() + at(0, part.memory);
    const float* rest = reversed_.data() + at(count_ - part.count, part.memory - sizes_.output);
    std::uint16_t j = 1;
    while (first[j] + rest[j] != best) ++j;
    return j;
  }

 private:
  std::size_t at(std::size_t l, std::int32_t m) const { return static_cast<std::size_t>(m) * stride_ + l; }
  void put(std::uint32_t l, std::int32_t m, float cost) {
    with_run_[at(l, m)] = static_cast<float>(l) + cost;
    reversed_[at(count_ - l, m)] = cost;
  }

  float recorded(std::uint32_t l, std::int32_t m) const {
    if (m < records_from_) return kNever;
    return 1 + (l == 1 ? 0 : cost(l - 1, m - sizes_.tape));
  }

  // The cheapest way to begin with a run.
  float split(std::uint32_t l, std::int32_t m) const {
    if (m < runs_from_ || l < 2) return kNever;
    const float* first = with_run_.data() + at(0, m);
    const float* rest = reversed_.data() + at(count_ - l, m - sizes_.output);
    // A run over more than one stage holds two results at once.
    const std::uint32_t end = m < runs_from_ + sizes_.output ? 2 : l;
    using Lanes = std::experimental::native_simd<float>;
    constexpr auto kLanes = static_cast<std::uint32_t>(Lanes::size());
    const auto sum = [&](std::uint32_t j) {
      return Lanes(first + j, std::experimental::element_aligned) +
             Lanes(rest + j, std::experimental::element_aligned);
    };
    std::uint32_t j = 1;
    Lanes even(kNever), odd(kNever);
    for (; j + 2 * kLanes <= end; j += 2 * kLanes) {
      even = std::experimental::min(even, sum(j));
      odd = std::experimental::min(odd, sum(j + kLanes));
    }
    float best = std::experimental::hmin(std::experimental::min(even, odd));
    for (; j < end; ++j) best = std::min(best, first[j] + rest[j]);
    return best;
  }

  Sizes sizes_;
  std::uint32_t count_;
  std::size_t stride_;
  std::int32_t records_from_ = 0, runs_from_ = 0;
  std::vector<float> with_run_;  // by memory and length: the cost, and a run over as many stages
  std::vector<float> reversed_;  // the cost, with the longest first, so that splits are read forwards
};

// --- any stages: the state is an interval and a memory

class AnyChain {
 public:
  AnyChain(std::span<const Stage> stages, std::vector<Sizes> sizes, std::int32_t input_cotangent,
           std::int32_t memory)
      : stages_(stages), sizes_(std::move(sizes)), input_cotangent_(input_cotangent), memory_(memory) {
    const std::size_t n = stages.size();
    cost_.assign(n * n * row_length(), kNever);
    choice_.assign(cost_.size(), kTape);
    for (std::size_t count = 1; count <= n; ++count) {
      for (std::size_t first = 0; first + count <= n; ++first) fill(first, first + count - 1);
    }
  }

  float cost(std::uint32_t count, std::int32_t memory) const { return row(0, count - 1)[memory]; }
  std::uint16_t choice(const Part& part) const {
    return choice_[index(part.first, part.first + part.count - 1) + static_cast<std::size_t>(part.memory)];
  }

 private:
  std::size_t row_length() const { return static_cast<std::size_t>(memory_) + 1; }
  std::size_t index(std::size_t s, std::size_t t) const { return (s * stages_.size() + t) * row_length(); }
  const float* row(std::size_t s, std::size_t t) const { return cost_.data() + index(s, t); }
  std::int32_t cotangent_before(std::size_t s) const {
    return s ? sizes_[s - 1].cotangent : input_cotangent_;
  }

  void fill(std::size_t s, std::size_t t) {
    float* own = cost_.data() + index(s, t);
    std::uint16_t* choice = choice_.data() + index(s, t);
    const Sizes& size = sizes_[s];
    const auto forward = static_cast<float>(stages_[s].forward);
    const std::int32_t records_from =
        size.tape + std::max(sizes_[t].cotangent + size.record_extra,
                             size.cotangent + cotangent_before(s) + size.backward_extra);
    for (std::int32_t m = records_from; m <= memory_; ++m)
      own[m] = forward + (s == t ? 0 : row(s + 1, t)[m - size.tape]);
    float run = 0;
    std::int32_t runs_from = 0;
    for (std::size_t next = s + 1; next <= t; ++next) {
      const Sizes& last = sizes_[next - 1];
      run += static_cast<float>(stages_[next - 1].forward);
      runs_from = std::max(runs_from, sizes_[t].cotangent + (next > s + 1 ? sizes_[next - 2].output : 0) +
                                          last.output + last.run_extra);
      const float* first = row(s, next - 1);
      const float* rest = row(next, t);
      for (std::int32_t m = std::max(runs_from, last.output); m <= memory_; ++m) {
        const float found = run + rest[m - last.output] + first[m];
        if (found >= own[m]) continue;
        own[m] = found;
        choice[m] = static_cast<std::uint16_t>(next - s);
      }
    }
  }

  std::span<const Stage> stages_;
  std::vector<Sizes> sizes_;
  std::int32_t input_cotangent_;
  std::int32_t memory_;
  std::vector<float> cost_;
  std::vector<std::uint16_t> choice_;
};

// The decisions, as steps. A list in place of recursion: chains may be long.
template <class Decided>
std::vector<ChainStep> steps_of(const Decided& decided, std::span<const Sizes> sizes, Part whole) {
  struct Task {
    Part part;
    bool is_backward;
  };
  std::vector<ChainStep> steps;
  std::vector<Task> waiting{{whole, false}};
  while (!waiting.empty()) {
    const Task task = waiting.back();
    waiting.pop_back();
    const Part& part = task.part;
    if (task.is_backward) {
      steps.push_back({StepKind::kBackward, part.first});
      continue;
    }
    const std::uint32_t run = decided.choice(part);
    if (run == kTape) {
      steps.push_back({StepKind::kRecord, part.first});
      waiting.push_back({part, true});
      if (part.count > 1)
        waiting.push_back({{part.first + 1, part.count - 1, part.memory - sizes[part.first].tape}, false});
      continue;
    }
    for (std::uint32_t j = 0; j < run; ++j)
      steps.push_back({j ? StepKind::kForward : StepKind::kKeep, part.first + j});
    waiting.push_back({{part.first, run, part.memory}, false});
    waiting.push_back(
        {{part.first + run, part.count - run, part.memory - sizes[part.first + run - 1].output}, false});
  }
  return steps;
}

double time_of(const Chain& chain, std::span<const ChainStep> steps) {
  double time = 0;
  for (const ChainStep& step : steps) {
    const Stage& stage = chain.stages[step.stage];
    time += step.kind == StepKind::kBackward ? stage.backward : stage.forward;
  }
  return time;
}

std::optional<ChainPlan> checked(const Chain& chain, std::vector<ChainStep> steps, std::size_t limit) {
  ChainPlan plan{std::move(steps), 0, 0};
  plan.bytes = memory_of(chain, plan.steps);
  plan.time = time_of(chain, plan.steps);
  return plan.bytes <= limit ? std::optional(std::move(plan)) : std::nullopt;
}

void take_better(std::optional<ChainPlan>& best, std::optional<ChainPlan> other) {
  if (other && (!best || other->time < best->time)) best = std::move(other);
}

// --- all stages as large as the largest

Stage largest(std::span<const Stage> stages) {
  Stage all = stages[0];
  for (const Stage& stage : stages) {
    all.output = std::max(all.output, stage.output);
    all.tape = std::max(all.tape, stage.tape);
    all.run_extra = std::max(all.run_extra, stage.run_extra);
    all.record_extra = std::max(all.record_extra, stage.record_extra);
    all.backward_extra = std::max(all.backward_extra, stage.backward_extra);
  }
  return all;
}

// As fine as a results' part or a sum of results may be, so that they are counted exactly.
std::size_t unit_for(std::size_t output, std::size_t limit) {
  constexpr std::size_t kMostUnits = 88;
  const std::size_t units = std::max<std::size_t>(limit / std::max<std::size_t>(output, 1), 1);
  const std::size_t parts = std::max<std::size_t>(kMostUnits / units, 1);
  return std::max<std::size_t>((output + parts - 1) / parts, 1);
}

std::optional<ChainPlan> plan_alike(const Chain& chain, std::size_t limit) {
  const Stage stage = largest(chain.stages);
  const auto count = static_cast<std::uint32_t>(chain.stages.size());
  const std::size_t unit = unit_for(stage.output, limit);
  const auto memory = static_cast<std::int32_t>(std::min<std::size_t>(limit / unit, 1u << 20));
  if (static_cast<double>(memory) * count * count > 1e8) return std::nullopt;
  const Sizes sizes = in_units(stage, unit, chain.counts_cotangents);
  const AlikeChain solved(sizes, rounded_up(chain.input_cotangent, unit), count, memory);
  if (solved.cost(count, memory) == kNever) return std::nullopt;
  const std::vector<Sizes> all(count, sizes);
  return checked(chain, steps_of(solved, all, {0, count, memory}), limit);
}

std::optional<ChainPlan> plan_any(const Chain& chain, std::size_t limit) {
  const std::size_t count = chain.stages.size();
  const std::size_t units = std::clamp<std::size_t>(15'000'000 / (count * count * count), 200, 2000);
  const std::size_t unit = std::max<std::size_t>((limit + units - 1) / units, 1);
  std::vector<Sizes> sizes;
  sizes.reserve(count);
  for (const Stage& stage : chain.stages) sizes.push_back(in_units(stage, unit, chain.counts_cotangents));
  const auto memory = static_cast<std::int32_t>(limit / unit);
  const AnyChain solved(chain.stages, sizes, rounded_up(chain.input_cotangent, unit), memory);
  if (solved.cost(static_cast<std::uint32_t>(count), memory) == kNever) return std::nullopt;
  return checked(chain, steps_of(solved, sizes, {0, static_cast<std::uint32_t>(count), memory}), limit);
}

// --- long chains: neighbours together

std::size_t cotangent_of(const Chain& chain, std::size_t stage) {
  return chain.counts_cotangents ? chain.stages[stage].output : 0;
}

Stage together(const Chain& chain, std::size_t first, std::size_t end) {
  Stage group{0, 0, chain.stages[end - 1].output, 0, 0, 0, 0};
  for (std::size_t i = first; i < end; ++i) {
    const Stage& stage = chain.stages[i];
    const std::size_t before = i > first ? chain.stages[i - 1].output : 0;
    const std::size_t cotangent = i > first ? cotangent_of(chain, i - 1) : 0;
    group.forward += stage.forward;
    group.backward += stage.backward;
    group.tape += stage.tape;
    group.run_extra = std::max(group.run_extra, before + stage.output + stage.run_extra);
    group.record_extra = std::max(group.record_extra, stage.record_extra);
    group.backward_extra =
        std::max(group.backward_extra, cotangent_of(chain, i) + cotangent + stage.backward_extra);
  }
  return group;
}

// Where `count` groups of about the same tape begin, and the end.
std::vector<std::size_t> borders(const Chain& chain, std::size_t count) {
  const auto add = [](std::size_t sum, const Stage& stage) { return sum + stage.tape; };
  const std::size_t all = std::accumulate(chain.stages.begin(), chain.stages.end(), std::size_t{0}, add);
  std::vector<std::size_t> found{0};
  std::size_t sum = 0;
  for (std::size_t i = 0; i < chain.stages.size(); ++i) {
    if (i > found.back() && sum * count >= all * found.size() && found.size() < count) found.push_back(i);
    sum += chain.stages[i].tape;
  }
  found.push_back(chain.stages.size());
  return found;
}

using Planner = std::optional<ChainPlan> (*)(const Chain& chain, std::size_t limit);

std::optional<ChainPlan> plan_groups(const Chain& chain, std::size_t limit, std::size_t count,
                                     Planner planner) {
  const std::vector<std::size_t> ends = borders(chain, count);
  Chain groups{{}, chain.input_cotangent, chain.counts_cotangents};
  for (std::size_t g = 0; g + 1 < ends.size(); ++g)
    groups.stages.push_back(together(chain, ends[g], ends[g + 1]));
  const std::optional<ChainPlan> plan = planner(groups, limit);
  if (!plan) return std::nullopt;
  std::vector<ChainStep> steps;
  for (const ChainStep& step : plan->steps) {
    const std::size_t first = ends[step.stage], end = ends[step.stage + 1];
    for (std::size_t k = first; k < end; ++k) {
      const StepKind kind = step.kind == StepKind::kKeep && k > first ? StepKind::kForward : step.kind;
      const std::size_t stage = kind == StepKind::kBackward ? end - 1 - (k - first) : k;
      steps.push_back({kind, static_cast<std::uint32_t>(stage)});
    }
  }
  return checked(chain, std::move(steps), limit);
}

// Nothing but the input is kept: every backward starts from there.
std::vector<ChainStep> frugal(std::size_t count) {
  std::vector<ChainStep> steps;
  for (auto last = static_cast<std::uint32_t>(count); last-- > 0;) {
    for (std::uint32_t j = 0; j < last; ++j) steps.push_back({j ? StepKind::kForward : StepKind::kKeep, j});
    steps.push_back({StepKind::kRecord, last});
    steps.push_back({StepKind::kBackward, last});
  }
  return steps;
}

// What that takes.
std::size_t memory_of_frugal(const Chain& chain) {
  std::size_t most = 0, run = 0;
  for (std::size_t i = 0; i < chain.stages.size(); ++i) {
    const Stage& stage = chain.stages[i];
    const std::size_t input = i ? chain.stages[i - 1].output : 0;
    const std::size_t own = cotangent_of(chain, i);
    const std::size_t next = i ? cotangent_of(chain, i - 1) : chain.input_cotangent;
    most = std::max({most, own + run, input + own + stage.tape + stage.record_extra,
                     input + own + next + stage.tape + stage.backward_extra});
    run = std::max(run, input + stage.output + stage.run_extra);
  }
  return most;
}

std::vector<ChainStep> lavish(std::size_t count) {
  std::vector<ChainStep> steps;
  steps.reserve(2 * count);
  for (std::uint32_t i = 0; i < count; ++i) steps.push_back({StepKind::kRecord, i});
  for (auto i = static_cast<std::uint32_t>(count); i-- > 0;) steps.push_back({StepKind::kBackward, i});
  return steps;
}

}  // namespace

std::size_t memory_of(const Chain& chain, std::span<const ChainStep> steps) {
  const std::vector<Stage>& stages = chain.stages;
  std::vector<bool> is_kept(stages.size() + 1), has_tape(stages.size());
  is_kept[0] = true;  // the chain's input, which is not counted
  std::size_t now = 0, most = 0;
  std::size_t loose = 0;  // a result that nobody keeps yet
  std::size_t cotangent = 0;
  bool is_unwinding = false;
  for (const ChainStep& step : steps) {
    const Stage& stage = stages[step.stage];
    const std::size_t i = step.stage;
    if (step.kind == StepKind::kBackward) {
      if (!is_unwinding) cotangent = cotangent_of(chain, i);
      is_unwinding = true;
      const std::size_t next = i ? cotangent_of(chain, i - 1) : chain.input_cotangent;
      most = std::max(most, now + loose + cotangent + next + stage.backward_extra);
      now -= stage.tape;
      has_tape[i] = false;
      cotangent = next;
      if (i > 0 && is_kept[i] && !has_tape[i - 1]) {
        now -= stages[i - 1].output;
        is_kept[i] = false;
      }
      continue;
    }
    if (step.kind == StepKind::kKeep && i > 0 && !is_kept[i]) {
      is_kept[i] = true;
      if (!has_tape[i - 1]) {
        now += loose;
        loose = 0;
      }
    }
    const std::size_t left = step.kind == StepKind::kRecord ? stage.tape : stage.output;
    if (step.kind == StepKind::kRecord && i > 0 && !has_tape[i - 1] && !is_kept[i]) {
      // The input is loose so far; it stays until the backward.
      is_kept[i] = true;
      now += loose;
      loose = 0;
    }
    most = std::max(most, now + loose + cotangent + left +
                              (step.kind == StepKind::kRecord ? stage.record_extra : stage.run_extra));
    if (step.kind == StepKind::kRecord) {
      now += left;
      has_tape[i] = true;
      loose = 0;
    } else {
      loose = left;
    }
  }
  return most;
}

std::size_t least_memory(const Chain& chain) {
  return std::min(memory_of_frugal(chain), memory_of(chain, lavish(chain.stages.size())));
}

std::optional<ChainPlan> plan_chain(const Chain& chain, std::size_t limit) {
  const std::size_t count = chain.stages.size();
  std::optional<ChainPlan> best = checked(chain, lavish(count), limit);
  if (best) return best;
  take_better(best, plan_alike(chain, limit));
  if (count <= kExactStages) {
    take_better(best, plan_any(chain, limit));
  } else {
    const Stage all = largest(chain.stages);
    const double results =
        static_cast<double>(limit) / static_cast<double>(std::max<std::size_t>(all.output, 1));
    const bool are_alike = std::all_of(chain.stages.begin(), chain.stages.end(), [&](const Stage& stage) {
      return stage.output == all.output && stage.tape == all.tape;
    });
    if (!are_alike) take_better(best, plan_groups(chain, limit, kExactStages, plan_any));
    const auto fewer = static_cast<std::size_t>(std::sqrt(8e7 / std::max(results, 88.0)));
    if (!best || fewer < count) take_better(best, plan_groups(chain, limit, fewer, plan_alike));
  }
  if (!best && memory_of_frugal(chain) <= limit) best = checked(chain, frugal(count), limit);
  return best;
}

}  // namespace unspool::exec
