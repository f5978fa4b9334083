// Simulated eviction: the order is gone through under a limit; when room is needed, the block goes that is
// cheap to make again, large, and read late. Many limits and weightings are tried, and the best kept.
#include "exec/recompute/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unspool::exec {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// How much the bytes of a block, and the time until it is read, count.
struct Weights {
  double bytes, distance;
};

// What does not depend on the limit.
struct Facts {
  explicit Facts(const WorkGraph& graph);
  std::vector<std::uint32_t> writer;             // of each block, if only one
  std::vector<std::vector<std::uint32_t>> uses;  // positions that touch the block, in order
  std::vector<std::uint32_t> rooted_until;       // it can be made from what is there all the time
};

Facts::Facts(const WorkGraph& graph)
    : writer(graph.blocks.size(), kNone), uses(graph.blocks.size()), rooted_until(graph.blocks.size()) {
  for (std::size_t b = 0; b < graph.blocks.size(); ++b) rooted_until[b] = graph.blocks[b] ? 0 : kNone;
  for (std::uint32_t i = 0; i < graph.work.size(); ++i) {
    const auto use = [&](std::uint32_t block) {
      if (uses[block].empty() || uses[block].back() != i) uses[block].push_back(i);
    };
    std::uint32_t until = graph.work[i].repeats_until;
    for (const std::uint32_t block : graph.work[i].reads) {
      use(block);
      until = std::min(until, rooted_until[block]);
    }
    for (const std::uint32_t block : graph.work[i].writes) {
      use(block);
      if (!graph.work[i].repeats_until) continue;
      writer[block] = i;
      rooted_until[block] = until;
    }
  }
}

class Simulation {
 public:
  Simulation(const WorkGraph& graph, const Facts& facts, std::size_t limit, Weights weights)
      : graph_(graph),
        facts_(facts),
        limit_(limit),
        weights_(weights),
        is_here_(graph.blocks.size()),
        is_busy_(graph.blocks.size()),
        next_use_(graph.blocks.size()),
        seen_(graph.work.size()),
        ways_(graph.blocks.size()),
        dependents_(graph.blocks.size()) {
    for (std::size_t b = 0; b < graph.blocks.size(); ++b) is_here_[b] = graph.blocks[b] == 0;
  }

  Schedule run() {
    for (now_ = 0; now_ < graph_.work.size(); ++now_) {
      const Work& work = graph_.work[now_];
      restore(work.reads);
      perform(now_);
      for (const std::uint32_t block : work.reads) settle(block);
      for (const std::uint32_t block : work.writes) settle(block);
    }
    return std::move(result_);
  }

 private:
  bool is_ours(std::uint32_t block) const { return graph_.blocks[block] > 0; }

  std::uint32_t next_use(std::uint32_t block) {
    const std::vector<std::uint32_t>& uses = facts_.uses[block];
    std::uint32_t& k = next_use_[block];
    while (k < uses.size() && uses[k] <= now_) ++k;
    return k < uses.size() ? uses[k] : kNone;
  }

  // How a block that is not here would be made from what is.
  struct Way {
    bool is_known = false, is_possible = false;
    std::uint32_t until = kNone;  // it can be gone at places before this one
    std::uint32_t serial = 0;     // of the walk that found it
    double time = 0;

    bool is_open(std::uint32_t when) const { return is_possible && until > when; }
  };

  // Kept until a block that the walk came upon comes or goes: most ways outlive many steps.
  const Way& way_to(std::uint32_t block) {
    Way& way = ways_[block];
    if (way.is_known) return way;
    way = {true, false, kNone, ++walk_, 0};
    std::size_t calls = 0;
    for (waiting_.assign(1, block); !waiting_.empty();) {
      const std::uint32_t next = waiting_.back();
      waiting_.pop_back();
      if (next != block) {
        if (is_ours(next)) dependents_[next].emplace_back(block, walk_);
        if (is_here_[next]) continue;
      }
      const std::uint32_t maker = facts_.writer[next];
      if (maker == kNone || calls > kLongestWay) return way;
      if (seen_[maker] == walk_) continue;
      seen_[maker] = walk_;
      ++calls;
      way.time += graph_.work[maker].time;
      way.until = std::min(way.until, graph_.work[maker].repeats_until);
      for (const std::uint32_t source : graph_.work[maker].reads) waiting_.push_back(source);
    }
    way.is_possible = calls <= kLongestWay;
    return way;
  }

