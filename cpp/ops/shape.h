// Views and rearrangements: operations that show the same elements under another geometry, and the copies
// that undo or complete them.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

using Text = std::string_view;

// A dimension or a position as an index.
inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The geometry rules, in shape.cc.
Geometry view_geometry(const Call&);
Geometry permute_geometry(const Call&);
Geometry transpose_geometry(const Call&);
Geometry expand_geometry(const Call&);
Geometry slice_geometry(const Call&);
Geometry select_geometry(const Call&);
Geometry squeeze_geometry(const Call&);
Geometry unsqueeze_geometry(const Call&);
Geometry diagonal_geometry(const Call&);

constexpr Record view_op(Text name, Text formula, Text doc, Args args, Geometry (*geometry)(const Call&),
                         Rule rule) {
  Record record{.name = name, .kind = Kind::kView, .formula = formula, .doc = doc};
  record.args = args;
  record.view = geometry;
  record.vjp = {rule};
  return record;
}

constexpr Record rearrangement(Text name, Text formula, Text doc, Args args,
                               void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{.name = name, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = args;
  record.compose = compose;
  return record;
}

struct ViewOp {
  static constexpr Record record = [] {
    Record r = view_op(
        "view", "input with sizes `size`",
        "The same elements under new sizes, without a copy; one size may be -1. Raises when the layout "
        "does not allow it: use reshape, which copies where it must.",
        {tensor(), dims("size")}, view_geometry,
        {kNothing, [](Vjp& v) { return reshape(v.g(), v.sizes(0)); }});
    r.where = kMethod;
    return r;
  }();
};

struct Permute {
  static constexpr Record record =
      view_op("permute", "input with dimensions reordered", "A view with the dimensions in the given order.",
              {tensor(), dims("dims")}, permute_geometry,
              {kNothing, [](Vjp& v) {
                 const Dims& order = v.dims("dims");
                 Dims inverse(order.size());
                 for (std::size_t i = 0; i < order.size(); ++i) {
                   const auto n = static_cast<std::int64_t>(order.size());
                   inverse[static_cast<std::size_t>((order[i] + n) % n)] = static_cast<std::int64_t>(i);
                 }
                 return permute(v.g(), inverse);
               }});
};

struct Transpose {
  static constexpr Record record =
      view_op("transpose", "input with dim0 and dim1 swapped", "A view with two dimensions swapped.",
              {tensor(), integer("dim0"), integer("dim1")}, transpose_geometry,
              {kNothing, [](Vjp& v) { return transpose(v.g(), v.integer("dim0"), v.integer("dim1")); }});
};

struct Expand {
  static constexpr Record record = [] {
    Record r = view_op("expand", "input broadcast to `size`",
                       "A view that repeats dimensions of size 1 without copying; -1 keeps a size.",
                       {tensor(), dims("size"), keyword(flag("implicit", false))}, expand_geometry,
                       {kNothing, pass_on});
    r.where = kMethod;
    return r;
  }();
};

struct SliceBackward;

struct Slice {
  static constexpr Record record = [] {
    Record r = view_op(
        "slice", "input[..., start:stop:step, ...]", "A view of every step-th element of a range.",
        {tensor(), integer("dim"), integer("start"), integer("stop"), integer("step", 1)}, slice_geometry,
        {kNothing, [](Vjp& v) {
           return call<SliceBackward>({v.g()},
                                      {v.sizes(0), v.integer("dim"), v.integer("start"), v.integer("step")});
         }});
    r.where = kHidden;
    return r;
  }();
};

struct SliceBackward {
  static constexpr Record record{
      .name = "slice_backward",
      .where = kHidden,
      .formula = "zeros(size) with grad at [..., start::step, ...]",
      .doc = "Zeros of the given sizes with grad written into a slice.",
      .args = {tensor("grad"), dims("size"), integer("dim"), integer("start"), integer("step")},
      .infer = [](Inference& c) { c.give(0, c.dims("size"), c[0].impl().dtype); },
      .vjp = {{kNothing, [](Vjp& v) {
                 const std::int64_t dim = v.integer("dim"), start = v.integer("start"),
                                    step = v.integer("step");
                 const std::int64_t count = v.sizes(0)[static_cast<std::size_t>(dim)];
                 return slice(v.g(), dim, start, start + (count - 1) * step + 1, step);
               }}}};
};

struct Select {
  static constexpr Record record =
      view_op("select", "input[..., index, ...]", "A view of one index along a dimension, which is dropped.",
              {tensor(), integer("dim"), integer("index")}, select_geometry,
              {kNothing, [](Vjp& v) {
                 const auto ndim = static_cast<std::int64_t>(v.sizes(0).size());
                 const std::int64_t dim = (v.integer("dim") + ndim) % ndim;
                 const std::int64_t size = v.sizes(0)[static_cast<std::size_t>(dim)];
                 const std::int64_t index = (v.integer("index") + size) % size;
                 return call<SliceBackward>({unsqueeze(v.g(), dim)}, {v.sizes(0), dim, index, 1});
               }});
};

struct Squeeze {
  static constexpr Record record =
      view_op("squeeze", "input without dimensions of size 1",
              "A view without the named dimensions of size 1 (all of them by default).",
              {tensor(), optional_dims("dim")}, squeeze_geometry,
              {kNothing, [](Vjp& v) { return reshape(v.g(), v.sizes(0)); }});
};

struct Unsqueeze {
  static constexpr Record record =
      view_op("unsqueeze", "input with a dimension of size 1 at dim",
              "A view with a dimension of size 1 inserted.", {tensor(), integer("dim")}, unsqueeze_geometry,
              {kNothing, [](Vjp& v) { return reshape(v.g(), v.sizes(0)); }});
};

struct DiagonalBackward;

struct Diagonal {
  static constexpr Record record = view_op(
      "diagonal", "input[i, i + offset] over dims dim1, dim2",
      "A view of a diagonal of two dimensions, which are dropped; the diagonal becomes the last dimension.",
      {tensor(), integer("offset", 0), integer("dim1", 0), integer("dim2", 1)}, diagonal_geometry,
      {kNothing, [](Vjp& v) {
         return call<DiagonalBackward>(
             {v.g()}, {v.sizes(0), v.integer("offset"), v.integer("dim1"), v.integer("dim2")});
       }});
};

struct DiagonalBackward {
  static constexpr Record record{
      .name = "diagonal_backward",
      .where = kHidden,
      .formula = "zeros(size) with grad on a diagonal",
      .doc = "Zeros of the given sizes with grad written onto a diagonal.",
      .args = {tensor("grad"), dims("size"), integer("offset"), integer("dim1"), integer("dim2")},
      .infer = [](Inference& c) { c.give(0, c.dims("size"), c[0].impl().dtype); },
      .vjp = {{kNothing, [](Vjp& v) {
                 return call<Diagonal>({v.g()}, {v.integer("offset"), v.integer("dim1"), v.integer("dim2")});
               }}}};
};

struct Contiguous {
  static constexpr Record record{
      .name = "contiguous",
      .where = kMethod,
      .kind = Kind::kComposite,
      .formula = "input",
      .doc = "The input itself if its layout is row-major without gaps, else a copy that is.",
      .args = {tensor()},
      .compose = [](const Call& c, std::span<Tensor> out) {
        out[0] = c[0].impl().contiguous ? c.tensor(0) : clone(c.tensor(0));
      }};
};

struct Clone {
  static constexpr Record record{
      .name = "clone",
      .formula = "input",
      .doc = "A contiguous copy that gradients flow through.",
      .args = {tensor()},
      .infer = [](Inference& c) { c.give(0, c[0].impl().sizes, c[0].impl().dtype); },
      .vjp = {{kNothing, pass_on}}};
};

// The element-wise conversion behind Tensor.to(dtype), float(), long() and so on.
struct Cast {
  static constexpr Record record{
      .name = "cast",
      .where = kHidden,
      .formula = "input as dtype",
      .doc = "A copy in another dtype; gradients are converted back.",
      .args = {tensor(), dtype()},
      .infer = [](Inference& c) { c.give(0, c[0].impl().sizes, c.attr("dtype").dtype()); },
      .vjp = {{kNothing, [](Vjp& v) { return to(v.g(), v.dtype(0)); }}}};
};

struct CopyInto {
  static constexpr Record record{
      .name = "copy",
      .where = kMethod,
      .formula = "src broadcast to input's geometry",
      .doc = "Writes the elements of src, broadcast and converted, into the tensor.",
      .args = {tensor(), tensor("src"), flag("non_blocking", false)},
      .has_in_place = true,
      .only_in_place = true,
      .infer =
          [](Inference& c) {
            Dims sizes = c[0].impl().sizes;
            if (!broadcast_into(sizes, c.sizes(1)) || !(sizes == c[0].impl().sizes)) {
              c.fail("src of shape ", to_string(c.sizes(1)), " does not broadcast to ",
                     to_string(c.sizes(0)));
            }
            c.give(0, std::move(sizes), c[0].impl().dtype);
          },
      .vjp = {{kNothing, [](Vjp& v) { return zeros_like(v.g()); }}, {kNothing, pass_on}}};
};

Tensor copy_of_number(const Call& c);
void copy_number(const Call& c, const Tensor& target);

struct CopyNumber {
  static constexpr Record record{
      .name = "copy_number",
      .python = "copy",
      .where = kMethod,
      .kind = Kind::kComposite,
      .formula = "src everywhere",
      .doc = "Writes a number, converted as an element of a tensor would be, everywhere.",
      .args = {tensor(), operand("src"), flag("non_blocking", false)},
      .has_in_place = true,
      .only_in_place = true,
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = copy_of_number(c); },
      .change = copy_number};
};

