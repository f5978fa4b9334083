// The element-wise operations with which a product of matrices may end, one after it has summed an element
// and before it stores it. Programs put them there; a place in this list is how they tell the kernel which
// one.
#pragma once

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/pointwise.h"

namespace unspool::ops {

// Each has the product as its first operand, or as either one where that makes no difference, at most one
// other tensor, and at most one attribute.
using FinishingOps = OpList<Relu, Add, Mul, ThresholdBackward, Tanh, Sigmoid, Silu, GeluErf, GeluTanh,
                            LeakyRelu, TanhBackward, SigmoidBackward>;

}  // namespace unspool::ops
