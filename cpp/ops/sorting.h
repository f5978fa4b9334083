// Order: sorting, selection by rank, and search in sorted sequences. Sorting is stable; NaN is the largest.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"
#include "ops/shape.h"

namespace unspool::ops {

void infer_sort(Inference& c);
void infer_topk(Inference& c);
void infer_select(Inference& c);  // one element of every line along dim
void infer_search(Inference& c);
// Each value's cotangent goes to the place that its index names.
void picked_cotangents(Vjp& v, std::span<Tensor> grads);

constexpr Arg optional_flag(Text name) {
  return {.name = name, .kind = ArgKind::kOptionalBool, .has_default = true};
}

constexpr Record ordering(Text name, Text formula, Text doc, Args args, void (*infer)(Inference&)) {
  Record record{.name = name, .formula = formula, .doc = doc};
  record.args = args;
  record.outputs = {{"values", "indices"}};
  record.infer = infer;
  record.joint_vjp = {out(1), picked_cotangents};
  return record;
}

struct Sort {
  static constexpr Record record =
      ordering("sort", "input in order along dim",
               "Elements in order along a dimension and where they came from (int64). Equal ones keep their "
               "order, with or "
               "without `stable`; NaN counts as the largest.",
               {tensor(), integer("dim", -1), flag("descending", false), keyword(optional_flag("stable"))},
               infer_sort);
};

struct Argsort {
  static constexpr Record record = rearrangement(
      "argsort", "the indices that put input in order along dim", "The indices of sort.",
      {tensor(), integer("dim", -1), flag("descending", false), keyword(optional_flag("stable"))},
      [](const Call& c, std::span<Tensor> out) {
        Tensor both[2];
        const GradMode no_grad(false);
        emitter().emit({op_of<Sort>, c.in, c.attrs}, both);
        out[0] = both[1];
      });
};

struct Msort {
  static constexpr Record record = rearrangement(
      "msort", "input in order along dim 0", "Elements in order along the first dimension.", {tensor()},
      [](const Call& c, std::span<Tensor> out) { out[0] = call<Sort>({c[0]}, {0, false, Attr()}); });
};

struct Topk {
  static constexpr Record record = ordering(
      "topk", "the k largest of input along dim",
      "The k largest (or smallest) elements along a dimension, in order, and where they are. Of equal ones "
      "the first; "
      "NaN counts as the largest.",
      {tensor(), integer("k"), integer("dim", -1), flag("largest", true), flag("sorted", true)}, infer_topk);
};

// rank > 0: the rank-th smallest; 0: the lower median, NaN if there is one; -1: the lower median of the
// others.
struct SelectRank {
  static constexpr Record record = [] {
    Record r = ordering("select_rank", "the element of a rank along dim",
                        "The element that would stand in a place if the line were sorted.",
                        {tensor(), integer("rank"), integer("dim"), flag("keepdim")}, infer_select);
    r.where = kHidden;
    return r;
  }();
};

void select_rank(const Call& c, std::int64_t rank, std::span<Tensor> out);
Tensor median_of_all(const Call& c, std::int64_t rank);

constexpr Record ranked(Text name, Text python, Text formula, Text doc, Args args,
                        void (*compose)(const Call&, std::span<Tensor>)) {
  Record record = rearrangement(name, formula, doc, args, compose);
  record.python = python;
  record.outputs = {{"values", "indices"}};
  return record;
}

void kth_value(const Call& c, std::span<Tensor> out);

struct KthValue {
  static constexpr Record record =
      ranked("kthvalue", "kthvalue", "the k-th smallest of input along dim",
             "The k-th smallest element along a dimension (k from 1) and where it is.",
             {tensor(), integer("k"), integer("dim", -1), flag("keepdim", false)}, kth_value);
};

struct Median {
  static constexpr Record record =
      ranked("median_dim", "median", "median input along dim",
             "The lower median along a dimension and where it is; NaN where there is one.",
             {tensor(), integer("dim"), flag("keepdim", false)},
             [](const Call& c, std::span<Tensor> out) { select_rank(c, 0, out); });
};
struct NanMedian {
  static constexpr Record record =
      ranked("nanmedian_dim", "nanmedian", "median input along dim, without NaN",
             "The lower median along a dimension of the elements that are not NaN, and where it is.",
             {tensor(), integer("dim"), flag("keepdim", false)},
             [](const Call& c, std::span<Tensor> out) { select_rank(c, -1, out); });
};
struct MedianAll {
  static constexpr Record record =
      rearrangement("median", "median input", "The lower median of all elements; NaN where there is one.",
                    {tensor()}, [](const Call& c, std::span<Tensor> out) { out[0] = median_of_all(c, 0); });
};
struct NanMedianAll {
  static constexpr Record record = rearrangement(
      "nanmedian", "median input, without NaN", "The lower median of all elements that are not NaN.",
      {tensor()}, [](const Call& c, std::span<Tensor> out) { out[0] = median_of_all(c, -1); });
};

struct Mode {
  static constexpr Record record =
      ordering("mode", "the most frequent of input along dim",
               "The most frequent element along a dimension, of several the smallest, and its last place.",
               {tensor(), integer("dim", -1), flag("keepdim", false)}, infer_select);
};

Tensor quantile_of(const Call& c, bool skips_nan);

constexpr Record quantile(Text name, Text formula, Text doc,
                          void (*compose)(const Call&, std::span<Tensor>)) {
  return rearrangement(name, formula, doc,
                       {tensor(), operand("q"), optional_integer("dim"), flag("keepdim", false),
                        keyword(text("interpolation", "linear"))},
                       compose);
}

struct Quantile {
  static constexpr Record record =
      quantile("quantile", "the element at q (n - 1) of the sorted input",
               "Quantiles over a dimension (all elements by default), for a number or a vector q in [0, 1], "
               "which becomes the first "
               "dimension. interpolation is 'linear', 'lower', 'higher', 'midpoint' or 'nearest'; NaN where "
               "there is one.",
               [](const Call& c, std::span<Tensor> out) { out[0] = quantile_of(c, false); });
};
struct NanQuantile {
  static constexpr Record record = quantile(
      "nanquantile", "the element at q (n - 1) of the sorted numbers in input", "quantile without the NaNs.",
      [](const Call& c, std::span<Tensor> out) { out[0] = quantile_of(c, true); });
};

struct SortRows {
  static constexpr Record record{
      .name = "sort_rows",
      .where = kHidden,
      .formula = "the order of the rows of a matrix",
      .doc = "Indices that put the rows in lexicographic order.",
      .args = {tensor()},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, Dims{c.sizes(0)[0]}, Dtype::kInt64); }};
};

