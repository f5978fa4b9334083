// Compositions of the arithmetic, selection and activation families that choose by their arguments.
#include "ops/arithmetic.h"

#include <cmath>
#include <limits>

#include "ops/activation.h"
#include "ops/comparison.h"
#include "ops/fitting.h"
#include "ops/one_dtype.h"
#include "ops/pointwise.h"
#include "ops/shape.h"

namespace unspool::ops {

Tensor divide(const Call& c) {
  if (!c.given("rounding_mode")) return true_divide(c[0], c[1]);
  const auto mode = c.text("rounding_mode");
  if (mode == "floor") return call<FloorDivide>({c[0], c[1]});
  if (mode == "trunc") return call<TruncDivide>({c[0], c[1]});
  c.fail("rounding_mode must be None, 'trunc' or 'floor', got '", mode, "'");
}

Tensor raise(const Call& c) {
  const Operand &x = c[0], &y = c[1];
  if (x.is_number() && y.is_number()) c.fail_as(ErrorKind::kType, "at least one argument must be a tensor");
  const bool keeps_dtype =
      x.is_tensor() && y.is_number() && y.category() <= x.category() && y.kind() != Operand::Kind::kBool;
  if (keeps_dtype && x.category() != Category::kBool) {
    expect_fitting(c, y, x.impl().dtype);
    if (y.number() == 2) return square(x);
    if (y.number() == 1) return clone(x.tensor());
    if (y.number() == 3) return call<Cube>({x});
    if (x.category() == Category::kFloating && y.number() == 0.5) return sqrt(x);
    if (x.category() == Category::kInteger && y.number() < 0) {
      c.fail("integers to negative integer powers are not defined; convert the input to a floating dtype");
    }
  }
  return call<Power>({x, y});
}

Tensor round_decimals(const Call& c) {
  const std::int64_t decimals = c.integer("decimals");
  if (decimals == 0) return call<RoundHalfEven>({c[0]});
  if (c[0].category() != Category::kFloating) c.fail("decimals other than 0 need a floating input");
  const double scale = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  if (decimals > 0) return true_divide(call<RoundHalfEven>({c[0] * scale}), scale);
  return call<RoundHalfEven>({true_divide(c[0], scale)}) * scale;
}

Tensor clamp_between(const Call& c) {
  if (!c.has(1) && !c.has(2)) c.fail("at least one of min and max must be given");
  Tensor x = c.tensor(0);
  if (category(x.dtype()) == Category::kFloating && c.has(1) && c.has(2) && c[1].is_number() &&
      c[2].is_number()) {
    return call<ClampBoth>({x}, {c[1].number(), c[2].number()});
  }
  if (c.has(1)) x = clamp_min(x, c[1]);
  if (c.has(2)) x = clamp_max(x, c[2]);
  return x;
}

Tensor logit_of(const Call& c) {
  if (!c.given("eps")) return call<LogOdds>({c[0]});
  const double eps = c.number("eps");
  return call<LogOdds>({clamp_max(clamp_min(c[0], eps), 1 - eps)});
}

namespace {

// What masked_fill writes, once it is known to fit.
Operand fill_value(const Call& c) {
  if (c[1].impl().dtype != Dtype::kBool) c.fail("mask must be bool, got ", name(c[1].impl().dtype));
  if (c[2].ndim() > 0) c.fail("value must be a number or a 0-d tensor, got shape ", to_string(c.sizes(2)));
  const Dtype dtype = c[0].impl().dtype;
  if (dtype == Dtype::kBool && c[2].is_number()) return Operand(c[2].number() != 0);
  if (c[2].is_tensor()) return Operand(to(c.tensor(2), dtype));
  expect_fitting(c, c[2], dtype);
  // Integers take the whole part.
  const bool is_cut = c[2].category() == Category::kFloating && category(dtype) == Category::kInteger;
  return is_cut ? Operand(static_cast<std::int64_t>(c[2].number())) : c[2];
}

}  // namespace

Tensor masked_fill(const Call& c) { return to(where(c[1], fill_value(c), c[0]), c[0].impl().dtype); }

Tensor fill(const Call& c) {
  if (c[1].ndim() > 0) c.fail("value must be a number or a 0-d tensor, got shape ", to_string(c.sizes(1)));
  const Dtype dtype = c[0].impl().dtype;
  if (c[1].is_number()) expect_fitting(c, c[1], dtype);
  const Operand value = c[1].is_tensor() ? Operand(to(c.tensor(1), dtype)) : c[1];
  return to(where(full({}, 1, Dtype::kBool), value, c[0]), dtype);
}

void change_masked_fill(const Call& c, const Tensor& target) {
  const Operand operands[3] = {c[1], fill_value(c), c[0]};
  emitter().emit_into({op_of<WhereOp>, operands, {}}, target);
}

double largest_of(Dtype dtype) {
  if (dtype == Dtype::kFloat64) return std::numeric_limits<double>::max();
  if (dtype == Dtype::kFloat16) return 65504;
  if (dtype == Dtype::kBFloat16) return 0x1.fep127;
  return std::numeric_limits<float>::max();
}

Tensor replace_non_finite(const Call& c) {
  const Tensor x = c.tensor(0);
  if (!is_floating(x.dtype())) return clone(x);
  const double largest = largest_of(x.dtype());
  return call<FiniteOr>(
      {x}, {c.given("nan") ? c.number("nan") : 0.0, c.given("posinf") ? c.number("posinf") : largest,
            c.given("neginf") ? c.number("neginf") : -largest});
}

Tensor prelu_of(const Call& c) {
  expect_one_dtype(c);
  const Tensor x = c.tensor(0);
  Tensor weight = c.tensor(1);
  if (weight.numel() != 1) {
    const std::int64_t channels = x.ndim() > 1 ? x.size(1) : 1;
    if (weight.ndim() != 1 || weight.numel() != channels) {
      c.fail("weight ", to_string(weight.sizes()), " must hold one slope, or one for each of the ", channels,
             " channels of input ", to_string(x.sizes()));
    }
    Dims sizes(static_cast<std::size_t>(x.ndim()), 1);
    sizes[1] = channels;
    weight = reshape(weight, sizes);
  } else {
    weight = reshape(weight, Dims(static_cast<std::size_t>(x.ndim()), 1));
  }
  return call<PreluWith>({x, weight});
}

Tensor glu_of(const Call& c) {
  const Tensor x = c.tensor(0);
  if (x.ndim() == 0) c.fail("a 0-d tensor cannot be halved");
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  const std::int64_t half = x.size(dim) / 2;
  if (x.size(dim) % 2) c.fail("dim ", dim, " of input ", to_string(x.sizes()), " must be even to be halved");
  return call<Gate>({slice(x, dim, 0, half), slice(x, dim, half, 2 * half)});
}

}  // namespace unspool::ops
