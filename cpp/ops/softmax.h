// Softmax and its logarithm along one dimension.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_softmax(Inference& c);
void infer_softmax_backward(Inference& c);

constexpr Record along_dim(std::string_view name, std::string_view formula, std::string_view doc, Rule rule) {
  Record record{.name = name, .where = kTop | kMethod | kFunctional, .formula = formula, .doc = doc};
  record.args = {tensor(), integer("dim"), keyword(dtype())};
  record.row_major = true;
  record.infer = infer_softmax;
  record.vjp = {rule};
  return record;
}

constexpr Record along_dim_backward(std::string_view name, std::string_view formula, std::string_view doc,
                                    Rule grad, Rule saved) {
  Record record{.name = name, .where = kHidden, .formula = formula, .doc = doc};
  record.args = {tensor("grad"), tensor("saved"), integer("dim")};
  record.row_major = true;
  record.infer = infer_softmax_backward;
  record.vjp = {grad, saved};
  return record;
}

struct SoftmaxBackward {
  static constexpr Record record = along_dim_backward(
      "softmax_backward", "saved * (grad - Σ grad * saved)", "Cotangent of softmax from its output.",
      {in(1), [](Vjp& v) { return call<SoftmaxBackward>({v.g(), v.in(1)}, {v.integer("dim")}); }},
      {in(0) | in(1), [](Vjp& v) {
         const Dims dim{v.integer("dim")};
         const Tensor g = v.x(0), y = v.x(1), u = v.g();
         return u * (g - sum(g * y, dim, true)) - g * sum(u * y, dim, true);
       }});
};

struct Softmax {
  static constexpr Record record =
      along_dim("softmax", "exp(input) / Σ exp(input)", "Exponentials normalised to sum 1 along dim.",
                {out(), [](Vjp& v) { return call<SoftmaxBackward>({v.g(), v.out()}, {v.integer("dim")}); }});
};

struct LogSoftmaxBackward {
  static constexpr Record record = along_dim_backward(
      "log_softmax_backward", "grad - exp(saved) * Σ grad", "Cotangent of log_softmax from its output.",
      {in(1), [](Vjp& v) { return v.g() - sum(v.g() * exp(v.in(1)), Dims{v.integer("dim")}, true); }},
      {in(0) | in(1),
       [](Vjp& v) { return -(v.g() * exp(v.in(1)) * sum(v.x(0), Dims{v.integer("dim")}, true)); }});
};

struct LogSoftmax {
  static constexpr Record record = along_dim(
      "log_softmax", "input - ln Σ exp(input)", "Logarithm of softmax along dim, without overflow.",
      {out(), [](Vjp& v) { return call<LogSoftmaxBackward>({v.g(), v.out()}, {v.integer("dim")}); }});
};

struct Softmin {
  static constexpr Record record{.name = "softmin",
                                 .where = kFunctional,
                                 .kind = Kind::kComposite,
                                 .formula = "softmax(-input)",
                                 .doc = "Softmax of the negated input along dim.",
                                 .args = {tensor(), integer("dim"), keyword(dtype())},
                                 .compose = [](const Call& c, std::span<Tensor> out) {
                                   out[0] = call<Softmax>({neg(c[0])}, {c.integer("dim"), c.attr("dtype")});
                                 }};
};

using SoftmaxOps = OpList<Softmax, SoftmaxBackward, LogSoftmax, LogSoftmaxBackward, Softmin>;

}  // namespace unspool::ops
