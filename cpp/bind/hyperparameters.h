// Update rules read from the dicts of optimizers. Dicts are read with interned names through the C API,
// because this runs at every step.
#pragma once

#include <Python.h>

#include <memory>

#include "optim/rules.h"

namespace unspool::bind {

// The rule `name`, a str, with the hyperparameters of `group`, a dict. Raises when one is missing or of the
// wrong type.
std::unique_ptr<optim::Rule> read_rule(PyObject* name, PyObject* group);

// The name of a state as a dict key, found by the address of the literal. Kept for the life of the process.
PyObject* key_of(const char* literal);

// Borrowed; null when the key is absent.
PyObject* find(PyObject* dict, PyObject* key);

}  // namespace unspool::bind
