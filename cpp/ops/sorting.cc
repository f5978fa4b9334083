// Checks, derivatives and compositions of the ordering operations.
#include "ops/sorting.h"

#include <cmath>
#include <limits>

#include "ops/arithmetic.h"
#include "ops/comparison.h"
#include "ops/fitting.h"
#include "ops/joining.h"
#include "ops/reduction.h"

namespace unspool::ops {
namespace {

// Indices travel in the lower half of 64-bit words while a line is sorted.
constexpr std::int64_t kLongestLine = std::int64_t{1} << 32;

// The size along the operation's dim, which it checks.
std::int64_t line_length(const Call& c) {
  const int dim = normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  const std::int64_t n = c.ndim(0) ? c.sizes(0)[static_cast<std::size_t>(dim)] : 1;
  if (n >= kLongestLine) c.fail("lines of ", n, " elements are too long; 2^32 - 1 is the most");
  return n;
}

void give_pairs(Inference& c, const Dims& sizes) {
  c.give(0, sizes, c[0].impl().dtype);
  c.give(1, sizes, Dtype::kInt64);
}

void call_pairs(const Op& op, const Tensor& x, std::initializer_list<Attr> attrs, std::span<Tensor> out) {
  const Operand operands[1] = {x};
  emitter().emit({op, operands, {attrs.begin(), attrs.size()}}, out);
}

}  // namespace

void infer_sort(Inference& c) {
  line_length(c);
  give_pairs(c, c[0].impl().sizes);
}

void infer_topk(Inference& c) {
  const std::int64_t n = line_length(c), k = c.integer("k");
  if (k < 0 || k > n)
    c.fail("k is ", k, ", but dim ", c.integer("dim"), " of input ", to_string(c.sizes(0)), " has ", n,
           " elements: index out of range");
  Dims sizes = c[0].impl().sizes;
  if (!sizes.empty())
    sizes[static_cast<std::size_t>(normalize_dim(c.integer("dim"), c.ndim(0), c.name()))] = k;
  give_pairs(c, sizes);
}

void infer_select(Inference& c) {
  const std::int64_t n = line_length(c);
  const Dims dim{c.integer("dim")};
  if (n == 0) {
    c.fail_as(ErrorKind::kIndex, "dim ", dim[0], " of input ", to_string(c.sizes(0)),
              " must have a size other than 0");
  }
  give_pairs(c, reduced_sizes(c, dim, c.flag("keepdim")));
}

void picked_cotangents(Vjp& v, std::span<Tensor> grads) {
  const auto ndim = static_cast<int>(v.sizes(0).size());
  if (ndim == 0) {
    grads[0] = reshape(v.g(), Dims{});
    return;
  }
  const Dims dim{v.integer("dim")};
  const bool has_dim = v.g().ndim() == ndim;
  grads[0] = scatter_onto(v.sizes(0), dim[0], restore_dims(v.out(1), dim, ndim, has_dim),
                          restore_dims(v.g(), dim, ndim, has_dim));
}

void select_rank(const Call& c, std::int64_t rank, std::span<Tensor> out) {
  const int dim = normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  if (c.ndim(0) > 0 && c.sizes(0)[static_cast<std::size_t>(dim)] == 0) {
    c.fail_as(ErrorKind::kIndex, "dim ", dim, " of input ", to_string(c.sizes(0)),
              " must have a size other than 0");
  }
  call_pairs(op_of<SelectRank>, c.tensor(0), {rank, c.attr("dim"), c.flag("keepdim")}, out);
}

void kth_value(const Call& c, std::span<Tensor> out) {
  const std::int64_t n = line_length(c), k = c.integer("k");
  if (k < 1 || k > n)
    c.fail("k is ", k, ", but dim ", c.integer("dim"), " of input ", to_string(c.sizes(0)), " has ", n,
           " elements: out of range");
  select_rank(c, k, out);
}

Tensor median_of_all(const Call& c, std::int64_t rank) {
  const Tensor x = c.tensor(0);
  if (x.numel() == 0) {
    if (!is_floating(x.dtype())) c.fail("an input without elements has no median in ", name(x.dtype()));
    return full({}, std::numeric_limits<double>::quiet_NaN(), x.dtype());
  }
  Tensor both[2];
  call_pairs(op_of<SelectRank>, reshape(x, Dims{x.numel()}), {rank, 0, false}, both);
  return both[0];
}

namespace {

// The sorted lines as the last dimension, and the operation's dim (0 over all elements).
Tensor sorted_lines(const Call& c, int& dim) {
  Tensor x = c.tensor(0);
  dim = 0;
  if (!c.given("dim")) {
    x = reshape(x, Dims{x.numel()});
  } else {
    dim = normalize_dim(c.integer("dim"), x.ndim(), c.name());
    if (x.ndim() == 0) x = reshape(x, Dims{1});
    x = transpose(unsqueeze(x, -1), dim, -1);
    x = squeeze(x, dim);
  }
  if (x.size(x.ndim() - 1) == 0)
    c.fail("input ", to_string(c.sizes(0)), " has no elements to take quantiles of");
  return call<Sort>({x}, {-1, false, Attr()});
}

}  // namespace

Tensor quantile_of(const Call& c, bool skips_nan) {
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type)) c.fail("input must be float32 or float64, got ", name(type));
  if (c[1].is_tensor() && c[1].impl().dtype != type) {
    c.fail("q is ", name(c[1].impl().dtype), " but must have the input's dtype, ", name(type));
  }
  if (c.ndim(1) > 1) c.fail("q must be a number or 1-d, got shape ", to_string(c.sizes(1)));
  const Tensor q = c[1].is_tensor() ? c.tensor(1) : full({}, c[1].number(), type);
  if (c[1].is_tensor()) before_host_read(q, "quantile");
  for (const Tensor& outside : {lt(q, 0), gt(q, 1)}) {
    if (outside.numel() > 0 && *static_cast<const bool*>(call<AnyOp>({outside}, {Attr(), false}).data())) {
      c.fail("q must lie in the range [0, 1]");
    }
  }
  const std::string_view mode = c.text("interpolation");
  if (mode != "linear" && mode != "lower" && mode != "higher" && mode != "midpoint" && mode != "nearest") {
    c.fail("interpolation must be 'linear', 'lower', 'higher', 'midpoint' or 'nearest', got '", mode, "'");
  }
  int dim = 0;
  const Tensor sorted = sorted_lines(c, dim);
  const std::int64_t n = sorted.size(sorted.ndim() - 1), count = q.numel();
  const Dims last{-1};
  const Tensor is_nan = ne(sorted, sorted);
  const Tensor nans = sum(is_nan, last, true);
  // NaNs stand behind the numbers: they are left out, or reached by setting the rank to the last place.
  Tensor rank = reshape(q, Dims{count}) * (skips_nan ? clamp_min(static_cast<double>(n - 1) - nans, 0)
                                                     : full({}, static_cast<double>(n - 1), type));
  if (!skips_nan) rank = where(gt(nans, 0), static_cast<double>(n - 1), rank);
  rank = to(rank, type);
  if (mode == "lower") rank = floor(rank);
  if (mode == "higher") rank = call<Ceil>({rank});
  if (mode == "nearest") rank = call<RoundHalfEven>({rank});
  Dims picks(sorted.sizes());
  picks.back() = count;
  const Tensor below = floor(rank);
  const auto at = [&](const Tensor& place) {
    return gather(sorted, -1, expand(to(place, Dtype::kInt64), picks));
  };
  Tensor result = at(below);
  if (mode == "linear" || mode == "midpoint") {
    const Operand weight = mode == "midpoint" ? Operand(0.5) : Operand(rank - below);
    result = call<Lerp>({result, at(call<Ceil>({rank})), weight});
  }
  // From (lines..., q) to (q, lines...), with the reduced dimension as keepdim says.
  Dims sizes;
  const DimSpan lines = sorted.sizes();
  for (std::size_t d = 0; d + 1 < lines.size(); ++d) sizes.push_back(lines[d]);
  if (c.flag("keepdim")) {
    if (c.given("dim")) {
      sizes.clear();
      for (int d = 0; d < c.ndim(0); ++d)
        sizes.push_back(d == dim ? 1 : c.sizes(0)[static_cast<std::size_t>(d)]);
    } else {
      sizes = Dims(static_cast<std::size_t>(c.ndim(0)), 1);
    }
  } else if (c.ndim(0) == 0) {
    sizes.clear();
  }
  Dims order;
  order.push_back(result.ndim() - 1);
  for (int d = 0; d + 1 < result.ndim(); ++d) order.push_back(d);
  Dims final_sizes;
  if (c.ndim(1) == 1) final_sizes.push_back(count);
  for (std::int64_t size : sizes) final_sizes.push_back(size);
  return reshape(permute(result, order), final_sizes);
}

