// Padding: a border of one value, or of the tensor's own elements (mirrored, repeated, wrapped around).
// Pads are listed from the last dimension backwards, two numbers for each: before and after. A negative
// number cuts elements off.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_constant_pad(Inference& c);
void infer_bordered(Inference& c);
void infer_bordered_backward(Inference& c);
Tensor pad(const Call& c);

struct ConstantPad {
  static constexpr Record record{
      .name = "constant_pad_nd",
      .where = kTop,
      .formula = "input[i - before] where that exists, else value",
      .doc =
          "Puts a border of one value around the last dimensions, or cuts elements off where a pad is "
          "negative.",
      .args = {tensor(), dims("pad"), real("value", 0)},
      .row_major = true,
      .infer = infer_constant_pad,
      .vjp = {{kNothing, [](Vjp& v) {
                 Dims opposite = v.dims("pad");
                 for (std::int64_t& amount : opposite) amount = -amount;
                 return call<ConstantPad>({v.g()}, {opposite, 0.0});
               }}}};
};

struct BorderedBackward;

struct Bordered {
  static constexpr Record record{.name = "pad_with_itself",
                                 .where = kHidden,
                                 .formula = "input[source(i - before)]",
                                 .doc =
                                     "Continues a tensor beyond its edges by its own elements: mode is "
                                     "'reflect', 'replicate' or 'circular'.",
                                 .args = {tensor(), dims("pad"), text("mode")},
                                 .row_major = true,
                                 .infer = infer_bordered,
                                 .vjp = {{kNothing, [](Vjp& v) {
                                            return call<BorderedBackward>(
                                                {v.g()}, {v.attr("pad"), v.attr("mode"), v.sizes(0)});
                                          }}}};
};

struct BorderedBackward {
  static constexpr Record record{
      .name = "pad_with_itself_backward",
      .where = kHidden,
      .formula = "zeros(size) with grad[i] added at source(i - before)",
      .doc = "The transpose of pad_with_itself.",
      .args = {tensor("grad"), dims("pad"), text("mode"), dims("size")},
      .row_major = true,
      .infer = infer_bordered_backward,
      .vjp = {{kNothing, [](Vjp& v) { return call<Bordered>({v.g()}, {v.attr("pad"), v.attr("mode")}); }}}};
};

struct Pad {
  static constexpr Record record{
      .name = "pad",
      .where = kFunctional,
      .kind = Kind::kComposite,
      .formula = "input with a border",
      .doc =
          "Pads the last dimensions: pad = (before, after) of the last, then of the one before it, and so "
          "on. mode 'constant' writes value and may cut (negative pads); 'reflect', 'replicate' and "
          "'circular' continue the last 1 to 3 dimensions of a (N, C, ...) or (C, ...) tensor.",
      .args = {tensor(), dims("pad"), text("mode", "constant"), optional_real("value")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = pad(c); }};
};

using PaddingOps = OpList<ConstantPad, Bordered, BorderedBackward, Pad>;

}  // namespace unspool::ops
