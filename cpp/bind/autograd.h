// backward, grad, hooks, modes, tape nodes as Python objects, and user-defined Functions.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "base/ref.h"
#include "tensor/tensor.h"

namespace unspool::bind {

void bind_autograd(pybind11::module_& core);

// The Python view of a tape node; None for an empty reference. A new reference.
PyObject* node_object(const Ref<GraphNode>& node);

// A tensor, a sequence of tensors and Nones, or nothing (None); `what` names it in errors.
std::vector<Tensor> tensors_of(pybind11::handle object, const char* what);
// Raises when there is nothing to unwind from, or not one cotangent for each tensor.
void check_roots(const std::vector<Tensor>& roots, const std::vector<Tensor>& seeds);
// Whether the engine of this name is the recursive one; raises for `who` when there is no such engine.
bool is_recursive(const std::string& engine, const char* who);

// The node behind its Python object; throws TypeError for anything else.
Ref<GraphNode> node_of_object(PyObject* object);

}  // namespace unspool::bind
