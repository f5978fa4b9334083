// Tape nodes as Python objects, and what every unwinding checks first.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

#include "base/ref.h"
#include "tensor/tensor.h"

namespace unspool::bind {

// The Python view of a tape node; None for an empty reference. A new reference.
PyObject* node_object(const Ref<GraphNode>& node);

// A tensor, a sequence of tensors and Nones, or nothing (None); `what` names it in errors.
std::vector<Tensor> tensors_of(PyObject* object, const char* what);
// Raises when there is nothing to unwind from, or not one cotangent for each tensor.
void check_roots(const std::vector<Tensor>& roots, const std::vector<Tensor>& seeds);
// Whether the engine of this name is the recursive one; raises for `who` when there is no such engine.
bool is_recursive(const std::string& engine, const char* who);

// The node behind its Python object; throws TypeError for anything else.
Ref<GraphNode> node_of_object(PyObject* object);

}  // namespace unspool::bind
