// Reading and writing the elements that index tensors and masks name: what x[i, j], x[mask] and their
// assignments are made of, and the functions of the index_*, masked_* and take families.
#pragma once

#include <vector>

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

// One entry per dimension of the indexed tensor, from the first on: an integer tensor, a bool or uint8 mask,
// which covers as many dimensions as it has itself, or nothing for a dimension that is kept whole. Trailing
// entries may be left out. Integer tensors broadcast; their common dimensions take the place of the indexed
// ones where these are neighbours, and come first otherwise.
using Picks = std::span<const Tensor>;

Tensor index(const Tensor& x, Picks picks);
// Writes `values`, broadcast, to the picked places of x, or adds them there; as an in-place change of x.
void index_write_into(const Tensor& x, Picks picks, const Tensor& values, bool accumulate);

// The places of the nonzero elements, in row-major order, as rows of an int64 matrix.
Tensor nonzero(const Tensor& x);

// --- the operations underneath
// ------------------------------------------------------------------------------------------------------------

constexpr Reads kIndices = 0xFFFF;  // all operands; the rules take away those that are no indices

void infer_index(Inference& c);
void infer_index_write(Inference& c);
void infer_index_onto(Inference& c);

Tensor index_vjp(Vjp& v);
Tensor index_onto_vjp(Vjp& v);
Tensor index_write_input_vjp(Vjp& v);
Tensor index_write_values_vjp(Vjp& v);

// `dims` says which dimension each index tensor indexes, ascending.
struct IndexOp {
  static constexpr Record record{
      .name = "index",
      .where = kHidden,
      .formula = "input[.., indices, ..]",
      .doc =
          "The elements that broadcast integer tensors name along some dimensions; negative ones count from "
          "the end.",
      .args = {tensor(), tensors("indices"), dims("dims")},
      .infer = infer_index,
      .vjp = {{kIndices & ~in(0), index_vjp}}};
};

struct IndexOnto {
  static constexpr Record record{
      .name = "index_onto",
      .where = kHidden,
      .formula = "zeros(size) with source added at indices",
      .doc = "The transpose of index. Places named several times get the sum, in the order of the indices.",
      .args = {tensor("source"), tensors("indices"), dims("size"), dims("dims")},
      .infer = infer_index_onto,
      .vjp = {{kIndices & ~in(0), index_onto_vjp}}};
};

struct IndexWrite {
  static constexpr Record record = [] {
    Record r{
        .name = "index_write",
        .where = kHidden,
        .formula = "input with values at indices",
        .doc = "A copy with the elements named by integer tensors replaced by values, or increased by them."};
    r.args = {tensor(), tensor("values"), tensors("indices"), dims("dims"), flag("accumulate", false)};
    r.has_in_place = true;
    r.infer = infer_index_write;
    constexpr Reads reads = kIndices & ~in(0) & ~in(1);
    r.vjp = {{reads, index_write_input_vjp}, {reads, index_write_values_vjp}};
    return r;
  }();
};

struct NonzeroCount {
  static constexpr Record record{.name = "nonzero_count",
                                 .where = kHidden,
                                 .formula = "Σ [input != 0]",
                                 .doc = "How many elements are nonzero.",
                                 .args = {tensor()},
                                 .infer = [](Inference& c) { c.give(0, {}, Dtype::kInt64); }};
};

struct NonzeroPlaces {
  static constexpr Record record{
      .name = "nonzero_places",
      .where = kHidden,
      .formula = "{i : input[i] != 0}",
      .doc = "The places of the first `count` nonzero elements, one row each.",
      .args = {tensor(), integer("count")},
      .infer = [](Inference& c) { c.give(0, {c.integer("count"), c.ndim(0)}, Dtype::kInt64); }};
};

// --- what users see
// ------------------------------------------------------------------------------------------------------------

using One = void (*)(const Call&, std::span<Tensor>);
using Change = void (*)(const Call&, const Tensor&);

Tensor index_put(const Call& c);
Tensor index_add(const Call& c);
Tensor index_copy(const Call& c);
Tensor index_fill(const Call& c);
Tensor put(const Call& c);
Tensor masked_select(const Call& c);
Tensor masked_scatter(const Call& c);
Tensor take(const Call& c);
Tensor take_along_dim(const Call& c);
Tensor argwhere(const Call& c);
void change_index_put(const Call& c, const Tensor& target);
void change_index_add(const Call& c, const Tensor& target);
void change_index_copy(const Call& c, const Tensor& target);
void change_index_fill(const Call& c, const Tensor& target);
void change_put(const Call& c, const Tensor& target);
void change_masked_scatter(const Call& c, const Tensor& target);

