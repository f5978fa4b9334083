// From complete gradients to updates. Runs under the interpreter's lock, as hooks do.
#include "bind/unwinding_step.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "bind/autograd.h"
#include "bind/caster.h"
#include "bind/hyperparameters.h"
#include "bind/topics.h"
#include "exec/backward.h"
#include "exec/node.h"
#include "exec/program/trace.h"
#include "ops/api.h"

namespace py = pybind11;

namespace unspool::bind {

// --- which parameter

ParameterTable::ParameterTable(std::size_t expected) : slots_(std::bit_ceil(2 * expected + 2), kNone) {
  entries_.reserve(expected);
}

const std::uint32_t* ParameterTable::slot_of(const TensorImpl& parameter) const {
  const std::size_t last = slots_.size() - 1;
  std::size_t place = (reinterpret_cast<std::uintptr_t>(&parameter) * 0x9E3779B97F4A7C15u) >> 32;
  for (place &= last; slots_[place] != kNone; place = (place + 1) & last) {
    if (entries_[slots_[place]].parameter == &parameter) break;
  }
  return &slots_[place];
}

void ParameterTable::add(const TensorImpl& parameter) {
  const auto number = static_cast<std::uint32_t>(entries_.size());
  const auto place = static_cast<std::size_t>(slot_of(parameter) - slots_.data());
  entries_.push_back({&parameter});
  if (slots_[place] == kNone) {
    slots_[place] = number;
    return;
  }
  std::uint32_t last = slots_[place];
  while (entries_[last].next != kNone) last = entries_[last].next;
  entries_[last].next = number;
}

// --- updates

namespace {

std::size_t bytes_of(const TensorImpl& tensor) {
  return static_cast<std::size_t>(tensor.numel) * size_of(tensor.dtype);
}

}  // namespace

const Tensor& UnwindingStep::Place::tensor() const { return tensor_of(parameter.ptr()); }

const Tensor& UnwindingStep::Place::gradient() const {
  static const Tensor none;
  const exec::AutogradSlot* slot = exec::slot_if_any(tensor().impl());
  return slot ? slot->grad : none;
}

UnwindingStep::UnwindingStep(const py::list& groups, py::object prepare)
    : places_(read_groups(groups)), table_(places_.size()), prepare_(std::move(prepare)) {
  for (const Place& place : places_) table_.add(place.tensor().impl());
  find_shared_memory();
}

UnwindingStep::Places UnwindingStep::read_groups(const py::list& groups) {
  Places places;
  groups_.reserve(groups.size());
  for (py::handle described : groups) add_group(described.ptr(), places);
  return places;
}

void UnwindingStep::add_group(PyObject* described, Places& places) {
  const auto entry = [&](Py_ssize_t i) {
    return py::reinterpret_borrow<py::object>(PyTuple_GET_ITEM(described, i));
  };
  Group group{entry(1), entry(2), nullptr, entry(3)};
  const auto parameters = py::reinterpret_borrow<py::object>(find(group.dict.ptr(), key_of("params")));
  if (!parameters || !PyList_Check(parameters.ptr()))
    fail(ErrorKind::kType, "backward(step=): a group's 'params' must be a list of tensors");
  if (const py::object rule = entry(0); !rule.is_none())
    group.step = std::make_unique<GroupStep>(
        rule.ptr(), group.dict.ptr(), group.state.ptr(),
        std::min<std::size_t>(64, static_cast<std::size_t>(PyList_GET_SIZE(parameters.ptr()))));
  const bool is_next = groups_.empty() || !groups_.back().state.is(group.state);
  group.optimizer = is_next ? optimizers_++ : optimizers_ - 1;
  places.reserve(places.size() + static_cast<std::size_t>(PyList_GET_SIZE(parameters.ptr())));
  for (Py_ssize_t index = 0; index < PyList_GET_SIZE(parameters.ptr()); ++index) {
    const py::handle parameter(PyList_GET_ITEM(parameters.ptr(), index));
    if (!is_tensor(parameter.ptr())) {
      fail(ErrorKind::kType, "backward(step=): parameter ", index, " of a group is no tensor but ",
           Py_TYPE(parameter.ptr())->tp_name);
    }
    places.push_back({py::reinterpret_borrow<py::object>(parameter), groups_.size(), index});
  }
  groups_.push_back(std::move(group));
}

// Parameters whose storages overlap: in which order they are updated then matters to the last bit.
void UnwindingStep::find_shared_memory() {
  struct Range {
    const std::byte *begin, *end;
    Place* place;
  };
  SmallVector<Range, 16> ordered;
  ordered.reserve(places_.size());
  for (Place& place : places_) {
    const Storage& storage = *place.tensor()->storage;
    const auto* begin = static_cast<const std::byte*>(storage.data());
    if (storage.bytes() > 0) ordered.push_back({begin, begin + storage.bytes(), &place});
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const Range& a, const Range& b) { return std::less<>()(a.begin, b.begin); });
  const Range* widest = nullptr;  // of those before, the one that ends last
  for (const Range& range : ordered) {
    if (widest && range.begin < widest->end && !range.place->tensor().is_same(widest->place->tensor()))
      range.place->shares_memory = widest->place->shares_memory = true;
    if (!widest || range.end > widest->end) widest = &range;
  }
}

