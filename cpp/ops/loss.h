// Losses. The element-wise cores are primitives; weighting and reduction are composed around them in loss.cc.
#pragma once

#include "ops/elementwise.h"

namespace unspool::ops {

// weight[target] * -input[.., target, ..], over input (N, C, d...) and target (N, d...).
void infer_nll(Inference& c);
void infer_nll_backward(Inference& c);

struct NllBackward;

struct NllLoss {
  // The second output is the sum of the weights, by which a mean is divided.
  static constexpr Record record{.name = "nll_loss_forward",
                                 .python = "nll_loss",
                                 .where = kHidden,
                                 .formula = "-Σ weight[target] * input[target] / Σ weight[target]",
                                 .doc = "Negative log likelihood of class indices, and the total weight.",
                                 .args = {tensor(), tensor("target"), optional_tensor("weight"),
                                          text("reduction", "mean"), integer("ignore_index", -100)},
                                 .outputs = {{"output", "total_weight"}},
                                 .row_major = true,
                                 .infer = infer_nll,
                                 .vjp = {{in(1) | in(2) | out(1), [](Vjp& v) {
                                            return call<NllBackward>(
                                                {v.g(), v.in(1), v.in(2), v.out(1)},
                                                {v.sizes(0), v.attr("reduction"), v.attr("ignore_index")});
                                          }}}};
};

struct NllBackward {
  static constexpr Record record{
      .name = "nll_loss_backward",
      .where = kHidden,
      .formula = "zeros(size) with -weight[target] * grad / total_weight at target",
      .doc = "Cotangent of the log probabilities.",
      .args = {tensor("grad"), tensor("target"), optional_tensor("weight"), tensor("total_weight"),
               dims("size"), text("reduction", "mean"), integer("ignore_index", -100)},
      .row_major = true,
      .infer = infer_nll_backward,
      .vjp = {{in(1) | in(2), [](Vjp& v) {
                 return call<NllLoss>({v.g(), v.in(1), v.in(2)},
                                      {v.attr("reduction"), v.attr("ignore_index")});
               }}}};
};

// Both ways in one pass each. The third output, the log probabilities, is what the way back reads.
void infer_cross_entropy(Inference& c);
Tensor cross_entropy_cotangent(Vjp& v);

struct CrossEntropyForward {
  static constexpr Record record{
      .name = "cross_entropy_forward",
      .python = "cross_entropy",
      .where = kHidden,
      .formula = "-Σ weight[target] * log_p[target] / Σ weight[target], log_p = input - ln Σ exp(input)",
      .doc = "Cross-entropy of logits with class indices, the total weight, and the log probabilities.",
      .args = {tensor(), tensor("target"), optional_tensor("weight"), text("reduction", "mean"),
               integer("ignore_index", -100)},
      .outputs = {{"output", "total_weight", "log_probabilities"}},
      .row_major = true,
      .infer = infer_cross_entropy,
      .vjp = {{in(1) | in(2) | out(1) | out(2), cross_entropy_cotangent}}};
};

Tensor cross_entropy_grad_cotangent(Vjp& v);
Tensor cross_entropy_saved_cotangent(Vjp& v);

struct CrossEntropyBackward {
  static constexpr Record record{
      .name = "cross_entropy_backward",
      .where = kHidden,
      .formula = "share * ((class = target) - exp(saved)), share = -weight[target] * grad / total_weight",
      .doc = "Cotangent of the logits of cross_entropy_forward.",
      .args = {tensor("grad"), tensor("target"), optional_tensor("weight"), tensor("total_weight"),
               tensor("saved"), text("reduction", "mean"), integer("ignore_index", -100)},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, Dims(c.sizes(4)), c[4].impl().dtype); },
      .vjp = {{in(1) | in(2) | in(3) | in(4), cross_entropy_grad_cotangent},
              {},
              {},
              {},
              {in(0) | in(1) | in(2) | in(3) | in(4), cross_entropy_saved_cotangent}}};
};

struct BceCore {
  static constexpr Record record = at(
      kHidden,
      binary(
          "bce_core", "-(other * ln(input) + (1 - other) * ln(1 - input))",
          "Binary cross-entropy of probabilities, logarithms held above -100.",
          {in(0) | in(1),
           [](Vjp& v) { return v.g() * ((v.in(0) - v.in(1)) / clamp_min((1 - v.in(0)) * v.in(0), 1e-12)); }},
          {in(0),
           [](Vjp& v) { return v.g() * (clamp_min(log1p(-v.x(0)), -100) - clamp_min(log(v.in(0)), -100)); }},
          Result::kPromoted, kFloats));
  template <class P>
  static P body(P x, P t) {
    return (t - P(1)) * max(log1p(-x), P(-100)) - t * max(log(x), P(-100));
  }
};

