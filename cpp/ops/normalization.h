// Normalization: (x - mean) / sqrt(variance + eps), scaled and shifted. Two primitives run all of it: one
// takes its statistics over rows of consecutive elements (layer, group, instance, RMS norm), the other over
// everything that shares a channel (batch norm). Each has a backward kernel; shape rules and the public
// functions, which are composed around them, are in normalization.cc.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_row_norm(Inference& c);
void infer_row_norm_backward(Inference& c);
void row_norm_cotangents(Vjp& v, std::span<Tensor> grads);
void infer_channel_norm(Inference& c);
void infer_channel_norm_backward(Inference& c);
void channel_norm_cotangents(Vjp& v, std::span<Tensor> grads);

// The input is seen as (samples, groups, channels / groups, inner), row-major; the last two make a row.
// `centered` false leaves the mean out (RMS norm), and then output `mean` is empty.
struct RowNorm {
  static constexpr Record record{
      .name = "row_norm",
      .where = kHidden,
      .formula = "(input - mean) * rstd * weight + bias, mean and rstd = (variance + eps)^(-1/2) of each row",
      .doc = "Normalizes rows of consecutive elements; weight and bias are per channel.",
      .args = {tensor(), optional_tensor("weight"), optional_tensor("bias"), integer("channels"),
               integer("groups"), integer("inner"), flag("centered"), real("eps")},
      .outputs = {{"output", "mean", "rstd"}},
      .row_major = true,
      .infer = infer_row_norm,
      .joint_vjp = {in(0) | in(1) | in(2) | out(1) | out(2), row_norm_cotangents}};
};

struct RowNormBackward {
  static constexpr Record record{
      .name = "row_norm_backward",
      .where = kHidden,
      .formula =
          "rstd * (h - mean(h) - z * mean(h * z)), Σ grad * z, Σ grad; h = grad * weight, "
          "z = (input - mean) * rstd",
      .doc = "Cotangents of row_norm; those that are not asked for come out empty.",
      .args = {tensor("grad"), tensor(), optional_tensor("weight"), tensor("mean"), tensor("rstd"),
               integer("channels"), integer("groups"), integer("inner"), flag("centered"),
               flag("wants_input"), flag("wants_affine")},
      .outputs = {{"input", "weight", "bias"}},
      .row_major = true,
      .infer = infer_row_norm_backward};
};

// The input is (samples, channels, ...). With `training` the statistics are the batch's and come out; without
// they are given and the outputs `mean` and `var` are empty.
struct ChannelNorm {
  static constexpr Record record{
      .name = "channel_norm",
      .where = kHidden,
      .formula = "(input - mean) * (var + eps)^(-1/2) * weight + bias, mean and variance of each channel",
      .doc = "Normalizes channels over all samples and positions.",
      .args = {tensor(), optional_tensor("weight"), optional_tensor("bias"), optional_tensor("mean"),
               optional_tensor("var"), flag("training"), real("eps")},
      .outputs = {{"output", "mean", "var"}},
      .row_major = true,
      .infer = infer_channel_norm,
      .joint_vjp = {in(0) | in(1) | in(2) | in(3) | in(4) | out(1) | out(2), channel_norm_cotangents}};
};

struct ChannelNormBackward {
  static constexpr Record record{
      .name = "channel_norm_backward",
      .where = kHidden,
      .formula =
          "weight * rstd * (grad - mean(grad) - z * mean(grad * z)), Σ grad * z, Σ grad; "
          "z = (input - mean) * rstd, rstd = (var + eps)^(-1/2); the means only with training",
      .doc = "Cotangents of channel_norm; the input's comes out empty where it is not asked for.",
      .args = {tensor("grad"), tensor(), optional_tensor("weight"), tensor("mean"), tensor("var"),
               flag("training"), real("eps"), flag("wants_input")},
      .outputs = {{"input", "weight", "bias"}},
      .row_major = true,
      .infer = infer_channel_norm_backward};
};

Tensor layer_norm(const Call& c);
Tensor rms_norm(const Call& c);
Tensor group_norm(const Call& c);
Tensor instance_norm(const Call& c);
Tensor batch_norm(const Call& c);

using Composed = void (*)(const Call&, std::span<Tensor>);

constexpr Record normalization(std::string_view name, std::string_view public_name, int where,
                               std::string_view formula, std::string_view doc, Args args, Composed compose) {
  Record record{.name = name, .python = public_name, .where = where, .kind = Kind::kComposite};
  record.formula = formula;
  record.doc = doc;
  record.args = args;
  record.compose = compose;
  return record;
}

struct LayerNorm {
  static constexpr Record record = normalization(
      "layer_norm", "layer_norm", kTop | kFunctional,
      "(input - mean) / (variance + eps)^(1/2) * weight + bias, over the last dimensions",
      "Layer normalization over the last dimensions, whose sizes are normalized_shape (Ba et al. 2016); "
      "weight and bias have that shape. cudnn_enable is ignored.",
      {tensor(), dims("normalized_shape"), optional_tensor("weight"), optional_tensor("bias"),
       real("eps", 1e-5), flag("cudnn_enable", true)},
      [](const Call& c, std::span<Tensor> out) { out[0] = layer_norm(c); });
};

