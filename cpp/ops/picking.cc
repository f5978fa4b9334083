// From picks, masks among them, to index tensors; shapes of what they name; the functions made of it.
#include "ops/picking.h"

#include <algorithm>

#include "ops/creation.h"
#include "ops/fitting.h"
#include "ops/joining.h"
#include "ops/shape.h"

namespace unspool::ops {
namespace {

constexpr std::size_t kMaxIndices = 13;  // what the tape can name among a call's operands, less the others

bool is_mask(Dtype dtype) { return dtype == Dtype::kBool || dtype == Dtype::kUInt8; }
bool is_index(Dtype dtype) { return dtype == Dtype::kInt64 || dtype == Dtype::kInt32; }

// Index tensors, the dimensions they index, and the tensor, in which a mask's dimensions may be joined.
struct Resolved {
  Tensor x;
  SmallVector<Operand, 4> indices;
  Dims dims;

  void add(const Tensor& index, std::int64_t dim) {
    indices.push_back(index);
    dims.push_back(dim);
  }
};

Tensor flat(const Tensor& x) { return reshape(x, DimSpan(Dims{x.numel()})); }
Tensor flat_places(const Tensor& mask) { return flat(nonzero(flat(mask))); }

void require_mask_fits(const Tensor& mask, const Tensor& x, std::int64_t dim) {
  for (int d = 0; d < mask.ndim(); ++d) {
    const std::int64_t place = dim + d;
    if (place < x.ndim() && mask.size(d) == x.size(static_cast<int>(place))) continue;
    fail(ErrorKind::kIndex, "index: a mask of shape ", to_string(mask.sizes()),
         " does not fit a tensor of shape ", to_string(x.sizes()), " from dim ", dim, " on");
  }
}

// The number of dimensions that the mask leaves: one where it could be joined.
std::int64_t add_mask(Resolved& to, const Tensor& mask, std::int64_t dim) {
  require_mask_fits(mask, to.x, dim);
  if (mask.ndim() == 0) {
    to.x = unsqueeze(to.x, dim);
    to.add(flat_places(unsqueeze(mask, 0)), dim);
    return 1;
  }
  if (mask.ndim() == 1) {
    to.add(flat_places(mask), dim);
    return 1;
  }
  Dims joined(to.x.sizes().begin(), to.x.sizes().begin() + dim);
  joined.push_back(mask.numel());
  joined.append(to.x.sizes().begin() + dim + mask.ndim(), to.x.sizes().end());
  if (view_strides(to.x.sizes(), to.x.strides(), joined)) {
    to.x = call<ViewOp>({to.x}, {joined});
    to.add(flat_places(mask), dim);
    return 1;
  }
  const Tensor places = nonzero(mask);
  for (int d = 0; d < mask.ndim(); ++d) to.add(select(places, 1, d), dim + d);
  return mask.ndim();
}

Resolved resolve(const Tensor& x, Picks picks) {
  Resolved result{x, {}, {}};
  std::int64_t dim = 0;
  for (const Tensor& pick : picks) {
    const bool masks = pick && is_mask(pick.dtype());
    if (!masks && dim >= result.x.ndim()) {
      fail(ErrorKind::kIndex, "index: too many indices for a tensor of shape ", to_string(x.sizes()));
    }
    if (masks) {
      dim += add_mask(result, pick, dim);
      continue;
    }
    if (pick) {
      if (!is_index(pick.dtype())) {
        fail(ErrorKind::kIndex, "index: tensors index by int64, int32, bool or uint8, not by ",
             name(pick.dtype()));
      }
      result.add(pick, dim);
    }
    ++dim;
  }
  if (result.indices.size() > kMaxIndices) {
    fail(ErrorKind::kIndex, "index: at most ", kMaxIndices, " index tensors are supported, got ",
         result.indices.size());
  }
  return result;
}

// The shape of what the operands from `first` on name in a tensor of the given sizes.
Dims picked_sizes(const Call& c, DimSpan sizes, std::size_t first) {
  const Dims& dims = c.dims("dims");
  Dims common;
  for (std::size_t i = first; i < c.in.size(); ++i) {
    if (broadcast_into(common, c.in[i].impl().sizes)) continue;
    c.fail_as(ErrorKind::kIndex, "shape mismatch: index tensors of shapes ", to_string(common), " and ",
              to_string(c.in[i].impl().sizes), " do not broadcast");
  }
  const bool together = dims.back() - dims.front() + 1 == static_cast<std::int64_t>(dims.size());
  const auto place = together ? at(dims.front()) : 0;
  Dims result;
  std::size_t next = 0;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (next < dims.size() && at(dims[next]) == d)
      ++next;
    else
      result.push_back(sizes[d]);
  }
  Dims whole(result.begin(), result.begin() + place);
  whole.append(common.begin(), common.end());
  whole.append(result.begin() + place, result.end());
  return whole;
}

void copy_into(const Tensor& target, const Tensor& source) {
  const Operand operands[2] = {target, source};
  const Attr attrs[1] = {false};
  emitter().emit_into({op_of<CopyInto>, operands, attrs}, target);
}

SmallVector<Operand, 4> write_operands(const Resolved& r, const Tensor& values) {
  SmallVector<Operand, 4> operands;
  operands.push_back(r.x);
  operands.push_back(values);
  operands.append(r.indices.begin(), r.indices.end());
  return operands;
}

Tensor index_written(const Tensor& x, Picks picks, const Tensor& values, bool accumulate) {
  const Resolved r = resolve(x, picks);
  const auto operands = write_operands(r, values);
  const Attr attrs[2] = {r.dims, accumulate};
  return reshape(call_op(op_of<IndexWrite>, operands, attrs), x.sizes());
}

Tensor broadcast(const Call& c, const Tensor& x, const Tensor& other) {
  Dims sizes = x.sizes();
  if (!broadcast_into(sizes, other.sizes())) {
    c.fail("shapes ", to_string(x.sizes()), " and ", to_string(other.sizes()), " do not broadcast");
  }
  return expand(x, sizes);
}

void require_same_dtype(const Call& c, const Tensor& source, std::string_view what) {
  if (source.dtype() != c[0].impl().dtype) {
    c.fail(what, " is ", name(source.dtype()), " but input is ", name(c[0].impl().dtype),
           "; convert one of them");
  }
}

}  // namespace

