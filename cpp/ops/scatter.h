// Writing by index along a dimension: scatter and its relatives that combine what meets in one place.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_scatter_into(Inference& c);

constexpr Record scattering(std::string_view name, std::string_view python, std::string_view formula,
                            std::string_view doc, Arg source, Rule input_rule, Rule source_rule) {
  Record record{.name = name, .python = python, .formula = formula, .doc = doc};
  record.args = {tensor(), integer("dim"), tensor("index"), source};
  record.has_in_place = true;
  record.out_of_range = ErrorKind::kRuntime;
  record.infer = infer_scatter_into;
  record.vjp = {input_rule, kNoGradient(), source_rule};
  return record;
}

struct ScatterValue;

// The cotangent of a source: what its elements' places received. Elements beyond the index took no part.
Tensor source_cotangent(Vjp& v);
Tensor without_written(Vjp& v);

struct ScatterOp {
  static constexpr Record record =
      scattering("scatter", "scatter", "input with src at [.., index[.., i, ..], ..] along dim",
                 "A copy of the input with elements of src written to the places that index names along dim; "
                 "the last write to a place "
                 "stays. With reduce='add' or 'multiply' they are combined with what is there.",
                 tensor("src"), {in(1), without_written}, {in(1), source_cotangent});
};

struct ScatterValue {
  static constexpr Record record =
      scattering("scatter_value", "scatter", "input with value at [.., index[.., i, ..], ..] along dim",
                 "A copy of the input with a number written to the places that index names along dim.",
                 operand("value"), {in(1), without_written}, kNoGradient());
};

struct ScatterAdd {
  static constexpr Record record =
      scattering("scatter_add", "scatter_add", "input + Σ src at [.., index[.., i, ..], ..] along dim",
                 "A copy of the input with elements of src added in the places that index names along dim, "
                 "in the index's order.",
                 tensor("src"), {kNothing, pass_on}, {in(1), source_cotangent});
};

constexpr Record hidden(Record record) {
  record.where = kHidden;
  record.has_in_place = false;
  return record;
}

void product_cotangents(Vjp& v, std::span<Tensor> grads);

struct ScatterMultiply {
  static constexpr Record record = [] {
    Record r = hidden(scattering(
        "scatter_multiply", "scatter_multiply", "input * Π src at [.., index[.., i, ..], ..] along dim",
        "A copy of the input with places multiplied by elements of src.", operand("src"), {}, {}));
    r.vjp = {};
    r.joint_vjp = {in(0) | in(1) | in(2), product_cotangents};
    return r;
  }();
};

// Equal extrema share the cotangent evenly.
Tensor extremum_input_cotangent(Vjp& v);
Tensor extremum_source_cotangent(Vjp& v);

struct ScatterAmax {
  static constexpr Record record = hidden(
      scattering("scatter_amax", "scatter_amax", "max(input, src at [.., index[.., i, ..], ..]) along dim",
                 "A copy of the input with places raised to elements of src.", tensor("src"),
                 {in(0) | in(1) | in(2) | out(), extremum_input_cotangent},
                 {in(0) | in(1) | in(2) | out(), extremum_source_cotangent}));
};
struct ScatterAmin {
  static constexpr Record record = hidden(
      scattering("scatter_amin", "scatter_amin", "min(input, src at [.., index[.., i, ..], ..]) along dim",
                 "A copy of the input with places lowered to elements of src.", tensor("src"),
                 {in(0) | in(1) | in(2) | out(), extremum_input_cotangent},
                 {in(0) | in(1) | in(2) | out(), extremum_source_cotangent}));
};

Tensor scatter_combined(const Call& c);
Tensor scatter_reduce(const Call& c);

constexpr Record scatter_with_reduce(std::string_view name, Arg source) {
  Record record{.name = name, .python = "scatter", .kind = Kind::kComposite};
  record.formula = "input combined with src at [.., index[.., i, ..], ..] along dim";
  record.doc = "scatter that adds to or multiplies what is there: reduce is 'add' or 'multiply'.";
  record.args = {tensor(), integer("dim"), tensor("index"), source, keyword(text("reduce"))};
  record.has_in_place = true;
  record.compose = [](const Call& c, std::span<Tensor> out) { out[0] = scatter_combined(c); };
  return record;
}

struct ScatterCombined {
  static constexpr Record record = scatter_with_reduce("scatter_combined", tensor("src"));
};
struct ScatterValueCombined {
  static constexpr Record record = scatter_with_reduce("scatter_value_combined", operand("value"));
};

struct ScatterReduce {
  static constexpr Record record{
      .name = "scatter_reduce",
      .kind = Kind::kComposite,
      .formula = "input and all src at [.., index[.., i, ..], ..] along dim, reduced",
      .doc =
          "Reduces the elements of src that index sends to one place, and what the input has there unless "
          "include_self "
          "is False. reduce is 'sum', 'prod', 'mean', 'amax' or 'amin'.",
      .args = {tensor(), integer("dim"), tensor("index"), tensor("src"), text("reduce"),
               keyword(flag("include_self", true))},
      .has_in_place = true,
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = scatter_reduce(c); }};
};

Tensor index_reduce(const Call& c);

struct IndexReduce {
  static constexpr Record record{
      .name = "index_reduce",
      .kind = Kind::kComposite,
      .formula = "input and source's slices at [.., index, ..] along dim, reduced",
      .doc =
          "Reduces the slices of source that a 1-d index sends to one slice, and what the input has there "
          "unless include_self is False. reduce is 'prod', 'mean', 'amax' or 'amin'.",
      .args = {tensor(), integer("dim"), tensor("index"), tensor("source"), text("reduce"),
               keyword(flag("include_self", true))},
      .has_in_place = true,
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = index_reduce(c); }};
};

using ScatterOps = OpList<ScatterCombined, ScatterValueCombined, ScatterOp, ScatterValue, ScatterAdd,
                          ScatterMultiply, ScatterAmax, ScatterAmin, ScatterReduce, IndexReduce>;

}  // namespace unspool::ops
