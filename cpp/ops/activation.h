// Activation functions. Those on the hot path have a backward kernel of their own, which is an operation too.
#pragma once

#include <numbers>

#include "ops/elementwise.h"

namespace unspool::ops {

inline constexpr int kActivation = kTop | kMethod | kFunctional;

// f(input) under nn.functional only.
constexpr Record activation(Text name, Text formula, Text doc, Rule rule, Result result = Result::kFloating) {
  Record record = unary(name, formula, doc, rule, result, kNumbers);
  record.where = kFunctional;
  return record;
}

// select(saved > threshold, grad, 0): what relu and threshold share.
struct ThresholdBackward {
  static constexpr Record record = with_args(
      {tensor("grad"), tensor("saved"), real("threshold")},
      backward_of(
          "threshold_backward", "saved > threshold ? grad : 0",
          "Passes the cotangent where the saved value is above a threshold.",
          {in(1), [](Vjp& v) { return call<ThresholdBackward>({v.g(), v.in(1)}, {v.number("threshold")}); }},
          kZeroRule));
  template <class P>
  static P body(P g, P x, P threshold) {
    return select(x <= threshold, P(0), g);  // NaN keeps its cotangent
  }
};

struct Relu {
  static constexpr Record record = [] {
    Record r = unary("relu", "max(input, 0)", "Rectified linear unit.",
                     {out(), [](Vjp& v) { return call<ThresholdBackward>({v.g(), v.out()}, {0.0}); }},
                     Result::kPromoted, kNumbers);
    r.where = kActivation;
    return r;
  }();
  template <class P>
  static P body(P x) {
    return max(x, P(0));
  }
};

// select(low < saved < high, grad, 0): what relu6 and hardtanh share. An operation of its own, as is the next
// one, so that the gradient stays linked to the input: its derivative is 0, not missing.
struct HardtanhBackward {
  static constexpr Record record =
      with_args({tensor("grad"), tensor("saved"), real("min_val"), real("max_val")},
                backward_of("hardtanh_backward", "saved > min_val and saved < max_val ? grad : 0",
                            "Passes the cotangent where the saved value is inside of an interval.",
                            {in(1),
                             [](Vjp& v) {
                               return call<HardtanhBackward>({v.g(), v.in(1)},
                                                             {v.number("min_val"), v.number("max_val")});
                             }},
                            kZeroRule));
  template <class P>
  static P body(P g, P x, P low, P high) {
    return select(x <= low, P(0), select(x >= high, P(0), g));  // NaN keeps its cotangent
  }
};

struct Relu6 {
  static constexpr Record record =
      activation("relu6", "min(max(input, 0), 6)", "Rectified linear unit held below 6.",
                 {in(0), [](Vjp& v) { return call<HardtanhBackward>({v.g(), v.in(0)}, {0.0, 6.0}); }},
                 Result::kPromoted);
  template <class P>
  static P body(P x) {
    return min(max(x, P(0)), P(6));
  }
};

struct LeakyReluBackward {
  static constexpr Record record = with_args(
      {tensor("grad"), tensor("saved"), real("negative_slope")},
      backward_of(
          "leaky_relu_backward", "saved > 0 ? grad : negative_slope * grad",
          "Passes the cotangent where the saved value is above 0, and a part of it elsewhere.",
          {in(1),
           [](Vjp& v) { return call<LeakyReluBackward>({v.g(), v.in(1)}, {v.number("negative_slope")}); }},
          kZeroRule));
  template <class P>
  static P body(P g, P x, P slope) {
    return select(x > P(0), g, g * slope);
  }
};

struct LeakyRelu {
  static constexpr Record record =
      with_args({tensor(), real("negative_slope", 0.01)},
                activation("leaky_relu", "max(input, 0) + negative_slope * min(input, 0)",
                           "Leaky rectified linear unit.",
                           {in(0), [](Vjp& v) {
                              return call<LeakyReluBackward>({v.g(), v.in(0)}, {v.number("negative_slope")});
                            }}));
  template <class P>
  static P body(P x, P slope) {
    return select(x > P(0), x, x * slope);
  }
};

struct EluBackward {
  static constexpr Record record = with_args(
      {tensor("grad"), tensor("saved"), real("alpha"), real("scale"), real("input_scale")},
      backward_of("elu_backward",
                  "grad * scale * (saved > 0 ? 1 : alpha * input_scale * exp(input_scale * saved))",
                  "Cotangent of elu_family.",
                  {in(1),
                   [](Vjp& v) {
                     return call<EluBackward>(
                         {v.g(), v.in(1)}, {v.number("alpha"), v.number("scale"), v.number("input_scale")});
                   }},
                  {in(0) | in(1), [](Vjp& v) {
                     const double k = v.number("input_scale"), a = v.number("alpha");
                     // The branch not taken must stay finite, or 0 * inf would enter further derivatives.
                     // At 0, where the slope has a kink, its derivative is the right one.
                     const Tensor below = clamp_max(v.in(1), 0);
                     const double s = v.number("scale") * a * k * k;
                     return v.g() * v.in(0) * where(ge(v.in(1), 0), 0.0, exp(below * k) * s);
                   }}));
  template <class P>
  static P body(P g, P x, P alpha, P scale, P input_scale) {
    return g * select(x > P(0), scale, exp(min(x, P(0)) * input_scale) * (scale * alpha * input_scale));
  }
};

struct EluFamily {
  // scale * (x > 0 ? x : alpha * (exp(input_scale * x) - 1)): elu, selu and celu are special cases.
  static constexpr Record record = with_args(
      {tensor(), real("alpha", 1), real("scale", 1), real("input_scale", 1)},
      at(kHidden, unary("elu_family", "scale * (input > 0 ? input : alpha * (exp(input_scale * input) - 1))",
                        "Exponential linear units with all three parameters.",
                        {in(0), [](Vjp& v) {
                           return call<EluBackward>({v.g(), v.in(0)}, {v.number("alpha"), v.number("scale"),
                                                                       v.number("input_scale")});
                         }})));
  template <class P>
  static P body(P x, P alpha, P scale, P input_scale) {
    return scale * select(x > P(0), x, alpha * expm1(input_scale * min(x, P(0))));
  }
};

inline Tensor elu_family(const Operand& x, double alpha, double scale, double input_scale) {
  return call<EluFamily>({x}, {alpha, scale, input_scale});
}

constexpr Record composed(Text name, Text formula, Text doc, Args args,
                          void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{.name = name, .where = kFunctional, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = args;
  record.compose = compose;
  return record;
}

struct Elu {
  static constexpr Record record = composed(
      "elu", "input > 0 ? input : alpha * (exp(input) - 1)", "Exponential linear unit (Clevert et al. 2015).",
      {tensor(), real("alpha", 1)},
      [](const Call& c, std::span<Tensor> out) { out[0] = elu_family(c[0], c.number("alpha"), 1, 1); });
};

struct Selu {
  static constexpr Record record =
      at(kTop | kFunctional,
         composed(
             "selu", "scale * (input > 0 ? input : alpha * (exp(input) - 1))",
             "Scaled exponential linear unit (Klambauer et al. 2017), alpha = 1.6732632, scale = 1.0507010.",
             {tensor()}, [](const Call& c, std::span<Tensor> out) {
               out[0] =
                   elu_family(c[0], 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1);
             }));
};

struct Celu {
  static constexpr Record record =
      at(kTop | kFunctional, composed("celu", "max(input, 0) + min(0, alpha * (exp(input / alpha) - 1))",
                                      "Continuously differentiable exponential linear unit (Barron 2017).",
                                      {tensor(), real("alpha", 1)}, [](const Call& c, std::span<Tensor> out) {
                                        const double alpha = c.number("alpha");
                                        if (alpha == 0) c.fail("alpha must not be 0");
                                        out[0] = elu_family(c[0], alpha, 1, 1 / alpha);
                                      }));
};

struct GeluSlope;

struct GeluErf {
  static constexpr Record record =
      at(kHidden,
         unary("gelu_erf", "input * (1 + erf(input / sqrt(2))) / 2", "Gaussian error linear unit, exact.",
               {in(0), [](Vjp& v) { return v.g() * call<GeluSlope>({v.in(0)}); }}));
  template <class P>
  static P body(P x) {
    return P(0.5) * x * (P(1) + erf(x * P(1 / std::numbers::sqrt2)));
  }
};

// Phi(x) + x phi(x), the derivative of the exact gelu.
struct GeluSlope {
  static constexpr double kDensity = 0.39894228040143267794;  // 1 / sqrt(2 pi)
  static constexpr Record record = at(
      kHidden, unary("gelu_slope", "(1 + erf(input / sqrt(2))) / 2 + input * exp(-input^2 / 2) / sqrt(2 pi)",
                     "Derivative of the exact gelu.",
                     {in(0), [](Vjp& v) {
                        const Tensor squared = square(v.in(0));
                        return v.g() * (exp(squared * -0.5) * ((2 - squared) * kDensity));
                      }}));
  template <class P>
  static P body(P x) {
    return P(0.5) * (P(1) + erf(x * P(1 / std::numbers::sqrt2))) + x * exp(x * x * P(-0.5)) * P(kDensity);
  }
};

struct GeluTanhSlope;

struct GeluTanh {
  static constexpr double kScale = 0.79788456080286535588;  // sqrt(2 / pi)
  static constexpr double kCubic = 0.044715;
  static constexpr Record record =
      at(kHidden, unary("gelu_tanh", "input * (1 + tanh(sqrt(2/pi) * (input + 0.044715 input^3))) / 2",
                        "Gaussian error linear unit, tanh approximation.",
                        {in(0), [](Vjp& v) { return v.g() * call<GeluTanhSlope>({v.in(0)}); }}));
  template <class P>
  static P body(P x) {
    return P(0.5) * x * (P(1) + tanh(P(kScale) * (x + P(kCubic) * x * x * x)));
  }
};

struct GeluTanhSlope {
  static constexpr Record record =
      at(kHidden, unary("gelu_tanh_slope", "d/dinput gelu_tanh(input)",
                        "Derivative of the tanh approximation of gelu.",
                        {in(0), [](Vjp& v) {
                           const Operand x = v.in(0);
                           const Tensor x2 = square(x);
                           const Tensor t = tanh(x * (x2 * GeluTanh::kCubic + 1) * GeluTanh::kScale);
                           const Tensor sech2 = 1 - square(t);
                           const Tensor du = (x2 * (3 * GeluTanh::kCubic) + 1) * GeluTanh::kScale;
                           const Tensor d2u = x * (6 * GeluTanh::kCubic * GeluTanh::kScale);
                           return v.g() * (sech2 * (du + x * d2u * 0.5) - x * t * sech2 * square(du));
                         }}));
  template <class P>
  static P body(P x) {
    const P x2 = x * x;
    const P t = tanh(P(GeluTanh::kScale) * (x + P(GeluTanh::kCubic) * x2 * x));
    const P du = P(GeluTanh::kScale) * (P(1) + P(3 * GeluTanh::kCubic) * x2);
    return P(0.5) * (P(1) + t) + P(0.5) * x * (P(1) - t * t) * du;
  }
};

// gelu_erf and gelu_slope of each element, for programs that need both: the error function is shared. The
// bits are those of the two operations.
struct GeluErfWithSlope {
  static constexpr Record record{.name = "gelu_erf_with_slope",
                                 .where = kHidden,
                                 .formula = "gelu_erf(input), gelu_slope(input)",
                                 .doc = "The exact gelu and its derivative.",
                                 .args = {tensor()},
                                 .outputs = {{"output", "slope"}},
                                 .row_major = true,
                                 .infer = [](Inference& c) {
                                   for (int i = 0; i < 2; ++i) c.give(i, Dims(c.sizes(0)), c[0].impl().dtype);
                                 }};
  template <class P>
  static void body(P x, P& value, P& slope) {
    const P half = P(0.5), one_and_erf = P(1) + erf(x * P(1 / std::numbers::sqrt2));
    value = half * x * one_and_erf;
    slope = half * one_and_erf + x * exp(x * x * P(-0.5)) * P(GeluSlope::kDensity);
  }
};

struct Gelu {
  static constexpr Record record = composed(
      "gelu", "input * Phi(input)",
      "Gaussian error linear unit (Hendrycks and Gimpel 2016); approximate is 'none' (by erf) or 'tanh'.",
      {tensor(), keyword(text("approximate", "none"))}, [](const Call& c, std::span<Tensor> out) {
        const auto how = c.text("approximate");
        if (how != "none" && how != "tanh") {
          c.fail("approximate must be 'none' or 'tanh', got '", how, "'");
        }
        out[0] = how == "none" ? call<GeluErf>({c[0]}) : call<GeluTanh>({c[0]});
      });
};

struct SiluBackward {
  static constexpr Record record =
      backward_of("silu_backward", "grad * sigmoid(saved) * (1 + saved * (1 - sigmoid(saved)))",
                  "Cotangent of silu.", {in(1), [](Vjp& v) { return call<SiluBackward>({v.g(), v.in(1)}); }},
                  {in(0) | in(1), [](Vjp& v) {
                     const Tensor s = sigmoid(v.in(1));
                     return v.g() * v.in(0) * (s * (1 - s) * (v.in(1) * (1 - s * 2) + 2));
                   }});
  template <class P>
  static P body(P g, P x) {
    const P s = sigmoid(x);
    return g * (s * (x * (P(1) - s) + P(1)));
  }
};

struct Silu {
  static constexpr Record record =
      activation("silu", "input * sigmoid(input)", "Sigmoid linear unit, also called swish.",
                 {in(0), [](Vjp& v) { return call<SiluBackward>({v.g(), v.in(0)}); }});
  template <class P>
  static P body(P x) {
    return x * sigmoid(x);
  }
};

struct GateBackward {
  static constexpr Record record = [] {
    Record r = backward_of("gate_backward", "grad * input * sigmoid(other) * (1 - sigmoid(other))",
                           "Cotangent of what opens a gate.", {}, {});
    r.args = {tensor("grad"), tensor("input"), tensor("other")};
    r.vjp = {{in(1) | in(2), [](Vjp& v) { return call<GateBackward>({v.g(), v.in(1), v.in(2)}); }},
             {in(0) | in(2), [](Vjp& v) { return call<GateBackward>({v.g(), v.in(0), v.in(2)}); }},
             {in(0) | in(1) | in(2), [](Vjp& v) {
                return call<GateBackward>({v.g() * v.in(0), v.in(1), v.in(2)}) * (1 - sigmoid(v.in(2)) * 2);
              }}};
    return r;
  }();
  template <class P>
  static P body(P g, P x, P opening) {
    const P s = sigmoid(opening);
    return g * (x * ((P(1) - s) * s));
  }
};

struct Gate {
  static constexpr Record record = at(
      kHidden,
      of_tensors(binary("gate", "input * sigmoid(other)", "The input, gated by another tensor.",
                        {in(1), [](Vjp& v) { return call<Gate>({v.g(), v.in(1)}); }},
                        {in(0) | in(1), [](Vjp& v) { return call<GateBackward>({v.g(), v.in(0), v.in(1)}); }},
                        Result::kFloating)));
  template <class P>
  static P body(P x, P opening) {
    return x * sigmoid(opening);
  }
};

struct SoftplusBackward {
  static constexpr Record record = with_args(
      {tensor("grad"), tensor("saved"), real("beta"), real("threshold")},
      backward_of("softplus_backward", "beta * saved > threshold ? grad : grad * sigmoid(beta * saved)",
                  "Cotangent of softplus.",
                  {in(1),
                   [](Vjp& v) {
                     return call<SoftplusBackward>({v.g(), v.in(1)},
                                                   {v.number("beta"), v.number("threshold")});
                   }},
                  {in(0) | in(1), [](Vjp& v) {
                     const Tensor scaled = v.in(1) * v.number("beta"), s = sigmoid(scaled);
                     return v.g() * v.in(0) *
                            where(gt(scaled, v.number("threshold")), 0.0, s * (1 - s) * v.number("beta"));
                   }}));
  template <class P>
  static P body(P g, P x, P beta, P threshold) {
    const P scaled = x * beta;
    return select(scaled > threshold, g, g * sigmoid(scaled));
  }
};

struct Softplus {
  static constexpr Record record =
      with_args({tensor(), real("beta", 1), real("threshold", 20)},
                activation("softplus", "ln(1 + exp(beta * input)) / beta",
                           "Smooth rectifier; the identity where beta * input exceeds the threshold.",
                           {in(0), [](Vjp& v) {
                              return call<SoftplusBackward>({v.g(), v.in(0)},
                                                            {v.number("beta"), v.number("threshold")});
                            }}));
  template <class P>
  static P body(P x, P beta, P threshold) {
    const P scaled = x * beta;
    return select(scaled > threshold, x, (max(scaled, P(0)) + log1p(exp(-abs(scaled)))) / beta);
  }
};

struct Mish {
  static constexpr Record record =
      activation("mish", "input * tanh(softplus(input))", "Self-regularised activation (Misra 2019).",
                 {in(0), [](Vjp& v) {
                    const Tensor t = tanh(softplus(v.in(0)));
                    return v.g() * (t + v.in(0) * sigmoid(v.in(0)) * (1 - square(t)));
                  }});
  template <class P>
  static P body(P x) {
    return x * tanh(max(x, P(0)) + log1p(exp(-abs(x))));
  }
};

struct LogSigmoid {
  static constexpr Record record =
      activation("logsigmoid", "ln(1 / (1 + exp(-input)))", "Logarithm of the sigmoid, without overflow.",
                 {in(0), [](Vjp& v) { return v.g() * sigmoid(-v.x()); }});
  template <class P>
  static P body(P x) {
    return min(x, P(0)) - log1p(exp(-abs(x)));
  }
};

struct Softsign {
  static constexpr Record record =
      activation("softsign", "input / (1 + |input|)", "Smooth sign.",
                 {in(0), [](Vjp& v) { return v.g() / square(abs(v.in(0)) + 1); }});
  template <class P>
  static P body(P x) {
    return x / (P(1) + abs(x));
  }
};

struct Tanhshrink {
  static constexpr Record record = activation("tanhshrink", "input - tanh(input)", "What tanh takes away.",
                                              {in(0), [](Vjp& v) { return v.g() * square(tanh(v.in(0))); }});
  template <class P>
  static P body(P x) {
    return x - tanh(x);
  }
};

struct Hardtanh {
  static constexpr Record record = with_args(
      {tensor(), real("min_val", -1), real("max_val", 1)},
      checked(
          [](Inference& c) {
            const double low = c.number("min_val"), high = c.number("max_val");
            if (low > high) c.fail_as(ErrorKind::kValue, "min_val ", low, " is greater than max_val ", high);
            if (low < 0 && c[0].impl().dtype == Dtype::kUInt8)
              c.fail("uint8 has no negative numbers such as min_val ", low, "; convert the input");
          },
          activation("hardtanh", "min(max(input, min_val), max_val)",
                     "The input held in an interval, whose limits are cut to integers for integers.",
                     {in(0),
                      [](Vjp& v) {
                        return call<HardtanhBackward>({v.g(), v.in(0)},
                                                      {v.number("min_val"), v.number("max_val")});
                      }},
                     Result::kPromoted)));
  template <class P>
  static P body(P x, P low, P high) {
    return min(max(x, low), high);
  }
};

struct Hardsigmoid {
  static constexpr Record record = activation(
      "hardsigmoid", "min(max(input / 6 + 1/2, 0), 1)", "Piecewise linear sigmoid.",
      {in(0), [](Vjp& v) { return call<HardtanhBackward>({v.g() * (1.0 / 6), v.in(0)}, {-3.0, 3.0}); }});
  template <class P>
  static P body(P x) {
    return min(max(x + P(3), P(0)), P(6)) / P(6);
  }
};

struct HardswishBackward {
  static constexpr Record record = backward_of(
      "hardswish_backward", "saved <= -3 ? 0 : saved < 3 ? grad * (saved / 3 + 1/2) : grad",
      "Cotangent of hardswish.", {in(1), [](Vjp& v) { return call<HardswishBackward>({v.g(), v.in(1)}); }},
      {in(0) | in(1), [](Vjp& v) {
         const Tensor is_bent = gt(v.in(1), -3) & lt(v.in(1), 3);
         return where(is_bent, v.g() * v.in(0) * (1.0 / 3), 0.0);
       }});
  template <class P>
  static P body(P g, P x) {
    const P bent = g * (x * P(1.0 / 3) + P(0.5));
    return select(x <= P(-3), P(0), select(x < P(3), bent, g));
  }
};

struct Hardswish {
  static constexpr Record record =
      activation("hardswish", "input * min(max(input / 6 + 1/2, 0), 1)",
                 "Piecewise quadratic swish (Howard et al. 2019).",
                 {in(0), [](Vjp& v) { return call<HardswishBackward>({v.g(), v.in(0)}); }});
  template <class P>
  static P body(P x) {
    return x * min(max(x + P(3), P(0)), P(6)) / P(6);
  }
};

// What hardshrink and softshrink share.
struct ShrinkBackward {
  static constexpr Record record = with_args(
      {tensor("grad"), tensor("saved"), real("lambd")},
      backward_of("shrink_backward", "|saved| > lambd ? grad : 0",
                  "Passes the cotangent where the saved value is far from 0.",
                  {in(1), [](Vjp& v) { return call<ShrinkBackward>({v.g(), v.in(1)}, {v.number("lambd")}); }},
                  kZeroRule));
  template <class P>
  static P body(P g, P x, P lambd) {
    return select(abs(x) <= lambd, P(0), g);  // NaN keeps its cotangent
  }
};

struct Hardshrink {
  static constexpr Record record = with_args(
      {tensor(), real("lambd", 0.5)},
      at(kActivation, activation("hardshrink", "|input| > lambd ? input : 0", "Sets small values to 0.",
                                 {in(0), [](Vjp& v) {
                                    return call<ShrinkBackward>({v.g(), v.in(0)}, {v.number("lambd")});
                                  }})));
  template <class P>
  static P body(P x, P lambd) {
    return select(abs(x) <= lambd, P(0), x);
  }
};

struct Softshrink {
  static constexpr Record record = with_args(
      {tensor(), real("lambd", 0.5)},
      checked(
          [](Inference& c) {
            if (!(c.number("lambd") >= 0)) c.fail("lambd must be at least 0, got ", c.number("lambd"));
          },
          activation(
              "softshrink", "sign(input) * max(|input| - lambd, 0)", "Moves values towards 0 by lambd.",
              {in(0), [](Vjp& v) { return call<ShrinkBackward>({v.g(), v.in(0)}, {v.number("lambd")}); }})));
  template <class P>
  static P body(P x, P lambd) {
    return select(x > lambd, x - lambd, select(x < -lambd, x + lambd, x * P(0)));
  }
};

struct Threshold {
  static constexpr Record record = with_args(
      {tensor(), real("threshold"), real("value")},
      at(kTop | kFunctional,
         activation(
             "threshold", "input > threshold ? input : value", "Replaces values not above the threshold.",
             {in(0),
              [](Vjp& v) { return call<ThresholdBackward>({v.g(), v.in(0)}, {v.number("threshold")}); }},
             Result::kPromoted)));
  template <class P>
  static P body(P x, P threshold, P value) {
    return select(x <= threshold, value, x);
  }
};

struct PreluWith {
  static constexpr Record record = with_args(
      {tensor(), tensor("weight")},
      at(kHidden,
         binary("prelu_with", "input > 0 ? input : weight * input", "Rectifier with a slope that broadcasts.",
                {in(0) | in(1), [](Vjp& v) { return where(gt(v.in(0), 0), v.g(), v.g() * v.in(1)); }},
                {in(0), [](Vjp& v) { return where(gt(v.in(0), 0), 0.0, v.g() * v.in(0)); }},
                Result::kPromoted, kFloats)));
  template <class P>
  static P body(P x, P weight) {
    return select(x > P(0), x, weight * x);
  }
};

Tensor prelu_of(const Call& call);
Tensor glu_of(const Call& call);

struct Prelu {
  static constexpr Record record = at(
      kActivation,
      composed("prelu", "max(input, 0) + weight * min(input, 0)",
               "Rectifier with a learnt slope, one for all or one per channel (dimension 1; He et al. 2015).",
               {tensor(), tensor("weight")},
               [](const Call& c, std::span<Tensor> out) { out[0] = prelu_of(c); }));
};

struct Glu {
  static constexpr Record record = composed(
      "glu", "a * sigmoid(b), with input = [a, b]",
      "Gated linear unit (Dauphin et al. 2016): the first half along dim, gated by the second.",
      {tensor(), integer("dim", -1)}, [](const Call& c, std::span<Tensor> out) { out[0] = glu_of(c); });
};

using ActivationOps =
    OpList<Relu, ThresholdBackward, Relu6, HardtanhBackward, LeakyRelu, LeakyReluBackward, EluFamily,
           EluBackward, GeluErf, GeluSlope, GeluTanh, GeluTanhSlope, Silu, SiluBackward, GateBackward, Gate,
           Softplus, SoftplusBackward, Mish, LogSigmoid, Softsign, Tanhshrink, Hardtanh, Hardsigmoid,
           Hardswish, HardswishBackward, Hardshrink, Softshrink, ShrinkBackward, Threshold, PreluWith>;
using ActivationPairs = OpList<GeluErfWithSlope>;
using ActivationComposites = OpList<Elu, Selu, Celu, Gelu, Prelu, Glu>;

}  // namespace unspool::ops
