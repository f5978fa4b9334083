// The dict side of an optimizer step. Dicts are read with interned names through the C API, because this runs
// once per parameter and step.
#include "bind/optim.h"

#include <optional>
#include <string>
#include <utility>

#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/tensor_object.h"
#include "exec/node.h"
#include "ops/api.h"

namespace unspool::bind {
namespace {

PyObject* interned(const char* text) { return checked(PyUnicode_InternFromString(text)); }

// The keys of groups and states. Kept for the life of the process.
struct Keys {
  PyObject* params = interned("params");
  PyObject* param_names = interned("param_names");
  PyObject* step = interned("step");
  PyObject* lr = interned("lr");
  PyObject* momentum = interned("momentum");
  PyObject* dampening = interned("dampening");
  PyObject* weight_decay = interned("weight_decay");
  PyObject* nesterov = interned("nesterov");
  PyObject* maximize = interned("maximize");
  PyObject* betas = interned("betas");
  PyObject* eps = interned("eps");
  PyObject* amsgrad = interned("amsgrad");
  PyObject* alpha = interned("alpha");
  PyObject* centered = interned("centered");
  PyObject* lr_decay = interned("lr_decay");
  PyObject* initial_accumulator_value = interned("initial_accumulator_value");
  PyObject* rho = interned("rho");
  PyObject* decoupled_weight_decay = interned("decoupled_weight_decay");
  PyObject* momentum_decay = interned("momentum_decay");
  PyObject* lambd = interned("lambd");
  PyObject* t0 = interned("t0");
  PyObject* etas = interned("etas");
  PyObject* step_sizes = interned("step_sizes");
};

const Keys& keys() {
  static const Keys& all = *new Keys;
  return all;
}

// The name of a state as a dict key, found by the address of the literal.
PyObject* key_of(const char* literal) {
  static auto& known = *new SmallVector<std::pair<const char*, PyObject*>, 12>;
  for (const auto& [text, key] : known) {
    if (text == literal) return key;
  }
  return known.emplace_back(literal, interned(literal)).second;
}

const char* text_of(PyObject* name) { return PyUnicode_AsUTF8(name); }

// Borrowed; null when the key is absent.
PyObject* find(PyObject* dict, PyObject* key) {
  PyObject* value = PyDict_GetItemWithError(dict, key);
  if (!value && PyErr_Occurred()) throw PythonError{};
  return value;
}

// The hyperparameters of one group.
class Hyperparameters {
 public:
  explicit Hyperparameters(PyObject* group) : group_(group) {}

  PyObject* operator[](PyObject* name) const {
    PyObject* value = find(group_, name);
    if (!value) fail(ErrorKind::kValue, "optim.step: the parameter group has no '", text_of(name), "'");
    return value;
  }
  double real(PyObject* name) const { return to_real((*this)[name], name); }
  bool flag(PyObject* name) const {
    const int value = PyObject_IsTrue((*this)[name]);
    if (value < 0) throw PythonError{};
    return value != 0;
  }
  std::pair<double, double> pair(PyObject* name) const {
    const Owned items(PySequence_Fast((*this)[name], "optim.step: a pair must be two numbers"));
    checked(items.get());
    if (PySequence_Fast_GET_SIZE(items.get()) != 2) {
      fail(ErrorKind::kValue, "optim.step: '", text_of(name), "' must be two numbers, not ",
           PySequence_Fast_GET_SIZE(items.get()));
    }
    PyObject** values = PySequence_Fast_ITEMS(items.get());
    return {to_real(values[0], name), to_real(values[1], name)};
  }

 private:
  static double to_real(PyObject* value, PyObject* name) {
    if (PyFloat_CheckExact(value)) return PyFloat_AS_DOUBLE(value);
    std::optional<double> number;
    if (is_tensor(value) && tensor_of(value).numel() == 1) {
      const Owned item(checked(item_of(tensor_of(value))));
      number = as_real(item.get());
    } else {
      number = as_real(value);
    }
    if (!number) {
      fail(ErrorKind::kType, "optim.step: '", text_of(name),
           "' must be a number or a tensor of one element, not ", Py_TYPE(value)->tp_name);
    }
    return *number;
  }

