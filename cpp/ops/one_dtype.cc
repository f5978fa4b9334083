// Which operations want operands of one dtype, and what they say when they get others.
#include "ops/one_dtype.h"

#include <algorithm>

#include "ops/comparison.h"
#include "ops/convolution.h"
#include "ops/matmul.h"
#include "ops/scatter.h"

namespace unspool::ops {
namespace {

constinit thread_local bool is_permitted = false;

// float64 takes part in no mixture.
bool is_mixable(Dtype dtype) { return is_floating(dtype) && dtype != Dtype::kFloat64; }

// The declared name of the tensor argument at a place.
std::string_view argument_at(const Call& c, int place) {
  for (const Arg& arg : c.op.record.args) {
    if (is_tensor_kind(arg.kind) && place-- == 0) return arg.name;
  }
  return "operand";
}

template <class... Ts>
bool is_any(const Op& op) {
  return ((&op == &op_of<Ts>) || ...);
}

}  // namespace

bool mixing_is_permitted() { return is_permitted; }
void permit_mixing(bool permitted) { is_permitted = permitted; }

bool may_meet(Dtype a, Dtype b) { return a == b || (is_permitted && is_mixable(a) && is_mixable(b)); }

void expect_one_dtype(const Call& c, int from) {
  const Dtype type = c[from].impl().dtype;
  for (int i = from + 1; i < static_cast<int>(c.in.size()); ++i) {
    if (!c[i].is_tensor() || may_meet(type, c[i].impl().dtype)) continue;
    c.fail(argument_at(c, from), " is ", name(type), " but ", argument_at(c, i), " is ",
           name(c[i].impl().dtype), "; convert one with .to()");
  }
}

void expect_one_dtype_before_widening(const Call& c) {
  if (is_any<Mm, Bmm, Linear, Lerp, Convolution, ConvolutionTransposed, ConvolutionWeight>(c.op))
    return expect_one_dtype(c);
  if (is_any<ScatterOp, ScatterAdd, ScatterMultiply, ScatterAmax, ScatterAmin>(c.op) && c[2].is_tensor() &&
      c[2].ndim() > 0 && !may_meet(c[0].impl().dtype, c[2].impl().dtype)) {
    c.fail("input is ", name(c[0].impl().dtype), " and src ", name(c[2].impl().dtype),
           ": they must have one dtype");
  }
}

}  // namespace unspool::ops
