// Identity first; numbers and strings also by value.
#include "bind/step_guards.h"

#include <cmath>

#include "bind/tensor_object.h"

namespace unspool::bind {
namespace {

bool is_same(PyObject* now, PyObject* then) {
  if (now == then) return true;
  if (!now || !then || Py_TYPE(now) != Py_TYPE(then)) return false;
  if (!PyFloat_CheckExact(now) && !PyLong_CheckExact(now) && !PyUnicode_CheckExact(now)) return false;
  const int equal = PyObject_RichCompareBool(now, then, Py_EQ);
  if (equal < 0) throw PythonError{};
  return equal == 1;
}

template <class F>
void each(PyObject* found, const char* kind, F&& take) {
  PyObject* list = PyDict_GetItemString(found, kind);
  if (!list) fail(ErrorKind::kValue, "_trace: the guards have no '", kind, "'");
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) take(PyList_GET_ITEM(list, i));
}

Owned item(PyObject* tuple, Py_ssize_t i) { return Owned(Py_NewRef(PyTuple_GET_ITEM(tuple, i))); }

}  // namespace

StepGuards::StepGuards(PyObject* found) {
  each(found, "entries", [&](PyObject* tuple) {
    PyObject* dict = PyTuple_GET_ITEM(tuple, 0);
    PyObject* key = PyTuple_GET_ITEM(tuple, 1);
    PyObject* value = PyDict_GetItemWithError(dict, key);
    if (!value && PyErr_Occurred()) throw PythonError{};
    items_.push_back({item(tuple, 0), item(tuple, 1), Owned(Py_XNewRef(value)), item(tuple, 2)});
  });
  each(found, "lists", [&](PyObject* tuple) {
    lengths_.push_back({item(tuple, 0), PyObject_Size(PyTuple_GET_ITEM(tuple, 0)), item(tuple, 1)});
  });
  each(found, "cells", [&](PyObject* tuple) {
    PyObject* value = PyCell_GET(PyTuple_GET_ITEM(tuple, 0));
    cells_.push_back({item(tuple, 0), Owned(Py_XNewRef(value)), item(tuple, 1)});
  });
  each(found, "tensors", [&](PyObject* tensor) { tensors_.push_back(tensor_of(tensor)); });
}

bool same_kind(PyObject* now, PyObject* then) {
  if (!now || !then || !PyFloat_CheckExact(now) || !PyFloat_CheckExact(then)) return false;
  const double a = PyFloat_AS_DOUBLE(now), b = PyFloat_AS_DOUBLE(then);
  return std::signbit(a) == std::signbit(b) && (a == 0) == (b == 0) && std::isfinite(a) == std::isfinite(b);
}

bool StepGuards::holds(const Item& item) {
  PyObject* now = PyDict_GetItemWithError(item.dict.get(), item.key.get());
  if (!now && PyErr_Occurred()) throw PythonError{};
  return is_same(now, item.value.get()) || (item.is_live && same_kind(now, item.value.get()));
}

bool StepGuards::holds(const Cell& cell) {
  PyObject* now = PyCell_GET(cell.cell.get());
  return is_same(now, cell.value.get()) || (cell.is_live && same_kind(now, cell.value.get()));
}

double StepGuards::Source::read() const {
  PyObject* now = cell ? PyCell_GET(cell) : PyDict_GetItemWithError(dict, key);
  return PyFloat_AS_DOUBLE(now);  // the guards have seen that it is one
}

bool StepGuards::release(PyObject* number, Source& source) {
  int found = 0;
  bool* is_live = nullptr;
  for (Item& item : items_) {
    if (item.value.get() != number) continue;
    ++found;
    source = {item.dict.get(), item.key.get(), nullptr};
    is_live = &item.is_live;
  }
  for (Cell& cell : cells_) {
    if (cell.value.get() != number) continue;
    ++found;
    source = {nullptr, nullptr, cell.cell.get()};
    is_live = &cell.is_live;
  }
  if (found == 1) *is_live = true;
  return found == 1;
}

bool StepGuards::release(PyObject* dict, PyObject* key, Source& source) {
  for (Item& item : items_) {
    if (item.dict.get() != dict || !item.value.get()) continue;
    const int is_same = PyObject_RichCompareBool(item.key.get(), key, Py_EQ);
    if (is_same < 0) throw PythonError{};
    if (!is_same) continue;
    source = {dict, item.key.get(), nullptr};
    item.is_live = true;
    return true;
  }
  return false;
}

bool StepGuards::hold() const {
  for (const Item& item : items_) {
    if (!holds(item)) return false;
  }
  for (const Cell& cell : cells_) {
    if (!holds(cell)) return false;
  }
  for (const Length& length : lengths_) {
    if (PyObject_Size(length.list.get()) != length.length) return false;
  }
  return true;
}

StepGuards::Change StepGuards::settle(exec::Trace& trace) {
  const auto text = [](const Owned& label) { return std::string(text_of(label.get())); };
  Change change;
  for (Item& item : items_) {
    if (holds(item)) continue;
    PyObject* now = PyDict_GetItemWithError(item.dict.get(), item.key.get());
    PyObject* then = item.value.get();
    const bool is_shown = now && is_tensor(now) && trace.has_made(tensor_of(now));
    if (is_shown && then && is_tensor(then) && !trace.has_read(tensor_of(then))) {
      item.value = Owned(Py_NewRef(now));
      trace.keep(tensor_of(now));
      continue;
    }
    return {text(item.label), is_shown && (!then || then == Py_None)};
  }
  for (const Cell& cell : cells_) {
    if (!holds(cell)) return {text(cell.label), false};
  }
  for (const Length& length : lengths_) {
    if (PyObject_Size(length.list.get()) == length.length) continue;
    // A list that grows goes on growing; an attribute is made once.
    if (change.label.empty()) change = {text(length.label), PyDict_Check(length.list.get()) != 0};
  }
  return change;
}

void StepGuards::hold(PyObject* number) {
  for (Item& item : items_) item.is_live = item.is_live && item.value.get() != number;
  for (Cell& cell : cells_) cell.is_live = cell.is_live && cell.value.get() != number;
}

int StepGuards::traverse(visitproc visit, void* arg) const {
  for (const Item& item : items_) {
    Py_VISIT(item.dict.get());
    Py_VISIT(item.value.get());
  }
  for (const Cell& cell : cells_) {
    Py_VISIT(cell.cell.get());
    Py_VISIT(cell.value.get());
  }
  for (const Length& length : lengths_) Py_VISIT(length.list.get());
  return 0;
}

}  // namespace unspool::bind
