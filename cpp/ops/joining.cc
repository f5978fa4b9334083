// Rules of joining, splitting and indexing.
#include "ops/joining.h"

#include <algorithm>

#include "ops/matmul.h"

namespace unspool::ops {
namespace {

// By an old rule, empty vectors may be joined with anything.
bool is_legacy_empty(const Tensor& x) { return x.ndim() == 1 && x.numel() == 0; }

}  // namespace

void require_index(Inference& c, int i) {
  const TensorImpl& index = c[i].impl();
  if (index.dtype != Dtype::kInt64 && index.dtype != Dtype::kInt32 && index.numel > 0) {
    c.fail("index must be int64 or int32, got ", name(index.dtype), "; convert it with .long()");
  }
  c.index = i;
}

void infer_concat(Inference& c) {
  Dims sizes = c[0].impl().sizes;
  sizes[at(c.integer("dim"))] = c.dims("starts").back();
  c.give(0, std::move(sizes), c[0].impl().dtype);
}

Tensor concatenate(const Call& c) {
  if (c.in.empty()) c.fail_as(ErrorKind::kValue, "needs at least one tensor");
  const Dtype type = result_type(c.in);
  SmallVector<Operand, 4> parts;
  Dims starts{0};
  Tensor first;
  int dim = 0;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    const Tensor x = c.tensor(static_cast<int>(i));
    if (x.ndim() == 0) c.fail("tensor ", i, " is 0-d and cannot be joined; use stack");
    if (is_legacy_empty(x)) continue;
    if (!first) {
      first = x;
      dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
    }
    bool fits = x.ndim() == first.ndim();
    for (int d = 0; fits && d < x.ndim(); ++d) fits = d == dim || x.size(d) == first.size(d);
    if (!fits) {
      c.fail("tensor ", i, " of shape ", to_string(x.sizes()), " does not fit the first of shape ",
             to_string(first.sizes()), ": all sizes but dim ", dim, " must agree");
    }
    starts.push_back(starts.back() + x.size(dim));
    parts.push_back(to(x, type));
  }
  if (!first) {
    normalize_dim(c.integer("dim"), 1, c.name());
    return to(c.tensor(0), type);
  }
  const Attr attrs[2] = {dim, starts};
  return call_op(op_of<Concat>, parts, attrs);
}

Tensor stack(const Call& c) {
  if (c.in.empty()) c.fail("needs at least one tensor");
  const Tensor first = c.tensor(0);
  const int dim = normalize_dim(c.integer("dim"), first.ndim() + 1, c.name());
  SmallVector<Operand, 4> parts;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    const Tensor x = c.tensor(static_cast<int>(i));
    if (!(x.sizes() == first.sizes())) {
      c.fail("tensor ", i, " of shape ", to_string(x.sizes()), " differs from the first of shape ",
             to_string(first.sizes()));
    }
    parts.push_back(unsqueeze(x, dim));
  }
  const Attr attrs[1] = {dim};
  return call_op(op_of<Cat>, parts, attrs);
}

void split_sizes(const Call& c, Pieces& out) {
  const Tensor x = c.tensor(0);
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  if (x.ndim() == 0) c.fail("a 0-d tensor cannot be split");
  const Dims& sizes = c.attrs[0].dims();
  std::int64_t start = 0, total = 0;
  for (std::int64_t size : sizes) {
    if (size < 0) c.fail("negative size in ", to_string(sizes));
    total += size;
  }
  if (total != x.size(dim)) {
    c.fail("sizes ", to_string(sizes), " sum to ", total, ", but dim ", dim, " of input ",
           to_string(x.sizes()), " is ", x.size(dim));
  }
  for (std::int64_t size : sizes) {
    out.push_back(slice(x, dim, start, start + size));
    start += size;
  }
}

void split(const Call& c, Pieces& out) {
  const Tensor x = c.tensor(0);
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  const std::int64_t step = c.integer("split_size");
  if (x.ndim() == 0) c.fail("a 0-d tensor cannot be split");
  if (step < 0 || (step == 0 && x.size(dim) != 0)) c.fail("split_size must be positive, got ", step);
  for (std::int64_t start = 0; start < std::max<std::int64_t>(x.size(dim), 1);
       start += std::max<std::int64_t>(step, 1)) {
    out.push_back(slice(x, dim, start, std::min(start + step, x.size(dim))));
  }
}

void chunk(const Call& c, Pieces& out) {
  const Tensor x = c.tensor(0);
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  const std::int64_t count = c.integer("chunks");
  if (count <= 0) c.fail("chunks must be positive, got ", count);
  if (x.ndim() == 0) c.fail("a 0-d tensor cannot be split");
  const std::int64_t step = (x.size(dim) + count - 1) / count;
  if (step == 0) {
    out.assign(at(count), slice(x, dim, 0, 0));
    return;
  }
  for (std::int64_t start = 0; start < x.size(dim); start += step) {
    out.push_back(slice(x, dim, start, std::min(start + step, x.size(dim))));
  }
}

void unbind(const Call& c, Pieces& out) {
  const Tensor x = c.tensor(0);
  const int dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
  if (x.ndim() == 0) c.fail_as(ErrorKind::kIndex, "a 0-d tensor has no dimension to unbind");
  for (std::int64_t i = 0; i < x.size(dim); ++i) out.push_back(select(x, dim, i));
}

void infer_gather(Inference& c) {
  const DimSpan x = c.sizes(0), index = c.sizes(1);
  const int dim = normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  require_index(c, 1);
  bool fits = x.size() == index.size() || (x.size() <= 1 && index.size() <= 1);
  for (std::size_t d = 0; fits && d < std::min(x.size(), index.size()); ++d) {
    fits = static_cast<int>(d) == dim || index[d] <= x[d];
  }
  if (!fits && c[1].impl().numel > 0) {
    c.fail("index ", to_string(index), " does not fit input ", to_string(x),
           ": as many dimensions, and no larger except along dim ", dim);
  }
  c.give(0, c[1].impl().sizes, c[0].impl().dtype);
}

void infer_scatter(Inference& c) {
  if (!std::equal(c.sizes(0).begin(), c.sizes(0).end(), c.sizes(1).begin(), c.sizes(1).end())) {
    c.fail("index ", to_string(c.sizes(0)), " and source ", to_string(c.sizes(1)), " differ");
  }
  c.give(0, c.dims("size"), c[1].impl().dtype);
}

void infer_index_select(Inference& c) {
  const int dim = normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  require_index(c, 1);
  if (c.ndim(1) > 1) c.fail_as(ErrorKind::kIndex, "index must be 1-d, got shape ", to_string(c.sizes(1)));
  Dims sizes = c[0].impl().sizes;
  if (!sizes.empty())
    sizes[at(dim)] = c[1].impl().numel;
  else if (c[1].impl().numel != 1)
    c.fail("a 0-d input takes exactly one index");
  c.give(0, std::move(sizes), c[0].impl().dtype);
}

}  // namespace unspool::ops
