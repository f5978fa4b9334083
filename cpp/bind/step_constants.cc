// Values are compared as bytes, made anew from the data in the same way as in the step.
#include "bind/step_constants.h"

#include <cstring>

#include "bind/convert.h"
#include "bind/create.h"
#include "exec/program/trace.h"
#include "ops/emitter.h"

namespace unspool::bind {
namespace {

thread_local StepConstants* collecting = nullptr;
constexpr long long kMostBytes = 1 << 20;  // of an array that is compared at each replay

Owned bytes_of(PyObject* array) { return Owned(checked(PyObject_CallMethod(array, "tobytes", nullptr))); }

bool is_sequence(PyObject* object) { return PyList_CheckExact(object) || PyTuple_CheckExact(object); }

// Whether nothing in it can change: numbers, and tuples of them.
bool is_fixed(PyObject* object) {
  if (PyFloat_CheckExact(object) || PyLong_CheckExact(object) || PyBool_Check(object)) return true;
  if (!PyTuple_CheckExact(object)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i) {
    if (!is_fixed(PyTuple_GET_ITEM(object, i))) return false;
  }
  return true;
}

// Whether only one reference to it is left, and to what is inside of it, so that nobody can change it.
bool is_own(PyObject* object) {
  if (is_fixed(object)) return true;
  if (Py_REFCNT(object) > 1) return false;
  if (is_array(object)) {
    const Owned base(checked(PyObject_GetAttrString(object, "base")));
    // Held by the array and by us.
    return base.get() == Py_None || (is_array(base.get()) && Py_REFCNT(base.get()) <= 2);
  }
  if (!is_sequence(object)) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
    if (!is_own(PySequence_Fast_GET_ITEM(object, i))) return false;
  }
  return true;
}

bool same_tensor(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.sizes() == b.sizes() &&
         std::memcmp(a.data(), b.data(), a->storage->bytes()) == 0;
}

}  // namespace

CollectingConstants::CollectingConstants(StepConstants& constants)
    : before_(std::exchange(collecting, &constants)) {}
CollectingConstants::~CollectingConstants() { collecting = before_; }

Tensor captured_from_data(PyObject* data, std::optional<Dtype> dtype) {
  const Tensor made = new_from_data(data, dtype);
  const Tensor values = exec::Trace::current()->made_by_host(made);
  if (collecting) collecting->made_.push_back({Owned(Py_NewRef(data)), dtype, values});
  return made;
}

void captured_shared(PyObject* array, const Tensor& shared) {
  exec::Trace* trace = exec::Trace::current();
  if (!trace) return;
  const Tensor values = trace->made_by_host(shared);
  if (collecting) collecting->made_.push_back({Owned(Py_NewRef(array)), std::nullopt, values, true});
}

std::string StepConstants::settle() {
  for (Made& made : made_) {
    if (is_own(made.data.get()))
      made.data = Owned();
    else if (made.is_shared)
      return to_string(made.values.sizes());
  }
  return {};
}

std::string StepConstants::watch(PyObject* guards) {
  PyObject* found = checked(PyDict_GetItemString(guards, "arrays"));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(found); ++i) {
    PyObject* array = PyTuple_GET_ITEM(PyList_GET_ITEM(found, i), 0);
    const Owned size(checked(PyObject_GetAttrString(array, "nbytes")));
    if (PyLong_AsLongLong(size.get()) <= kMostBytes) {
      arrays_.push_back({Owned(Py_NewRef(array)), bytes_of(array)});
    } else if (!made_.empty()) {
      return text_of(PyTuple_GET_ITEM(PyList_GET_ITEM(found, i), 1));
    }
  }
  return {};
}

bool StepConstants::hold() const {
  for (const Array& each : arrays_) {
    const int equal = PyObject_RichCompareBool(bytes_of(each.array.get()).get(), each.bytes.get(), Py_EQ);
    if (equal < 0) throw PythonError{};
    if (!equal) return false;
  }
  for (const Made& made : made_) {
    if (!made.data) continue;
    const ops::WithDefaultEmitter beside_the_step;
    if (!same_tensor(new_from_data(made.data.get(), made.dtype), made.values)) return false;
  }
  return true;
}

bool StepConstants::operator==(const StepConstants& other) const {
  if (made_.size() != other.made_.size()) return false;
  for (std::size_t i = 0; i < made_.size(); ++i) {
    if (!same_tensor(made_[i].values, other.made_[i].values)) return false;
  }
  return true;
}

int StepConstants::traverse(visitproc visit, void* arg) const {
  for (const Made& made : made_) Py_VISIT(made.data.get());
  for (const Array& each : arrays_) Py_VISIT(each.array.get());
  return 0;
}

}  // namespace unspool::bind
