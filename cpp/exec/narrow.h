// Operations on dtypes that are kept in memory only (int8, int16, float16, bfloat16): computed in the carrier
// dtype and rounded once to the dtype that promotion asks for. Knows no operation but conversion.
#pragma once

#include <span>

#include "ops/call.h"
#include "tensor/tensor.h"

namespace unspool::exec {

// Whether the operation's kernel takes any dtype because it moves elements without looking at them.
bool moves_only(const ops::Op& op);

// Whether an operand is of such a dtype and the operation does more than move its elements.
bool is_carried(const ops::Call& call);

// Emits the call with the operands in their carriers, and converts the results; recorded like any other
// composition.
void emit_carried(const ops::Call& call, std::span<Tensor> out);

// The same for calls whose kernels convert as they read and write: element-wise ones over float16, bfloat16
// and float32 without gaps, and sums and means of half-precision floats. False, with nothing done, for
// others. Nothing is recorded.
bool emit_converting(const ops::Call& call, std::span<Tensor> out);

// Conversion where source or target is such a dtype.
bool is_narrow_cast(const ops::Call& call);
void run_narrow_cast(const Tensor& source, const Tensor& target);

}  // namespace unspool::exec
