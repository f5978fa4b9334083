// From complete gradients to updates. Runs under the interpreter's lock, as hooks do.
#include "bind/unwinding_step.h"

#include <algorithm>
#include <numeric>

#include "bind/autograd.h"
#include "bind/caster.h"
#include "bind/topics.h"
#include "exec/backward.h"
#include "exec/node.h"
#include "exec/program/trace.h"
#include "ops/api.h"

namespace py = pybind11;

namespace unspool::bind {

// --- which parameter

void ParameterTable::add(const TensorImpl& parameter) {
  numbers_.push_back(static_cast<std::uint32_t>(parameters_.size()));
  parameters_.push_back(&parameter);
}

void ParameterTable::sort() {
  const std::less<const TensorImpl*> before;
  std::stable_sort(numbers_.begin(), numbers_.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return before(parameters_[a], parameters_[b]); });
}

std::span<const std::uint32_t> ParameterTable::places_of(const TensorImpl& parameter) const {
  const std::less<const TensorImpl*> before;
  const auto first = std::partition_point(numbers_.begin(), numbers_.end(), [&](std::uint32_t number) {
    return before(parameters_[number], &parameter);
  });
  auto last = first;
  while (last != numbers_.end() && parameters_[*last] == &parameter) ++last;
  return {first, last};
}

// --- updates

const Tensor& UnwindingStep::Place::tensor() const { return tensor_of(parameter.ptr()); }

UnwindingStep::UnwindingStep(const py::list& groups, py::object prepare) : prepare_(std::move(prepare)) {
  groups_.reserve(groups.size());
  for (py::handle group : groups) add_group(py::reinterpret_borrow<py::tuple>(group));
  for (const Place& place : places_) table_.add(place.tensor().impl());
  table_.sort();
  find_shared_memory();
}

void UnwindingStep::add_group(const py::tuple& described) {
  Group group{described[0].cast<std::size_t>(), described[2], nullptr, described[4]};
  optimizers_ = std::max(optimizers_, group.optimizer + 1);
  const py::list parameters = group.dict["params"];
  if (!described[1].is_none()) {
    group.step = std::make_unique<GroupStep>(py::object(described[1]).ptr(), group.dict.ptr(),
                                             py::object(described[3]).ptr(), 1);
  }
  places_.reserve(places_.size() + parameters.size());
  for (Py_ssize_t index = 0; index < static_cast<Py_ssize_t>(parameters.size()); ++index) {
    const py::handle parameter(PyList_GET_ITEM(parameters.ptr(), index));
    if (!is_tensor(parameter.ptr())) {
      fail(ErrorKind::kType, "backward(step=): parameter ", index, " of a group is no tensor but ",
           Py_TYPE(parameter.ptr())->tp_name);
    }
    places_.push_back({py::reinterpret_borrow<py::object>(parameter), groups_.size(), index});
  }
  groups_.push_back(std::move(group));
}

// Parameters whose storages overlap: in which order they are updated then matters to the last bit.
void UnwindingStep::find_shared_memory() {
  std::vector<Place*> ordered;
  ordered.reserve(places_.size());
  for (Place& place : places_) {
    if (place.tensor()->storage->bytes() > 0) ordered.push_back(&place);
  }
  const auto start = [](const Place* place) {
    return static_cast<const std::byte*>(place->tensor()->storage->data());
  };
  const auto end = [&](const Place* place) { return start(place) + place->tensor()->storage->bytes(); };
  std::sort(ordered.begin(), ordered.end(),
            [&](const Place* a, const Place* b) { return std::less<>()(start(a), start(b)); });
  Place* widest = nullptr;  // of those before, the one that ends last
  for (Place* place : ordered) {
    if (widest && start(place) < end(widest) && !place->tensor().is_same(widest->tensor()))
      place->shares_memory = widest->shares_memory = true;
    if (!widest || end(place) > end(widest)) widest = place;
  }
}

