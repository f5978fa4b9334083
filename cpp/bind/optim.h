// Optimizer steps from Python: hyperparameters and state are read from the dicts of
// `unspool.optim.Optimizer`, under the names of torch.optim, at every step.
#pragma once

#include <Python.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/small_vector.h"
#include "bind/errors.h"
#include "optim/update.h"

namespace unspool::bind {

class CapturedGroup;

// One step over parameters of one group: `add` each, then `run`; any number of times for the same step. When
// an exception ends it, the step counters of parameters that were added after the last `run` are put back.
// Holds the interpreter's lock throughout.
class GroupStep {
 public:
  // `rule` is a str; `group` and `state` are the optimizer's dicts, which must outlive this object. Throws
  // when a hyperparameter is missing or of the wrong type.
  GroupStep(PyObject* rule, PyObject* group, PyObject* state, std::size_t expected);
  ~GroupStep();
  GroupStep(const GroupStep&) = delete;
  GroupStep& operator=(const GroupStep&) = delete;

  // Creates the parameter's state where it has none and advances its step counter.
  void add(PyObject* parameter, Tensor gradient);
  void run();

 private:
  double advance(PyObject* entry);
  optim::Phase phase_of(PyObject* entry, double step);

  std::unique_ptr<optim::Rule> rule_;
  std::shared_ptr<CapturedGroup> captured_;  // while a trace records this step
  std::size_t updates_ = 0;                  // that have been run
  PyObject* state_;
  optim::States states_;
  SmallVector<PyObject*, 3> state_names_;  // borrowed from the process
  optim::Update update_;
  std::vector<std::pair<Owned, double>> counters_;  // with the values before this step
};

// The error, with "parameter 3 ('fc.weight') of its group" added to what went wrong.
[[noreturn]] void refuse_parameter(const Error& error, PyObject* group, Py_ssize_t index);

// Adds the submodule `optim` with the function `step`.
void add_optim(PyObject* module);

}  // namespace unspool::bind
