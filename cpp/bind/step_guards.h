// What a captured step took for granted about Python's objects: entries of dicts, lengths of lists, and
// tensors. Python finds them (unspool/_compile/guards.py); here they are checked before each replay.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

#include "bind/errors.h"
#include "exec/program/trace.h"
#include "tensor/tensor.h"

namespace unspool::bind {

// Whether a float may stand for another in a program: both have the same sign, and are zero, finite or
// neither alike, so that the usual questions about them have the same answers.
bool same_kind(PyObject* now, PyObject* then);

class StepGuards {
 public:
  StepGuards() = default;
  // A dict of lists: "entries": (dict, key, value, label), "lists": (list or dict, label), "cells":
  // (cell, label), "tensors".
  explicit StepGuards(PyObject* found);

  bool hold() const;
  // After the step has been traced: what it changed itself. Tensors that took the place of tensors which the
  // trace has not read are what the step shows to others, and stay guarded as they are now.
  struct Change {
    std::string label;        // of the first thing that is not as it was; empty when all is
    bool may_settle = false;  // something came where there was nothing: the next call may find it unchanged
  };
  Change settle(exec::Trace& trace);
  const std::vector<Tensor>& tensors() const { return tensors_; }

  // Numbers that are read anew at each replay: from now on the one place that holds `number` may hold another
  // of its kind (see same_kind). Returns where it is; false when no place, or more than one, holds it.
  struct Source {
    PyObject* dict = nullptr;  // with its key, or a cell
    PyObject* key = nullptr;
    PyObject* cell = nullptr;
    double read() const;
  };
  bool release(PyObject* number, Source& source);
  // The same for the entry `key` of `dict`, which whoever asks reads nowhere else.
  bool release(PyObject* dict, PyObject* key, Source& source);
  // Takes that back.
  void hold(PyObject* number);
  int traverse(visitproc visit, void* arg) const;

 private:
  struct Item {
    Owned dict, key, value;  // value: null where the key was absent
    Owned label;
    bool is_live = false;
  };
  struct Length {
    Owned list;
    Py_ssize_t length;
    Owned label;
  };
  struct Cell {
    Owned cell, value;
    Owned label;
    bool is_live = false;
  };
  static bool holds(const Item& item);
  static bool holds(const Cell& cell);

  std::vector<Item> items_;
  std::vector<Length> lengths_;
  std::vector<Cell> cells_;
  std::vector<Tensor> tensors_;
};

}  // namespace unspool::bind