Tensor index(const Tensor& x, Picks picks) {
  const Resolved r = resolve(x, picks);
  if (r.indices.empty()) return r.x;
  SmallVector<Operand, 4> operands;
  operands.push_back(r.x);
  operands.append(r.indices.begin(), r.indices.end());
  const Attr attrs[1] = {r.dims};
  return call_op(op_of<IndexOp>, operands, attrs);
}

void index_write_into(const Tensor& x, Picks picks, const Tensor& values, bool accumulate) {
  const Resolved r = resolve(x, picks);
  const auto operands = write_operands(r, values);
  const Attr attrs[2] = {r.dims, accumulate};
  emitter().emit_into({op_of<IndexWrite>, operands, attrs}, r.x);
}

Tensor nonzero(const Tensor& x) {
  const Tensor count = call<NonzeroCount>({x});
  before_host_read(count, "nonzero");
  return call<NonzeroPlaces>({x}, {*static_cast<const std::int64_t*>(count.data())});
}

void infer_index(Inference& c) { c.give(0, picked_sizes(c, c.sizes(0), 1), c[0].impl().dtype); }

void infer_index_onto(Inference& c) { c.give(0, c.dims("size"), c[0].impl().dtype); }

void infer_index_write(Inference& c) {
  const Dims picked = picked_sizes(c, c.sizes(0), 2);
  Dims sizes = picked;
  if (!broadcast_into(sizes, c.sizes(1)) || !(sizes == picked)) {
    c.fail("shape mismatch: a value of shape ", to_string(c.sizes(1)),
           " does not broadcast to the indexed shape ", to_string(picked));
  }
  c.give(0, c[0].impl().sizes, c[0].impl().dtype);
}