// `result`, as a view of its own where it is the call's first operand itself.
Tensor as_view(const Call&, Tensor result);

struct Reshape {
  static constexpr Record record = rearrangement(
      "reshape", "input with sizes `shape`",
      "The same elements under new sizes: a view where the layout allows it, else a copy. One size may "
      "be -1.",
      {tensor(), dims("shape")}, [](const Call& c, std::span<Tensor> out) {
        out[0] = as_view(c, reshape(c.tensor(0), c.dims("shape")));
      });
};

Tensor flatten(const Call&);
Tensor unflatten(const Call&);
Tensor matrix_transpose(const Call&);
Tensor move_dims(const Call&);
Tensor narrow(const Call&);
Tensor flip(const Call&);

struct Flatten {
  static constexpr Record record = rearrangement(
      "flatten", "input with dims start_dim..end_dim as one", "Joins a range of dimensions into one.",
      {tensor(), integer("start_dim", 0), integer("end_dim", -1)},
      [](const Call& c, std::span<Tensor> out) { out[0] = flatten(c); });
};

struct Unflatten {
  static constexpr Record record =
      rearrangement("unflatten", "input with dim split into `sizes`", "Splits one dimension into several.",
                    {tensor(), integer("dim"), dims("sizes")},
                    [](const Call& c, std::span<Tensor> out) { out[0] = unflatten(c); });
};