void infer_search(Inference& c) {
  const DimSpan sequence = c.sizes(0), values = c.sizes(1);
  if (sequence.empty()) c.fail("sorted_sequence must have at least one dimension");
  const Operand both[2] = {c[0], c[1]};
  c.compute = result_type(both);
  c.casts = 3u;
  bool fits = sequence.size() == 1 || sequence.size() == values.size();
  for (std::size_t d = 0; fits && sequence.size() > 1 && d + 1 < sequence.size(); ++d)
    fits = sequence[d] == values[d];
  if (!fits) {
    c.fail("sorted_sequence ", to_string(sequence), " must be 1-d, or agree with input ", to_string(values),
           " in all dimensions but the last");
  }
  if (c.given("side")) {
    const auto side = c.text("side");
    if (side != "left" && side != "right") c.fail("side must be 'left' or 'right', got '", side, "'");
    if (side == "left" && c.flag("right")) c.fail("side='left' and right=True contradict each other");
  }
  if (c.has(2)) {
    if (c[2].impl().dtype != Dtype::kInt64) c.fail("sorter must be int64, got ", name(c[2].impl().dtype));
    if (!(c[2].impl().sizes == c[0].impl().sizes)) {
      c.fail("sorter ", to_string(c.sizes(2)), " and sorted_sequence ", to_string(sequence),
             " differ in shape");
    }
  }
  const std::int64_t n = sequence.back();
  if (c.flag("out_int32") && n > std::numeric_limits<std::int32_t>::max())
    c.fail("places among ", n, " elements do not fit int32");
  c.give(0, Dims(values), c.flag("out_int32") ? Dtype::kInt32 : Dtype::kInt64);
}

