// Reductions over any dimensions, and running sums.
#pragma once

#include <algorithm>
#include <type_traits>

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"
#include "ops/shape.h"

namespace unspool::ops {

// Sizes after reducing `dims` (all when not given).
Dims reduced_sizes(const Call& c, DimSpan dims, bool keepdim);
inline DimSpan dims_of(const Call& c) { return c.given("dim") ? DimSpan(c.dims("dim")) : DimSpan(); }
inline DimSpan dims_of(const Vjp& v) { return v.attr("dim").is_none() ? DimSpan() : DimSpan(v.dims("dim")); }

// The cotangent of a reduction's result, shaped to broadcast against the input.
inline Tensor spread(Vjp& v, const Tensor& x) {
  return restore_dims(x, dims_of(v), static_cast<int>(v.sizes(0).size()), v.flag("keepdim"));
}

void infer_sum(Inference& c);
void infer_mean(Inference& c);
void infer_floating(Inference& c);  // integers become float32
void infer_extremum(Inference& c);

constexpr Record reduction(Text name, Text formula, Text doc, void (*infer)(Inference&), Rule rule) {
  Record record{.name = name, .formula = formula, .doc = doc};
  record.args = {tensor(), optional_dims("dim"), flag("keepdim", false)};
  record.infer = infer;
  if (rule.cotangent) record.vjp = {rule};
  return record;
}

// Each of the following is a fold: where it starts, and how two partial results combine.
enum class Start : std::uint8_t { kZero, kOne, kLowest, kHighest };

struct SumOp {
  static constexpr Record record = [] {
    Record r = reduction("sum", "Σ input",
                         "Sum over the given dimensions (all by default). Integers and bool sum to int64.",
                         infer_sum, {kNothing, [](Vjp& v) { return expand(spread(v, v.g()), v.sizes(0)); }});
    r.args = {tensor(), optional_dims("dim"), flag("keepdim", false), keyword(dtype())};
    return r;
  }();
  static constexpr Start start = Start::kZero;
  template <class P>
  static P combine(P a, P b) {
    return a + b;
  }
};

struct SumOfNumbers {
  static constexpr Record record = [] {
    Record r = reduction("sum_of_numbers", "Σ input, with NaN as 0",
                         "Sum over the given dimensions of what is a number.", infer_mean,
                         {in(0), [](Vjp& v) { return where(eq(v.in(0), v.in(0)), spread(v, v.g()), 0.0); }});
    r.where = kHidden;
    return r;
  }();
};

Tensor mean_cotangent(Vjp& v);

struct MeanOp {
  static constexpr Record record = [] {
    Record r = reduction("mean", "Σ input / n",
                         "Mean over the given dimensions (all by default); needs a floating dtype.",
                         infer_mean, {kNothing, mean_cotangent});
    r.args = {tensor(), optional_dims("dim"), flag("keepdim", false), keyword(dtype())};
    return r;
  }();
  static constexpr Start start = Start::kZero;
  template <class P>
  static P combine(P a, P b) {
    return a + b;
  }
};

Tensor product_cotangent(Vjp& v);

struct ProdOp {
  static constexpr Record record = [] {
    Record r = reduction("prod_dims", "Π input", "Product over the given dimensions.", infer_sum,
                         {in(0), product_cotangent});
    r.where = kHidden;
    r.args = {tensor(), optional_dims("dim"), flag("keepdim", false), keyword(dtype())};
    return r;
  }();
  static constexpr Start start = Start::kOne;
  template <class P>
  static P combine(P a, P b) {
    return a * b;
  }
};

struct Prod {
  static constexpr Record record{
      .name = "prod",
      .kind = Kind::kComposite,
      .formula = "Π input",
      .doc = "Product over one dimension (all by default). Integers and bool multiply to int64.",
      .args = {tensor(), optional_integer("dim"), flag("keepdim", false), keyword(dtype())},
      .compose = [](const Call& c, std::span<Tensor> out) {
        const Attr dim = c.given("dim") ? Attr(Dims{c.integer("dim")}) : Attr();
        out[0] = call<ProdOp>({c[0]}, {dim, c.flag("keepdim"), c.attr("dtype")});
      }};
};

// Equal extrema share the cotangent evenly.
inline Tensor extremum_cotangent(Vjp& v) {
  const Tensor is_extremum = to(eq(v.in(0), spread(v, v.out())), v.g().dtype());
  return spread(v, v.g()) * (is_extremum / sum(is_extremum, dims_of(v), true));
}

struct Amax {
  static constexpr Record record =
      reduction("amax", "max input", "Largest element over the given dimensions; NaN wins.", infer_extremum,
                {in(0) | out(), extremum_cotangent});
  static constexpr Start start = Start::kLowest;
  template <class P>
  static P combine(P a, P b) {
    return max(a, b);
  }
};

struct Amin {
  static constexpr Record record =
      reduction("amin", "min input", "Smallest element over the given dimensions; NaN wins.", infer_extremum,
                {in(0) | out(), extremum_cotangent});
  static constexpr Start start = Start::kHighest;
  template <class P>
  static P combine(P a, P b) {
    return min(a, b);
  }
};

// values and indices along one dimension; the first of equal elements is taken, NaN before all others.
void infer_indexed_extremum(Inference& c);
void indexed_extremum_cotangents(Vjp& v, std::span<Tensor> grads);

constexpr Record indexed_extremum(Text name, Text python, Text formula, Text doc) {
  Record record{.name = name, .python = python, .formula = formula, .doc = doc};
  record.args = {tensor(), integer("dim"), flag("keepdim", false)};
  record.outputs = {{"values", "indices"}};
  record.infer = infer_indexed_extremum;
  record.joint_vjp = {out(1), indexed_extremum_cotangents};
  return record;
}

struct MaxDim {
  static constexpr Record record = indexed_extremum("max_dim", "max", "max input along dim",
                                                    "Largest elements along a dimension and where they are.");
};

struct MinDim {
  static constexpr Record record = indexed_extremum(
      "min_dim", "min", "min input along dim", "Smallest elements along a dimension and where they are.");
};

constexpr Record whole(Text name, Text python, Text formula, Text doc,
                       void (*compose)(const Call&, std::span<Tensor>)) {
  return {.name = name,
          .python = python,
          .kind = Kind::kComposite,
          .formula = formula,
          .doc = doc,
          .args = {tensor()},
          .compose = compose};
}

struct MaxAll {
  static constexpr Record record =
      whole("max_all", "max", "max input", "The largest element.",
            [](const Call& c, std::span<Tensor> out) { out[0] = call<Amax>({c[0]}, {Attr(), false}); });
};

struct MinAll {
  static constexpr Record record =
      whole("min_all", "min", "min input", "The smallest element.",
            [](const Call& c, std::span<Tensor> out) { out[0] = call<Amin>({c[0]}, {Attr(), false}); });
};

struct MaxOther {
  static constexpr Record record{
      .name = "max_other",
      .python = "max",
      .kind = Kind::kComposite,
      .formula = "max(input, other)",
      .doc = "The larger of two tensors, element by element.",
      .args = {tensor(), tensor("other")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = maximum(c[0], c[1]); }};
};

struct MinOther {
  static constexpr Record record{
      .name = "min_other",
      .python = "min",
      .kind = Kind::kComposite,
      .formula = "min(input, other)",
      .doc = "The smaller of two tensors, element by element.",
      .args = {tensor(), tensor("other")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = minimum(c[0], c[1]); }};
};

Tensor index_of_extremum(const Call& c, const Op& op);

struct Argmax {
  static constexpr Record record{
      .name = "argmax",
      .kind = Kind::kComposite,
      .formula = "argmax input",
      .doc =
          "Index (int64) of the first largest element along dim, or in the flattened input when dim is None.",
      .args = {tensor(), optional_integer("dim"), flag("keepdim", false)},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = index_of_extremum(c, op_of<MaxDim>); }};
};

