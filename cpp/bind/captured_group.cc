// Checks first, changes after.
#include "bind/captured_group.h"

#include <algorithm>
#include <optional>

#include "bind/hyperparameters.h"
#include "bind/scalar.h"
#include "bind/tensor_object.h"

namespace unspool::bind {
CapturedGroup::CapturedGroup(PyObject* rule, PyObject* group, PyObject* state, const optim::Rule& now)
    : rule_name_(Py_NewRef(rule)),
      group_(Py_NewRef(group)),
      state_(Py_NewRef(state)),
      op_(&now.op()),
      states_(now.states().size()) {}

void CapturedGroup::add(PyObject* parameter, PyObject* dict, std::size_t bucket) {
  Entry& entry = entries_.emplace_back();
  entry.parameter = Owned(Py_NewRef(parameter));
  entry.bucket = bucket;
  buckets_ = std::max(buckets_, bucket + 1);
  if (!dict) return;
  entry.dict = Owned(Py_NewRef(dict));
  const auto rule = read_rule(rule_name_.get(), group_.get());
  const auto keep = [&](const char* name) {
    PyObject* key = key_of(name);
    PyObject* value = find(dict, key);
    entry.items.emplace_back(key, Owned(Py_NewRef(value)));
    return tensor_of(value);
  };
  if (rule->counts_steps()) entry.counter = keep("step");
  for (const optim::State& each : rule->states()) keep(each.name);
  for (const optim::State& each : rule->numbers()) entry.numbers.push_back(keep(each.name));
}

bool CapturedGroup::is_current(const Entry& entry) const {
  if (!entry.dict) return true;
  if (find(state_.get(), entry.parameter.get()) != entry.dict.get()) return false;
  for (const auto& [key, value] : entry.items) {
    if (find(entry.dict.get(), key) != value.get()) return false;
  }
  return true;
}

double CapturedGroup::advance(const Entry& entry) {
  if (!entry.counter) return 2;
  const double before = read_scalar(entry.counter);
  changes_.push_back({&entry, entry.counter, before});
  write_scalar(entry.counter, before + 1, "step");
  return before + 1;
}

optim::Phase CapturedGroup::phase_of(const optim::Rule& rule, const Entry& entry, double step) {
  double numbers[2] = {};
  for (std::size_t i = 0; i < entry.numbers.size(); ++i) {
    numbers[i] = read_scalar(entry.numbers[i]);
    changes_.push_back({&entry, entry.numbers[i], numbers[i]});
  }
  const optim::Phase phase = rule.phase(step, {numbers, entry.numbers.size()});
  for (std::size_t i = 0; i < entry.numbers.size(); ++i) write_scalar(entry.numbers[i], numbers[i], "step");
  return phase;
}

bool CapturedGroup::begin(Attributes& attributes) {
  changes_.clear();
  const auto rule = read_rule(rule_name_.get(), group_.get());
  if (&rule->op() != op_ || rule->states().size() != states_) return false;
  for (const Entry& entry : entries_) {
    if (!is_current(entry)) return false;
  }
  std::vector<std::optional<optim::Phase>> phases(buckets_);
  for (const Entry& entry : entries_) {
    const optim::Phase phase = entry.dict ? phase_of(*rule, entry, advance(entry)) : rule->phase(1, {});
    std::optional<optim::Phase>& common = phases[entry.bucket];
    if (common && !(*common == phase)) {
      undo({});
      return false;
    }
    common = phase;
  }
  attributes.resize(buckets_);
  for (std::size_t i = 0; i < buckets_; ++i) {
    const optim::Attributes now = rule->attributes(phases[i].value_or(optim::Phase{}));
    attributes[i].assign(now.begin(), now.end());
  }
  return true;
}

void CapturedGroup::undo(std::span<const Made> made) noexcept {
  // Backwards, so that a parameter that was listed twice gets its first value.
  for (std::size_t i = changes_.size(); i-- > 0;) {
    const Entry& entry = *changes_[i].entry;
    const void* parameter = tensor_of(entry.parameter.get())->data();
    const bool is_made = std::any_of(made.begin(), made.end(), [&](const Made& each) {
      return each.number == entry.bucket && (!each.parameter || each.parameter == parameter);
    });
    if (!is_made) write_scalar(changes_[i].place, changes_[i].before, "step");
  }
  changes_.clear();
}

}  // namespace unspool::bind