Tensor is_in(const Call& c) {
  if (!c[0].is_tensor() && !c[1].is_tensor()) c.fail("elements or test_elements must be a Tensor");
  const Dtype type = result_type(c.in);
  // What the dtype does not hold is no element.
  for (int i : {0, 1}) {
    if (c[i].is_number() && !fits(c[i], type)) return full(Dims(c.sizes(0)), c.flag("invert"), Dtype::kBool);
  }
  const auto tensor_of = [&](int i) {
    return c[i].is_tensor()
               ? to(c.tensor(i), type)
               : full({}, c[i].kind() == Operand::Kind::kFloat ? Attr(c[i].number()) : Attr(c[i].integer()),
                      type);
  };
  const GradMode no_grad(false);
  const Tensor x = tensor_of(0), tests = reshape(tensor_of(1), Dims{tensor_of(1).numel()});
  constexpr std::int64_t kFew = 8;
  const std::int64_t n = tests.numel();
  Tensor found;
  if (n == 0) {
    found = full(x.sizes(), false, Dtype::kBool);
  } else if (n <= kFew) {
    found = eq(x, select(tests, 0, 0));
    for (std::int64_t i = 1; i < n; ++i) found = found | eq(x, select(tests, 0, i));
  } else {
    const Tensor sorted = call<Sort>({tests}, {0, false, Attr()});
    const Tensor flat = reshape(x, Dims{x.numel()});
    const Tensor place =
        clamp_max(call<SearchSorted>({sorted, flat, Operand()}, {false, false, Attr()}), n - 1);
    found = reshape(eq(gather(sorted, 0, place), flat), x.sizes());
  }
  return c.flag("invert") ? logical_not(found) : found;
}

}  // namespace unspool::ops
