// Optimizers that update while the tape is unwound, and the rehearsal of an unwinding that only looks at its
// gradients.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <span>
#include <vector>

#include "bind/errors.h"
#include "bind/optim.h"
#include "exec/receiver.h"

namespace unspool::bind {

// Parameters of optimizers in their order, found by their tensors.
class ParameterTable {
 public:
  void add(const TensorImpl& parameter);
  // To be called after the last `add`.
  void sort();
  // The numbers under which the parameter was added, ascending.
  std::span<const std::uint32_t> places_of(const TensorImpl& parameter) const;

 private:
  std::vector<const TensorImpl*> parameters_;  // by number, then in the order of numbers_
  std::vector<std::uint32_t> numbers_;         // in the order of the parameters' addresses
};

// Updates each parameter when its gradient is complete and nothing that is still to be unwound reads its
// memory.
class UnwindingStep final : public exec::Receiver {
 public:
  // `groups`: tuples (number of the optimizer, rule or None, group, state, step_parameter), the last one a
  // callable for optimizers without rule. `prepare`: called with a parameter's number and its gradient before
  // the update, to change the gradient in place; or None.
  UnwindingStep(const pybind11::list& groups, pybind11::object prepare);

  bool changes(TensorImpl& leaf) override;
  void begin() override;
  void complete(TensorImpl& leaf) override;
  // After the unwinding: what has a gradient and was not updated, in the order of the optimizers.
  void finish();
  std::size_t updated() const { return updated_; }

 private:
  struct Group {
    std::size_t optimizer;
    pybind11::dict dict;
    std::unique_ptr<GroupStep> step;  // null for optimizers without rule
    pybind11::object step_parameter;  // theirs
  };
  struct Place {
    pybind11::object parameter;
    std::size_t group;
    Py_ssize_t index;  // in its group
    bool is_reached = false, is_done = false;
    bool shares_memory = false;  // with another parameter: both wait for the end
    const Tensor& tensor() const;
  };

  void add_group(const pybind11::tuple& group);
  void find_shared_memory();
  void check(const Place& place) const;
  void prepare(std::uint32_t number);
  void update(Place& place);

  std::vector<Group> groups_;
  std::vector<Place> places_;
  ParameterTable table_;
  pybind11::object prepare_;
  std::size_t optimizers_ = 0;
  std::size_t updated_ = 0;
};

// Shows each gradient to `visit(number, gradient)` and drops it; what leaves had before is left as it was.
class Rehearsal final : public exec::Receiver {
 public:
  Rehearsal(const pybind11::list& parameters, pybind11::object visit);
  ~Rehearsal() override;

  bool changes(TensorImpl&) override { return false; }
  void arriving(TensorImpl& leaf) override;
  void complete(TensorImpl& leaf) override;
  // After the unwinding: gradients of parameters that it did not reach.
  void finish();

 private:
  void show(std::uint32_t number, const Tensor& gradient);
  void restore() noexcept;

  std::vector<Tensor> parameters_;
  std::vector<bool> is_shown_;
  ParameterTable table_;
  pybind11::object visit_;
  Ref<TensorImpl> leaf_;  // between `arriving` and `complete`
  Tensor before_;         // its gradient
};

}  // namespace unspool::bind