namespace {

// The given operands followed by the index tensors of the rule's call, of which operand `first` is the first.
SmallVector<Operand, 4> with_indices(Vjp& v, int first, std::initializer_list<Operand> before) {
  SmallVector<Operand, 4> operands(before.begin(), before.end());
  const auto count = static_cast<int>(v.dims("dims").size());
  for (int i = 0; i < count; ++i) operands.push_back(v.in(first + i));
  return operands;
}

Tensor picked_from(const Tensor& g, Vjp& v, int first) {
  const Attr attrs[1] = {v.attr("dims")};
  return call_op(op_of<IndexOp>, with_indices(v, first, {g}), attrs);
}

}  // namespace

Tensor index_vjp(Vjp& v) {
  const Attr attrs[2] = {v.sizes(0), v.attr("dims")};
  return call_op(op_of<IndexOnto>, with_indices(v, 1, {v.g()}), attrs);
}

Tensor index_onto_vjp(Vjp& v) { return picked_from(v.g(), v, 1); }

Tensor index_write_input_vjp(Vjp& v) {
  if (v.flag("accumulate")) return v.g();
  const Attr attrs[2] = {v.attr("dims"), false};
  return call_op(op_of<IndexWrite>, with_indices(v, 2, {v.g(), full({}, 0.0, v.dtype(0))}), attrs);
}

Tensor index_write_values_vjp(Vjp& v) { return picked_from(v.g(), v, 2); }

// --- index_put, index_add, index_copy, index_fill, put
// ------------------------------------------------------------------------------------------------------------

namespace {

struct PutArguments {
  SmallVector<Tensor, 4> picks;
  Tensor values;
  bool accumulate;

  explicit PutArguments(const Call& c) : values(c.in.back().tensor()), accumulate(c.flag("accumulate")) {
    for (std::size_t i = 1; i + 1 < c.in.size(); ++i) picks.push_back(c.in[i].tensor());
    if (picks.empty()) c.fail_as(ErrorKind::kIndex, "indices must name at least one dimension");
    require_same_dtype(c, values, "values");
  }
};

// The arguments of the functions that write slices along one dimension.
struct SliceWrite {
  Tensor x;  // of one dimension at least
  SmallVector<Tensor, 4> picks;
  int dim;

  SliceWrite(const Call& c, const Tensor& target) : x(target) {
    const Tensor index = c.tensor(1);
    dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
    if (index.ndim() > 1)
      c.fail_as(ErrorKind::kIndex, "index must be 1-d, got shape ", to_string(index.sizes()));
    if (!is_index(index.dtype())) {
      c.fail_as(ErrorKind::kIndex, "index must be int64, got ", name(index.dtype()),
                "; convert it with .long()");
    }
    if (x.ndim() == 0) x = unsqueeze(x, 0);
    picks.resize(at(dim) + 1);
    picks.back() = flat(index);
  }

  // `source` in the shape of the slices.
  Tensor fitted(const Call& c, const Tensor& source) const {
    require_same_dtype(c, source, "source");
    Dims sizes = x.sizes();
    sizes[at(dim)] = picks.back().numel();
    const bool is_single = source.ndim() == 0 && sizes.size() == 1 && sizes[0] == 1;
    if (!is_single && !(source.sizes() == sizes)) {
      c.fail("source has shape ", to_string(source.sizes()), ", but ", picks.back().numel(),
             " slices of input ", to_string(c.sizes(0)), " along dim ", dim, " have shape ",
             to_string(sizes));
    }
    return is_single ? unsqueeze(source, 0) : source;
  }
};

Tensor scaled_source(const Call& c, const SliceWrite& w) {
  const Tensor source = w.fitted(c, c.tensor(2));
  const double alpha = c.number("alpha");
  if (alpha == 1) return source;
  if (is_floating(source.dtype())) return mul(source, alpha);
  expect_fitting_factor(c, "alpha", source.dtype());
  return to(mul(source, static_cast<std::int64_t>(alpha)), source.dtype());
}

Tensor fill_value(const Call& c) {
  const Dtype dtype = c[0].impl().dtype;
  const Operand& value = c[2];
  if (value.is_number()) {
    return full({}, value.kind() == Operand::Kind::kFloat ? Attr(value.number()) : Attr(value.integer()),
                dtype);
  }
  if (value.ndim() > 0) c.fail("value must be a number or a 0-d tensor, got shape ", to_string(c.sizes(2)));
  return to(value.tensor(), dtype);
}

}  // namespace

