// Optimizers that update while the tape is unwound, and the rehearsal of an unwinding that only looks at its
// gradients.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <span>
#include <vector>

#include "base/small_vector.h"
#include "bind/optim.h"
#include "exec/receiver.h"

namespace unspool::bind {

// Parameters of optimizers in their order, found by their tensors.
class ParameterTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  explicit ParameterTable(std::size_t expected);
  // The next number is the parameter's; it may be added several times.
  void add(const TensorImpl& parameter);
  // The numbers under which the parameter was added, in ascending order: the first one, and the one after
  // another.
  std::uint32_t first_of(const TensorImpl& parameter) const { return *slot_of(parameter); }
  std::uint32_t after(std::uint32_t number) const { return entries_[number].next; }

 private:
  struct Entry {
    const TensorImpl* parameter;
    std::uint32_t next = kNone;
  };
  // Where the parameter's first number is, or would be. By open addressing.
  const std::uint32_t* slot_of(const TensorImpl& parameter) const;

  SmallVector<Entry, 8> entries_;         // by number
  SmallVector<std::uint32_t, 32> slots_;  // a power of two, at least half of them empty
};

// Updates each parameter when its gradient is complete and nothing that is still to be unwound reads its
// memory. Where no gradient takes more than `kMostWaiting` bytes, smaller ones wait for each other and are
// applied with one operation, as soon as they would take more than the largest.
class UnwindingStep final : public exec::Receiver {
 public:
  // `groups`: tuples (rule or None, group, state, step_parameter), the last one a
  // callable for optimizers without rule. `prepare`: called with a parameter's number and its gradient before
  // the update, to change the gradient in place; or None.
  UnwindingStep(const pybind11::list& groups, pybind11::object prepare);

  static constexpr std::size_t kMostWaiting = 16384;

  bool changes(TensorImpl& leaf) override;
  void begin() override;
  void arriving(TensorImpl& leaf) override;
  void complete(TensorImpl& leaf) override;
  // After the unwinding: what has a gradient and was not updated, in the order of the optimizers.
  void finish();
  // When the unwinding ends with an error: updates what was complete before it.
  void flush_after_error() noexcept;
  std::size_t updated() const { return updated_; }

 private:
  struct Group {
    pybind11::object dict, state;
    std::unique_ptr<GroupStep> step;  // null for optimizers without rule
    pybind11::object step_parameter;  // theirs
    std::size_t optimizer = 0;        // its number
    std::size_t waiting = 0;          // parameters that were added to `step` since it ran
  };
  struct Place {
    pybind11::object parameter;
    std::size_t group;
    Py_ssize_t index;  // in its group
    bool is_reached = false, is_done = false;
    bool shares_memory = false;  // with another parameter: both wait for the end
    const Tensor& tensor() const;
    // Undefined when there is none.
    const Tensor& gradient() const;
  };

  using Places = SmallVector<Place, 8>;  // small networks get by without the heap
  Places read_groups(const pybind11::list& groups);
  void add_group(PyObject* described, Places& places);
  void find_shared_memory();
  void check(const Place& place) const;
  void prepare(std::uint32_t number);
  void update(Place& place);
  // Updates those whose gradients wait.
  void flush();

  SmallVector<Group, 1> groups_;
  std::size_t optimizers_ = 0;
  Places places_;
  ParameterTable table_;
  pybind11::object prepare_;
  std::size_t updated_ = 0;
  std::size_t may_wait_ = 0;  // bytes of gradients; 0: none waits for another
  std::size_t waiting_ = 0;   // bytes of those that do
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
