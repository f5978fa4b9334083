// Operations whose tensors must have one dtype: products, which would otherwise be silently slower and less
// exact than what was meant. In regions of autocast, 16-bit and float32 tensors may meet.
#pragma once

#include "ops/call.h"

namespace unspool::ops {

// Whether this thread is in a region where float16, bfloat16 and float32 may meet.
bool mixing_is_permitted();
void permit_mixing(bool permitted);

// Whether tensors of the two dtypes may be operands of one product.
bool may_meet(Dtype a, Dtype b);

// Fails unless the tensors at places `from`, `from` + 1, ... have the dtype of the one at `from`, naming
// both.
void expect_one_dtype(const Call& c, int from = 0);

// The same for operations that are computed in a wider dtype than their operands': asked before widening,
// when the dtypes are still known.
void expect_one_dtype_before_widening(const Call& c);

}  // namespace unspool::ops
