// Which value goes first: what is cheap to compute again, large, and not read for long. The score is that of
// dynamic tensor rematerialisation (Kirisame et al. 2021), where the time since the last use becomes the time
// to the next one, which a tape knows: it is unwound backwards.
#include "exec/recompute/memory_limit.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "tensor/allocator.h"

namespace unspool::exec {
namespace {

[[gnu::tls_model("initial-exec")]] thread_local MemoryLimit* current_limit = nullptr;

std::size_t in_use() {
  return static_cast<std::size_t>(std::max<std::int64_t>(allocator_stats().allocated_bytes, 0));
}

bool can_go(const Value& value) {
  // Nobody but the value itself sees the memory.
  return !value.is_source() && value.is_here() && value.storage()->ref_count() == 1;
}

// Work of making the value again from what is in memory now.
double work_of(const Value& value) {
  constexpr std::size_t kMostCalls = 64;
  std::unordered_set<const Replay*> seen;
  std::vector<const Value*> waiting{&value};
  double work = 0;
  while (!waiting.empty() && seen.size() < kMostCalls) {
    const Replay* maker = waiting.back()->maker();
    waiting.pop_back();
    if (!maker || !seen.insert(maker).second) continue;
    work += maker->work;
    maker->visit_sources([&](const Ref<Value>& source) {
      if (!source->is_here()) waiting.push_back(source.get());
    });
  }
  return work;
}

double score_of(const Value& value, std::uint64_t now) {
  const std::uint64_t made = value.maker()->sequence;
  const auto distance = static_cast<double>(now > made ? now - made : made - now);
  return work_of(value) / (static_cast<double>(value.bytes() + 64) * (distance + 1));
}

}  // namespace

MemoryLimit::MemoryLimit(std::size_t bytes)
    : bytes_(current_limit ? std::min(bytes, current_limit->bytes_) : bytes),
      emitter_before_(std::exchange(ops::thread_state().emitter, &recorder_)),
      limit_before_(std::exchange(current_limit, this)),
      region_(recorder_.enter(true)) {
  set_allocation_guard(&make_room);
}

MemoryLimit::~MemoryLimit() {
  recorder_.leave({});
  current_limit = limit_before_;
  if (!current_limit) set_allocation_guard(nullptr);
  ops::thread_state().emitter = emitter_before_;
}

void MemoryLimit::make_room(std::size_t bytes) { current_limit->drop_until_fits(bytes); }

// Values of the limits around may go as well. The cheapest first.
std::vector<Value*> MemoryLimit::candidates() const {
  std::vector<std::pair<double, Value*>> found;
  const std::uint64_t now = latest_call();
  for (const MemoryLimit* each = this; each; each = each->limit_before_) {
    for (Value* value : each->region_->values) {
      if (can_go(*value)) found.emplace_back(score_of(*value, now), value);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Value*> values;
  values.reserve(found.size());
  for (const auto& [score, value] : found) values.push_back(value);
  return values;
}

void MemoryLimit::drop_until_fits(std::size_t bytes) {
  const auto fits = [&] { return in_use() + bytes <= bytes_; };
  if (fits()) return;
  const auto lock = alone_with_values();
  while (true) {
    const std::vector<Value*> values = candidates();
    if (values.empty()) break;
    // A few at a time: each that goes makes its neighbours dearer.
    const std::size_t count = values.size() / 16 + 1;
    for (std::size_t i = 0; i < count; ++i) {
      values[i]->drop();
      if (fits()) return;
    }
  }
  const std::size_t used = in_use();
  fail(ErrorKind::kMemory, "memory_budget: the budget of ", bytes_, " bytes is too small: ", used,
       " bytes are in use of which nothing can be dropped, and ", bytes,
       " more are needed here; the smallest budget for this point is ", used + bytes, " bytes");
}

}  // namespace unspool::exec
