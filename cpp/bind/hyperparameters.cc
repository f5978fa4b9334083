// One reader per rule.
#include "bind/hyperparameters.h"

#include <optional>
#include <string>
#include <utility>

#include "base/small_vector.h"
#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/tensor_object.h"

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

}  // namespace

// The name of a state as a dict key, found by the address of the literal.
PyObject* key_of(const char* literal) {
  static auto& known = *new SmallVector<std::pair<const char*, PyObject*>, 12>;
  for (const auto& [text, key] : known) {
    if (text == literal) return key;
  }
  return known.emplace_back(literal, interned(literal)).second;
}

// Borrowed; null when the key is absent.
PyObject* find(PyObject* dict, PyObject* key) {
  PyObject* value = PyDict_GetItemWithError(dict, key);
  if (!value && PyErr_Occurred()) throw PythonError{};
  return value;
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

}  // namespace unspool::bind
