// Weighting, reduction and argument checks of the losses.
#include "ops/loss.h"

#include <cmath>
#include <numbers>

#include "base/warning.h"
#include "ops/arithmetic.h"
#include "ops/joining.h"
#include "ops/one_dtype.h"
#include "ops/pointwise.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace unspool::ops {
namespace {

void check_reduction(const Call& c, bool batchmean = false) {
  const auto how = c.text("reduction");
  if (how == "mean" || how == "sum" || how == "none" || (batchmean && how == "batchmean")) return;
  c.fail_as(ErrorKind::kValue, "reduction must be 'mean', 'sum' or 'none', got '", how, "'");
}

Tensor reduce(const Call& c, const Tensor& losses) {
  check_reduction(c);
  const auto how = c.text("reduction");
  return how == "mean" ? mean(losses) : how == "sum" ? sum(losses) : losses;
}

bool same_sizes(const Call& c, int a, int b) {
  return std::equal(c.sizes(a).begin(), c.sizes(a).end(), c.sizes(b).begin(), c.sizes(b).end());
}

// A broadcast between input and target is almost always a forgotten squeeze, and silently wrong.
void check_fits(const Call& c) {
  if (same_sizes(c, 0, 1)) return;
  Dims sizes(c.sizes(0));
  if (!broadcast_into(sizes, c.sizes(1))) {
    c.fail("input ", to_string(c.sizes(0)), " and target ", to_string(c.sizes(1)), " do not fit");
  }
  warn(c.name(), ": input ", to_string(c.sizes(0)), " and target ", to_string(c.sizes(1)),
       " differ in shape and are broadcast to ", to_string(sizes),
       "; reshape one of them if that is not meant");
}

void require_same(const Call& c) {
  if (!same_sizes(c, 0, 1)) {
    c.fail_as(ErrorKind::kValue, "target ", to_string(c.sizes(1)), " must have the shape of input ",
              to_string(c.sizes(0)));
  }
}

Tensor weighted(const Call& c, const Tensor& losses, int weight) {
  return c.has(weight) ? losses * c[weight] : losses;
}

Tensor weighted_mean(const Call& c, const Tensor& losses, int weight) {
  if (!c.has(weight)) return reduce(c, losses);
  const Tensor scaled = losses * c[weight];
  if (c.text("reduction") != "mean") return reduce(c, scaled);
  return sum(scaled) / sum(expand(c.tensor(weight), scaled.sizes()));
}

}  // namespace

namespace {

bool is_any_floating(const Call& c) {
  return is_floating(c[0].impl().dtype) || is_floating(c[1].impl().dtype);
}

// Integers are subtracted as such, which is refused for bool.
template <class Core>
Tensor of_gap(const Call& c, double limit) {
  if (is_any_floating(c)) return call<Core>({c[0], c[1]}, {limit});
  return call<Core>({c[0] - c[1], 0.0}, {limit});
}

}  // namespace

Tensor mse_loss(const Call& c) {
  check_fits(c);
  return weighted_mean(c, is_any_floating(c) ? call<SquaredGap>({c[0], c[1]}) : square(c[0] - c[1]), 2);
}

Tensor l1_loss(const Call& c) {
  check_fits(c);
  return weighted_mean(c, abs(c[0] - c[1]), 2);
}

Tensor huber_loss(const Call& c) {
  check_fits(c);
  const double delta = c.number("delta");
  if (delta <= 0) c.fail("delta must be positive, got ", delta);
  return weighted_mean(c, of_gap<HuberCore>(c, delta), 2);
}

Tensor smooth_l1_loss(const Call& c) {
  check_fits(c);
  const double beta = c.number("beta");
  if (beta < 0) c.fail("beta must not be negative, got ", beta);
  if (beta == 0) return reduce(c, abs(c[0] - c[1]));
  return reduce(c, of_gap<SmoothL1Core>(c, beta));
}

void infer_nll(Inference& c) {
  const Dtype type = c[0].impl().dtype;
  const bool per_element = c.text("reduction") == "none";
  c.give(0, per_element ? Dims(c.sizes(1)) : Dims{}, type);
  c.give(1, {}, type);
}

void infer_nll_backward(Inference& c) { c.give(0, c.dims("size"), c[0].impl().dtype); }

