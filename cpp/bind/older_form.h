// Calls in the form that older scripts use, in which scaling numbers stand between or before the tensors:
// add_(-0.1, gradient), addcmul_(value, a, b), addmm(beta, input, alpha, a, b).
#pragma once

#include <optional>
#include <vector>

#include "bind/signature.h"

namespace unspool::bind {

struct OlderForm {
  std::vector<PyObject*>
      values;  // tensors, then numbers, then the values of the call's own keywords; borrowed
  std::vector<PyObject*> names;  // of the numbers and keywords; borrowed
};

// The call with its numbers moved to their keywords; nothing when it is no such call of this operation.
std::optional<OlderForm> older_form(const Signature& signature, const RawArguments& raw);

}  // namespace unspool::bind