  void put(std::uint32_t block, bool here) {
    is_here_[block] = here;
    for (const auto& [other, serial] : dependents_[block]) {
      if (ways_[other].serial == serial) ways_[other].is_known = false;
    }
    dependents_[block].clear();
  }

  // Adds the calls that make the block.
  void follow(std::uint32_t block, std::vector<std::uint32_t>& calls) {
    ++walk_;
    for (waiting_.assign(1, block); !waiting_.empty();) {
      const std::uint32_t next = waiting_.back();
      waiting_.pop_back();
      const std::uint32_t maker = facts_.writer[next];
      if (is_here_[next] || maker == kNone || seen_[maker] == walk_) continue;
      seen_[maker] = walk_;
      calls.push_back(maker);
      for (const std::uint32_t source : graph_.work[maker].reads) waiting_.push_back(source);
    }
  }

  void take(std::uint32_t block) {
    if (is_here_[block]) return;
    make_room(graph_.blocks[block]);
    put(block, true);
    live_.push_back(block);
    in_use_ += graph_.blocks[block];
    result_.bytes = std::max(result_.bytes, in_use_);
  }

  // Lets the block go, unless something that is gone, or then would be, could not be made again.
  bool give(std::uint32_t block) {
    const std::uint32_t when = next_use(block);
    put(block, false);
    if ((when != kNone && !way_to(block).is_open(when)) || !all_can_return()) {
      put(block, true);
      return false;
    }
    live_.erase(std::find(live_.begin(), live_.end(), block));
    in_use_ -= graph_.blocks[block];
    if (when != kNone && facts_.rooted_until[block] <= when) bound_.push_back(block);
    return true;
  }

  void perform(std::uint32_t call) {
    const Work& work = graph_.work[call];
    for (const std::uint32_t block : work.reads) ++is_busy_[block];
    for (const std::uint32_t block : work.writes) {
      take(block);
      ++is_busy_[block];
    }
    result_.order.push_back(call);
    result_.time += work.time;
    for (const std::uint32_t block : work.reads) --is_busy_[block];
    for (const std::uint32_t block : work.writes) --is_busy_[block];
  }

  void restore(const std::vector<std::uint32_t>& blocks) {
    std::vector<std::uint32_t> calls;
    for (const std::uint32_t block : blocks) {
      if (!is_here_[block]) follow(block, calls);
    }
    if (calls.empty()) return;
    std::sort(calls.begin(), calls.end());
    calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
    std::vector<std::uint32_t> held(blocks.begin(), blocks.end());
    for (const std::uint32_t call : calls) {
      const Work& work = graph_.work[call];
      held.insert(held.end(), work.reads.begin(), work.reads.end());
    }
    for (const std::uint32_t block : held) ++is_busy_[block];
    for (std::size_t k = 0; k < calls.size(); ++k) {
      const Work& work = graph_.work[calls[k]];
      // What a later call of the way reads is made by it, and stays.
      perform(calls[k]);
      for (const std::uint32_t block : work.reads) {
        --is_busy_[block];
        held.erase(std::find(held.begin(), held.end(), block));
        settle_after(block);
      }
      for (const std::uint32_t block : work.writes) settle_after(block);
    }
    for (const std::uint32_t block : held) --is_busy_[block];
  }

  void settle_after(std::uint32_t block) {
    if (!is_busy_[block]) settle(block);
  }

  // What nobody reads any more goes.
  void settle(std::uint32_t block) {
    if (is_ours(block) && is_here_[block] && !is_busy_[block] && next_use(block) == kNone) give(block);
  }