void infer_cross_entropy(Inference& c) {
  infer_nll(c);
  c.give(2, Dims(c.sizes(0)), c[0].impl().dtype);
}

namespace {

// The class dimension of logits (C,) or (N, C, d...).
std::int64_t class_dim(const Tensor& x) { return x.ndim() == 1 ? 0 : 1; }

// Class indices for an input (C,) or (N, C, d...), with optional weights.
void check_classes(const Call& c) {
  const DimSpan x = c.sizes(0), t = c.sizes(1);
  if (x.empty()) c.fail("input must have at least 1 dimension (C,), got a 0-d tensor");
  if (!is_floating(c[0].impl().dtype)) c.fail("input must be floating, got ", name(c[0].impl().dtype));
  if (c[1].impl().dtype != Dtype::kInt64 && c[1].impl().dtype != Dtype::kUInt8) {
    c.fail("target must hold class indices (int64), got ", name(c[1].impl().dtype),
           "; convert it with .long()");
  }
  bool fits = t.size() + 1 == x.size();
  for (std::size_t d = 0; fits && d < t.size(); ++d) fits = t[d] == (d == 0 ? x[0] : x[d + 1]);
  if (!fits) {
    // A batch of another length is a wrong value; another number of dimensions a wrong call.
    const bool other_batch = !t.empty() && t.size() + 1 == x.size() && t[0] != x[0];
    c.fail_as(other_batch ? ErrorKind::kValue : ErrorKind::kRuntime, "target ", to_string(t),
              " does not fit input ", to_string(x), ": expected input (N, C, d...) and target (N, d...)");
  }
  const std::int64_t classes = x.size() == 1 ? x[0] : x[1];
  if (c.has(2)) {
    if (c.sizes(2).size() != 1 || c.sizes(2)[0] != classes) {
      c.fail("weight ", to_string(c.sizes(2)), " must hold one number for each of the ", classes, " classes");
    }
    if (c[2].impl().dtype != c[0].impl().dtype) {
      c.fail("weight is ", name(c[2].impl().dtype), " but input is ", name(c[0].impl().dtype));
    }
  }
}

}  // namespace

Tensor nll_loss(const Call& c) {
  check_reduction(c);
  check_classes(c);
  return call<NllLoss>({c[0], to(c.tensor(1), Dtype::kInt64), c[2]},
                       {c.attr("reduction"), c.attr("ignore_index")});
}

// The log probabilities have a cotangent of their own when this is differentiated again.
Tensor cross_entropy_cotangent(Vjp& v) {
  const Tensor log_p = v.out(2);
  Tensor found;
  if (v.has_g(0)) {
    found = call<CrossEntropyBackward>({v.g(0), v.in(1), v.in(2), v.out(1), log_p},
                                       {v.attr("reduction"), v.attr("ignore_index")});
  }
  if (!v.has_g(2)) return found;
  const Tensor other = call<LogSoftmaxBackward>({v.g(2), log_p}, {class_dim(log_p)});
  return found ? found + other : other;
}

Tensor cross_entropy_grad_cotangent(Vjp& v) {
  const Dims dim{class_dim(v.g())};
  return call<NllLoss>({v.g() - sum(v.g() * exp(v.in(4)), dim, true), v.in(1), v.in(2)},
                       {v.attr("reduction"), v.attr("ignore_index")});
}

Tensor cross_entropy_saved_cotangent(Vjp& v) {
  const Dims dim{class_dim(v.g())};
  const Tensor shares = call<NllBackward>({v.in(0), v.in(1), v.in(2), v.in(3)},
                                          {v.g().sizes(), v.attr("reduction"), v.attr("ignore_index")});
  return -(v.g() * exp(v.in(4)) * sum(shares, dim, true));
}

