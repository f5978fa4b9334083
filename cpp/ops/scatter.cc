// Checks, derivatives and compositions of the scatter family.
#include "ops/scatter.h"

#include <algorithm>
#include <limits>

#include "ops/arithmetic.h"
#include "ops/fitting.h"
#include "ops/joining.h"
#include "ops/recompute.h"
#include "ops/scan.h"
#include "ops/shape.h"
#include "ops/sorting.h"

namespace unspool::ops {
namespace {

// The part of a source that the index reaches.
Tensor reached(const Tensor& source, DimSpan index) {
  Tensor part = source;
  for (int d = 0; d < part.ndim(); ++d) {
    if (part.size(d) != index[static_cast<std::size_t>(d)])
      part = slice(part, d, 0, index[static_cast<std::size_t>(d)]);
  }
  return part;
}

// Its transpose: zeros around it.
Tensor surrounded(const Tensor& part, DimSpan sizes) {
  Tensor whole = part;
  for (int d = 0; d < whole.ndim(); ++d) {
    const std::int64_t size = sizes[static_cast<std::size_t>(d)];
    if (whole.size(d) == size) continue;
    Dims grown(whole.sizes());
    grown[static_cast<std::size_t>(d)] = size;
    whole = call<SliceBackward>({whole}, {grown, d, 0, 1});
  }
  return whole;
}

Tensor scattered_sum(DimSpan sizes, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return scatter_onto(sizes, dim, index, source);
}

}  // namespace

void infer_scatter_into(Inference& c) {
  const DimSpan x = c.sizes(0), index = c.sizes(1);
  const int dim = normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  const Dtype type = c[0].impl().dtype;
  require_index(c, 1);
  const bool has_source = c[2].is_tensor() && c.ndim(2) > 0;
  if (c[2].is_tensor() && c[2].impl().dtype != type) {
    if (has_source || c.op.record.args[3].kind == ArgKind::kTensor) {
      c.fail("input is ", name(type), " and src ", name(c[2].impl().dtype), ": they must have one dtype");
    }
    c.casts = 4u;  // a 0-d tensor stands for a number
  }
  expect_fitting_numbers(c, type);
  c.compute = type;
  if (c[1].impl().numel > 0) {
    const auto rank = [](DimSpan sizes) { return std::max<std::size_t>(1, sizes.size()); };
    bool fits = rank(x) == rank(index) && (!has_source || rank(c.sizes(2)) == rank(index));
    for (std::size_t d = 0; fits && d < index.size(); ++d) {
      fits = static_cast<int>(d) == dim || x.empty() || index[d] <= x[d];
      if (has_source) fits = fits && index[d] <= c.sizes(2)[d];
    }
    if (!fits) {
      c.fail("index ", to_string(index), " does not fit input ", to_string(x), has_source ? " and src " : "",
             has_source ? to_string(c.sizes(2)) : "",
             ": as many dimensions, and no larger except in input along dim ", dim);
    }
  }
  c.give(0, Dims(x), type);
}

Tensor without_written(Vjp& v) { return call<ScatterValue>({v.g(), v.in(1), 0.0}, {v.integer("dim")}); }

Tensor source_cotangent(Vjp& v) {
  const Tensor index = v.x(1);
  if (index.numel() == 0) return full(v.sizes(2), 0.0, v.dtype(2));
  return surrounded(
      reshape(gather(v.g(), v.integer("dim"), index), v.sizes(2).empty() ? DimSpan() : index.sizes()),
      v.sizes(2));
}

namespace {

Tensor product_input_cotangent(Vjp& v) {
  return v.g() * call<ScatterMultiply>({ones_like(v.g()), v.in(1), v.in(2)}, {v.integer("dim")});
}

// Of the elements that meet in one place, a zero leaves a derivative only to itself; two zeros leave none.
Tensor product_source_cotangent(Vjp& v) {
  const std::int64_t dim = v.integer("dim");
  const Tensor x = v.x(0), index = v.x(1);
  if (index.numel() == 0) return full(v.sizes(2), 0.0, v.dtype(2));
  const Tensor source = reached(v.x(2), index.sizes());
  const Tensor is_zero = eq(source, 0), filled = where(is_zero, 1.0, source),
               zero = to(is_zero, source.dtype());
  const Tensor products = call<ScatterMultiply>({x, index, filled}, {dim});
  const Tensor other_zeros = gather(scattered_sum(x.sizes(), dim, index, zero), dim, index) - zero;
  const Tensor others = where(eq(other_zeros, 0), gather(products, dim, index) / filled, 0.0);
  return surrounded(gather(v.g(), dim, index) * others, v.sizes(2));
}

// The products made anew of operations whose derivatives hold at zeros too: the elements in the order of
// their places, multiplied along each run that shares one.
Tensor composed_product(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  if (index.numel() == 0) return x;
  if (x.ndim() == 0) return reshape(x * source, Dims{});
  const auto sorted = call_all<Sort>({index}, {dim, false, true});
  const Tensor& places = sorted[0];
  const auto begins_run = [dim](const Tensor& y) { return ne(y, delayed(y, dim, -1)); };
  const auto flip = [dim](const Tensor& y) { return call<FlipOp>({y}, {Dims{dim}}); };
  const Tensor is_first = begins_run(places), is_last = flip(begins_run(flip(places)));
  const Tensor factors = gather(reached(source, index.sizes()), dim, sorted[1]);
  const Tensor start = where(is_first, factors * gather(x, dim, places), 0.0);
  const Tensor running = call<Recurrence>({where(is_first, 0.0, factors), start}, {dim, false});
  const Tensor products = scattered_sum(x.sizes(), dim, places, where(is_last, running, 0.0));
  const Tensor hits = scattered_sum(x.sizes(), dim, places, to(is_last, x.dtype()));
  return where(eq(hits, 0), x, products);
}

}  // namespace

void product_cotangents(Vjp& v, std::span<Tensor> grads) {
  if (is_recorded()) {
    return derive(v, grads, [&](std::span<const Operand> in) -> std::vector<Tensor> {
      return {composed_product(in[0].tensor(), v.integer("dim"), in[1].tensor(), in[2].tensor())};
    });
  }
  if (v.wants(0)) grads[0] = product_input_cotangent(v);
  if (v.wants(2)) grads[2] = product_source_cotangent(v);
}

namespace {

// The cotangent of every place divided by how many elements share it.
Tensor shared(Vjp& v) {
  const std::int64_t dim = v.integer("dim");
  const Tensor index = v.x(1), y = v.out();
  const Tensor own = to(eq(v.in(0), y), y.dtype());
  if (index.numel() == 0) return v.g();
  const Tensor source = reached(v.x(2), index.sizes());
  const Tensor theirs = to(eq(source, gather(y, dim, index)), y.dtype());
  return v.g() / (own + scattered_sum(y.sizes(), dim, index, theirs));
}

}  // namespace

Tensor extremum_input_cotangent(Vjp& v) { return where(eq(v.in(0), v.out()), shared(v), 0.0); }

Tensor extremum_source_cotangent(Vjp& v) {
  const std::int64_t dim = v.integer("dim");
  const Tensor index = v.x(1);
  if (index.numel() == 0) return full(v.sizes(2), 0.0, v.dtype(2));
  const Tensor source = reached(v.x(2), index.sizes());
  return surrounded(where(eq(source, gather(v.out(), dim, index)), gather(shared(v), dim, index), 0.0),
                    v.sizes(2));
}

Tensor scatter_combined(const Call& c) {
  const std::string_view reduce = c.text("reduce");
  const Attr& dim = c.attr("dim");
  Operand source = c[2];
  if (!source.is_tensor()) {
    const Attr number =
        source.kind() == Operand::Kind::kFloat ? Attr(source.number()) : Attr(source.integer());
    source = full(c.sizes(1), number, c[0].impl().dtype);
  } else if (c.ndim(2) == 0 && c.ndim(1) > 0) {
    source = expand(to(source.tensor(), c[0].impl().dtype), c.sizes(1));
  }
  if (reduce == "add") return call<ScatterAdd>({c[0], c[1], source}, {dim});
  if (reduce == "multiply") return call<ScatterMultiply>({c[0], c[1], source}, {dim});
  c.fail("reduce must be 'add' or 'multiply', got '", reduce, "'; scatter_reduce knows more");
}

namespace {

// What changes nothing when an extremum is taken with it.
Operand identity_of(Dtype type, bool is_max) {
  if (is_floating(type))
    return is_max ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  const std::int64_t bits = static_cast<std::int64_t>(8 * size_of(type));
  if (type == Dtype::kBool) return is_max ? std::int64_t{0} : std::int64_t{1};
  if (type == Dtype::kUInt8) return is_max ? std::int64_t{0} : std::int64_t{255};
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min() >> (64 - bits);
  return is_max ? lowest : -(lowest + 1);
}

// x and the elements of source that index sends to its places, reduced.
Tensor reduced(const Call& c, const Tensor& x, const Tensor& index, const Operand& source) {
  const std::string_view reduce = c.text("reduce");
  const Attr& dim = c.attr("dim");
  const Dtype type = x.dtype();
  const bool is_max = reduce == "amax", is_min = reduce == "amin", is_product = reduce == "prod";
  Tensor base = x;
  if (!c.flag("include_self")) {
    const Operand neutral = is_max || is_min ? identity_of(type, is_max) : Operand(is_product ? 1 : 0);
    base = call<ScatterValue>({x, index, neutral}, {dim});
  }
  if (is_product) return call<ScatterMultiply>({base, index, source}, {dim});
  if (is_max) return call<ScatterAmax>({base, index, source}, {dim});
  if (is_min) return call<ScatterAmin>({base, index, source}, {dim});
  const Tensor total = call<ScatterAdd>({base, index, source}, {dim});
  if (reduce == "sum" || index.numel() == 0) return total;
  const Tensor one = full(index.sizes(), 1, type);
  Tensor count = call<ScatterAdd>({full(x.sizes(), c.flag("include_self") ? 1 : 0, type), index, one}, {dim});
  count = clamp_min(count, 1);
  return is_floating(type) ? total / count : call<FloorDivide>({total, count});
}

bool is_any_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

Tensor scatter_reduce(const Call& c) {
  const std::string_view reduce = c.text("reduce");
  if (!is_any_of(reduce, {"sum", "prod", "mean", "amax", "amin"})) {
    c.fail("reduce must be 'sum', 'prod', 'mean', 'amax' or 'amin', got '", reduce, "'");
  }
  return reduced(c, c.tensor(0), c.tensor(1), c[2]);
}

Tensor index_reduce(const Call& c) {
  const std::string_view reduce = c.text("reduce");
  if (!is_any_of(reduce, {"prod", "mean", "amax", "amin"})) {
    c.fail("reduce must be 'prod', 'mean', 'amax' or 'amin', got '", reduce, "'");
  }
  const Tensor x = c.tensor(0), index = c.tensor(1), source = c.tensor(2);
  const auto dim = static_cast<std::size_t>(normalize_dim(c.integer("dim"), x.ndim(), c.name()));
  if (index.ndim() > 1)
    c.fail_as(ErrorKind::kIndex, "index must be 1-d, got shape ", to_string(index.sizes()));
  if (index.dtype() != Dtype::kInt64 && index.dtype() != Dtype::kInt32) {
    c.fail("index must be int64 or int32, got ", name(index.dtype()), "; convert it with .long()");
  }
  if (x.dtype() != source.dtype()) {
    c.fail("input is ", name(x.dtype()), " and source ", name(source.dtype()), ": they must have one dtype");
  }
  Dims expected = x.sizes(), line(x.sizes().size(), 1);
  if (!expected.empty()) expected[dim] = line[dim] = index.numel();
  if (!(source.sizes() == expected)) {
    c.fail("source has shape ", to_string(source.sizes()), ", but ", index.numel(), " slices of input ",
           to_string(x.sizes()), " along dim ", dim, " have shape ", to_string(expected));
  }
  return reduced(c, x, expand(reshape(index, line), expected), source);
}

}  // namespace unspool::ops