struct Argmin {
  static constexpr Record record{
      .name = "argmin",
      .kind = Kind::kComposite,
      .formula = "argmin input",
      .doc =
          "Index (int64) of the first smallest element along dim, or in the flattened input when dim is "
          "None.",
      .args = {tensor(), optional_integer("dim"), flag("keepdim", false)},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = index_of_extremum(c, op_of<MinDim>); }};
};

// The extremum of which elements are nonzero. Where the input is uint8, so is the result.
template <class Extremum>
Tensor over_truth(const Call& c) {
  const Dtype dtype = c.tensor(0).dtype();
  const Tensor x = dtype == Dtype::kBool ? c.tensor(0) : ne(c[0], 0);
  const Attr &dim = c.attr("dim"), &keepdim = c.attr("keepdim");
  Tensor result;
  if (x.numel() > 0) {
    result = call<Extremum>({x}, {dim, keepdim});
  } else {
    // Of no elements all are nonzero and none is, though there is no extremum.
    const Tensor nothing = call<SumOp>({x}, {dim, keepdim, Attr()});
    result = std::is_same_v<Extremum, Amax> ? ne(nothing, 0) : eq(nothing, 0);
  }
  return dtype == Dtype::kUInt8 ? to(result, dtype) : result;
}

struct AnyOp {
  static constexpr Record record = [] {
    Record r{.name = "any",
             .kind = Kind::kComposite,
             .formula = "∃ input != 0",
             .doc = "Whether any element is nonzero; gives bool, of uint8 uint8.",
             .args = {tensor(), optional_dims("dim"), flag("keepdim", false)}};
    r.compose = [](const Call& c, std::span<Tensor> out) { out[0] = over_truth<Amax>(c); };
    return r;
  }();
};