  PyObject* group_;
};

std::unique_ptr<optim::Rule> read_sgd(const Hyperparameters& group) {
  auto rule = std::make_unique<optim::Sgd>();
  rule->lr = group.real(keys().lr);
  rule->momentum = group.real(keys().momentum);
  rule->dampening = group.real(keys().dampening);
  rule->weight_decay = group.real(keys().weight_decay);
  rule->nesterov = group.flag(keys().nesterov);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

std::unique_ptr<optim::Rule> read_adam(const Hyperparameters& group) {
  auto rule = std::make_unique<optim::Adam>();
  rule->lr = group.real(keys().lr);
  std::tie(rule->beta1, rule->beta2) = group.pair(keys().betas);
  rule->eps = group.real(keys().eps);
  rule->weight_decay = group.real(keys().weight_decay);
  rule->amsgrad = group.flag(keys().amsgrad);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

std::unique_ptr<optim::Rule> read_adamw(const Hyperparameters& group) {
  auto rule = read_adam(group);
  static_cast<optim::Adam&>(*rule).decoupled = true;
  return rule;
}

std::unique_ptr<optim::Rule> read_rmsprop(const Hyperparameters& group) {
  auto rule = std::make_unique<optim::Rmsprop>();
  rule->lr = group.real(keys().lr);
  rule->alpha = group.real(keys().alpha);
  rule->eps = group.real(keys().eps);
  rule->weight_decay = group.real(keys().weight_decay);
  rule->momentum = group.real(keys().momentum);
  rule->centered = group.flag(keys().centered);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

std::unique_ptr<optim::Rule> read_adagrad(const Hyperparameters& group) {
  auto rule = std::make_unique<optim::Adagrad>();
  rule->lr = group.real(keys().lr);
  rule->lr_decay = group.real(keys().lr_decay);
  rule->weight_decay = group.real(keys().weight_decay);
  rule->initial_accumulator_value = group.real(keys().initial_accumulator_value);
  rule->eps = group.real(keys().eps);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

std::unique_ptr<optim::Rule> read_adadelta(const Hyperparameters& group) {
  auto rule = std::make_unique<optim::Adadelta>();
  rule->lr = group.real(keys().lr);
  rule->rho = group.real(keys().rho);
  rule->eps = group.real(keys().eps);
  rule->weight_decay = group.real(keys().weight_decay);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

// What the relatives of Adam have in common.
template <class R>
std::unique_ptr<R> read_like_adam(const Hyperparameters& group) {
  auto rule = std::make_unique<R>();
  rule->lr = group.real(keys().lr);
  std::tie(rule->beta1, rule->beta2) = group.pair(keys().betas);
  rule->eps = group.real(keys().eps);
  rule->weight_decay = group.real(keys().weight_decay);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

std::unique_ptr<optim::Rule> read_radam(const Hyperparameters& group) {
  auto rule = read_like_adam<optim::Radam>(group);
  rule->decoupled = group.flag(keys().decoupled_weight_decay);
  return rule;
}

std::unique_ptr<optim::Rule> read_nadam(const Hyperparameters& group) {
  auto rule = read_like_adam<optim::Nadam>(group);
  rule->decoupled = group.flag(keys().decoupled_weight_decay);
  rule->momentum_decay = group.real(keys().momentum_decay);
  return rule;
}

std::unique_ptr<optim::Rule> read_adamax(const Hyperparameters& group) {
  return read_like_adam<optim::Adamax>(group);
}

std::unique_ptr<optim::Rule> read_asgd(const Hyperparameters& group) {
  auto rule = std::make_unique<optim::Asgd>();
  rule->lr = group.real(keys().lr);
  rule->lambd = group.real(keys().lambd);
  rule->alpha = group.real(keys().alpha);
  rule->t0 = group.real(keys().t0);
  rule->weight_decay = group.real(keys().weight_decay);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

std::unique_ptr<optim::Rule> read_rprop(const Hyperparameters& group) {
  auto rule = std::make_unique<optim::Rprop>();
  rule->lr = group.real(keys().lr);
  std::tie(rule->shrink, rule->grow) = group.pair(keys().etas);
  std::tie(rule->low, rule->high) = group.pair(keys().step_sizes);
  rule->maximize = group.flag(keys().maximize);
  return rule;
}

struct NamedRule {
  const char* name;
  std::unique_ptr<optim::Rule> (*read)(const Hyperparameters&);
};
constexpr NamedRule kRules[] = {
    {"sgd", read_sgd},         {"adam", read_adam},         {"adamw", read_adamw}, {"rmsprop", read_rmsprop},
    {"adagrad", read_adagrad}, {"adadelta", read_adadelta}, {"radam", read_radam}, {"nadam", read_nadam},
    {"adamax", read_adamax},   {"asgd", read_asgd},         {"rprop", read_rprop},
};

std::string known_rules() {
  std::string names;
  for (const NamedRule& rule : kRules) names += (names.empty() ? "" : ", ") + std::string(rule.name);
  return names;
}

std::unique_ptr<optim::Rule> read_rule(PyObject* name, PyObject* group) {
  if (!PyUnicode_Check(name))
    fail(ErrorKind::kType, "optim.step: the rule must be a str, not ", Py_TYPE(name)->tp_name);
  if (!PyDict_Check(group))
    fail(ErrorKind::kType, "optim.step: the group must be a dict, not ", Py_TYPE(group)->tp_name);
  for (const NamedRule& rule : kRules) {
    if (PyUnicode_CompareWithASCIIString(name, rule.name) == 0) return rule.read(Hyperparameters(group));
  }
  fail(ErrorKind::kValue, "optim.step: there is no rule '", text_of(name), "'; known are ", known_rules());
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
  return ops::full(sizes, value, dtype);
}

double read_counter(const Tensor& counter) {
  return visit_dtype(counter.dtype(),
                     [&]<class T>(T) { return static_cast<double>(*static_cast<const T*>(counter.data())); });
}

void write_counter(const Tensor& counter, double value) {
  visit_dtype(counter.dtype(), [&]<class T>(T) { *static_cast<T*>(counter.data()) = static_cast<T>(value); });
  counter->storage->mark_written("step");
}

}  // namespace

GroupStep::GroupStep(PyObject* rule, PyObject* group, PyObject* state, std::size_t expected)
    : rule_(read_rule(rule, group)), state_(state), states_(rule_->states()), update_(*rule_, expected) {
  if (!PyDict_Check(state))
    fail(ErrorKind::kType, "optim.step: the state must be a dict, not ", Py_TYPE(state)->tp_name);
  for (const optim::State& kept : states_) state_names_.push_back(key_of(kept.name));
  if (rule_->counts_steps()) counters_.reserve(expected);
}

GroupStep::~GroupStep() {
  for (const auto& [counter, before] : counters_) write_counter(tensor_of(counter.get()), before);
}

// Counts at once, so that a parameter that is listed twice takes two steps.
double GroupStep::advance(PyObject* entry) {
  PyObject* object = find(entry, keys().step);
  const bool is_new = !object || object == Py_None;
  if (is_new || !is_tensor(object)) {
    const auto number = is_new ? std::optional<double>(0.0) : as_real(object);
    if (!number) need_tensor(object, keys().step);
    store(entry, keys().step, make_state({}, *number, Dtype::kFloat32));
    object = find(entry, keys().step);
  }
  const Tensor& counter = tensor_of(object);
  if (counter.numel() != 1 || !counter->storage->writable() || is_narrow(counter.dtype())) {
    fail(ErrorKind::kValue,
         "optim.step: state 'step' must be a writable tensor of one element, float32 if possible, not ",
         name(counter.dtype()), " of shape ", to_string(counter.sizes()));
  }
  const double before = read_counter(counter);
  counters_.emplace_back(Owned(Py_NewRef(object)), before);
  write_counter(counter, before + 1);
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
    numbers[i] = read_counter(place);
    counters_.emplace_back(Owned(Py_NewRef(value)), numbers[i]);
  }
  const optim::Phase phase = rule_->phase(step, numbers);
  for (int i = 0; i < kept.size(); ++i) write_counter(places[i], numbers[i]);
  return phase;
}

void GroupStep::add(PyObject* parameter, Tensor gradient) {
  const Tensor& tensor = tensor_of(parameter);
  // Rules that keep nothing leave no entry behind.
  const bool keeps_nothing = states_.size() == 0 && !rule_->counts_steps();
  if (keeps_nothing) return update_.add(tensor, std::move(gradient), {}, rule_->phase(1, {}));

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
  update_.add(tensor, std::move(gradient), std::move(kept), phase);
}

void GroupStep::run() {
  update_.run();
  counters_.clear();
}

namespace {

// "parameter 3 ('fc.weight') of its group: " in front of what went wrong with it.
[[noreturn]] void refuse_parameter(const Error& error, PyObject* group, Py_ssize_t index) {
  std::string which = "parameter " + std::to_string(index);
  PyObject* names = PyDict_GetItemWithError(group, keys().param_names);
  if (names && PyList_Check(names) && index < PyList_GET_SIZE(names)) {
    const char* name =
        PyUnicode_Check(PyList_GET_ITEM(names, index)) ? text_of(PyList_GET_ITEM(names, index)) : nullptr;
    if (name) which += std::string(" ('") + name + "')";
  }
  PyErr_Clear();
  fail(error.kind(), error.what(), " (", which, " of its group)");
}

void step_group(PyObject* rule, PyObject* group, PyObject* state) {
  if (!PyDict_Check(group))
    fail(ErrorKind::kType, "optim.step: the group must be a dict, not ", Py_TYPE(group)->tp_name);
  PyObject* listed = find(group, keys().params);
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

void bind_optim(pybind11::module_& core) {
  pybind11::module_ module = core.def_submodule("optim", "Optimizer steps.");
  if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw pybind11::error_already_set();
}

}  // namespace unspool::bind
