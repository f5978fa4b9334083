// Calls of einsum that write indices as lists of numbers after each operand: einsum(a, [0, 1], b, [1, 2], [0,
// 2]).
#pragma once

#include <optional>
#include <vector>

#include "bind/errors.h"
#include "bind/signature.h"

namespace unspool::bind {

struct SublistForm {
  Owned equation;
  std::vector<PyObject*>
      values;            // the equation, the operands, and the values of the call's keywords; borrowed
  Py_ssize_t count = 0;  // of those that are positional
};

// The call with an equation in place of its lists; nothing when it is no such call of this operation. Fails
// for an index that is none of 0 ... 51 nor Ellipsis.
std::optional<SublistForm> sublist_form(const Signature& signature, const RawArguments& raw);

}  // namespace unspool::bind