struct BceLogitsCore {
  static constexpr Record record =
      at(kHidden, binary("bce_with_logits_core", "max(input, 0) - input * other + ln(1 + exp(-|input|))",
                         "Binary cross-entropy of logits, without overflow.",
                         {in(0) | in(1), [](Vjp& v) { return v.g() * (sigmoid(v.in(0)) - v.in(1)); }},
                         {in(0), [](Vjp& v) { return -(v.g() * v.in(0)); }}, Result::kPromoted, kFloats));
  template <class P>
  static P body(P x, P t) {
    return max(x, P(0)) - x * t + log1p(exp(-abs(x)));
  }
};

// The derivative kernel of a loss of input - other: linear in grad.
constexpr Record gap_backward(Text name, Text formula, Text doc, Args args, Rule grad, Rule input,
                              Rule other) {
  Record record = binary(name, formula, doc, grad, input, Result::kFloating);
  record.where = kHidden;
  record.args = args;
  record.has_in_place = false;
  record.vjp = {grad, input, other};
  return record;
}

struct SquaredGapBackward {
  static constexpr Record record = gap_backward(
      "squared_gap_backward", "2 * grad * (input - other)", "Cotangent of squared_gap.",
      {tensor("grad"), tensor("input"), tensor("other")},
      {in(1) | in(2), [](Vjp& v) { return call<SquaredGapBackward>({v.g(), v.in(1), v.in(2)}); }},
      {in(0), [](Vjp& v) { return v.g() * v.in(0) * 2; }},
      {in(0), [](Vjp& v) { return v.g() * v.in(0) * -2; }});
  template <class P>
  static P body(P grad, P x, P t) {
    return grad * (x - t) * P(2);
  }
};

struct SquaredGap {
  static constexpr Record record =
      at(kHidden,
         binary("squared_gap", "(input - other)^2", "Squared difference.",
                {in(0) | in(1), [](Vjp& v) { return call<SquaredGapBackward>({v.g(), v.in(0), v.in(1)}); }},
                {in(0) | in(1), [](Vjp& v) { return call<SquaredGapBackward>({v.g(), v.in(1), v.in(0)}); }},
                Result::kPromoted, kFloats));
  template <class P>
  static P body(P x, P t) {
    const P gap = x - t;
    return gap * gap;
  }
};

// Where |input - other| is below the limit, the slopes of the losses below are linear.
inline Tensor inside_of(Vjp& v, std::string_view limit) {
  return le(abs(v.in(1) - v.in(2)), v.number(limit));
}

struct HuberBackward {
  static constexpr Record record = gap_backward(
      "huber_backward", "grad * min(max(input - other, -delta), delta)", "Cotangent of huber_core.",
      {tensor("grad"), tensor("input"), tensor("other"), real("delta")},
      {in(1) | in(2),
       [](Vjp& v) { return call<HuberBackward>({v.g(), v.in(1), v.in(2)}, {v.number("delta")}); }},
      {in(0) | in(1) | in(2), [](Vjp& v) { return where(inside_of(v, "delta"), v.g() * v.in(0), 0.0); }},
      {in(0) | in(1) | in(2), [](Vjp& v) { return where(inside_of(v, "delta"), -(v.g() * v.in(0)), 0.0); }});
  template <class P>
  static P body(P grad, P x, P t, P delta) {
    return grad * max(min(x - t, delta), -delta);
  }
};

struct HuberCore {
  static constexpr Record record = with_args(
      {tensor(), operand("other"), real("delta")},
      at(kHidden,
         binary("huber_core", "|d| <= delta ? d^2 / 2 : delta * (|d| - delta / 2), d = input - other",
                "Quadratic near 0, linear beyond delta.",
                {in(0) | in(1),
                 [](Vjp& v) { return call<HuberBackward>({v.g(), v.in(0), v.in(1)}, {v.number("delta")}); }},
                {in(0) | in(1),
                 [](Vjp& v) { return call<HuberBackward>({v.g(), v.in(1), v.in(0)}, {v.number("delta")}); }},
                Result::kFloating)));
  template <class P>
  static P body(P x, P t, P delta) {
    const P gap = x - t, size = abs(gap);
    return select(size <= delta, P(0.5) * gap * gap, delta * (size - P(0.5) * delta));
  }
};