template <Tensor (*F)(const Call&)>
constexpr Record picking(std::string_view name, std::string_view formula, std::string_view doc, Args args,
                         Change change = nullptr) {
  Record record{.name = name, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = args;
  record.compose = [](const Call& c, std::span<Tensor> out) { out[0] = F(c); };
  record.has_in_place = change != nullptr;
  record.change = change;
  return record;
}

struct IndexPut {
  static constexpr Record record = picking<index_put>(
      "index_put", "input with [indices] = values",
      "Replaces, or with accumulate increases, the elements that index tensors and masks name, one for each "
      "of "
      "the first dimensions. Without accumulate the last of several values for one place stays.",
      {tensor(), tensors("indices"), tensor("values"), flag("accumulate", false)}, change_index_put);
};

struct IndexAdd {
  static constexpr Record record = picking<index_add>(
      "index_add", "input with alpha * source added at [.., index, ..] along dim",
      "Adds the slices of source to those that a 1-d integer index names along a dimension.",
      {tensor(), integer("dim"), tensor("index"), tensor("source"), keyword(real("alpha", 1))},
      change_index_add);
};

struct IndexCopy {
  static constexpr Record record = picking<index_copy>(
      "index_copy", "input with [.., index, ..] = source along dim",
      "Replaces the slices that a 1-d integer index names along a dimension by those of source.",
      {tensor(), integer("dim"), tensor("index"), tensor("source")}, change_index_copy);
};

struct IndexFill {
  static constexpr Record record = picking<index_fill>(
      "index_fill", "input with [.., index, ..] = value along dim",
      "Sets the slices that a 1-d integer index names along a dimension to a number or 0-d tensor.",
      {tensor(), integer("dim"), tensor("index"), operand("value")}, change_index_fill);
};

struct Put {
  static constexpr Record record =
      picking<put>("put", "input, seen as one dimension, with [index] = source",
                   "Replaces, or with accumulate increases, elements by their place in row-major order.",
                   {tensor(), tensor("index"), tensor("source"), flag("accumulate", false)}, change_put);
};

struct MaskedSelect {
  static constexpr Record record =
      picking<masked_select>("masked_select", "input[mask]",
                             "The elements where the bool mask holds, in row-major order; both broadcast.",
                             {tensor(), tensor("mask")});
};

struct MaskedScatter {
  static constexpr Record record =
      picking<masked_scatter>("masked_scatter", "input with [mask] = source",
                              "The input with the elements of source, in order, where the bool mask holds.",
                              {tensor(), tensor("mask"), tensor("source")}, change_masked_scatter);
};

struct Take {
  static constexpr Record record = picking<take>(
      "take", "input, seen as one dimension, at [index]",
      "The elements at places in row-major order, in the index's shape.", {tensor(), tensor("index")});
};

struct TakeAlongDim {
  static constexpr Record record = [] {
    Record r =
        picking<take_along_dim>("take_along_dim", "input[.., indices[.., i, ..], ..] along dim",
                                "gather with broadcasting; without dim over the elements in row-major order.",
                                {tensor(), tensor("indices"), optional_integer("dim")});
    return r;
  }();
};

struct Argwhere {
  static constexpr Record record = picking<argwhere>(
      "argwhere", "{i : input[i] != 0}",
      "The places of the nonzero elements, one row each, in row-major order; int64.", {tensor()});
};

void where_places(const Call& c, std::vector<Tensor>& out);

struct WherePlaces {
  static constexpr Record record = [] {
    Record r{.name = "where_places",
             .python = "where",
             .where = kTop,
             .kind = Kind::kComposite,
             .formula = "{i : condition[i]}",
             .doc = "The places of the nonzero elements, one int64 tensor per dimension."};
    r.args = {tensor("condition")};
    r.compose_many = where_places;
    return r;
  }();
};

using PickingOps =
    OpList<IndexOp, IndexOnto, IndexWrite, NonzeroCount, NonzeroPlaces, IndexPut, IndexAdd, IndexCopy,
           IndexFill, Put, MaskedSelect, MaskedScatter, Take, TakeAlongDim, Argwhere, WherePlaces>;

}  // namespace unspool::ops