namespace {

Tensor class_weights(const Call& c, const Tensor& like) {
  const std::int64_t classes = like.size(static_cast<int>(class_dim(like)));
  if (c.ndim(2) != 1 || c[2].impl().numel != classes) {
    c.fail("weight ", to_string(c.sizes(2)), " must hold one number for each of the ", classes, " classes");
  }
  Dims sizes(static_cast<std::size_t>(like.ndim()), 1);
  sizes[static_cast<std::size_t>(class_dim(like))] = c[2].impl().numel;
  return reshape(c.tensor(2), sizes);
}

// Against a distribution over the classes; the mean is over samples, not elements.
Tensor soft_cross_entropy(const Call& c, const Tensor& log_p) {
  if (!same_sizes(c, 0, 1)) {
    c.fail("target of class probabilities ", to_string(c.sizes(1)), " must have the shape of input ",
           to_string(c.sizes(0)), "; class indices must be int64: convert them with .long()");
  }
  if (c.integer("ignore_index") >= 0) {
    c.fail(
        "ignore_index is not supported for floating point target, which holds probabilities; leave it out, "
        "or give class indices");
  }
  const double smoothing = c.number("label_smoothing");
  const double classes = static_cast<double>(log_p.size(static_cast<int>(class_dim(log_p))));
  Tensor target = c.tensor(1);
  if (smoothing > 0) target = target * (1 - smoothing) + smoothing / classes;
  Tensor terms = target * log_p;
  if (c.has(2)) terms = terms * class_weights(c, log_p);
  const auto how = c.text("reduction");
  if (how == "none") return -sum(terms, Dims{class_dim(log_p)});
  const Tensor total = -sum(terms);
  const double samples = static_cast<double>(log_p.numel()) / classes;
  return how == "sum" ? total : total / (c.ndim(0) == 1 ? 1.0 : samples);
}

// The share of the loss that label smoothing spreads over all classes.
Tensor smooth_part(const Call& c, const Tensor& log_p) {
  const Dims dim{class_dim(log_p)};
  Tensor spread_loss = -sum(c.has(2) ? log_p * class_weights(c, log_p) : log_p, dim);
  const Tensor target = to(c.tensor(1), Dtype::kInt64);
  const Tensor ignored = eq(target, c.integer("ignore_index"));
  spread_loss = where(ignored, 0.0, spread_loss);
  const auto how = c.text("reduction");
  if (how == "none") return spread_loss;
  if (how == "sum") return sum(spread_loss);
  const Tensor kept = to(logical_not(ignored), log_p.dtype());
  if (!c.has(2)) return sum(spread_loss) / sum(kept);
  const Tensor safe = where(ignored, 0, target);
  const Tensor picked = gather(c.tensor(2), 0, reshape(safe, Dims{-1}));
  return sum(spread_loss) / sum(picked * reshape(kept, Dims{-1}));
}

}  // namespace

Tensor cross_entropy(const Call& c) {
  check_reduction(c);
  const double smoothing = c.number("label_smoothing");
  if (smoothing < 0 || smoothing > 1) c.fail("label_smoothing must be between 0 and 1, got ", smoothing);
  const Tensor x = c.tensor(0);
  if (x.ndim() == 0) c.fail("input must have at least 1 dimension (C,), got a 0-d tensor");
  if (!is_floating(x.dtype()))
    c.fail("input must be floating, got ", name(x.dtype()), "; convert it with .float()");
  if (is_floating(c[1].impl().dtype)) return soft_cross_entropy(c, log_softmax(x, class_dim(x)));
  check_classes(c);
  const Tensor target = to(c.tensor(1), Dtype::kInt64);
  const Attr &reduction = c.attr("reduction"), &ignored = c.attr("ignore_index");
  if (smoothing == 0) return call<CrossEntropyForward>({x, target, c[2]}, {reduction, ignored});
  const Tensor log_p = log_softmax(x, class_dim(x));
  const Tensor hard = call<NllLoss>({log_p, target, c[2]}, {reduction, ignored});
  const double classes = static_cast<double>(x.size(static_cast<int>(class_dim(x))));
  return hard * (1 - smoothing) + smooth_part(c, log_p) * (smoothing / classes);
}

void infer_check_probabilities(Inference& c) {
  if (!is_floating(c[0].impl().dtype)) {
    c.fail("input must be floating, got ", name(c[0].impl().dtype), "; convert it with .float()");
  }
  c.give(0, {}, Dtype::kBool);
}

Tensor bce_loss(const Call& c) {
  require_same(c);
  if (!may_meet(c[0].impl().dtype, c[1].impl().dtype)) {
    c.fail("input is ", name(c[0].impl().dtype), " but target is ", name(c[1].impl().dtype),
           "; convert one with .to()");
  }
  {
    const GradMode no_grad(false);
    call<CheckProbabilities>({c[0], c[1]});
  }
  return reduce(c, weighted(c, call<BceCore>({c[0], c[1]}), 2));
}

