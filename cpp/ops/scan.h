// Running results along a dimension: sums, products, extrema and log-sum-exps, and the linear recurrence in
// which their derivatives are written.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"
#include "ops/shape.h"

namespace unspool::ops {

void infer_running(Inference& c);           // integers and bool become int64, unless dtype says otherwise
void infer_running_floating(Inference& c);  // floating dtypes only
void infer_running_extremum(Inference& c);  // values and indices
void running_extremum_cotangents(Vjp& v, std::span<Tensor> grads);
void recurrence_cotangents(Vjp& v, std::span<Tensor> grads);
Tensor running_product_cotangent(Vjp& v);
Tensor running_logsumexp_cotangent(Vjp& v);

// x moved on by one place along dim, with `first` in the place that gets free.
Tensor delayed(const Tensor& x, std::int64_t dim, double first);
// Along dim, the product of all elements but this one. No division: zeros are nothing special.
Tensor product_of_others(const Tensor& x, std::int64_t dim);

constexpr Record running(Text name, Text formula, Text doc, void (*infer)(Inference&)) {
  Record record{.name = name, .formula = formula, .doc = doc};
  record.args = {tensor(), integer("dim")};
  record.row_major = true;
  record.infer = infer;
  return record;
}

struct CumsumOp {
  static constexpr Record record = [] {
    Record r = running("cumsum", "Σ_{k<=i} input[k]",
                       "Running sum along a dimension. Integers and bool sum to int64.", infer_running);
    r.args = {tensor(), integer("dim"), keyword(dtype())};
    r.vjp = {{kNothing, [](Vjp& v) {
                const Dims dim{v.integer("dim")};
                const Tensor reversed = call<FlipOp>({v.g()}, {dim});
                return call<FlipOp>({call<CumsumOp>({reversed}, {v.integer("dim"), Attr()})}, {dim});
              }}};
    return r;
  }();
};

struct Cumprod {
  static constexpr Record record = [] {
    Record r =
        running("cumprod", "Π_{k<=i} input[k]",
                "Running product along a dimension. Integers and bool multiply to int64.", infer_running);
    r.args = {tensor(), integer("dim"), keyword(dtype())};
    r.vjp = {{in(0) | out(), running_product_cotangent}};
    return r;
  }();
};

constexpr Record running_extremum(Text name, Text formula, Text doc) {
  Record record = running(name, formula, doc, infer_running_extremum);
  record.outputs = {{"values", "indices"}};
  record.joint_vjp = {out(1), running_extremum_cotangents};
  return record;
}

struct Cummax {
  static constexpr Record record = running_extremum(
      "cummax", "max_{k<=i} input[k]",
      "Largest element so far along a dimension and where it is: the last of equal ones; NaN wins.");
};
struct Cummin {
  static constexpr Record record = running_extremum(
      "cummin", "min_{k<=i} input[k]",
      "Smallest element so far along a dimension and where it is: the last of equal ones; NaN wins.");
};

struct LogCumsumExp {
  static constexpr Record record = [] {
    Record r = running("logcumsumexp", "ln Σ_{k<=i} exp(input[k])",
                       "Logarithm of the running sum of exponentials along a dimension, without overflow.",
                       infer_running_floating);
    r.vjp = {{in(0) | out(), running_logsumexp_cotangent}};
    return r;
  }();
};

// s = b + L s, where (L s)[k] = a[k] s[k-1]; reversed, with the transpose of L. Each is the other's
// derivative.
struct Recurrence {
  static constexpr Record record{
      .name = "recurrence",
      .where = kHidden,
      .formula = "s[k] = b[k] + a[k] s[k-1], or reversed s[k] = b[k] + a[k+1] s[k+1]",
      .doc = "A linear recurrence along a dimension.",
      .args = {tensor("a"), tensor("b"), integer("dim"), flag("reversed", false)},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, c[0].impl().sizes, c[0].impl().dtype); },
      .joint_vjp = {in(0) | out(), recurrence_cotangents}};
};

Tensor differences(const Call& c);
Tensor trapezoid(const Call& c, bool is_running);

struct Diff {
  static constexpr Record record = rearrangement(
      "diff", "input[i + 1] - input[i], n times",
      "Differences of neighbours along a dimension, n times over, with prepend and append joined on first. "
      "On bool: exclusive or.",
      {tensor(), integer("n", 1), integer("dim", -1), optional_tensor("prepend"), optional_tensor("append")},
      [](const Call& c, std::span<Tensor> out) { out[0] = differences(c); });
};

constexpr Record integral(Text name, Text formula, Text doc,
                          void (*compose)(const Call&, std::span<Tensor>)) {
  Record record = rearrangement(
      name, formula, doc,
      {tensor("y"), optional_tensor("x"), keyword(optional_operand("dx")), keyword(integer("dim", -1))},
      compose);
  record.where = kTop;
  return record;
}

struct Trapezoid {
  static constexpr Record record = integral(
      "trapezoid", "Σ (y[i] + y[i + 1]) / 2 * (x[i + 1] - x[i])",
      "Integral along a dimension by the trapezoidal rule, over points x or of spacing dx (1 by default).",
      [](const Call& c, std::span<Tensor> out) { out[0] = trapezoid(c, false); });
};
struct Trapz {
  static constexpr Record record = [] {
    Record r = Trapezoid::record;
    r.name = "trapz";
    r.doc = "Alias of trapezoid.";
    return r;
  }();
};
struct CumulativeTrapezoid {
  static constexpr Record record =
      integral("cumulative_trapezoid", "Σ_{k<=i} (y[k] + y[k + 1]) / 2 * (x[k + 1] - x[k])",
               "Running integral along a dimension by the trapezoidal rule.",
               [](const Call& c, std::span<Tensor> out) { out[0] = trapezoid(c, true); });
};

using ScanOps = OpList<CumsumOp, Cumprod, Cummax, Cummin, LogCumsumExp, Recurrence, Diff, Trapezoid, Trapz,
                       CumulativeTrapezoid>;

}  // namespace unspool::ops
