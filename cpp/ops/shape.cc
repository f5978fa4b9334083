// Geometry rules of the view operations, and the rearrangements composed of them.
#include "ops/shape.h"

#include <algorithm>

namespace unspool::ops {
namespace {

Geometry geometry_of(const Operand& x) { return {x.impl().sizes, x.impl().strides, x.impl().offset}; }

}  // namespace

Geometry view_geometry(const Call& c) {
  const TensorImpl& x = c[0].impl();
  Dims sizes = infer_reshape(c.dims("size"), x.sizes, c.name());
  auto strides = view_strides(x.sizes, x.strides, sizes);
  if (!strides) {
    c.fail("shape ", to_string(sizes), " cannot be seen without a copy in a tensor of shape ",
           to_string(x.sizes), " and strides ", to_string(x.strides), "; use reshape()");
  }
  return {std::move(sizes), std::move(*strides), x.offset};
}

Geometry permute_geometry(const Call& c) {
  const TensorImpl& x = c[0].impl();
  const Dims& order = c.dims("dims");
  if (order.size() != x.sizes.size()) {
    c.fail("dims ", to_string(order), " names ", order.size(), " dimensions, but the input of shape ",
           to_string(x.sizes), " has ", x.sizes.size());
  }
  dim_mask(order, c.ndim(0), c.name());
  Geometry g{Dims(order.size()), Dims(order.size()), x.offset};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t d = at(normalize_dim(order[i], c.ndim(0), c.name()));
    g.sizes[i] = x.sizes[d];
    g.strides[i] = x.strides[d];
  }
  return g;
}

Geometry transpose_geometry(const Call& c) {
  Geometry g = geometry_of(c[0]);
  const std::size_t a = at(normalize_dim(c.attrs[0].integer(), c.ndim(0), c.name()));
  const std::size_t b = at(normalize_dim(c.attrs[1].integer(), c.ndim(0), c.name()));
  if (!g.sizes.empty()) {
    std::swap(g.sizes[a], g.sizes[b]);
    std::swap(g.strides[a], g.strides[b]);
  }
  return g;
}

Geometry expand_geometry(const Call& c) {
  const TensorImpl& x = c[0].impl();
  Dims sizes = c.dims("size");
  if (sizes.size() < x.sizes.size()) {
    c.fail("size ", to_string(sizes), " has fewer dimensions than the input of shape ", to_string(x.sizes));
  }
  Dims strides(sizes.size(), 0);
  const std::size_t offset = sizes.size() - x.sizes.size();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t old = i < offset ? 1 : x.sizes[i - offset];
    if (sizes[i] == -1 && i >= offset) sizes[i] = old;
    if (sizes[i] < 0 || (old != 1 && sizes[i] != old)) {
      c.fail("size ", to_string(c.dims("size")), " does not fit the input of shape ", to_string(x.sizes),
             ": only dimensions of size 1 can be expanded");
    }
    if (i >= offset && (old != 1 || sizes[i] == 1)) strides[i] = x.strides[i - offset];
  }
  return {std::move(sizes), std::move(strides), x.offset};
}

Geometry slice_geometry(const Call& c) {
  Geometry g = geometry_of(c[0]);
  if (g.sizes.empty()) c.fail_as(ErrorKind::kIndex, "a 0-d tensor cannot be sliced");
  const std::size_t d = at(normalize_dim(c.attrs[0].integer(), c.ndim(0), c.name()));
  const std::int64_t step = c.attrs[3].integer();
  if (step <= 0) c.fail_as(ErrorKind::kValue, "step must be positive, got ", step, "; use flip() to reverse");
  const std::int64_t size = g.sizes[d];
  const auto clip = [size](std::int64_t i) {
    return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size);
  };
  const std::int64_t start = clip(c.attrs[1].integer());
  const std::int64_t stop = std::max(start, clip(c.attrs[2].integer()));
  g.offset += start * g.strides[d];
  g.sizes[d] = (stop - start + step - 1) / step;
  g.strides[d] *= step;
  return g;
}

Geometry select_geometry(const Call& c) {
  Geometry g = geometry_of(c[0]);
  if (g.sizes.empty()) c.fail_as(ErrorKind::kIndex, "a 0-d tensor cannot be indexed; use item()");
  const std::size_t d = at(normalize_dim(c.attrs[0].integer(), c.ndim(0), c.name()));
  const std::int64_t index = c.attrs[1].integer();
  if (index < -g.sizes[d] || index >= g.sizes[d]) {
    c.fail_as(ErrorKind::kIndex, "index ", index, " is out of range for dim ", d, " of shape ",
              to_string(g.sizes));
  }
  g.offset += (index < 0 ? index + g.sizes[d] : index) * g.strides[d];
  g.sizes.erase(d);
  g.strides.erase(d);
  return g;
}

Geometry squeeze_geometry(const Call& c) {
  const TensorImpl& x = c[0].impl();
  const auto named = dim_mask(c.given("dim") ? DimSpan(c.dims("dim")) : DimSpan(), c.ndim(0), c.name());
  const bool none = c.given("dim") && c.dims("dim").empty();
  Geometry g{{}, {}, x.offset};
  for (std::size_t i = 0; i < x.sizes.size(); ++i) {
    if (!none && named[i] && x.sizes[i] == 1) continue;
    g.sizes.push_back(x.sizes[i]);
    g.strides.push_back(x.strides[i]);
  }
  return g;
}

Geometry unsqueeze_geometry(const Call& c) {
  Geometry g = geometry_of(c[0]);
  const std::size_t d = at(normalize_dim(c.attrs[0].integer(), c.ndim(0) + 1, c.name()));
  const std::int64_t stride = d < g.sizes.size() ? g.sizes[d] * g.strides[d] : 1;
  g.sizes.insert(d, 1);
  g.strides.insert(d, stride);
  return g;
}