  // Whether all that went can still be made when it is read.
  bool all_can_return() {
    std::erase_if(bound_, [&](std::uint32_t block) { return is_here_[block] || next_use(block) == kNone; });
    return std::all_of(bound_.begin(), bound_.end(),
                       [&](std::uint32_t block) { return way_to(block).is_open(next_use(block)); });
  }

  void make_room(std::size_t bytes) {
    while (in_use_ + bytes > limit_) {
      std::vector<std::pair<double, std::uint32_t>> order;
      for (const std::uint32_t block : live_) {
        if (is_busy_[block] || facts_.writer[block] == kNone) continue;
        const std::uint32_t when = next_use(block);
        if (when != kNone && !way_to(block).is_open(when)) continue;
        const double time = when == kNone ? 0 : way_to(block).time;
        const double distance = when == kNone ? 1e9 : static_cast<double>(when - now_) + 1;
        order.emplace_back(time / (std::pow(static_cast<double>(graph_.blocks[block]), weights_.bytes) *
                                   std::pow(distance, weights_.distance)),
                           block);
      }
      std::sort(order.begin(), order.end());
      // Each that goes makes its neighbours dearer; where there are many, some go together.
      std::size_t most = order.size() / 24 + 1;
      bool has_gone = false;
      for (const auto& [score, block] : order) {
        if (most == 0 || in_use_ + bytes <= limit_) break;
        if (!give(block)) continue;
        has_gone = true;
        --most;
      }
      if (!has_gone) return;  // the limit is passed; the result says by how much
    }
  }

  static constexpr std::size_t kLongestWay = 200;

  const WorkGraph& graph_;
  const Facts& facts_;
  std::size_t limit_;
  Weights weights_;
  std::vector<bool> is_here_;
  std::vector<std::uint32_t> is_busy_;  // how often something that is under way needs the block
  std::vector<std::uint32_t> next_use_;
  std::vector<std::uint32_t> live_;
  std::size_t in_use_ = 0;
  std::uint32_t now_ = 0;
  std::vector<std::uint32_t> seen_;  // by call: the walk that came upon it last
  std::uint32_t walk_ = 0;
  std::vector<std::uint32_t> waiting_;  // of a walk
  std::vector<Way> ways_;               // by block
  // By block: those whose ways were found when it was here or not, with the number of the walk.
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> dependents_;
  std::vector<std::uint32_t>
      bound_;  // blocks that went, and that need others which are not there all the time
  Schedule result_;
};

}  // namespace

std::vector<Schedule> schedules(const WorkGraph& graph) {
  const Facts facts(graph);
  std::vector<Schedule> found;
  found.push_back(Simulation(graph, facts, std::numeric_limits<std::size_t>::max() / 2, {1, 1}).run());
  const std::size_t most = found[0].bytes;
  // Small graphs get a finer search.
  const int limits = graph.work.size() <= 100 ? 48 : 16;
  static constexpr Weights kWeights[] = {{1, 1}, {1, 0.5}, {0.5, 1}, {1, 0}, {0, 1}, {0, 0}, {1, 2}};
  const std::size_t weightings = graph.work.size() <= 100 ? std::size(kWeights) : 1;
  for (int i = 1; i <= limits; ++i) {
    const auto limit =
        static_cast<std::size_t>(static_cast<double>(most) * (1.0 - static_cast<double>(i) / limits));
    for (std::size_t w = 0; w < weightings; ++w)
      found.push_back(Simulation(graph, facts, limit, kWeights[w]).run());
  }
  std::stable_sort(found.begin(), found.end(), [](const Schedule& a, const Schedule& b) {
    return a.time < b.time || (a.time == b.time && a.bytes < b.bytes);
  });
  std::vector<Schedule> best;
  for (Schedule& each : found) {
    if (best.empty() || each.bytes < best.back().bytes) best.push_back(std::move(each));
  }
  return best;
}

}  // namespace unspool::exec
