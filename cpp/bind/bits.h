// The bits of a tensor under another element type: view(dtype).
#pragma once

#include <optional>

#include "bind/signature.h"
#include "tensor/tensor.h"

namespace unspool::bind {

// The dtype that a call asks for, where it is view(dtype) or view(dtype=...).
std::optional<Dtype> dtype_to_view_as(const Signature& signature, const RawArguments& raw);

// A tensor over the same memory, without history. Between element sizes that differ, the last dimension grows
// or shrinks; RuntimeError when its elements do not lie side by side, or do not fill larger ones.
Tensor view_bits(const Tensor& x, Dtype dtype);

// RuntimeError unless all elements of a bool tensor over memory that others wrote are 0 or 1, which every
// kernel relies on. Other tensors are not looked at.
void expect_truth_values(const Tensor& x, const char* who);

}  // namespace unspool::bind
