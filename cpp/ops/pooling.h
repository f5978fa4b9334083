// Pooling: maxima and means over windows of the last one to three dimensions. What users call are
// compositions that work out the windows; the kernels know the number of dimensions from the window's size.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

using Text = std::string_view;
using Compose = void (*)(const Call&, std::span<Tensor>);

void infer_pooled(Inference& c);          // attribute size: of the last dimensions of the result
void infer_pooled_indices(Inference& c);  // the same, with int64 positions
void infer_max_pool(Inference& c);        // the same, with a byte for each
void infer_max_unpool(Inference& c);
void infer_fractional(Inference& c);

// The last sizes of input i, as many as the attribute size lists.
Dims plane_of(const Vjp& v, int i);
// The cotangent at the positions that output 1 holds, zeros elsewhere; and the reverse.
Tensor put_at(Vjp& v);
Tensor take_at(const Tensor& x, const Tensor& indices, int spatial);

constexpr Args kWindow(Arg first, Arg second = {}) {
  Args args{first};
  if (!second.name.empty()) args.items[args.count++] = second;
  for (Text name : {"size", "kernel", "stride", "padding", "dilation"}) args.items[args.count++] = dims(name);
  return args;
}

struct MaxPoolBackward;
struct MaxPoolPick;

struct MaxPool {
  static constexpr Record record{
      .name = "max_pool",
      .where = kHidden,
      .formula = "max input[window]",
      .doc = "Maxima over windows of at most 256 places, and which place each maximum had in its window.",
      .args = kWindow(tensor()),
      .outputs = {{"output", "place"}},
      .row_major = true,
      .infer = infer_max_pool,
      .vjp = {{out(1), [](Vjp& v) {
                 return call<MaxPoolBackward>({v.g(), v.out(1)},
                                              {plane_of(v, 0), v.attr("kernel"), v.attr("stride"),
                                               v.attr("padding"), v.attr("dilation")});
               }}}};
};

struct MaxPoolBackward {
  static constexpr Record record{.name = "max_pool_backward",
                                 .where = kHidden,
                                 .formula = "zeros(size) with grad added at the place of each window",
                                 .doc = "Sends cotangents to the elements that won.",
                                 .args = kWindow(tensor("grad"), tensor("place")),
                                 .row_major = true,
                                 .infer = infer_pooled,
                                 .vjp = {{in(1), [](Vjp& v) {
                                            return call<MaxPoolPick>(
                                                {v.g(), v.in(1)},
                                                {plane_of(v, 0), v.attr("kernel"), v.attr("stride"),
                                                 v.attr("padding"), v.attr("dilation")});
                                          }}}};
};

struct MaxPoolPick {
  static constexpr Record record{.name = "max_pool_pick",
                                 .where = kHidden,
                                 .formula = "input at the place of each window",
                                 .doc = "Picks the elements that won: the transpose of max_pool_backward.",
                                 .args = kWindow(tensor(), tensor("place")),
                                 .row_major = true,
                                 .infer = infer_pooled,
                                 .vjp = {{in(1), [](Vjp& v) {
                                            return call<MaxPoolBackward>(
                                                {v.g(), v.in(1)},
                                                {plane_of(v, 0), v.attr("kernel"), v.attr("stride"),
                                                 v.attr("padding"), v.attr("dilation")});
                                          }}}};
};

// The same with the position of each maximum in its plane: for callers that ask for it, large windows, and
// windows that do not slide.
constexpr Record indexed_max(Text name, Text doc, Args args, void (*infer)(Inference&)) {
  Record record{.name = name, .where = kHidden, .formula = "max input[window]", .doc = doc};
  record.args = args;
  record.outputs = {{"output", "indices"}};
  record.row_major = true;
  record.infer = infer;
  record.vjp = {{out(1), put_at}};
  return record;
}

struct MaxPoolIndices {
  static constexpr Record record = indexed_max("max_pool_indices", "Maxima over sliding windows.",
                                               kWindow(tensor()), infer_pooled_indices);
};
struct AdaptiveMaxPool {
  static constexpr Record record =
      indexed_max("adaptive_max_pool", "Maxima over windows that divide a plane into `size` parts.",
                  {tensor(), dims("size")}, infer_pooled_indices);
};
struct FractionalMaxPool {
  static constexpr Record record =
      indexed_max("fractional_max_pool", "Maxima over windows at pseudo-random places (Graham 2014).",
                  {tensor(), tensor("samples"), dims("size"), dims("kernel")}, infer_fractional);
};

