// Tensors that a captured step made from Python data: tensor([0.5, 0.5]), x[[2, 0, 1]], x + array. Their
// values are a part of the program as numbers are. What they were made from may change behind the program's
// back: data that outlives the step is read again before each replay, and a step that makes other tensors
// when it is run a second time gets no program.
#pragma once

#include <Python.h>

#include <optional>
#include <string>
#include <vector>

#include "bind/errors.h"
#include "tensor/tensor.h"

namespace unspool::bind {

class StepConstants {
 public:
  bool empty() const { return made_.empty(); }
  // To be called once the step has ended: looks for what is still alive. Returns the shape of a tensor that
  // shares its memory with an array from outside; an empty text when there is none.
  std::string settle();
  // Arrays that the step's code names, "arrays" of its guards, must stay as they are: something may have been
  // computed from them. Returns the name of one that is too large to be compared at each replay and may have
  // been made into a tensor.
  std::string watch(PyObject* guards);
  // Whether data that outlived the step still has the values that the step found in it.
  bool hold() const;
  // Whether another run of the step made the same tensors.
  bool operator==(const StepConstants& other) const;
  int traverse(visitproc visit, void* arg) const;

 private:
  friend class CollectingConstants;
  friend Tensor captured_from_data(PyObject* data, std::optional<Dtype> dtype);
  friend void captured_shared(PyObject* array, const Tensor& shared);
  struct Made {
    Owned data;  // none once it is sure that it stays as it is
    std::optional<Dtype> dtype;
    Tensor values;
    bool is_shared = false;  // the tensor lies in the data's memory
  };
  struct Array {
    Owned array, bytes;
  };
  std::vector<Made> made_;
  std::vector<Array> arrays_;
};

// What a step makes on this thread is noted down.
class CollectingConstants {
 public:
  explicit CollectingConstants(StepConstants& constants);
  ~CollectingConstants();
  CollectingConstants(const CollectingConstants&) = delete;
  CollectingConstants& operator=(const CollectingConstants&) = delete;

 private:
  StepConstants* before_;
};

// tensor_from_data for data that is no tensor, while a step is captured.
Tensor captured_from_data(PyObject* data, std::optional<Dtype> dtype);
// Tells the step that is being captured, if there is one, of a tensor over an array's memory.
void captured_shared(PyObject* array, const Tensor& shared);

}  // namespace unspool::bind
