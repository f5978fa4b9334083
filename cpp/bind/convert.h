// From Python values to operands and attributes, and back.
#pragma once

#include <Python.h>

#include <optional>
#include <string>

#include "ops/args.h"
#include "ops/attr.h"
#include "ops/operand.h"

namespace unspool::bind {

// --- dtypes: singletons of the Python type unspool.dtype
// -------------------------------------------------------------
void add_dtype_type(PyObject* module);
PyObject* dtype_object(Dtype dtype);  // borrowed
// From unspool.dtype, or Python's float, int, bool; throws TypeError.
Dtype dtype_of_object(PyObject* object, const char* who);
bool is_dtype(PyObject* object);

// --- numbers
// ---------------------------------------------------------------------------------------------------------
// A Python, NumPy or one-element number as an operand; nothing when the object is no number.
std::optional<ops::Operand> number_operand(PyObject* object);
// Exact integers only (int, numpy integers, 0-d integer tensors); nothing otherwise. Throws on overflow.
std::optional<std::int64_t> as_integer(PyObject* object);
std::optional<double> as_real(PyObject* object);
// An int or a sequence of ints; false when the object is something else.
bool as_dims(PyObject* object, Dims& dims);
// The same, or a TypeError naming function and argument.
// For a message that says what sizes must be: "not str", or "but element 1 is None".
std::string why_no_dims(PyObject* object);
Dims need_dims(PyObject* object, const char* who, const char* argument);

// A text that outlives every attribute.
const char* intern_text(const std::string& text);

// --- generators
// ------------------------------------------------------------------------------------------------------
Ref<Generator> generator_of_object(PyObject* object);  // None gives an empty reference; throws TypeError
bool is_generator(PyObject* object);

// Converts one argument of an operation. Returns false, with `why` set, when the object does not fit the
// kind.
bool to_operand(PyObject* object, ops::ArgKind kind, ops::Operand& operand);
bool to_attr(PyObject* object, ops::ArgKind kind, ops::Attr& attr);
// "Tensor", "int", ... as messages name the kind.
const char* kind_name(ops::ArgKind kind);

// The value of a single element as a Python bool, int or float.
PyObject* item_of(const Tensor& tensor);

}  // namespace unspool::bind
