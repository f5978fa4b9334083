// The compositions of ops/repeating.h.
#include "ops/repeating.h"

#include <cstdlib>

#include "ops/joining.h"

namespace unspool::ops {

Tensor repeat(const Call& c, const Tensor& x, Dims counts) {
  const auto ndim = static_cast<std::size_t>(x.ndim());
  if (counts.size() < ndim) {
    c.fail("needs a count for each of the ", ndim, " dimensions of input ", to_string(x.sizes()), ", got ",
           to_string(counts));
  }
  // Every dimension of size n becomes (count, n), with count repeated by a view; one copy joins the pairs.
  Dims pairs, repeated, result;
  for (std::size_t d = 0; d < counts.size(); ++d) {
    if (counts[d] < 0) c.fail("counts must not be negative, got ", to_string(counts));
    const std::size_t added = counts.size() - ndim;
    const std::int64_t size = d < added ? 1 : x.sizes()[d - added];
    result.push_back(counts[d] * size);
    if (counts[d] != 1) {
      pairs.push_back(1);
      repeated.push_back(counts[d]);
    }
    pairs.push_back(size);
    repeated.push_back(size);
  }
  if (pairs.size() > static_cast<std::size_t>(kMaxDims)) c.fail("too many dimensions: ", counts.size());
  const Tensor once = reshape(x, pairs);
  return reshape(clone(expand(once, repeated)), result);
}

Tensor roll(const Call& c) {
  Tensor x = c.tensor(0);
  const Dims& shifts = c.dims("shifts");
  const Dims dims = c.given("dims") ? c.dims("dims") : Dims();
  if (shifts.empty()) c.fail("needs at least one shift");
  if (dims.empty()) {
    if (shifts.size() != 1) c.fail(shifts.size(), " shifts need as many dims");
    const Tensor flat = reshape(x, Dims{x.numel()});
    return reshape(call<Roll>({flat}, {shifts, Dims{0}}), x.sizes());
  }
  if (shifts.size() != dims.size()) {
    c.fail("shifts ", to_string(shifts), " and dims ", to_string(dims), " differ in length");
  }
  if (x.ndim() == 0) c.fail_as(ErrorKind::kIndex, "a 0-d tensor has no dim ", dims[0], " to roll along");
  bool is_moved = false;
  for (std::size_t k = 0; k < dims.size(); ++k) {
    const int dim = normalize_dim(dims[k], x.ndim(), c.name());
    const std::int64_t n = x.size(dim);
    if (x.numel() == 0 || n <= 1) continue;
    const std::int64_t start = ((-shifts[k] % n) + n) % n;
    if (start == 0) continue;
    const Operand parts[2] = {slice(x, dim, start, n), slice(x, dim, 0, start)};
    const Attr attrs[1] = {dim};
    x = call_op(op_of<Cat>, parts, attrs);
    is_moved = true;
  }
  return is_moved ? x : clone(x);
}

Tensor diag(const Call& c) {
  const Attr& diagonal = c.attr("diagonal");
  if (c.ndim(0) == 1) return call<DiagEmbed>({c[0]}, {diagonal, -2, -1});
  if (c.ndim(0) == 2) return clone(call<Diagonal>({c[0]}, {diagonal, 0, 1}));
  c.fail("needs a vector or a matrix, got shape ", to_string(c.sizes(0)), "; see diagonal and diag_embed");
}

Tensor diag_embed(const Call& c) {
  const Tensor x = c.tensor(0);
  if (x.ndim() == 0) c.fail_as(ErrorKind::kIndex, "needs at least one dimension");
  const int ndim = x.ndim() + 1;
  const int dim1 = normalize_dim(c.integer("dim1"), ndim, c.name()),
            dim2 = normalize_dim(c.integer("dim2"), ndim, c.name());
  if (dim1 == dim2) c.fail("dim1 and dim2 must differ, got ", c.integer("dim1"), " and ", c.integer("dim2"));
  const std::int64_t offset = c.integer("offset"), side = x.size(x.ndim() - 1) + std::abs(offset);
  Dims sizes;
  int next = 0;
  for (int d = 0; d < ndim; ++d) sizes.push_back(d == dim1 || d == dim2 ? side : x.size(next++));
  return call<DiagonalBackward>({x}, {sizes, offset, dim1, dim2});
}

}  // namespace unspool::ops
