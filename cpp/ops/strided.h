// Regions of a tensor given by sizes, strides and offset: taking them, adding into them, replacing them. They
// are the derivatives of as_strided, unfold and of in-place changes of views, and what the *_scatter
// functions are made of.
#pragma once

#include <cstdint>

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"
#include "ops/shape.h"

namespace unspool::ops {

// The attributes of every operation here: the region, then the whole that it is a region of. Offsets count
// from the same origin.
constexpr Args region_of(Arg first) {
  return {first,
          dims("size"),
          dims("stride"),
          integer("offset"),
          dims("whole_size"),
          dims("whole_stride"),
          integer("whole_offset")};
}

// A region together with the layout of its whole.
struct Region {
  Dims size, stride;
  std::int64_t offset = 0;
  Dims whole_size, whole_stride;
  std::int64_t whole_offset = 0;

  // The region that `part` shows in `whole`, a view of which it is.
  static Region of(const TensorImpl& part, const TensorImpl& whole) {
    return {part.sizes, part.strides, part.offset, whole.sizes, whole.strides, whole.offset};
  }
};

Tensor strided_gather(const Tensor& whole, const Region& region);
Tensor strided_scatter(const Tensor& whole, const Tensor& source, const Region& region);

void infer_strided_gather(Inference& c);
void infer_strided_add(Inference& c);
void infer_strided_scatter(Inference& c);
Geometry region_geometry(const Call& c);

struct StridedAdd;

template <class T>
Tensor same_region(Vjp& v, std::initializer_list<Borrowed> operands) {
  return call<T>(operands, {v.attr("size"), v.attr("stride"), v.attr("offset"), v.attr("whole_size"),
                            v.attr("whole_stride"), v.attr("whole_offset")});
}

// The view itself.
struct StridedView {
  static constexpr Record record{
      .name = "strided_view",
      .where = kHidden,
      .kind = Kind::kView,
      .formula = "whole at a region",
      .doc = "A view of any geometry that stays inside the storage.",
      .args = region_of(tensor("whole")),
      .view = region_geometry,
      .vjp = {{kNothing, [](Vjp& v) { return same_region<StridedAdd>(v, {v.g()}); }}}};
};

// Where the region leaves the whole, the elements are 0. Where the whole overlaps itself, the elements that
// share a place are averaged: each stands for an equal part of it.
struct StridedGather {
  static constexpr Record record{
      .name = "strided_gather",
      .where = kHidden,
      .formula = "whole at a region",
      .doc =
          "A copy of a region of `whole`, which is laid out as whole_stride says, not as its own strides do.",
      .args = region_of(tensor("whole")),
      .row_major = true,
      .infer = infer_strided_gather,
      .vjp = {{kNothing, [](Vjp& v) { return same_region<StridedAdd>(v, {v.g()}); }}}};
};

struct StridedAdd {
  static constexpr Record record{
      .name = "strided_add",
      .where = kHidden,
      .formula = "zeros(whole_size) with source added at a region",
      .doc = "The transpose of strided_gather; regions may overlap themselves.",
      .args = region_of(tensor("source")),
      .dtypes = kFloats,
      .row_major = true,
      .infer = infer_strided_add,
      .vjp = {{kNothing, [](Vjp& v) { return same_region<StridedGather>(v, {v.g()}); }}}};
};

struct StridedScatter {
  static constexpr Record record = [] {
    Record r{.name = "strided_scatter",
             .where = kHidden,
             .formula = "whole with source at a region",
             .doc = "A copy of `whole` with a region, which does not overlap itself, replaced by `source`."};
    r.args = {tensor("whole"),   tensor("source"),   dims("size"),         dims("stride"),
              integer("offset"), dims("whole_size"), dims("whole_stride"), integer("whole_offset")};
    r.row_major = true;
    r.infer = infer_strided_scatter;
    r.vjp = {{kNothing,
              [](Vjp& v) {
                return same_region<StridedScatter>(v, {v.g(), full(v.dims("size"), 0.0, v.dtype(0))});
              }},
             {kNothing, [](Vjp& v) { return same_region<StridedGather>(v, {v.g()}); }}};
    return r;
  }();
};

// --- what users see
// -------------------------------------------------------------------------------------------------------------

Tensor as_strided(const Call& c);
Tensor as_strided_scatter(const Call& c);
Geometry unfold_geometry(const Call& c);
Tensor unfold_backward(Vjp& v);

struct AsStrided {
  static constexpr Record record{
      .name = "as_strided",
      .kind = Kind::kComposite,
      .formula = "input's storage under size, stride and offset",
      .doc = "A view of the storage under any geometry that stays inside it.",
      .args = {tensor(), dims("size"), dims("stride"), optional_integer("storage_offset")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = as_strided(c); }};
};

struct Unfold {
  static constexpr Record record{
      .name = "unfold",
      .where = kMethod,
      .kind = Kind::kView,
      .formula = "input[.., i * step : i * step + size, ..] along dimension, as [.., i, .., :]",
      .doc =
          "A view of all windows of `size` elements along a dimension, `step` apart; the window becomes the "
          "last dimension.",
      .args = {tensor(), integer("dimension"), integer("size"), integer("step")},
      .view = unfold_geometry,
      .vjp = {{kNothing, unfold_backward}}};
};

constexpr Record replacement(std::string_view name, std::string_view formula, std::string_view doc, Args args,
                             void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{.name = name, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = args;
  record.compose = compose;
  return record;
}

// A copy of input with the part that the view operation T shows replaced by src.
Tensor replaced(const Call& c, const Op& view, std::span<const Attr> attrs);

struct SelectScatter {
  static constexpr Record record =
      replacement("select_scatter", "input with [.., index, ..] = src",
                  "A copy of input with one index along dim replaced.",
                  {tensor(), tensor("src"), integer("dim"), integer("index")},
                  [](const Call& c, std::span<Tensor> out) { out[0] = replaced(c, op_of<Select>, c.attrs); });
};

struct SliceScatter {
  static constexpr Record record = replacement(
      "slice_scatter", "input with [.., start:end:step, ..] = src", "A copy of input with a slice replaced.",
      {tensor(), tensor("src"), integer("dim", 0), optional_integer("start"), optional_integer("end"),
       integer("step", 1)},
      [](const Call& c, std::span<Tensor> out) {
        const Attr attrs[4] = {c.attrs[0], c.given("start") ? c.attrs[1] : Attr(0),
                               c.given("end") ? c.attrs[2] : Attr(INT64_MAX), c.attrs[3]};
        out[0] = replaced(c, op_of<Slice>, attrs);
      });
};

struct DiagonalScatter {
  static constexpr Record record = replacement(
      "diagonal_scatter", "input with [i, i + offset] = src", "A copy of input with a diagonal replaced.",
      {tensor(), tensor("src"), integer("offset", 0), integer("dim1", 0), integer("dim2", 1)},
      [](const Call& c, std::span<Tensor> out) { out[0] = replaced(c, op_of<Diagonal>, c.attrs); });
};

struct AsStridedScatter {
  static constexpr Record record =
      replacement("as_strided_scatter", "input with src at a region",
                  "A copy of input with the elements replaced that as_strided would show.",
                  {tensor(), tensor("src"), dims("size"), dims("stride"), optional_integer("storage_offset")},
                  [](const Call& c, std::span<Tensor> out) { out[0] = as_strided_scatter(c); });
};

using StridedOps = OpList<StridedView, StridedGather, StridedAdd, StridedScatter, AsStrided, Unfold,
                          SelectScatter, SliceScatter, DiagonalScatter, AsStridedScatter>;

}  // namespace unspool::ops