struct SmoothL1Backward {
  static constexpr Record record = gap_backward(
      "smooth_l1_backward", "grad * min(max((input - other) / beta, -1), 1)", "Cotangent of smooth_l1_core.",
      {tensor("grad"), tensor("input"), tensor("other"), real("beta")},
      {in(1) | in(2),
       [](Vjp& v) { return call<SmoothL1Backward>({v.g(), v.in(1), v.in(2)}, {v.number("beta")}); }},
      {in(0) | in(1) | in(2),
       [](Vjp& v) { return where(inside_of(v, "beta"), v.g() * v.in(0) / v.number("beta"), 0.0); }},
      {in(0) | in(1) | in(2),
       [](Vjp& v) { return where(inside_of(v, "beta"), v.g() * v.in(0) / -v.number("beta"), 0.0); }});
  template <class P>
  static P body(P grad, P x, P t, P beta) {
    return grad * max(min((x - t) / beta, P(1)), P(-1));
  }
};

struct SmoothL1Core {
  static constexpr Record record = with_args(
      {tensor(), operand("other"), real("beta")},
      at(kHidden,
         binary(
             "smooth_l1_core", "|d| <= beta ? d^2 / (2 beta) : |d| - beta / 2, d = input - other",
             "Quadratic near 0, with the slope 1 beyond beta.",
             {in(0) | in(1),
              [](Vjp& v) { return call<SmoothL1Backward>({v.g(), v.in(0), v.in(1)}, {v.number("beta")}); }},
             {in(0) | in(1),
              [](Vjp& v) { return call<SmoothL1Backward>({v.g(), v.in(1), v.in(0)}, {v.number("beta")}); }},
             Result::kFloating)));
  template <class P>
  static P body(P x, P t, P beta) {
    const P gap = x - t, size = abs(gap);
    return select(size <= beta, P(0.5) * gap * gap / beta, size - P(0.5) * beta);
  }
};

void infer_check_probabilities(Inference& c);

// Holds both against [0, 1]: raises where an element is outside, and gives nothing of use otherwise.
struct CheckProbabilities {
  static constexpr Record record{.name = "check_probabilities",
                                 .where = kHidden,
                                 .formula = "0 <= input <= 1 and 0 <= target <= 1",
                                 .doc = "Raises where an element is not in [0, 1].",
                                 .args = {tensor(), tensor("target")},
                                 .row_major = true,
                                 .infer = infer_check_probabilities};
};

void infer_multilabel_margin(Inference& c);

struct MultilabelMarginBackward;

// A row of target lists classes up to the first negative number.
struct MultilabelMargin {
  static constexpr Record record{
      .name = "multilabel_margin_loss_forward",
      .where = kHidden,
      .formula = "Σ_{j in target} Σ_{i not in target} max(0, 1 - input[j] + input[i]) / C",
      .doc = "Hinge of each class of a sample against all that are not its own.",
      .args = {tensor(), tensor("target")},
      .row_major = true,
      .infer = infer_multilabel_margin,
      .vjp = {
          {in(0) | in(1), [](Vjp& v) { return call<MultilabelMarginBackward>({v.g(), v.in(0), v.in(1)}); }}}};
};

struct MultilabelMarginBackward {
  static constexpr Record record{
      .name = "multilabel_margin_loss_backward",
      .where = kHidden,
      .formula = "grad / C for every hinge that is open, at its classes",
      .doc = "Cotangent of the scores of multilabel_margin_loss.",
      .args = {tensor("grad"), tensor("input"), tensor("target")},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, c[1].impl().sizes, c[1].impl().dtype); },
      .vjp = {{in(1) | in(2), [](Vjp& v) {
                 const Tensor ones = full(v.sizes(0), 1.0, v.g().dtype());
                 return sum(v.g() * call<MultilabelMarginBackward>({ones, v.in(1), v.in(2)}), Dims{1});
               }}}};
};

using Compose = void (*)(const Call&, std::span<Tensor>);