struct AllOp {
  static constexpr Record record = [] {
    Record r = AnyOp::record;
    r.name = "all";
    r.formula = "∀ input != 0";
    r.doc = "Whether all elements are nonzero; gives bool, of uint8 uint8.";
    r.compose = [](const Call& c, std::span<Tensor> out) { out[0] = over_truth<Amin>(c); };
    return r;
  }();
};

struct CountNonzero {
  static constexpr Record record{
      .name = "count_nonzero",
      .kind = Kind::kComposite,
      .formula = "Σ [input != 0]",
      .doc = "How many elements are nonzero, as int64.",
      .args = {tensor(), optional_dims("dim")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = sum(ne(c[0], 0), dims_of(c), false); }};
};

// Σ (input - mean)^2 / max(0, n - correction), in two passes.
struct Moment {
  static constexpr Record record{
      .name = "central_moment",
      .where = kHidden,
      .formula = "Σ (input - mean(input))^2 / max(0, n - correction)",
      .doc = "Variance and mean over the given dimensions, in two passes.",
      .args = {tensor(), optional_dims("dim"), flag("keepdim", false), real("correction")},
      .outputs = {{"var", "mean"}},
      .infer =
          [](Inference& c) {
            infer_mean(c);
            c.out[1] = c.out[0];
          },
      .joint_vjp = {in(0) | out(1), [](Vjp& v, std::span<Tensor> grads) {
                      const DimSpan dims = dims_of(v);
                      const Tensor x = v.x();
                      const double n = static_cast<double>(x.numel()) /
                                       static_cast<double>(std::max<std::int64_t>(1, v.out(1).numel()));
                      Tensor total;
                      if (v.has_g(0)) {
                        const Tensor centred = x - mean(x, dims, true);
                        total =
                            spread(v, v.g(0)) * (centred * (2 / std::max(0.0, n - v.number("correction"))));
                      }
                      if (v.has_g(1)) {
                        const Tensor part = expand(spread(v, v.g(1)) * (1 / n), x.sizes());
                        total = total ? total + part : part;
                      }
                      grads[0] = total;
                    }}};
};

// The signatures of var and std: unbiased is the older name of correction = 1.
void variance(const Call& c, std::span<Tensor> out, bool root, bool with_mean);

