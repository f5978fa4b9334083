// Joining and splitting along a dimension, and picking elements by index.
#pragma once

#include <vector>

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"
#include "ops/shape.h"

namespace unspool::ops {

void infer_concat(Inference& c);

// `starts` is where each tensor begins along dim, kept for the derivative.
struct Concat {
  static constexpr Record record{.name = "concat_at",
                                 .where = kHidden,
                                 .formula = "[tensors...] along dim",
                                 .doc = "Joins tensors of one dtype along a dimension.",
                                 .args = {tensors(), integer("dim"), dims("starts")},
                                 .infer = infer_concat,
                                 .vjp = {{kNothing, [](Vjp& v) {
                                            const Dims& starts = v.dims("starts");
                                            const auto i = static_cast<std::size_t>(v.index);
                                            return slice(v.g(), v.integer("dim"), starts[i], starts[i + 1]);
                                          }}}};
};

Tensor concatenate(const Call& c);
Tensor stack(const Call& c);

constexpr Record joined(std::string_view name, std::string_view formula, std::string_view doc,
                        void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{.name = name, .where = kTop, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = {tensors(), integer("dim", 0)};
  record.compose = compose;
  return record;
}

struct Cat {
  static constexpr Record record =
      joined("cat", "[tensors...] along dim",
             "Joins tensors along an existing dimension; the other sizes must agree.",
             [](const Call& c, std::span<Tensor> out) { out[0] = concatenate(c); });
};
struct Concatenate {
  static constexpr Record record =
      joined("concatenate", "[tensors...] along dim", "Alias of cat.", Cat::record.compose);
};
struct ConcatAlias {
  static constexpr Record record =
      joined("concat", "[tensors...] along dim", "Alias of cat.", Cat::record.compose);
};
struct Stack {
  static constexpr Record record =
      joined("stack", "[tensors...] along a new dim", "Joins tensors of one shape along a new dimension.",
             [](const Call& c, std::span<Tensor> out) { out[0] = stack(c); });
};

using Pieces = std::vector<Tensor>;
void split(const Call& c, Pieces& out);
void split_sizes(const Call& c, Pieces& out);
void chunk(const Call& c, Pieces& out);
void unbind(const Call& c, Pieces& out);

constexpr Record splitting(std::string_view name, std::string_view python, std::string_view doc, Args args,
                           void (*many)(const Call&, Pieces&)) {
  Record record{.name = name,
                .python = python,
                .kind = Kind::kComposite,
                .formula = "views of input along dim",
                .doc = doc};
  record.args = args;
  record.compose_many = many;
  return record;
}

struct Split {
  static constexpr Record record =
      splitting("split", "split", "Views of split_size elements along a dimension; the last may be smaller.",
                {tensor(), integer("split_size"), integer("dim", 0)}, split);
};
struct SplitSizes {
  static constexpr Record record = splitting(
      "split_with_sizes", "split", "Views of the given sizes along a dimension, which they must fill.",
      {tensor(), dims("split_size"), integer("dim", 0)}, split_sizes);
};
struct SplitWithSizes {
  static constexpr Record record =
      splitting("split_with_sizes_named", "split_with_sizes",
                "Views of the given sizes along a dimension, which they must fill.",
                {tensor(), dims("split_sizes"), integer("dim", 0)}, split_sizes);
};
struct Chunk {
  static constexpr Record record = splitting(
      "chunk", "chunk", "At most `chunks` views of equal size along a dimension; the last may be smaller.",
      {tensor(), integer("chunks"), integer("dim", 0)}, chunk);
};
struct Unbind {
  static constexpr Record record =
      splitting("unbind", "unbind", "A view of each index along a dimension, which is dropped.",
                {tensor(), integer("dim", 0)}, unbind);
};

// Index tensors are int64, or int32 and then cast; empty ones may have any dtype.
void require_index(Inference& c, int i);
void infer_gather(Inference& c);
void infer_scatter(Inference& c);

struct ScatterOnto;

struct Gather {
  static constexpr Record record{
      .name = "gather",
      .formula = "input[.., index[.., i, ..], ..] along dim",
      .doc =
          "Picks elements along a dimension: result[i][j] = input[index[i][j]][j] for dim 0. The index is "
          "int64 or int32.",
      .args = {tensor(), integer("dim"), tensor("index"), keyword(flag("sparse_grad", false))},
      .out_of_range = ErrorKind::kRuntime,
      .infer = infer_gather,
      .vjp = {{in(1), [](Vjp& v) { return scatter_onto(v.sizes(0), v.integer("dim"), v.x(1), v.g()); }}}};
};

// Zeros of the given sizes, with source added at the places that index names along dim.
struct ScatterOnto {
  static constexpr Record record{
      .name = "scatter_onto",
      .where = kHidden,
      .formula = "zeros(size) with source added at index along dim",
      .doc = "The transpose of gather.",
      .args = {tensor("index"), tensor("source"), dims("size"), integer("dim")},
      .row_major = true,
      .out_of_range = ErrorKind::kRuntime,
      .infer = infer_scatter,
      .vjp = {kNoGradient(), {in(0), [](Vjp& v) { return gather(v.g(), v.integer("dim"), v.x(0)); }}}};
};

void infer_index_select(Inference& c);

struct IndexSelectBackward;

struct IndexSelect {
  static constexpr Record record{.name = "index_select",
                                 .formula = "input[.., index, ..] along dim",
                                 .doc = "Copies the slices that a 1-d integer index names along a dimension.",
                                 .args = {tensor(), integer("dim"), tensor("index")},
                                 .infer = infer_index_select,
                                 .vjp = {{in(1), [](Vjp& v) {
                                            return call<IndexSelectBackward>({v.x(1), v.g()},
                                                                             {v.sizes(0), v.integer("dim")});
                                          }}}};
};

struct IndexSelectBackward {
  static constexpr Record record{
      .name = "index_select_backward",
      .where = kHidden,
      .formula = "zeros(size) with source's slices added at index along dim",
      .doc = "The transpose of index_select.",
      .args = {tensor("index"), tensor("source"), dims("size"), integer("dim")},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, c.dims("size"), c[1].impl().dtype); },
      .vjp = {kNoGradient(),
              {in(0), [](Vjp& v) { return call<IndexSelect>({v.g(), v.in(0)}, {v.integer("dim")}); }}}};
};

using JoiningOps = OpList<Concat, Cat, Concatenate, ConcatAlias, Stack, Split, SplitSizes, SplitWithSizes,
                          Chunk, Unbind, Gather, ScatterOnto, IndexSelect, IndexSelectBackward>;

}  // namespace unspool::ops