Geometry diagonal_geometry(const Call& c) {
  Geometry g = geometry_of(c[0]);
  const std::int64_t offset = c.integer("offset");
  const std::size_t a = at(normalize_dim(c.integer("dim1"), c.ndim(0), c.name()));
  const std::size_t b = at(normalize_dim(c.integer("dim2"), c.ndim(0), c.name()));
  if (a == b) c.fail("dim1 and dim2 are both ", a);
  if (c.ndim(0) < 2) c.fail("needs at least 2 dimensions, got shape ", to_string(c.sizes(0)));
  const std::int64_t count = std::max<std::int64_t>(
      0, offset >= 0 ? std::min(g.sizes[a], g.sizes[b] - offset) : std::min(g.sizes[a] + offset, g.sizes[b]));
  if (count > 0) g.offset += offset >= 0 ? offset * g.strides[b] : -offset * g.strides[a];
  const std::int64_t stride = g.strides[a] + g.strides[b];
  for (std::size_t d : {std::max(a, b), std::min(a, b)}) {
    g.sizes.erase(d);
    g.strides.erase(d);
  }
  g.sizes.push_back(count);
  g.strides.push_back(stride);
  return g;
}

namespace {

// The number as a tensor of the dtype that holds all of its kind.
Tensor as_tensor(const Operand& number) {
  if (number.kind() == Operand::Kind::kFloat) return full({}, number.number(), Dtype::kFloat64);
  const bool is_truth = number.kind() == Operand::Kind::kBool;
  return full({}, number.integer(), is_truth ? Dtype::kBool : Dtype::kInt64);
}

}  // namespace

Tensor copy_of_number(const Call& c) { return expand(to(as_tensor(c[1]), c[0].impl().dtype), c.sizes(0)); }

void copy_number(const Call& c, const Tensor& target) {
  const Operand operands[2] = {target, as_tensor(c[1])};
  emitter().emit_into({op_of<CopyInto>, operands, c.attrs}, target);
}

Tensor as_view(const Call& c, Tensor result) {
  return &result.impl() == &c[0].impl() ? call<ViewOp>({result}, {result.sizes()}) : result;
}

Tensor flatten(const Call& c) {
  const Tensor x = c.tensor(0);
  const int first = normalize_dim(c.integer("start_dim"), x.ndim(), c.name());
  const int last = normalize_dim(c.integer("end_dim"), x.ndim(), c.name());
  if (first > last) c.fail("start_dim ", first, " comes after end_dim ", last);
  if (first == last && x.ndim() > 0) return x;
  Dims sizes(x.sizes().begin(), x.sizes().begin() + first);
  sizes.push_back(numel(DimSpan(x.sizes()).subspan(at(first), x.ndim() ? at(last - first + 1) : 0)));
  sizes.append(x.sizes().begin() + std::min(last + 1, x.ndim()), x.sizes().end());
  return reshape(x, sizes);
}

Tensor unflatten(const Call& c) {
  const Tensor x = c.tensor(0);
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  if (x.ndim() == 0) c.fail("a 0-d tensor has no dimension to split");
  const std::int64_t old[1] = {x.size(dim)};
  const Dims parts = infer_reshape(c.dims("sizes"), old, c.name());
  Dims sizes(x.sizes().begin(), x.sizes().begin() + dim);
  sizes.append(parts.begin(), parts.end());
  sizes.append(x.sizes().begin() + dim + 1, x.sizes().end());
  return call<ViewOp>({x}, {sizes});
}

Tensor matrix_transpose(const Call& c) {
  if (c.ndim(0) > 2) {
    c.fail("expects at most 2 dimensions, got shape ", to_string(c.sizes(0)), "; use transpose() or .mT");
  }
  return c.ndim(0) < 2 ? as_view(c, c.tensor(0)) : transpose(c.tensor(0), 0, 1);
}

Tensor move_dims(const Call& c) {
  const int ndim = c.ndim(0);
  const Dims &from = c.dims("source"), &to = c.dims("destination");
  if (from.size() != to.size()) {
    c.fail("source ", to_string(from), " and destination ", to_string(to), " differ in length");
  }
  if (!from.empty()) {
    dim_mask(from, ndim, c.name());
    dim_mask(to, ndim, c.name());
  }
  Dims order(at(ndim), -1);
  SmallVector<bool, 8> moved(at(ndim), false);
  for (std::size_t i = 0; i < from.size(); ++i) {
    const int source = normalize_dim(from[i], ndim, c.name());
    if (ndim == 0) return as_view(c, c.tensor(0));
    order[at(normalize_dim(to[i], ndim, c.name()))] = source;
    moved[at(source)] = true;
  }
  std::int64_t next = 0;
  for (std::int64_t& place : order) {
    if (place != -1) continue;
    while (moved[at(next)]) ++next;
    place = next++;
  }
  return permute(c.tensor(0), order);
}

Tensor narrow(const Call& c) {
  const int dim = normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  if (c.ndim(0) == 0) c.fail("a 0-d tensor cannot be narrowed");
  const std::int64_t size = c.sizes(0)[at(dim)], length = c.integer("length");
  std::int64_t start = c.integer("start");
  if (start < -size || start > size) {
    c.fail_as(ErrorKind::kIndex, "start ", start, " is out of range for dim ", dim, " of size ", size);
  }
  if (start < 0) start += size;
  if (length < 0 || start + length > size) {
    c.fail("start ", start, " and length ", length, " exceed dim ", dim, " of size ", size);
  }
  return slice(c.tensor(0), dim, start, start + length);
}

}  // namespace unspool::ops