constexpr Record variance_op(Text name, Text python, Text formula, Text doc, bool over_all, bool with_mean,
                             void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{.name = name, .python = python, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  if (over_all) {
    record.args = {tensor(), flag("unbiased")};
  } else {
    record.args = {tensor(), optional_dims("dim"), flag("unbiased", true), flag("keepdim", false),
                   keyword(optional_real("correction"))};
  }
  if (with_mean) record.outputs = {{name.substr(0, 3), "mean"}};
  record.compose = compose;
  return record;
}

struct Var {
  static constexpr Record record =
      variance_op("var", "var", "Σ (input - mean)^2 / max(0, n - correction)",
                  "Variance over the given dimensions (all by default); correction is 1 by default (Bessel).",
                  false, false, [](const Call& c, std::span<Tensor> out) { variance(c, out, false, false); });
};
struct VarAll {
  static constexpr Record record =
      variance_op("var_unbiased", "var", "Σ (input - mean)^2 / max(0, n - correction)",
                  "Variance of all elements, with or without Bessel's correction.", true, false,
                  [](const Call& c, std::span<Tensor> out) { variance(c, out, false, false); });
};
struct Std {
  static constexpr Record record = variance_op(
      "std", "std", "(Σ (input - mean)^2 / max(0, n - correction)) ^ (1/2)",
      "Standard deviation over the given dimensions (all by default); correction is 1 by default.", false,
      false, [](const Call& c, std::span<Tensor> out) { variance(c, out, true, false); });
};
struct StdAll {
  static constexpr Record record =
      variance_op("std_unbiased", "std", "(Σ (input - mean)^2 / max(0, n - correction)) ^ (1/2)",
                  "Standard deviation of all elements, with or without Bessel's correction.", true, false,
                  [](const Call& c, std::span<Tensor> out) { variance(c, out, true, false); });
};
struct VarMean {
  static constexpr Record record = [] {
    Record r = variance_op("var_mean", "var_mean", "variance and mean",
                           "Variance and mean, in one pass over the data.", false, true,
                           [](const Call& c, std::span<Tensor> out) { variance(c, out, false, true); });
    r.where = kTop;
    return r;
  }();
};
struct VarMeanAll {
  static constexpr Record record = [] {
    Record r = variance_op("var_mean_unbiased", "var_mean", "variance and mean",
                           "Variance, with or without Bessel's correction, and mean of all elements.", true,
                           true, [](const Call& c, std::span<Tensor> out) { variance(c, out, false, true); });
    r.where = kTop;
    return r;
  }();
};
struct StdMean {
  static constexpr Record record = [] {
    Record r = variance_op("std_mean", "std_mean", "standard deviation and mean",
                           "Standard deviation and mean, in one pass over the data.", false, true,
                           [](const Call& c, std::span<Tensor> out) { variance(c, out, true, true); });
    r.where = kTop;
    return r;
  }();
};

struct StdMeanAll {
  static constexpr Record record = [] {
    Record r =
        variance_op("std_mean_unbiased", "std_mean", "standard deviation and mean",
                    "Standard deviation, with or without Bessel's correction, and mean of all elements.",
                    true, true, [](const Call& c, std::span<Tensor> out) { variance(c, out, true, true); });
    r.where = kTop;
    return r;
  }();
};

struct LogSumExp {
  static constexpr Record record = [] {
    Record r = reduction(
        "logsumexp", "ln Σ exp(input)", "Logarithm of a sum of exponentials, without overflow.",
        infer_floating,
        {in(0) | out(), [](Vjp& v) { return spread(v, v.g()) * exp(v.in(0) - spread(v, v.out())); }});
    r.args = {tensor(), dims("dim"), flag("keepdim", false)};
    r.row_major = false;
    r.kind = Kind::kKernel;
    return r;
  }();
};

// (Σ |input|^2)^(1/2), with derivative 0 at 0.
struct Norm2 {
  static constexpr Record record = [] {
    Record r =
        reduction("norm2", "(Σ input^2) ^ (1/2)", "Euclidean norm over the given dimensions.", infer_mean,
                  {in(0) | out(), [](Vjp& v) {
                     const Tensor length = spread(v, v.out());
                     const Tensor is_zero = eq(length, 0);
                     return where(is_zero, 0.0, spread(v, v.g()) * (v.in(0) / where(is_zero, 1.0, length)));
                   }});
    r.where = kHidden;
    return r;
  }();
};

Tensor vector_norm(const Call& c);
Tensor norm_named(const Call& c);

struct VectorNorm {
  static constexpr Record record{
      .name = "vector_norm",
      .where = kLinalg,
      .kind = Kind::kComposite,
      .formula = "(Σ |x|^ord) ^ (1/ord)",
      .doc = "Vector norm of any order (inf, -inf and 0 included) over the given dimensions.",
      .args = {tensor("x"), real("ord", 2), optional_dims("dim"), flag("keepdim", false), keyword(dtype())},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = vector_norm(c); }};
};

struct Norm {
  static constexpr Record record{
      .name = "norm",
      .kind = Kind::kComposite,
      .formula = "(Σ |input|^p) ^ (1/p)",
      .doc = "Vector norm over the given dimensions, by default of order 2; matrices count as vectors.",
      .args = {tensor(), optional_real("p"), optional_dims("dim"), flag("keepdim", false), dtype()},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = vector_norm(c); }};
};

struct NormText {
  static constexpr Record record{
      .name = "norm_named",
      .python = "norm",
      .kind = Kind::kComposite,
      .formula = "(Σ input^2) ^ (1/2)",
      .doc = "The norm named by p: 'fro' (Frobenius), or 'nuc' (the sum of a matrix's singular values).",
      .args = {tensor(), text("p"), optional_dims("dim"), flag("keepdim", false), dtype()},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = norm_named(c); }};
};

using ReductionOps = OpList<SumOp, MeanOp, ProdOp, Amax, Amin>;  // folds
using OtherReductions = OpList<SumOfNumbers, Prod, MaxAll, MaxOther, MaxDim, MinAll, MinOther, MinDim, Argmax,
                               Argmin, AnyOp, AllOp, CountNonzero, Moment, Var, VarAll, Std, StdAll, VarMean,
                               VarMeanAll, StdMean, StdMeanAll, LogSumExp, Norm2, VectorNorm, Norm, NormText>;

}  // namespace unspool::ops
