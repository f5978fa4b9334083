// What stands between the brackets of x[...]: turned into views, and into picks by tensors and masks.
#pragma once

#include <Python.h>

#include "base/small_vector.h"
#include "tensor/tensor.h"

namespace unspool::bind {

struct IndexPlan {
  Tensor view;                   // after integers, slices, None and ...
  SmallVector<Tensor, 4> picks;  // for the first dimensions of the view, as ops::index takes them
};

IndexPlan plan_index(const Tensor& x, PyObject* index);

}  // namespace unspool::bind
