// The host's part of an optimizer step that a program repeats: the hyperparameters are read anew, the step
// counters move on, and what the step was captured with must still be there.
#pragma once

#include <Python.h>

#include <vector>

#include "bind/errors.h"
#include "exec/program/trace.h"
#include "optim/rules.h"

namespace unspool::bind {

class CapturedGroup final : public exec::HostStep {
 public:
  // The arguments of GroupStep; `now` is the rule that they give today.
  CapturedGroup(PyObject* rule, PyObject* group, PyObject* state, const optim::Rule& now);
  // A parameter that the step changes with its operation `bucket`. `entry` is its dict in the state; null for
  // rules that keep nothing.
  void add(PyObject* parameter, PyObject* entry, std::size_t bucket);

  bool begin(Attributes& attributes) override;
  void undo(std::span<const Made> made) noexcept override;

 private:
  struct Entry {
    Owned parameter;
    Owned dict;
    std::vector<std::pair<PyObject*, Owned>> items;  // what the dict held: interned key, value
    Tensor counter;                                  // undefined where the rule does not count
    SmallVector<Tensor, 2> numbers;
    std::size_t bucket;
  };

  bool is_current(const Entry& entry) const;
  double advance(const Entry& entry);
  optim::Phase phase_of(const optim::Rule& rule, const Entry& entry, double step);

  Owned rule_name_, group_, state_;
  const ops::Op* op_;
  int states_;
  std::vector<Entry> entries_;
  std::size_t buckets_ = 0;
  // What `begin` changed, and for which update.
  struct Change {
    const Entry* entry;
    Tensor place;
    double before;
  };
  std::vector<Change> changes_;
};

}  // namespace unspool::bind