struct RmsNorm {
  static constexpr Record record = normalization(
      "rms_norm", "rms_norm", kTop | kFunctional,
      "input / (mean(input^2) + eps)^(1/2) * weight, over the last dimensions",
      "Root-mean-square normalization over the last dimensions (Zhang and Sennrich 2019); eps None is the "
      "dtype's machine epsilon.",
      {tensor(), dims("normalized_shape"), optional_tensor("weight"), optional_real("eps")},
      [](const Call& c, std::span<Tensor> out) { out[0] = rms_norm(c); });
};

struct GroupNorm {
  static constexpr Record record = normalization(
      "group_norm", "group_norm", kTop | kFunctional,
      "(input - mean) / (variance + eps)^(1/2) * weight + bias, over groups of channels",
      "Group normalization of (N, C, ...): statistics over C / num_groups channels of one sample (Wu and He "
      "2018); weight and bias (C,). cudnn_enabled is ignored.",
      {tensor(), integer("num_groups"), optional_tensor("weight"), optional_tensor("bias"), real("eps", 1e-5),
       flag("cudnn_enabled", true)},
      [](const Call& c, std::span<Tensor> out) { out[0] = group_norm(c); });
};

inline constexpr std::string_view kInstanceFormula =
    "(input - mean) / (variance + eps)^(1/2) * weight + bias, over each channel of each sample";
inline constexpr std::string_view kInstanceDoc =
    "Instance normalization of (N, C, ...) (Ulyanov et al. 2016). Running statistics, where given, are used "
    "without use_input_stats and updated with it.";

struct InstanceNorm {
  static constexpr Record record = normalization(
      "instance_norm", "instance_norm", kFunctional, kInstanceFormula, kInstanceDoc,
      {tensor(), optional_tensor("running_mean"), optional_tensor("running_var"), optional_tensor("weight"),
       optional_tensor("bias"), flag("use_input_stats", true), real("momentum", 0.1), real("eps", 1e-5)},
      [](const Call& c, std::span<Tensor> out) { out[0] = instance_norm(c); });
};

inline constexpr std::string_view kBatchFormula =
    "(input - mean) / (variance + eps)^(1/2) * weight + bias, over each channel of the batch";
inline constexpr std::string_view kBatchDoc =
    "Batch normalization of (N, C, ...) (Ioffe and Szegedy 2015). In training the batch's statistics are "
    "used, and the running ones, where given, moved towards them by momentum; otherwise the running ones "
    "are used.";

struct BatchNorm {
  static constexpr Record record = normalization(
      "batch_norm", "batch_norm", kFunctional, kBatchFormula, kBatchDoc,
      {tensor(), optional_tensor("running_mean"), optional_tensor("running_var"), optional_tensor("weight"),
       optional_tensor("bias"), flag("training", false), real("momentum", 0.1), real("eps", 1e-5)},
      [](const Call& c, std::span<Tensor> out) { out[0] = batch_norm(c); });
};

// The same two in the order of arguments that they have at top level, where every argument must be given.
struct InstanceNormTop {
  static constexpr Record record = normalization(
      "instance_norm_top", "instance_norm", kTop, kInstanceFormula, kInstanceDoc,
      {tensor(), optional_tensor("weight"), optional_tensor("bias"), optional_tensor("running_mean"),
       optional_tensor("running_var"), flag("use_input_stats"), real("momentum"), real("eps"),
       flag("cudnn_enabled", true)},
      [](const Call& c, std::span<Tensor> out) {
        out[0] = call<InstanceNorm>({c[0], c[3], c[4], c[1], c[2]},
                                    {c.attr("use_input_stats"), c.attr("momentum"), c.attr("eps")});
      });
};

struct BatchNormTop {
  static constexpr Record record =
      normalization("batch_norm_top", "batch_norm", kTop, kBatchFormula, kBatchDoc,
                    {tensor(), optional_tensor("weight"), optional_tensor("bias"),
                     optional_tensor("running_mean"), optional_tensor("running_var"), flag("training"),
                     real("momentum"), real("eps"), flag("cudnn_enabled", true)},
                    [](const Call& c, std::span<Tensor> out) {
                      out[0] = call<BatchNorm>({c[0], c[3], c[4], c[1], c[2]},
                                               {c.attr("training"), c.attr("momentum"), c.attr("eps")});
                    });
};

using NormalizationOps = OpList<RowNorm, RowNormBackward, ChannelNorm, ChannelNormBackward, LayerNorm,
                                RmsNorm, GroupNorm, InstanceNorm, BatchNorm, InstanceNormTop, BatchNormTop>;

}  // namespace unspool::ops