struct MaxUnpool {
  static constexpr Record record{
      .name = "max_unpool",
      .where = kHidden,
      .formula = "zeros(size) with input at indices",
      .doc = "Puts values at the positions that max pooling gave; what is put last stays.",
      .args = {tensor(), tensor("indices"), dims("size")},
      .row_major = true,
      .infer = infer_max_unpool,
      .vjp = {
          {in(1), [](Vjp& v) { return take_at(v.g(), v.x(1), static_cast<int>(v.dims("size").size())); }}}};
};

struct AvgPoolBackward;

constexpr Args kMeanWindow(Arg first) {
  return {first,
          dims("size"),
          dims("kernel"),
          dims("stride"),
          dims("padding"),
          flag("count_include_pad"),
          optional_integer("divisor_override")};
}

struct AvgPool {
  static constexpr Record record{
      .name = "avg_pool",
      .where = kHidden,
      .formula = "Σ input[window] / n",
      .doc = "Means over sliding windows.",
      .args = kMeanWindow(tensor()),
      .row_major = true,
      .infer = infer_pooled,
      .vjp = {{kNothing, [](Vjp& v) {
                 return call<AvgPoolBackward>(
                     {v.g()}, {plane_of(v, 0), v.attr("kernel"), v.attr("stride"), v.attr("padding"),
                               v.attr("count_include_pad"), v.attr("divisor_override")});
               }}}};
};

struct AvgPoolBackward {
  static constexpr Record record{
      .name = "avg_pool_backward",
      .where = kHidden,
      .formula = "zeros(size) with grad / n added to each window",
      .doc = "The transpose of avg_pool.",
      .args = kMeanWindow(tensor("grad")),
      .row_major = true,
      .infer = infer_pooled,
      .vjp = {{kNothing, [](Vjp& v) {
                 return call<AvgPool>({v.g()},
                                      {plane_of(v, 0), v.attr("kernel"), v.attr("stride"), v.attr("padding"),
                                       v.attr("count_include_pad"), v.attr("divisor_override")});
               }}}};
};

struct AdaptiveAvgPoolBackward;

struct AdaptiveAvgPool {
  static constexpr Record record{
      .name = "adaptive_avg_pool",
      .where = kHidden,
      .formula = "Σ input[window] / n",
      .doc = "Means over windows that divide a plane into `size` parts.",
      .args = {tensor(), dims("size")},
      .row_major = true,
      .infer = infer_pooled,
      .vjp = {{kNothing, [](Vjp& v) { return call<AdaptiveAvgPoolBackward>({v.g()}, {plane_of(v, 0)}); }}}};
};

struct AdaptiveAvgPoolBackward {
  static constexpr Record record{
      .name = "adaptive_avg_pool_backward",
      .where = kHidden,
      .formula = "zeros(size) with grad / n added to each window",
      .doc = "The transpose of adaptive_avg_pool.",
      .args = {tensor("grad"), dims("size")},
      .row_major = true,
      .infer = infer_pooled,
      .vjp = {{kNothing, [](Vjp& v) { return call<AdaptiveAvgPool>({v.g()}, {plane_of(v, 0)}); }}}};
};

// What users call ------------------------------------------------------------------------------------------

void max_pool(const Call& c, int spatial, std::span<Tensor> out);
void avg_pool(const Call& c, int spatial, std::span<Tensor> out);
void adaptive_max_pool(const Call& c, int spatial, std::span<Tensor> out);
void adaptive_avg_pool(const Call& c, int spatial, std::span<Tensor> out);
void fractional_max_pool(const Call& c, int spatial, std::span<Tensor> out);
void lp_pool(const Call& c, int spatial, std::span<Tensor> out);

template <void (*kPool)(const Call&, int, std::span<Tensor>), int kSpatial>
void pooled(const Call& c, std::span<Tensor> out) {
  kPool(c, kSpatial, out);
}

