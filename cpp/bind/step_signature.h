// What the arguments of a compiled step looked like, so that later calls can be told apart, and what its
// result is made of, so that it can be made again.
#pragma once

#include <Python.h>

#include <memory>
#include <span>
#include <vector>

#include "bind/errors.h"
#include "tensor/tensor.h"

namespace unspool::bind {

// One value among nested tuples, lists and dicts.
struct Shape {
  enum class Kind : std::uint8_t { kTensor, kConstant, kTuple, kList, kDict };
  Kind kind = Kind::kConstant;
  std::size_t tensor = 0;  // kTensor: which one
  // kTensor: the class, of a result only where it is kept; kConstant: the value; kTuple: its type; kDict: its
  // keys as a tuple
  Owned object;
  std::vector<Shape> items;
  bool is_live = false;  // kConstant: another float of the same kind will do
};

// The tensors among the arguments, in order, and their pattern.
class StepSignature {
 public:
  // Raises where an argument is of a kind that a program cannot take.
  StepSignature(PyObject* args, PyObject* kwargs, std::vector<Tensor>& tensors);
  // Whether these arguments are like the first ones; fills `tensors` then.
  bool matches(PyObject* args, PyObject* kwargs, std::vector<Tensor>& tensors) const;
  // As StepGuards::release, for numbers that are arguments themselves: their place among `args`, or -1.
  Py_ssize_t release(PyObject* number);
  void hold(PyObject* number);

 private:
  struct Input {
    Dtype dtype;
    Dims sizes;
    Dims strides;
    bool requires_grad;
    std::size_t shares_with;  // the first input over the same storage
    std::int64_t distance;    // in elements from there
  };
  static Input describe(const std::vector<Tensor>& tensors, std::size_t i);

  Shape args_, kwargs_;
  std::vector<Input> inputs_;
};

// The pattern of a result; its tensors are appended to `tensors`.
Shape shape_of_result(PyObject* result, std::vector<Tensor>& tensors);
// A new result from new tensors.
PyObject* build_result(const Shape& shape, std::span<const Tensor> tensors);

}  // namespace unspool::bind
