// The Python signature of an operation: how a call's arguments are matched against the record's declarations,
// and how signatures are shown in messages, docstrings and stubs.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

#include "ops/record.h"

namespace unspool::bind {

struct Signature {
  const ops::Op* op;
  std::vector<PyObject*> names;         // interned, in declaration order
  std::vector<ops::Attr> defaults;      // by argument; none for tensors
  PyTypeObject* result_type = nullptr;  // of operations with several outputs
  int positional = 0;                   // how many arguments may be given by position
  bool spells_out_last = false;  // the last positional argument is a list that may be spelt out: view(2, 3)
};

struct RawArguments {
  PyObject* const* values;
  Py_ssize_t count;    // positional
  PyObject* keywords;  // tuple of names, or null
};

// What Emitter calls take.
struct Arguments {
  SmallVector<ops::Operand, 4> operands;
  SmallVector<ops::Attr, 6> attrs;
  PyObject* out = nullptr;    // where the caller wants the result; borrowed
  PyObject* scale = nullptr;  // a scaling number (alpha, beta, value) that is not simply an int; borrowed
};

Signature make_signature(const ops::Op& op);

// Fills `arguments`; false, with the reason, when the call does not fit.
bool parse(const Signature& signature, const RawArguments& raw, Arguments& arguments, std::string& why);

// The message for a call that fits no overload.
std::string mismatch(const std::string& name, const std::vector<Signature>& overloads,
                     const RawArguments& raw, const std::string& why);

// "add(input, other, *, alpha=1)"
std::string show(const std::string& name, const Signature& signature);
std::string docstring(const std::string& name, const std::vector<Signature>& overloads, bool in_place);

// A dict of plain Python values with everything the record declares; a new reference.
PyObject* describe_record(const ops::Record& record);

}  // namespace unspool::bind