bool UnwindingStep::changes(TensorImpl& leaf) {
  bool waits = false;
  const std::span<const std::uint32_t> numbers = table_.places_of(leaf);
  for (const std::uint32_t number : numbers) {
    places_[number].is_reached = true;
    waits = waits || places_[number].shares_memory;
  }
  return !numbers.empty() && !waits;
}

void UnwindingStep::begin() {
  std::vector<bool> has_work(optimizers_);
  for (const Place& place : places_) {
    if (!place.is_reached && !exec::gradient_of(place.tensor())) continue;
    has_work[groups_[place.group].optimizer] = true;
    check(place);
  }
  const auto idle = std::find(has_work.begin(), has_work.end(), false);
  if (idle == has_work.end()) return;
  fail("backward(step=): this does not depend on any parameter of ",
       optimizers_ == 1 ? "the optimizer" : "optimizer " + std::to_string(idle - has_work.begin()),
       ", which would update nothing; pass the optimizer whose parameters it was computed from (or were they "
       "frozen, detached, or replaced by others since the optimizer was made?)");
}

// What would fail later, when other parameters have been updated.
void UnwindingStep::check(const Place& place) const {
  const Tensor& tensor = place.tensor();
  const Group& group = groups_[place.group];
  if (!tensor->storage->writable()) {
    refuse_parameter(Error(ErrorKind::kRuntime,
                           "backward(step=): the parameter shares memory with a read-only "
                           "array; clone() it first"),
                     group.dict.ptr(), place.index);
  }
  if (group.step && is_narrow(tensor.dtype())) {
    refuse_parameter(Error(ErrorKind::kRuntime, "backward(step=): a parameter of dtype " +
                                                    std::string(name(tensor.dtype())) +
                                                    " cannot be updated; only float32 and float64 can"),
                     group.dict.ptr(), place.index);
  }
}

void UnwindingStep::complete(TensorImpl& leaf) {
  const std::span<const std::uint32_t> numbers = table_.places_of(leaf);
  if (numbers.empty()) return;
  for (const std::uint32_t number : numbers) {
    if (places_[number].shares_memory) return;
  }
  const Tensor parameter{Ref<TensorImpl>(&leaf)};
  if (!exec::gradient_of(parameter)) return;  // a hook has taken it
  prepare(numbers[0]);
  for (const std::uint32_t number : numbers) update(places_[number]);
  exec::spend_gradient(parameter);
}

void UnwindingStep::finish() {
  std::vector<Tensor> late;
  for (std::uint32_t number = 0; number < places_.size(); ++number) {
    Place& place = places_[number];
    if (place.is_done || !exec::gradient_of(place.tensor())) continue;
    if (table_.places_of(place.tensor().impl())[0] == number) prepare(number);
    update(place);
    late.push_back(place.tensor());
  }
  for (const Tensor& parameter : late) exec::spend_gradient(parameter);
}

void UnwindingStep::prepare(std::uint32_t number) {
  if (!prepare_.is_none()) prepare_(number, exec::gradient_of(places_[number].tensor()));
}

void UnwindingStep::update(Place& place) {
  Group& group = groups_[place.group];
  place.is_done = true;
  if (!group.step) {
    group.step_parameter(place.parameter, group.dict);
  } else {
    try {
      group.step->add(place.parameter.ptr(), exec::gradient_of(place.tensor()));
    } catch (const Error& error) {
      refuse_parameter(error, group.dict.ptr(), place.index);
    }
    group.step->run();
  }
  ++updated_;
}

// --- looking

Rehearsal::Rehearsal(const py::list& parameters, py::object visit) : visit_(std::move(visit)) {
  for (py::handle parameter : parameters) {
    parameters_.push_back(parameter.cast<Tensor>());
    table_.add(parameters_.back().impl());
  }
  table_.sort();
  is_shown_.resize(parameters_.size());
}

Rehearsal::~Rehearsal() { restore(); }

void Rehearsal::restore() noexcept {
  if (!leaf_) return;
  exec::slot_of(*leaf_).grad = std::move(before_);
  before_ = Tensor();
  leaf_ = nullptr;
}

