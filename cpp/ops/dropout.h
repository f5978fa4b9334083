// Dropout in its kinds: elements or whole channels, set to zero or to the value that keeps a normalizing
// network's mean and variance.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

// What is dropped together, and what takes its place.
struct DropoutKind {
  bool channels = false;  // of (N, C, ...): all elements of a channel share their fate
  bool alpha = false;     // the saturation value of selu instead of 0 (Klambauer et al. 2017)
};
Tensor dropout(const Call& c, DropoutKind kind);

constexpr Record dropout_record(std::string_view name, std::string_view formula, std::string_view doc,
                                bool training, void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{
      .name = name, .where = kTop | kFunctional, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = {tensor(), real("p", 0.5), flag("training", training), flag("inplace", false)};
  record.compose = compose;
  return record;
}

struct Dropout {
  static constexpr Record record = dropout_record(
      "dropout", "input * bernoulli(1 - p) / (1 - p)",
      "Zeroes elements with probability p and scales the others, when training (Srivastava et al. 2014).",
      true, [](const Call& c, std::span<Tensor> out) { out[0] = dropout(c, {}); });
};

struct AlphaDropout {
  static constexpr Record record = dropout_record(
      "alpha_dropout", "a * (input * keep + alpha' * (1 - keep)) + b, keep = bernoulli(1 - p)",
      "Sets elements to selu's negative saturation value with probability p and rescales so that mean and "
      "variance stay, when training (Klambauer et al. 2017).",
      false, [](const Call& c, std::span<Tensor> out) { out[0] = dropout(c, {.alpha = true}); });
};

struct FeatureDropout {
  static constexpr Record record = [] {
    Record r = dropout_record(
        "feature_dropout", "input * bernoulli(1 - p, (N, C, 1...)) / (1 - p)",
        "Zeroes whole channels of (N, C, ...) with probability p and scales the others, when training.", true,
        [](const Call& c, std::span<Tensor> out) { out[0] = dropout(c, {.channels = true}); });
    r.where = kTop;
    return r;
  }();
};

struct FeatureAlphaDropout {
  static constexpr Record record = dropout_record(
      "feature_alpha_dropout",
      "a * (input * keep + alpha' * (1 - keep)) + b, keep = bernoulli(1 - p, (N, C, 1...))",
      "alpha_dropout of whole channels of (N, C, ...).", false,
      [](const Call& c, std::span<Tensor> out) { out[0] = dropout(c, {.channels = true, .alpha = true}); });
};

using DropoutOps = OpList<Dropout, AlphaDropout, FeatureDropout, FeatureAlphaDropout>;

}  // namespace unspool::ops