constexpr Record pooling(Text name, int where, Text formula, Text doc, Args args, Compose compose) {
  Record record{.name = name, .where = where, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = args;
  record.compose = compose;
  return record;
}

constexpr Record with_indices(Record record) {
  record.outputs = {{"output", "indices"}};
  return record;
}

inline constexpr Text kMax = "max input[window]", kMean = "Σ input[window] / n";
inline constexpr Args kMaxArgs = {tensor(),           dims("kernel_size"), optional_dims("stride"),
                                  dims("padding", 0), dims("dilation", 1), flag("ceil_mode", false)};
inline constexpr Args kMean1dArgs = {
    tensor(),           dims("kernel_size"),      optional_dims("stride"),
    dims("padding", 0), flag("ceil_mode", false), flag("count_include_pad", true)};
inline constexpr Args kMeanArgs = {tensor(),
                                   dims("kernel_size"),
                                   optional_dims("stride"),
                                   dims("padding", 0),
                                   flag("ceil_mode", false),
                                   flag("count_include_pad", true),
                                   optional_integer("divisor_override")};
inline constexpr Args kPartArgs = {tensor(), dims("output_size")};
inline constexpr Args kFractionalArgs = {tensor(), dims("kernel_size"), dims("output_size"),
                                         tensor("random_samples")};
inline constexpr Args kPowerArgs = {tensor(), real("norm_type"), dims("kernel_size"), optional_dims("stride"),
                                    flag("ceil_mode", false)};

struct MaxPool1d {
  static constexpr Record record =
      pooling("max_pool1d", kTop | kFunctional, kMax,
              "Maxima over windows that slide over the last dimension.", kMaxArgs, pooled<max_pool, 1>);
};
struct MaxPool1dWithIndices {
  static constexpr Record record = with_indices(
      pooling("max_pool1d_with_indices", kTop | kFunctional, kMax,
              "max_pool1d and the position of each maximum in its plane.", kMaxArgs, pooled<max_pool, 1>));
};
struct AvgPool1d {
  static constexpr Record record =
      pooling("avg_pool1d", kTop | kFunctional, kMean,
              "Means over windows that slide over the last dimension.", kMean1dArgs, pooled<avg_pool, 1>);
};
struct AdaptiveAvgPool1d {
  static constexpr Record record =
      pooling("adaptive_avg_pool1d", kTop | kFunctional, kMean,
              "Means over windows that divide the last dimension into output_size parts.", kPartArgs,
              pooled<adaptive_avg_pool, 1>);
};
struct AdaptiveMaxPool1d {
  static constexpr Record record = with_indices(pooling(
      "adaptive_max_pool1d_with_indices", kFunctional, kMax,
      "Maxima over windows that divide the last dimension into output_size parts, and their positions.",
      kPartArgs, pooled<adaptive_max_pool, 1>));
};
struct LpPool1d {
  static constexpr Record record =
      pooling("lp_pool1d", kFunctional, "(Σ input[window]^norm_type)^(1 / norm_type)",
              "Power means over windows that slide over the last dimension, times the size of the window.",
              kPowerArgs, pooled<lp_pool, 1>);
};
struct AdaptiveMaxPool1dTop {
  static constexpr Record record = with_indices(pooling(
      "adaptive_max_pool1d", kTop, kMax,
      "Maxima over windows that divide the last dimension into output_size parts, and their positions.",
      kPartArgs, pooled<adaptive_max_pool, 1>));
};

struct MaxPool2d {
  static constexpr Record record =
      pooling("max_pool2d", kTop | kFunctional, kMax,
              "Maxima over windows that slide over the last 2 dimensions.", kMaxArgs, pooled<max_pool, 2>);
};
struct MaxPool2dWithIndices {
  static constexpr Record record = with_indices(
      pooling("max_pool2d_with_indices", kFunctional, kMax,
              "max_pool2d and the position of each maximum in its plane.", kMaxArgs, pooled<max_pool, 2>));
};
struct AvgPool2d {
  static constexpr Record record =
      pooling("avg_pool2d", kFunctional, kMean, "Means over windows that slide over the last 2 dimensions.",
              kMeanArgs, pooled<avg_pool, 2>);
};
struct AdaptiveAvgPool2d {
  static constexpr Record record =
      pooling("adaptive_avg_pool2d", kFunctional, kMean,
              "Means over windows that divide the last 2 dimensions into output_size parts.", kPartArgs,
              pooled<adaptive_avg_pool, 2>);
};
struct AdaptiveMaxPool2d {
  static constexpr Record record = with_indices(pooling(
      "adaptive_max_pool2d_with_indices", kFunctional, kMax,
      "Maxima over windows that divide the last 2 dimensions into output_size parts, and their positions.",
      kPartArgs, pooled<adaptive_max_pool, 2>));
};
struct LpPool2d {
  static constexpr Record record =
      pooling("lp_pool2d", kFunctional, "(Σ input[window]^norm_type)^(1 / norm_type)",
              "Power means over windows that slide over the last 2 dimensions, times the size of the window.",
              kPowerArgs, pooled<lp_pool, 2>);
};
struct FractionalMaxPool2d {
  static constexpr Record record =
      with_indices(pooling("fractional_max_pool2d", kFunctional, kMax,
                           "Maxima over windows at pseudo-random places of the last 2 dimensions (Graham "
                           "2014), which samples (N, C, 2) decide, and their positions.",
                           kFractionalArgs, pooled<fractional_max_pool, 2>));
};

struct MaxPool3d {
  static constexpr Record record =
      pooling("max_pool3d", kTop | kFunctional, kMax,
              "Maxima over windows that slide over the last 3 dimensions.", kMaxArgs, pooled<max_pool, 3>);
};
struct MaxPool3dWithIndices {
  static constexpr Record record = with_indices(
      pooling("max_pool3d_with_indices", kFunctional, kMax,
              "max_pool3d and the position of each maximum in its plane.", kMaxArgs, pooled<max_pool, 3>));
};
struct AvgPool3d {
  static constexpr Record record =
      pooling("avg_pool3d", kFunctional, kMean, "Means over windows that slide over the last 3 dimensions.",
              kMeanArgs, pooled<avg_pool, 3>);
};
struct AdaptiveAvgPool3d {
  static constexpr Record record =
      pooling("adaptive_avg_pool3d", kFunctional, kMean,
              "Means over windows that divide the last 3 dimensions into output_size parts.", kPartArgs,
              pooled<adaptive_avg_pool, 3>);
};
struct AdaptiveMaxPool3d {
  static constexpr Record record = with_indices(pooling(
      "adaptive_max_pool3d_with_indices", kFunctional, kMax,
      "Maxima over windows that divide the last 3 dimensions into output_size parts, and their positions.",
      kPartArgs, pooled<adaptive_max_pool, 3>));
};
struct LpPool3d {
  static constexpr Record record =
      pooling("lp_pool3d", kFunctional, "(Σ input[window]^norm_type)^(1 / norm_type)",
              "Power means over windows that slide over the last 3 dimensions, times the size of the window.",
              kPowerArgs, pooled<lp_pool, 3>);
};
struct FractionalMaxPool3d {
  static constexpr Record record =
      with_indices(pooling("fractional_max_pool3d", kFunctional, kMax,
                           "Maxima over windows at pseudo-random places of the last 3 dimensions (Graham "
                           "2014), which samples (N, C, 3) decide, and their positions.",
                           kFractionalArgs, pooled<fractional_max_pool, 3>));
};

using PoolingCores =
    OpList<MaxPool, MaxPoolBackward, MaxPoolPick, MaxPoolIndices, AdaptiveMaxPool, FractionalMaxPool,
           MaxUnpool, AvgPool, AvgPoolBackward, AdaptiveAvgPool, AdaptiveAvgPoolBackward>;
using PoolingOps =
    OpList<MaxPool1d, MaxPool1dWithIndices, AvgPool1d, AdaptiveAvgPool1d, AdaptiveMaxPool1d, LpPool1d,
           AdaptiveMaxPool1dTop, MaxPool2d, MaxPool2dWithIndices, AvgPool2d, AdaptiveAvgPool2d,
           AdaptiveMaxPool2d, LpPool2d, FractionalMaxPool2d, MaxPool3d, MaxPool3dWithIndices, AvgPool3d,
           AdaptiveAvgPool3d, AdaptiveMaxPool3d, LpPool3d, FractionalMaxPool3d>;

}  // namespace unspool::ops
