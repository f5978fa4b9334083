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

// One record for each number of spatial dimensions, which its name tells.
template <int kSpatial>
constexpr Text of_rank(Text in_1d, Text in_2d, Text in_3d) {
  return kSpatial == 1 ? in_1d : kSpatial == 2 ? in_2d : in_3d;
}
// Of those that PyTorch also has outside of nn.functional in one dimension.
template <int kSpatial>
constexpr int kOnlyLineAtTop = kSpatial == 1 ? kTop | kFunctional : kFunctional;

template <int kSpatial>
struct MaxPoolNd {
  static constexpr Record record = pooling(
      of_rank<kSpatial>("max_pool1d", "max_pool2d", "max_pool3d"), kTop | kFunctional, kMax,
      "Maxima over windows that slide over the spatial dimensions.", kMaxArgs, pooled<max_pool, kSpatial>);
};
template <int kSpatial>
struct MaxPoolWithIndices {
  static constexpr Record record = with_indices(pooling(
      of_rank<kSpatial>("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"),
      kOnlyLineAtTop<kSpatial>, kMax,
      "Maxima over windows that slide over the spatial dimensions, and their positions in their planes.",
      kMaxArgs, pooled<max_pool, kSpatial>));
};
template <int kSpatial>
struct AvgPoolNd {
  static constexpr Record record =
      pooling(of_rank<kSpatial>("avg_pool1d", "avg_pool2d", "avg_pool3d"), kOnlyLineAtTop<kSpatial>, kMean,
              "Means over windows that slide over the spatial dimensions.",
              kSpatial == 1 ? kMean1dArgs : kMeanArgs, pooled<avg_pool, kSpatial>);
};
template <int kSpatial>
struct AdaptiveAvgPoolNd {
  static constexpr Record record =
      pooling(of_rank<kSpatial>("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
              kOnlyLineAtTop<kSpatial>, kMean,
              "Means over windows that divide the spatial dimensions into output_size parts.", kPartArgs,
              pooled<adaptive_avg_pool, kSpatial>);
};
template <int kSpatial>
struct AdaptiveMaxPoolNd {
  static constexpr Record record = with_indices(
      pooling(of_rank<kSpatial>("adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices",
                                "adaptive_max_pool3d_with_indices"),
              kFunctional, kMax,
              "Maxima over windows that divide the spatial dimensions into output_size parts, and their "
              "positions in their planes.",
              kPartArgs, pooled<adaptive_max_pool, kSpatial>));
};
struct AdaptiveMaxPool1dTop {
  static constexpr Record record = [] {
    Record r = AdaptiveMaxPoolNd<1>::record;
    r.name = "adaptive_max_pool1d";
    r.where = kTop;
    return r;
  }();
};
template <int kSpatial>
struct LpPoolNd {
  static constexpr Record record = pooling(
      of_rank<kSpatial>("lp_pool1d", "lp_pool2d", "lp_pool3d"), kFunctional,
      "(Σ input[window]^norm_type)^(1 / norm_type)",
      "Power means over windows that slide over the spatial dimensions, times the size of the window.",
      kPowerArgs, pooled<lp_pool, kSpatial>);
};
template <int kSpatial>
struct FractionalMaxPoolNd {
  static constexpr Record record = with_indices(
      pooling(kSpatial == 2 ? "fractional_max_pool2d" : "fractional_max_pool3d", kFunctional, kMax,
              "Maxima over windows at pseudo-random places of the spatial dimensions (Graham 2014), which "
              "samples (N, C, dimensions) decide, and their positions in their planes.",
              kFractionalArgs, pooled<fractional_max_pool, kSpatial>));
};

using PoolingCores =
    OpList<MaxPool, MaxPoolBackward, MaxPoolPick, MaxPoolIndices, AdaptiveMaxPool, FractionalMaxPool,
           MaxUnpool, AvgPool, AvgPoolBackward, AdaptiveAvgPool, AdaptiveAvgPoolBackward>;
using PoolingOps =
    OpList<MaxPoolNd<1>, MaxPoolWithIndices<1>, AvgPoolNd<1>, AdaptiveAvgPoolNd<1>, AdaptiveMaxPoolNd<1>,
           LpPoolNd<1>, AdaptiveMaxPool1dTop, MaxPoolNd<2>, MaxPoolWithIndices<2>, AvgPoolNd<2>,
           AdaptiveAvgPoolNd<2>, AdaptiveMaxPoolNd<2>, LpPoolNd<2>, FractionalMaxPoolNd<2>, MaxPoolNd<3>,
           MaxPoolWithIndices<3>, AvgPoolNd<3>, AdaptiveAvgPoolNd<3>, AdaptiveMaxPoolNd<3>, LpPoolNd<3>,
           FractionalMaxPoolNd<3>>;

}  // namespace unspool::ops