void Rehearsal::arriving(TensorImpl& leaf) {
  leaf_ = Ref<TensorImpl>(&leaf);
  const Tensor tensor(leaf_);
  if (exec::Trace* trace = exec::Trace::current()) trace->accumulating_gradient(tensor);
  before_ = exec::gradient_of(tensor);
  if (before_) exec::slot_of(leaf).grad = ops::clone(before_);
}

void Rehearsal::complete(TensorImpl& leaf) {
  const std::span<const std::uint32_t> numbers = table_.places_of(leaf);
  const Tensor gradient = exec::gradient_of(Tensor(leaf_));
  if (!numbers.empty() && gradient) show(numbers[0], gradient);
  restore();
}

void Rehearsal::finish() {
  for (std::uint32_t number = 0; number < parameters_.size(); ++number) {
    const Tensor gradient = exec::gradient_of(parameters_[number]);
    if (!is_shown_[number] && gradient && table_.places_of(parameters_[number].impl())[0] == number)
      show(number, ops::clone(gradient));
  }
}

void Rehearsal::show(std::uint32_t number, const Tensor& gradient) {
  is_shown_[number] = true;
  visit_(number, gradient);
}

namespace {

struct Walk {
  std::vector<Tensor> roots, seeds, inputs;
  bool by_recursion;
  Walk(py::handle outputs, py::handle gradients, py::handle wanted, const std::string& engine)
      : roots(tensors_of(outputs.ptr(), "backward: tensors")),
        seeds(tensors_of(gradients.ptr(), "backward: gradient")),
        inputs(tensors_of(wanted.ptr(), "backward: inputs")),
        by_recursion(is_recursive(engine, "backward")) {
    check_roots(roots, seeds);
    if (!wanted.is_none() && inputs.empty()) fail("backward: inputs must not be empty");
  }
  void run(exec::Receiver& receiver, bool is_rehearsal) const {
    exec::unwind(roots, seeds,
                 {.retain_graph = is_rehearsal,
                  .inputs = inputs,
                  .accumulate = true,
                  .by_recursion = by_recursion,
                  .receiver = &receiver,
                  .is_rehearsal = is_rehearsal});
  }
};

void rehearse(py::handle outputs, py::handle gradients, py::handle inputs, const std::string& engine,
              const py::list& parameters, py::object visit) {
  const Walk walk(outputs, gradients, inputs, engine);
  exec::Trace* trace = exec::Trace::current();
  if (trace) trace->begin_section();
  Rehearsal rehearsal(parameters, std::move(visit));
  walk.run(rehearsal, true);
  const ops::GradMode no_grad(false);
  rehearsal.finish();
  if (trace) trace->begin_section();
}

// Adds to the Python exception that is being thrown how far the step had come.
void add_note(std::size_t updated) {
  set_python_error();
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  const std::string note =
      "(in backward(step=): " + std::to_string(updated) + " parameters had been updated before this)";
  Py_XDECREF(PyObject_CallMethod(value, "add_note", "s", note.c_str()));
  PyErr_Clear();
  PyErr_Restore(type, value, traceback);
}

// Unwinds, and updates the parameters of `groups` meanwhile; for the arguments see UnwindingStep.
void unwind_and_step(py::handle outputs, py::handle gradients, py::handle inputs, const std::string& engine,
                     const py::list& groups, py::object prepare) {
  const Walk walk(outputs, gradients, inputs, engine);
  UnwindingStep step(groups, std::move(prepare));
  try {
    walk.run(step, false);
    const ops::GradMode no_grad(false);
    step.finish();
  } catch (...) {
    if (step.updated() == 0) throw;
    add_note(step.updated());
    throw PythonError{};
  }
}

}  // namespace

void bind_unwinding_step(py::module_& core) {
  core.def("_rehearse", &rehearse);
  core.def("_unwind_and_step", &unwind_and_step);
}

}  // namespace unspool::bind
