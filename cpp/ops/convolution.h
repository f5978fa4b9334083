// Convolutions over one to three dimensions, and their transposes. Three hidden operations do the work; each
// is linear in both of its operands, and each derivative is one of the three again. The public forms check
// what they are given, work out sizes and padding, and call them.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_convolution(Inference& c);
void infer_convolution_transposed(Inference& c);
void infer_convolution_weight(Inference& c);
Tensor convolve(const Call& c, int spatial);
Tensor convolve_transposed(const Call& c, int spatial);

// The three operations with the geometry of the call whose derivative is sought, but their own `size`.
Tensor convolution(Vjp& v, const Tensor& input, const Tensor& weight, DimSpan like);
Tensor convolution_transposed(Vjp& v, const Tensor& input, const Tensor& weight, DimSpan like);
Tensor convolution_weight(Vjp& v, const Tensor& grad, const Tensor& input, DimSpan like);
// A bias meets every place of every image.
Tensor bias_cotangent(Vjp& v);

// `size` is the spatial size of the result; input beyond the edges is zero on both sides, `padding` of it
// before the first element.
constexpr Record hidden_convolution(std::string_view name, std::string_view formula, std::string_view doc,
                                    Args args, void (*infer)(Inference&), Rules vjp) {
  Record record{.name = name, .where = kHidden, .formula = formula, .doc = doc};
  record.args = args;
  record.row_major = true;
  record.infer = infer;
  record.vjp = vjp;
  return record;
}

struct Convolution {
  static constexpr Record record = hidden_convolution(
      "convolution", "bias[f] + Σ weight[f, c, t] * input[c, o * stride + t * dilation - padding]",
      "Convolution of (batch, channels, ...) with (filters, channels / groups, ...) to spatial sizes `size`.",
      {tensor(), tensor("weight"), optional_tensor("bias"), dims("size"), dims("stride"), dims("padding"),
       dims("dilation"), integer("groups")},
      infer_convolution,
      {{in(1), [](Vjp& v) { return convolution_transposed(v, v.g(), v.x(1), v.sizes(0)); }},
       {in(0), [](Vjp& v) { return convolution_weight(v, v.g(), v.x(0), v.sizes(1)); }},
       {kNothing, bias_cotangent}});
};

struct ConvolutionTransposed {
  static constexpr Record record = hidden_convolution(
      "convolution_transposed",
      "bias[f] + Σ weight[c, f, t] * input[c, o] where o * stride + t * dilation - padding = i",
      "Transpose of convolution in its input: (batch, channels, ...) and (channels, filters / groups, ...).",
      {tensor(), tensor("weight"), optional_tensor("bias"), dims("size"), dims("stride"), dims("padding"),
       dims("dilation"), integer("groups")},
      infer_convolution_transposed,
      {{in(1), [](Vjp& v) { return convolution(v, v.g(), v.x(1), v.sizes(0)); }},
       {in(0), [](Vjp& v) { return convolution_weight(v, v.x(0), v.g(), v.sizes(1)); }},
       {kNothing, bias_cotangent}});
};

struct ConvolutionWeight {
  static constexpr Record record = hidden_convolution(
      "convolution_weight", "Σ grad[n, f, o] * input[n, c, o * stride + t * dilation - padding]",
      "Transpose of convolution in its weight; `size` is the spatial size of the kernel.",
      {tensor("grad"), tensor("input"), dims("size"), dims("stride"), dims("padding"), dims("dilation"),
       integer("groups")},
      infer_convolution_weight,
      {{in(1), [](Vjp& v) { return convolution(v, v.x(1), v.g(), v.sizes(0)); }},
       {in(0), [](Vjp& v) { return convolution_transposed(v, v.x(0), v.g(), v.sizes(1)); }}});
};