struct Runs {
  static constexpr Record record{
      .name = "runs",
      .where = kHidden,
      .formula = "the number of rows so far that differ from the one before",
      .doc = "For every row of a matrix the run of equal rows that it belongs to.",
      .args = {tensor()},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, Dims{c.sizes(0)[0]}, Dtype::kInt64); }};
};

struct SearchSorted {
  static constexpr Record record{
      .name = "searchsorted",
      .where = kTop,
      .formula = "|{k: sorted_sequence[k] < input}|, or <= on the right",
      .doc =
          "Where numbers would be inserted into sorted rows (the last dimension) to keep them sorted: before "
          "equal "
          "elements, or behind them with right=True or side='right'. Gives int64, or int32 with out_int32.",
      .args = {tensor("sorted_sequence"), operand("input"), keyword(flag("out_int32", false)),
               keyword(flag("right", false)), keyword(optional_text("side")),
               keyword(optional_tensor("sorter"))},
      .row_major = true,
      .infer = infer_search};
};

struct Bucketize {
  static constexpr Record record = [] {
    Record r = rearrangement("bucketize", "|{k: boundaries[k] < input}|, or <= on the right",
                             "The bucket between sorted boundaries that each element falls into; with "
                             "right=True, buckets hold their lower end.",
                             {operand("input"), tensor("boundaries"), keyword(flag("out_int32", false)),
                              keyword(flag("right", false))},
                             [](const Call& c, std::span<Tensor> out) {
                               if (c.ndim(1) != 1)
                                 c.fail("boundaries must be 1-d, got shape ", to_string(c.sizes(1)));
                               out[0] = call<SearchSorted>({c[1], c[0], Operand()},
                                                           {c.flag("out_int32"), c.flag("right"), Attr()});
                             });
    r.where = kTop;
    return r;
  }();
};

Tensor is_in(const Call& c);

struct IsIn {
  static constexpr Record record = [] {
    Record r = rearrangement("isin", "input ∈ test_elements",
                             "Whether each element is one of test_elements; gives bool, negated with invert.",
                             {operand("elements"), operand("test_elements"),
                              keyword(flag("assume_unique", false)), keyword(flag("invert", false))},
                             [](const Call& c, std::span<Tensor> out) { out[0] = is_in(c); });
    r.where = kTop;
    return r;
  }();
};

using SortingOps =
    OpList<Sort, Argsort, Msort, Topk, SelectRank, KthValue, Median, MedianAll, NanMedian, NanMedianAll,
           Quantile, NanQuantile, Mode, SortRows, Runs, SearchSorted, Bucketize, IsIn>;

}  // namespace unspool::ops