constexpr Record loss(Text name, Text formula, Text doc, Args args, Compose compose) {
  Record record{.name = name, .where = kFunctional, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = args;
  record.compose = compose;
  return record;
}

inline constexpr Arg kReduction = text("reduction", "mean");

Tensor mse_loss(const Call& c);
Tensor l1_loss(const Call& c);
Tensor huber_loss(const Call& c);
Tensor smooth_l1_loss(const Call& c);
Tensor nll_loss(const Call& c);
Tensor cross_entropy(const Call& c);
Tensor bce_loss(const Call& c);
Tensor bce_with_logits(const Call& c);
Tensor kl_div(const Call& c);
Tensor multi_margin_loss(const Call& c);
Tensor multilabel_margin_loss(const Call& c);
Tensor hinge_embedding_loss(const Call& c);
Tensor soft_margin_loss(const Call& c);
Tensor margin_ranking_loss(const Call& c);
Tensor poisson_nll_loss(const Call& c);
Tensor gaussian_nll_loss(const Call& c);
Tensor cosine_similarity(const Call& c);

struct MseLoss {
  static constexpr Record record =
      loss("mse_loss", "mean((input - target)^2)",
           "Least squares: mean (or sum, or none) of squared errors, optionally weighted.",
           {tensor(), tensor("target"), kReduction, optional_tensor("weight")},
           [](const Call& c, std::span<Tensor> out) { out[0] = mse_loss(c); });
};
struct L1Loss {
  static constexpr Record record = loss("l1_loss", "mean(|input - target|)",
                                        "Mean (or sum, or none) of absolute errors, optionally weighted.",
                                        {tensor(), tensor("target"), kReduction, optional_tensor("weight")},
                                        [](const Call& c, std::span<Tensor> out) { out[0] = l1_loss(c); });
};
struct SmoothL1Loss {
  static constexpr Record record =
      loss("smooth_l1_loss", "mean(|d| < beta ? d^2 / (2 beta) : |d| - beta / 2), d = input - target",
           "Absolute error with a quadratic bottom; beta 0 gives l1_loss.",
           {tensor(), tensor("target"), kReduction, real("beta", 1)},
           [](const Call& c, std::span<Tensor> out) { out[0] = smooth_l1_loss(c); });
};
struct HuberLoss {
  static constexpr Record record =
      loss("huber_loss", "mean(|d| <= delta ? d^2 / 2 : delta (|d| - delta / 2)), d = input - target",
           "Quadratic near 0 and linear beyond delta (Huber 1964), optionally weighted.",
           {tensor(), tensor("target"), kReduction, real("delta", 1), optional_tensor("weight")},
           [](const Call& c, std::span<Tensor> out) { out[0] = huber_loss(c); });
};
struct NllLossOp {
  static constexpr Record record =
      loss("nll_loss", "-Σ weight[target] * input[target] / Σ weight[target]",
           "Negative log likelihood: input (N, C), (C,) or (N, C, d...) of log probabilities, target class "
           "indices (int64).",
           {tensor(), tensor("target"), optional_tensor("weight"), integer("ignore_index", -100), kReduction},
           [](const Call& c, std::span<Tensor> out) { out[0] = nll_loss(c); });
};
struct CrossEntropy {
  static constexpr Record record =
      loss("cross_entropy", "nll_loss(log_softmax(input), target)",
           "Cross-entropy of logits (N, C), (C,) or (N, C, d...) with class indices (int64) or probabilities "
           "of input's shape.",
           {tensor(), tensor("target"), optional_tensor("weight"), integer("ignore_index", -100), kReduction,
            real("label_smoothing", 0)},
           [](const Call& c, std::span<Tensor> out) { out[0] = cross_entropy(c); });
};
struct BinaryCrossEntropy {
  static constexpr Record record =
      loss("binary_cross_entropy", "-mean(weight * (target * ln(input) + (1 - target) * ln(1 - input)))",
           "Binary cross-entropy of probabilities in [0, 1].",
           {tensor(), tensor("target"), optional_tensor("weight"), kReduction},
           [](const Call& c, std::span<Tensor> out) { out[0] = bce_loss(c); });
};
struct BceWithLogits {
  static constexpr Record record =
      loss("binary_cross_entropy_with_logits",
           "-mean(weight * (pos_weight * target * ln s(input) + (1 - target) * ln(1 - s(input))))",
           "Binary cross-entropy of logits, without overflow; s is the sigmoid.",
           {tensor(), tensor("target"), optional_tensor("weight"), kReduction, optional_tensor("pos_weight")},
           [](const Call& c, std::span<Tensor> out) { out[0] = bce_with_logits(c); });
};
struct KlDiv {
  static constexpr Record record = loss("kl_div", "Σ target * (ln target - input)",
                                        "Kullback-Leibler divergence; input holds log probabilities, target "
                                        "probabilities (or their logarithms with "
                                        "log_target). reduction 'batchmean' is the mathematical one.",
                                        {tensor(), tensor("target"), kReduction, flag("log_target", false)},
                                        [](const Call& c, std::span<Tensor> out) { out[0] = kl_div(c); });
};
struct MultiMarginLoss {
  static constexpr Record record = loss(
      "multi_margin_loss", "Σ_{i != y} max(0, margin - input[y] + input[i])^p / C",
      "Multi-class hinge: input (N, C) or (C,), target class indices y.",
      {tensor(), tensor("target"), integer("p", 1), real("margin", 1), optional_tensor("weight"), kReduction},
      [](const Call& c, std::span<Tensor> out) { out[0] = multi_margin_loss(c); });
};
struct MultilabelMarginLoss {
  static constexpr Record record = loss(
      "multilabel_margin_loss", "Σ_{j in target} Σ_{i not in target} max(0, 1 - input[j] + input[i]) / C",
      "Multi-label hinge: input (N, C) or (C,), target of the same shape listing class indices (int64) up "
      "to the first negative number.",
      {tensor(), tensor("target"), kReduction},
      [](const Call& c, std::span<Tensor> out) { out[0] = multilabel_margin_loss(c); });
};
struct HingeEmbeddingLoss {
  static constexpr Record record =
      loss("hinge_embedding_loss", "target == 1 ? input : max(0, margin - input)",
           "Hinge on distances; targets are 1 (alike) or -1.",
           {tensor(), tensor("target"), real("margin", 1), kReduction},
           [](const Call& c, std::span<Tensor> out) { out[0] = hinge_embedding_loss(c); });
};
struct SoftMarginLoss {
  static constexpr Record record =
      loss("soft_margin_loss", "mean(ln(1 + exp(-target * input)))",
           "Two-class logistic loss; targets are 1 or -1.", {tensor(), tensor("target"), kReduction},
           [](const Call& c, std::span<Tensor> out) { out[0] = soft_margin_loss(c); });
};
struct MarginRankingLoss {
  static constexpr Record record =
      loss("margin_ranking_loss", "mean(max(0, -target * (input1 - input2) + margin))",
           "Ranking of two inputs; target 1 when input1 should be larger, else -1.",
           {tensor("input1"), tensor("input2"), tensor("target"), real("margin", 0), kReduction},
           [](const Call& c, std::span<Tensor> out) { out[0] = margin_ranking_loss(c); });
};
struct PoissonNllLoss {
  static constexpr Record record =
      loss("poisson_nll_loss", "mean(exp(input) - target * input)",
           "Negative log likelihood of counts; with log_input False: input - target * ln(input + eps). "
           "`full` adds "
           "Stirling's approximation of ln(target!).",
           {tensor(), tensor("target"), flag("log_input", true), flag("full", false), real("eps", 1e-8),
            kReduction},
           [](const Call& c, std::span<Tensor> out) { out[0] = poisson_nll_loss(c); });
};
struct GaussianNllLoss {
  static constexpr Record record = loss(
      "gaussian_nll_loss", "mean((ln var + (input - target)^2 / var) / 2)",
      "Negative log likelihood under a normal distribution; var is held above eps. `full` adds ln(2 pi) / 2.",
      {tensor(), tensor("target"), operand("var"), flag("full", false), real("eps", 1e-6), kReduction},
      [](const Call& c, std::span<Tensor> out) { out[0] = gaussian_nll_loss(c); });
};
struct CosineSimilarity {
  static constexpr Record record = at(
      kTop | kFunctional, loss("cosine_similarity", "x1 · x2 / (max(|x1|, eps) * max(|x2|, eps))",
                               "Cosine of the angle along dim.",
                               {tensor("x1"), tensor("x2"), integer("dim", 1), real("eps", 1e-8)},
                               [](const Call& c, std::span<Tensor> out) { out[0] = cosine_similarity(c); }));
};

using LossCores = OpList<BceCore, BceLogitsCore, SquaredGap, SquaredGapBackward, HuberCore, HuberBackward,
                         SmoothL1Core, SmoothL1Backward>;
using LossOps = OpList<NllLoss, NllBackward, CrossEntropyForward, CrossEntropyBackward, CheckProbabilities,
                       MultilabelMargin, MultilabelMarginBackward, MultilabelMarginLoss, MseLoss, L1Loss,
                       SmoothL1Loss, HuberLoss, NllLossOp, CrossEntropy, BinaryCrossEntropy, BceWithLogits,
                       KlDiv, MultiMarginLoss, HingeEmbeddingLoss, SoftMarginLoss, MarginRankingLoss,
                       PoissonNllLoss, GaussianNllLoss, CosineSimilarity>;

}  // namespace unspool::ops