Tensor bce_with_logits(const Call& c) {
  require_same(c);
  const Operand &x = c[0], &t = c[1];
  if (!c.has(3)) return reduce(c, weighted(c, call<BceLogitsCore>({x, t}), 2));
  // (1 - t) x + (1 + (pos_weight - 1) t) ln(1 + exp(-x))
  const Tensor scale = (c[3] - 1) * t + 1;
  return reduce(c, weighted(c, (1 - t) * x - scale * log_sigmoid(x), 2));
}

Tensor kl_div(const Call& c) {
  check_reduction(c, true);
  check_fits(c);
  const Operand &x = c[0], &t = c[1];
  const Tensor terms = c.flag("log_target") ? exp(t) * (t - x) : call<Xlogy>({t, t}) - t * x;
  const auto how = c.text("reduction");
  if (how != "batchmean") return reduce(c, terms);
  return sum(terms) / static_cast<double>(c.ndim(0) > 0 ? c.sizes(0)[0] : 1);
}

Tensor multi_margin_loss(const Call& c) {
  check_reduction(c);
  const std::int64_t p = c.integer("p");
  if (p != 1 && p != 2) c.fail_as(ErrorKind::kValue, "p must be 1 or 2, got ", p);
  if (c.has(2) && c.ndim(2) != 1) {
    c.fail_as(ErrorKind::kValue, "weight must be one-dimensional, got ", to_string(c.sizes(2)));
  }
  const Tensor x = c.ndim(0) < 2 ? reshape(c.tensor(0), Dims{1, -1}) : c.tensor(0);
  const Tensor y = c.ndim(1) == 0 ? unsqueeze(c.tensor(1), 0) : c.tensor(1);
  if (x.ndim() != 2 || y.ndim() != 1 || x.size(0) != y.size(0) || x.size(1) == 0) {
    c.fail("expected input (N, C) or (C,) and target (N,) or (), got ", to_string(c.sizes(0)), " and ",
           to_string(c.sizes(1)));
  }
  if (y.dtype() != Dtype::kInt64) c.fail("target must hold class indices (int64), got ", name(y.dtype()));
  const Tensor index = unsqueeze(y, 1);
  Tensor hinge = clamp_min(x - gather(x, 1, index) + c.number("margin"), 0.0);
  if (p == 2) hinge = square(hinge);
  if (c.has(2)) {
    if (c.sizes(2)[0] != x.size(1)) {
      c.fail("weight ", to_string(c.sizes(2)), " must hold one number for each of the ", x.size(1),
             " classes");
    }
    hinge = hinge * unsqueeze(call<IndexSelect>({c[2], y}, {0}), 1);
  }
  // The true class itself carries no hinge.
  const Tensor is_target = scatter_onto(x.sizes(), 1, index, ones_like(to(index, x.dtype())));
  const Tensor losses = sum(hinge * (1 - is_target), Dims{1}) / static_cast<double>(x.size(1));
  return reduce(c, c.text("reduction") == "none" && c.ndim(1) == 0 ? squeeze(losses, 0) : losses);
}

void infer_multilabel_margin(Inference& c) {
  if (c.ndim(0) != 2 || !same_sizes(c, 0, 1) || !is_floating(c[0].impl().dtype) ||
      c[1].impl().dtype != Dtype::kInt64) {
    c.fail("expects floating input (N, C) and int64 target (N, C), got ", to_string(c.sizes(0)), " and ",
           to_string(c.sizes(1)));
  }
  c.give(0, {c.sizes(0)[0]}, c[0].impl().dtype);
}

Tensor multilabel_margin_loss(const Call& c) {
  check_reduction(c);
  if (!same_sizes(c, 0, 1) || c.ndim(0) > 2 || (c.ndim(0) == 2 && c.sizes(0)[1] == 0)) {
    c.fail("expected input (N, C) or (C,) and target of the same shape, got ", to_string(c.sizes(0)), " and ",
           to_string(c.sizes(1)));
  }
  if (!is_floating(c[0].impl().dtype)) c.fail("input must be floating, got ", name(c[0].impl().dtype));
  if (c[1].impl().dtype != Dtype::kInt64) {
    c.fail("target must hold class indices (int64), got ", name(c[1].impl().dtype));
  }
  const Dims rows = c.ndim(0) == 2 ? Dims(c.sizes(0)) : Dims{1, c[0].impl().numel};
  const Tensor losses = call<MultilabelMargin>({reshape(c.tensor(0), rows), reshape(c.tensor(1), rows)});
  return reduce(c, c.ndim(0) == 2 ? losses : reshape(losses, Dims{}));
}