constexpr Record public_convolution(std::string_view name, std::string_view python, std::string_view doc,
                                    Args args, void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{.name = name, .python = python, .where = kTop | kFunctional, .kind = Kind::kComposite};
  record.formula = "bias[f] + Σ weight[f, c, t] * input[c, o * stride + t * dilation - padding]";
  record.doc = doc;
  record.args = args;
  record.compose = compose;
  return record;
}

constexpr Args convolution_args(Arg padding) {
  return {tensor(), tensor("weight"),    optional_tensor("bias"), dims("stride", 1),
          padding,  dims("dilation", 1), integer("groups", 1)};
}

template <int kSpatial>
void compose_convolution(const Call& c, std::span<Tensor> out) {
  out[0] = convolve(c, kSpatial);
}

template <int kSpatial>
constexpr Record convolution_record(std::string_view name, std::string_view doc) {
  return public_convolution(name, name, doc, convolution_args(dims("padding", 0)),
                            compose_convolution<kSpatial>);
}

template <int kSpatial>
constexpr Record padded_convolution_record(std::string_view name, std::string_view python) {
  return public_convolution(name, python,
                            "The same with padding 'valid' (none) or 'same' (the input's size, stride 1).",
                            convolution_args(text("padding")), compose_convolution<kSpatial>);
}

template <int kSpatial>
constexpr Record transposed_record(std::string_view name, std::string_view doc) {
  Record record = public_convolution(
      name, name, doc,
      {tensor(), tensor("weight"), optional_tensor("bias"), dims("stride", 1), dims("padding", 0),
       dims("output_padding", 0), integer("groups", 1), dims("dilation", 1)},
      [](const Call& c, std::span<Tensor> out) { out[0] = convolve_transposed(c, kSpatial); });
  record.formula = "bias[f] + Σ weight[c, f, t] * input[c, o] where o * stride + t * dilation - padding = i";
  return record;
}

struct Conv1d {
  static constexpr Record record = convolution_record<1>(
      "conv1d",
      "Convolution of input (batch, channels, length), or without batch, with weight (filters, channels / "
      "groups, taps).");
};
struct Conv2d {
  static constexpr Record record = convolution_record<2>(
      "conv2d",
      "Convolution of input (batch, channels, height, width), or without batch, with weight (filters, "
      "channels / groups, kernel height, kernel width).");
};
struct Conv3d {
  static constexpr Record record = convolution_record<3>(
      "conv3d",
      "Convolution of input (batch, channels, depth, height, width), or without batch, with weight (filters, "
      "channels / groups, kernel depth, kernel height, kernel width).");
};
struct Conv1dPadded {
  static constexpr Record record = padded_convolution_record<1>("conv1d_padded", "conv1d");
};
struct Conv2dPadded {
  static constexpr Record record = padded_convolution_record<2>("conv2d_padded", "conv2d");
};
struct Conv3dPadded {
  static constexpr Record record = padded_convolution_record<3>("conv3d_padded", "conv3d");
};
struct ConvTranspose1d {
  static constexpr Record record = transposed_record<1>(
      "conv_transpose1d",
      "Transposed convolution of input (batch, channels, length), or without batch, with weight (channels, "
      "filters / groups, taps).");
};
struct ConvTranspose2d {
  static constexpr Record record = transposed_record<2>(
      "conv_transpose2d",
      "Transposed convolution of input (batch, channels, height, width), or without batch, with weight "
      "(channels, filters / groups, kernel height, kernel width).");
};
struct ConvTranspose3d {
  static constexpr Record record = transposed_record<3>(
      "conv_transpose3d",
      "Transposed convolution of input (batch, channels, depth, height, width), or without batch, with "
      "weight (channels, filters / groups, kernel depth, kernel height, kernel width).");
};

using ConvolutionOps =
    OpList<Convolution, ConvolutionTransposed, ConvolutionWeight, Conv1d, Conv1dPadded, Conv2d, Conv2dPadded,
           Conv3d, Conv3dPadded, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d>;

}  // namespace unspool::ops