bool UnwindingStep::changes(TensorImpl& leaf) {
  bool waits = false;
  const std::uint32_t first = table_.first_of(leaf);
  for (std::uint32_t number = first; number != ParameterTable::kNone; number = table_.after(number)) {
    places_[number].is_reached = true;
    waits = waits || places_[number].shares_memory;
  }
  return first != ParameterTable::kNone && !waits;
}

void UnwindingStep::begin() {
  SmallVector<bool, 8> has_work(optimizers_);
  std::size_t largest = 0;
  for (const Place& place : places_) {
    largest = std::max(largest, bytes_of(place.tensor().impl()));
    if (!place.is_reached && !place.gradient()) continue;
    has_work[groups_[place.group].optimizer] = true;
    check(place);
  }
  // A program is told of each update by itself: its passes decide what goes together.
  if (largest <= kMostWaiting && !exec::Trace::current()) may_wait_ = largest;
  const auto* idle = std::find(has_work.begin(), has_work.end(), false);
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

void UnwindingStep::arriving(TensorImpl& leaf) {
  if (waiting_ > 0 && waiting_ + bytes_of(leaf) > may_wait_) flush();
}

void UnwindingStep::complete(TensorImpl& leaf) {
  const std::uint32_t first = table_.first_of(leaf);
  for (std::uint32_t number = first; number != ParameterTable::kNone; number = table_.after(number)) {
    if (places_[number].shares_memory) return;
  }
  // A hook may have taken the gradient.
  if (first == ParameterTable::kNone || !places_[first].gradient()) return;
  prepare(first);
  const Tensor& gradient = places_[first].gradient();
  // What somebody else holds could be changed while it waits.
  const bool may_wait = gradient && gradient->ref_count() == 1 && gradient->storage->is_sole();
  for (std::uint32_t number = first; number != ParameterTable::kNone; number = table_.after(number))
    update(places_[number]);
  exec::spend_gradient(places_[first].tensor());
  waiting_ += bytes_of(leaf);
  if (!may_wait || waiting_ > may_wait_) flush();
}

void UnwindingStep::finish() {
  std::vector<Tensor> late;
  for (std::uint32_t number = 0; number < places_.size(); ++number) {
    Place& place = places_[number];
    if (place.is_done || !place.gradient()) continue;
    if (table_.first_of(place.tensor().impl()) == number) prepare(number);
    update(place);
    late.push_back(place.tensor());
  }
  flush();
  for (const Tensor& parameter : late) exec::spend_gradient(parameter);
}

void UnwindingStep::prepare(std::uint32_t number) {
  if (!prepare_.is_none()) prepare_(number, places_[number].gradient());
}

void UnwindingStep::update(Place& place) {
  Group& group = groups_[place.group];
  place.is_done = true;
  if (!group.step) {
    flush();
    group.step_parameter(place.parameter, group.dict);
    ++updated_;
    return;
  }
  try {
    group.step->add(place.parameter.ptr(), place.gradient());
  } catch (const Error& error) {
    refuse_parameter(error, group.dict.ptr(), place.index);
  }
  ++group.waiting;
}

void UnwindingStep::flush() {
  waiting_ = 0;
  for (Group& group : groups_) {
    if (group.waiting == 0) continue;
    const std::size_t count = std::exchange(group.waiting, 0);
    group.step->run();
    updated_ += count;
  }
}

void UnwindingStep::flush_after_error() noexcept {
  try {
    flush();
  } catch (...) {  // the first error is the one to report; what was not updated is not counted as updated
  }
}

// --- looking

Rehearsal::Rehearsal(const py::list& parameters, py::object visit)
    : table_(parameters.size()), visit_(std::move(visit)) {
  for (py::handle parameter : parameters) {
    parameters_.push_back(parameter.cast<Tensor>());
    table_.add(parameters_.back().impl());
  }
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
  const std::uint32_t number = table_.first_of(leaf);
  const Tensor gradient = exec::gradient_of(Tensor(leaf_));
  if (number != ParameterTable::kNone && gradient) show(number, gradient);
  restore();
}

void Rehearsal::finish() {
  for (std::uint32_t number = 0; number < parameters_.size(); ++number) {
    const Tensor gradient = exec::gradient_of(parameters_[number]);
    if (!is_shown_[number] && gradient && table_.first_of(parameters_[number].impl()) == number)
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
    step.flush_after_error();
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