Tensor hinge_embedding_loss(const Call& c) {
  const Operand &x = c[0], &t = c[1];
  const Tensor apart = where(ne(t, 1), clamp_min(c.number("margin") - x, 0.0), 0.0);
  return reduce(c, apart + where(ne(t, -1), x, 0.0));
}

Tensor soft_margin_loss(const Call& c) {
  check_fits(c);
  return reduce(c, -log_sigmoid(c[0] * c[1]));
}

Tensor margin_ranking_loss(const Call& c) {
  if (c.ndim(0) != c.ndim(1) || c.ndim(0) != c.ndim(2)) {
    c.fail("input1 ", to_string(c.sizes(0)), ", input2 ", to_string(c.sizes(1)), " and target ",
           to_string(c.sizes(2)), " must have as many dimensions");
  }
  return reduce(c, clamp_min(-(c[2] * (c[0] - c[1])) + c.number("margin"), 0.0));
}

Tensor poisson_nll_loss(const Call& c) {
  const Operand &x = c[0], &t = c[1];
  Tensor losses = c.flag("log_input") ? exp(x) - t * x : x - t * log(x + c.number("eps"));
  if (c.flag("full")) {
    const Tensor stirling = t * log(t) - t + log(t * (2 * std::numbers::pi)) * 0.5;
    losses = losses + where(gt(t, 1), stirling, 0.0);
  }
  return reduce(c, losses);
}

Tensor gaussian_nll_loss(const Call& c) {
  const Tensor x = c.tensor(0);
  Tensor var = c[2].is_number() ? full(x.sizes(), c[2].number(), x.dtype()) : c.tensor(2);
  const bool lacks_last = var.ndim() + 1 == x.ndim();
  if (!(var.sizes() == x.sizes())) {
    const bool per_row = lacks_last && std::equal(var.sizes().begin(), var.sizes().end(), x.sizes().begin());
    if (per_row) var = unsqueeze(var, -1);
    Dims sizes = x.sizes();
    if (!broadcast_into(sizes, var.sizes()) || !(sizes == x.sizes())) {
      c.fail_as(ErrorKind::kValue, "var ", to_string(c.sizes(2)), " does not fit input ",
                to_string(x.sizes()));
    }
  }
  Tensor held;
  {
    // Holding var above eps is not differentiated, as documented.
    const GradMode no_grad(false);
    held = clamp_min(var, c.number("eps")) - var;
  }
  const Tensor safe = var + held;
  Tensor losses = (log(safe) + square(x - c[1]) / safe) * 0.5;
  if (c.flag("full")) losses = losses + 0.5 * std::log(2 * std::numbers::pi);
  return reduce(c, losses);
}

Tensor cosine_similarity(const Call& c) {
  const double eps = c.number("eps");
  const Dims dim{c.integer("dim")};
  const Operand both[2] = {c[0], c[1]};
  const Dtype type = result_type(both);
  if (!is_floating(type)) {
    c.fail("needs a floating dtype, got ", name(c[0].impl().dtype), " and ", name(c[1].impl().dtype),
           "; convert the inputs with .float()");
  }
  const Tensor a = is_floating(c[0].impl().dtype) ? c.tensor(0) : to(c.tensor(0), type);
  const Tensor b = is_floating(c[1].impl().dtype) ? c.tensor(1) : to(c.tensor(1), type);
  Dims sizes = a.sizes();
  if (!broadcast_into(sizes, b.sizes())) {
    c.fail("x1 ", to_string(a.sizes()), " and x2 ", to_string(b.sizes()), " do not broadcast");
  }
  const Tensor x = expand(a, sizes), y = expand(b, sizes);
  const auto length = [&](const Tensor& v, bool keepdim) {
    return clamp_min(call<Norm2>({v}, {dim, keepdim}), eps);
  };
  // Only one is divided element by element: their product would overflow sooner.
  return sum(x * (y / length(y, true)), dim) / length(x, false);
}

}  // namespace unspool::ops
