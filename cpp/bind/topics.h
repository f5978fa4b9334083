// What pybind11 registers with the extension module, topic by topic. Only core.cc and the files that define
// these include this header: reading pybind11 takes longer than compiling most files.
#pragma once

#include <pybind11/pybind11.h>

namespace unspool::bind {

void bind_device(pybind11::module_& core);         // unspool.device
void bind_creation(pybind11::module_& core);       // tensor, zeros, ones, full, empty, arange, linspace, eye
void bind_arrays(pybind11::module_& core);         // from_numpy, Tensor.numpy, DLPack
void bind_random(pybind11::module_& core);         // Generator, manual_seed, rand, ... and the in-place fills
void bind_autograd(pybind11::module_& core);       // backward, grad, hooks, modes, nodes of the tape
void bind_function_node(pybind11::module_& core);  // nodes whose derivative is a Python method
void bind_unwinding_step(pybind11::module_& core);  // updates while the tape is unwound
void bind_inspection(pybind11::module_& core);      // calls of operations as Python objects
void bind_recompute(pybind11::module_& core);       // parts whose values are dropped after the forward pass
void bind_recursive_step(pybind11::module_& core);  // _RecordedChain
void bind_config(pybind11::module_& core);          // what this build is and how it runs
// After all others: their functions refuse keywords that UTF-8 cannot hold.
void guard_keywords(pybind11::module_& core);

}  // namespace unspool::bind