Tensor index_put(const Call& c) {
  const PutArguments a(c);
  return index_written(c.tensor(0), {a.picks.data(), a.picks.size()}, a.values, a.accumulate);
}
void change_index_put(const Call& c, const Tensor& target) {
  const PutArguments a(c);
  index_write_into(target, {a.picks.data(), a.picks.size()}, a.values, a.accumulate);
}

Tensor index_add(const Call& c) {
  const SliceWrite w(c, c.tensor(0));
  return reshape(index_written(w.x, {w.picks.data(), w.picks.size()}, scaled_source(c, w), true), c.sizes(0));
}
void change_index_add(const Call& c, const Tensor& target) {
  const SliceWrite w(c, target);
  index_write_into(w.x, {w.picks.data(), w.picks.size()}, scaled_source(c, w), true);
}

Tensor index_copy(const Call& c) {
  const SliceWrite w(c, c.tensor(0));
  const Tensor source = w.fitted(c, c.tensor(2));
  return reshape(index_written(w.x, {w.picks.data(), w.picks.size()}, source, false), c.sizes(0));
}
void change_index_copy(const Call& c, const Tensor& target) {
  const SliceWrite w(c, target);
  index_write_into(w.x, {w.picks.data(), w.picks.size()}, w.fitted(c, c.tensor(2)), false);
}

// By a mask, because the value counts once for a slice that the index names twice.
Tensor index_fill(const Call& c) {
  const SliceWrite w(c, c.tensor(0));
  Dims sizes(static_cast<std::size_t>(w.x.ndim()), 1);
  sizes[at(w.dim)] = w.x.size(w.dim);
  const Tensor flags = full(Dims{sizes[at(w.dim)]}, 0, Dtype::kBool);
  const Tensor mask = index_written(flags, {&w.picks.back(), 1}, full({}, 1, Dtype::kBool), false);
  return reshape(where(reshape(mask, sizes), fill_value(c), w.x), c.sizes(0));
}
void change_index_fill(const Call& c, const Tensor& target) {
  if (c[2].is_tensor() && c[2].impl().needs_gradient()) return copy_into(target, index_fill(c));
  const SliceWrite w(c, target);
  index_write_into(w.x, {w.picks.data(), w.picks.size()}, fill_value(c), false);
}

namespace {

// Writes at places in row-major order: into the target where that is its layout, else into a copy.
template <class F>
void change_flat(const Call& c, const Tensor& target, Tensor (*functional)(const Call&), F&& write) {
  if (target.is_contiguous())
    write(flat(target));
  else
    copy_into(target, functional(c));
}

void check_put(const Call& c) {
  require_same_dtype(c, c.tensor(2), "source");
  if (c[1].impl().numel != c[2].impl().numel) {
    c.fail_as(ErrorKind::kIndex, "index ", to_string(c.sizes(1)), " and source ", to_string(c.sizes(2)),
              " differ in their number of elements");
  }
}

}  // namespace

Tensor put(const Call& c) {
  check_put(c);
  const Tensor picks[1] = {flat(c.tensor(1))};
  return reshape(index_written(flat(c.tensor(0)), picks, flat(c.tensor(2)), c.flag("accumulate")),
                 c.sizes(0));
}
void change_put(const Call& c, const Tensor& target) {
  check_put(c);
  const Tensor picks[1] = {flat(c.tensor(1))};
  change_flat(c, target, put,
              [&](const Tensor& x) { index_write_into(x, picks, flat(c.tensor(2)), c.flag("accumulate")); });
}