struct TransposeMatrix {
  static constexpr Record record = rearrangement(
      "t", "inputᵀ", "The transpose of a matrix; tensors of fewer dimensions are shown as they are.",
      {tensor()}, [](const Call& c, std::span<Tensor> out) { out[0] = matrix_transpose(c); });
};

struct Movedim {
  static constexpr Record record =
      rearrangement("movedim", "input with dims `source` moved to `destination`",
                    "A view with the given dimensions moved to new places; the others keep their order.",
                    {tensor(), dims("source"), dims("destination")},
                    [](const Call& c, std::span<Tensor> out) { out[0] = move_dims(c); });
};

struct Narrow {
  static constexpr Record record =
      rearrangement("narrow", "input[..., start:start+length, ...]", "A view of a range along a dimension.",
                    {tensor(), integer("dim"), integer("start"), integer("length")},
                    [](const Call& c, std::span<Tensor> out) { out[0] = narrow(c); });
};

struct BroadcastTo {
  static constexpr Record record = rearrangement(
      "broadcast_to", "input broadcast to `size`", "A view that repeats dimensions of size 1.",
      {tensor(), dims("size")},
      [](const Call& c, std::span<Tensor> out) { out[0] = as_view(c, expand(c.tensor(0), c.dims("size"))); });
};

