// The dict side of an optimizer step. Dicts are read with interned names through the C API, because this runs
// once per parameter and step.
#include "bind/optim.h"

#include <optional>
#include <string>
#include <utility>

#include "bind/captured_group.h"
#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/hyperparameters.h"
#include "bind/scalar.h"
#include "bind/tensor_object.h"
#include "exec/node.h"
#include "ops/api.h"

namespace unspool::bind {
namespace {

PyObject* params_key() {
  static PyObject* const key = key_of("params");
  return key;
}
PyObject* step_key() {
  static PyObject* const key = key_of("step");
  return key;
}

// The parameter's entry in the optimizer's state, made on first use. Borrowed from the state.
PyObject* entry_of(PyObject* state, PyObject* parameter) {
  if (PyObject* entry = find(state, parameter)) {
    if (!PyDict_Check(entry)) {
      fail(ErrorKind::kType, "optim.step: the state of a parameter must be a dict, not ",
           Py_TYPE(entry)->tp_name);
    }
    return entry;
  }
  const Owned entry(checked(PyDict_New()));
  if (PyDict_SetItem(state, parameter, entry.get()) < 0) throw PythonError{};
  return entry.get();
}

void store(PyObject* entry, PyObject* name, const Tensor& tensor) {
  const Owned object(checked(wrap(tensor)));
  if (PyDict_SetItem(entry, name, object.get()) < 0) throw PythonError{};
}

const Tensor& need_tensor(PyObject* value, PyObject* name) {
  if (!is_tensor(value)) {
    fail(ErrorKind::kType, "optim.step: state '", text_of(name), "' must be a tensor, not ",
         Py_TYPE(value)->tp_name);
  }
  return tensor_of(value);
}

Tensor make_state(DimSpan sizes, double value, Dtype dtype) {
  const ops::GradMode no_grad(false);
  const ops::WithDefaultEmitter beside_the_step;  // it is there before the step, as far as a program knows
  return ops::full(sizes, value, dtype);
}

}  // namespace

GroupStep::GroupStep(PyObject* rule, PyObject* group, PyObject* state, std::size_t expected)
    : rule_(read_rule(rule, group)), state_(state), states_(rule_->states()), update_(*rule_, expected) {
  if (!PyDict_Check(state))
    fail(ErrorKind::kType, "optim.step: the state must be a dict, not ", Py_TYPE(state)->tp_name);
  if (exec::Trace::current()) captured_ = std::make_shared<CapturedGroup>(rule, group, state, *rule_);
  for (const optim::State& kept : states_) state_names_.push_back(key_of(kept.name));
  if (rule_->counts_steps()) counters_.reserve(expected);
}

GroupStep::~GroupStep() {
  for (const auto& [counter, before] : counters_) write_scalar(tensor_of(counter.get()), before, "step");
}

// Counts at once, so that a parameter that is listed twice takes two steps.
double GroupStep::advance(PyObject* entry) {
  PyObject* object = find(entry, step_key());
  const bool is_new = !object || object == Py_None;
  if (is_new || !is_tensor(object)) {
    const auto number = is_new ? std::optional<double>(0.0) : as_real(object);
    if (!number) need_tensor(object, step_key());
    store(entry, step_key(), make_state({}, *number, Dtype::kFloat32));
    object = find(entry, step_key());
  }
  const Tensor& counter = tensor_of(object);
  if (counter.numel() != 1 || !counter->storage->writable() || is_narrow(counter.dtype())) {
    fail(ErrorKind::kValue,
         "optim.step: state 'step' must be a writable tensor of one element, float32 if possible, not ",
         name(counter.dtype()), " of shape ", to_string(counter.sizes()));
  }
  const double before = read_scalar(counter);
  counters_.emplace_back(Owned(Py_NewRef(object)), before);
  write_scalar(counter, before + 1, "step");
  return before + 1;
}

// The numbers that the rule carries from step to step, moved on at once, as the step counter is.
optim::Phase GroupStep::phase_of(PyObject* entry, double step) {
  const optim::States kept = rule_->numbers();
  double numbers[2] = {};
  Tensor places[2];
  for (int i = 0; i < kept.size(); ++i) {
    PyObject* name = key_of(kept[i].name);
    PyObject* value = find(entry, name);
    if (!value || value == Py_None) {
      store(entry, name, make_state({}, kept[i].initial, Dtype::kFloat32));
      value = find(entry, name);
    }
    const Tensor& place = places[i] = need_tensor(value, name);
    if (place.numel() != 1 || !place->storage->writable()) {
      fail(ErrorKind::kValue, "optim.step: state '", kept[i].name,
           "' must be a writable tensor of one element, not one of shape ", to_string(place.sizes()));
    }
    numbers[i] = read_scalar(place);
    counters_.emplace_back(Owned(Py_NewRef(value)), numbers[i]);
  }
  const optim::Phase phase = rule_->phase(step, numbers);
  for (int i = 0; i < kept.size(); ++i) write_scalar(places[i], numbers[i], "step");
  return phase;
}

void GroupStep::add(PyObject* parameter, Tensor gradient) {
  const Tensor& tensor = tensor_of(parameter);
  // Rules that keep nothing leave no entry behind.
  const bool keeps_nothing = states_.size() == 0 && !rule_->counts_steps();
  if (keeps_nothing) {
    const std::size_t bucket = update_.add(tensor, std::move(gradient), {}, rule_->phase(1, {}));
    if (captured_) captured_->add(parameter, nullptr, updates_ + bucket);
    return;
  }

  const Owned entry(Py_NewRef(entry_of(state_, parameter)));
  double step = rule_->counts_steps() ? advance(entry.get()) : 2;
  optim::Kept kept;
  for (int i = 0; i < states_.size(); ++i) {
    PyObject* name = state_names_[static_cast<std::size_t>(i)];
    PyObject* value = find(entry.get(), name);
    if (value && value != Py_None) {
      kept.push_back(need_tensor(value, name));
      continue;
    }
    kept.push_back(make_state(tensor.sizes(), states_[i].initial, tensor.dtype()));
    store(entry.get(), name, kept.back());
    if (!rule_->counts_steps()) step = 1;
  }
  const optim::Phase phase = phase_of(entry.get(), step);
  const std::size_t bucket = update_.add(tensor, std::move(gradient), std::move(kept), phase);
  if (captured_) captured_->add(parameter, entry.get(), updates_ + bucket);
}

void GroupStep::run() {
  if (exec::Trace* trace = exec::Trace::current()) {
    trace->begin_updates(captured_);
    const std::size_t before = updates_;
    update_.run([&](std::size_t bucket) {
      trace->next_updates(before + bucket);
      updates_ = before + bucket + 1;
    });
    trace->end_updates();
  } else {
    update_.run();
  }
  counters_.clear();
}

void refuse_parameter(const Error& error, PyObject* group, Py_ssize_t index) {
  std::string which = "parameter " + std::to_string(index);
  PyObject* names = PyDict_GetItemWithError(group, key_of("param_names"));
  if (names && PyList_Check(names) && index < PyList_GET_SIZE(names)) {
    const char* name =
        PyUnicode_Check(PyList_GET_ITEM(names, index)) ? text_of(PyList_GET_ITEM(names, index)) : nullptr;
    if (name) which += std::string(" ('") + name + "')";
  }
  PyErr_Clear();
  fail(error.kind(), error.what(), " (", which, " of its group)");
}

namespace {

void step_group(PyObject* rule, PyObject* group, PyObject* state) {
  if (!PyDict_Check(group))
    fail(ErrorKind::kType, "optim.step: the group must be a dict, not ", Py_TYPE(group)->tp_name);
  PyObject* listed = find(group, params_key());
  if (!listed || (!PyList_Check(listed) && !PyTuple_Check(listed))) {
    fail(ErrorKind::kType, "optim.step: the group's 'params' must be a list of tensors");
  }
  const Owned params(Py_NewRef(listed));
  GroupStep step(rule, group, state, static_cast<std::size_t>(PySequence_Fast_GET_SIZE(listed)));
  // The size is read anew each time: making state may run a finalizer, which may run anything.
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(listed); ++i) {
    const Owned parameter(Py_NewRef(PySequence_Fast_GET_ITEM(listed, i)));
    if (!is_tensor(parameter.get())) {
      fail(ErrorKind::kType, "optim.step: parameter ", i, " of the group is no tensor but ",
           Py_TYPE(parameter.get())->tp_name);
    }
    Tensor gradient = exec::gradient_of(tensor_of(parameter.get()));
    if (!gradient) continue;
    try {
      step.add(parameter.get(), std::move(gradient));
    } catch (const Error& error) {
      refuse_parameter(error, group, i);
    }
  }
  step.run();
}

PyObject* step(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 3)
      fail(ErrorKind::kType, "optim.step: expected rule, group and state, got ", count, " arguments");
    step_group(args[0], args[1], args[2]);
    return Py_NewRef(Py_None);
  });
}

PyMethodDef functions[] = {
    {"step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(step)), METH_FASTCALL,
     "step(rule: str, group: dict, state: dict) -> None\n\n"
     "Updates the parameters of one group that have a gradient.\n\n"
     "rule is the name of an optimizer in lower case; group holds \"params\" and the "
     "hyperparameters, which are read at each call; state maps each parameter to the dict of its state, "
     "which is made where it is missing."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void add_optim(PyObject* module) {
  const std::string name = std::string(PyModule_GetName(module)) + ".optim";
  PyObject* optim = checked(PyImport_AddModule(name.c_str()));  // borrowed
  if (PyModule_SetDocString(optim, "Optimizer steps.") < 0 || PyModule_AddFunctions(optim, functions) < 0 ||
      PyModule_AddObjectRef(module, "optim", optim) < 0) {
    throw PythonError{};
  }
}

}  // namespace unspool::bind