// --- masks
// ------------------------------------------------------------------------------------------------------------

namespace {

void require_bool(const Call& c) {
  if (c[1].impl().dtype != Dtype::kBool) c.fail("mask must be bool, got ", name(c[1].impl().dtype));
}

// As many elements of source as there are places.
Tensor enough_of(const Call& c, const Tensor& places) {
  const Tensor source = flat(c.tensor(2));
  if (source.numel() < places.numel()) {
    c.fail("source has ", source.numel(), " elements, but the mask holds at ", places.numel(), " places");
  }
  return slice(source, 0, 0, places.numel());
}

}  // namespace

Tensor masked_select(const Call& c) {
  require_bool(c);
  const Tensor x = broadcast(c, c.tensor(0), c.tensor(1)), mask = broadcast(c, c.tensor(1), c.tensor(0));
  const Tensor picks[1] = {flat_places(mask)};
  return index(flat(x), picks);
}

Tensor masked_scatter(const Call& c) {
  require_bool(c);
  require_same_dtype(c, c.tensor(2), "source");
  const Tensor x = broadcast(c, c.tensor(0), c.tensor(1)), mask = broadcast(c, c.tensor(1), c.tensor(0));
  const Tensor picks[1] = {flat_places(mask)};
  return reshape(index_written(flat(x), picks, enough_of(c, picks[0]), false), x.sizes());
}

void change_masked_scatter(const Call& c, const Tensor& target) {
  require_bool(c);
  require_same_dtype(c, c.tensor(2), "source");
  change_flat(c, target, masked_scatter, [&](const Tensor& x) {
    const Tensor picks[1] = {flat_places(expand(c.tensor(1), target.sizes()))};
    index_write_into(x, picks, enough_of(c, picks[0]), false);
  });
}

// --- take, where
// ------------------------------------------------------------------------------------------------------------

Tensor take(const Call& c) {
  if (c[1].impl().dtype != Dtype::kInt64) {
    c.fail("index must be int64, got ", name(c[1].impl().dtype), "; convert it with .long()");
  }
  const Tensor picks[1] = {c.tensor(1)};
  return index(flat(c.tensor(0)), picks);
}

Tensor take_along_dim(const Call& c) {
  Tensor x = c.tensor(0), indices = c.tensor(1);
  if (indices.dtype() != Dtype::kInt64) {
    c.fail("indices must be int64, got ", name(indices.dtype()), "; convert them with .long()");
  }
  const auto counted_from_start = [](const Tensor& places, std::int64_t size) {
    return where(lt(places, 0), places + size, places);
  };
  if (!c.given("dim")) return gather(flat(x), 0, counted_from_start(flat(indices), x.numel()));
  if (x.ndim() != indices.ndim()) {
    c.fail("input ", to_string(x.sizes()), " and indices ", to_string(indices.sizes()),
           " must have equally many dimensions");
  }
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  indices = counted_from_start(indices, x.size(dim));
  Dims wide_x = x.sizes(), wide_indices = indices.sizes();
  for (std::size_t d = 0; d < wide_x.size(); ++d) {
    if (d == at(dim)) continue;
    if (wide_x[d] != wide_indices[d] && wide_x[d] != 1 && wide_indices[d] != 1) {
      c.fail("input ", to_string(x.sizes()), " and indices ", to_string(indices.sizes()),
             " do not broadcast outside of dim ", dim);
    }
    wide_x[d] = wide_indices[d] = wide_x[d] == 1 ? wide_indices[d] : wide_x[d];
  }
  return gather(expand(x, wide_x), dim, expand(indices, wide_indices));
}

Tensor argwhere(const Call& c) { return nonzero(c.tensor(0)); }

void where_places(const Call& c, std::vector<Tensor>& out) {
  const Tensor x = c.ndim(0) == 0 ? unsqueeze(c.tensor(0), 0) : c.tensor(0);
  const Tensor places = nonzero(x);
  for (int d = 0; d < x.ndim(); ++d) out.push_back(select(places, 1, d));
}

}  // namespace unspool::ops