struct ExpandAs {
  static constexpr Record record = [] {
    Record r = rearrangement(
        "expand_as", "input broadcast to other's sizes", "A view in the sizes of another tensor.",
        {tensor(), tensor("other")},
        [](const Call& c, std::span<Tensor> out) { out[0] = as_view(c, expand(c.tensor(0), c.sizes(1))); });
    r.where = kMethod;
    return r;
  }();
};

struct ViewAs {
  static constexpr Record record = [] {
    Record r = rearrangement("view_as", "input with other's sizes", "A view in the sizes of another tensor.",
                             {tensor(), tensor("other")}, [](const Call& c, std::span<Tensor> out) {
                               out[0] = call<ViewOp>({c[0]}, {Attr(c.sizes(1))});
                             });
    r.where = kMethod;
    return r;
  }();
};

struct ReshapeAs {
  static constexpr Record record = [] {
    Record r = rearrangement(
        "reshape_as", "input with other's sizes", "reshape to the sizes of another tensor.",
        {tensor(), tensor("other")},
        [](const Call& c, std::span<Tensor> out) { out[0] = as_view(c, reshape(c.tensor(0), c.sizes(1))); });
    r.where = kMethod;
    return r;
  }();
};

struct Ravel {
  static constexpr Record record = rearrangement(
      "ravel", "input as one dimension", "All elements in one dimension; a view where possible.", {tensor()},
      [](const Call& c, std::span<Tensor> out) {
        const std::int64_t all[1] = {-1};
        out[0] = reshape(contiguous(c.tensor(0)), c[0].impl().numel ? DimSpan(all) : DimSpan(Dims{0}));
      });
};

struct SwapAxes {
  static constexpr Record record =
      rearrangement("swapaxes", "input with axis0 and axis1 swapped", "Alias of transpose.",
                    {tensor(), integer("axis0"), integer("axis1")}, [](const Call& c, std::span<Tensor> out) {
                      out[0] = transpose(c.tensor(0), c.integer("axis0"), c.integer("axis1"));
                    });
};

struct FlipOp {
  static constexpr Record record{
      .name = "flip",
      .formula = "input with dims reversed",
      .doc = "A copy with the order of elements reversed along the given dimensions.",
      .args = {tensor(), dims("dims")},
      .infer =
          [](Inference& c) {
            dim_mask(c.dims("dims"), c.ndim(0), c.name());
            c.give(0, c[0].impl().sizes, c[0].impl().dtype);
          },
      .vjp = {{kNothing, [](Vjp& v) { return call<FlipOp>({v.g()}, {v.attr("dims")}); }}}};
};

// Keeps the elements on one side of a diagonal of the last two dimensions and sets the others to 0.
constexpr Record triangle(Text name, Text formula, Text doc, Rule rule) {
  Record record{.name = name, .formula = formula, .doc = doc};
  record.args = {tensor(), integer("diagonal", 0)};
  record.row_major = true;
  record.has_in_place = true;
  record.infer = [](Inference& c) {
    if (c.ndim(0) < 2) c.fail("needs at least 2 dimensions, got shape ", to_string(c.sizes(0)));
    c.give(0, c[0].impl().sizes, c[0].impl().dtype);
  };
  record.vjp = {rule};
  return record;
}

struct Tril {
  static constexpr Record record = triangle(
      "tril", "input[i, j] where j - i <= diagonal, else 0", "Lower triangle of the last two dimensions.",
      {kNothing, [](Vjp& v) { return call<Tril>({v.g()}, {v.integer("diagonal")}); }});
};

struct Triu {
  static constexpr Record record = triangle(
      "triu", "input[i, j] where j - i >= diagonal, else 0", "Upper triangle of the last two dimensions.",
      {kNothing, [](Vjp& v) { return call<Triu>({v.g()}, {v.integer("diagonal")}); }});
};

using ShapeOps = OpList<ViewOp, Permute, Transpose, Expand, Slice, SliceBackward, Select, Squeeze, Unsqueeze,
                        Diagonal, DiagonalBackward, Contiguous, Clone, Cast, CopyInto, CopyNumber, Reshape,
                        Flatten, Unflatten, TransposeMatrix, Movedim, Narrow, BroadcastTo, ExpandAs, ViewAs,
                        ReshapeAs, Ravel, SwapAxes, FlipOp, Tril, Triu>;

}  // namespace unspool::ops
