// Checks and forms of scaled dot-product attention, and its derivative in operations, which is what higher
// derivatives and differentiable masks go through.
#include "ops/attention.h"

#include <array>
#include <cmath>
#include <limits>

#include "ops/creation.h"
#include "ops/one_dtype.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace unspool::ops {
namespace {

constexpr std::int64_t kRows = -2, kColumns = -1;

// Sizes without the last `count`.
Dims leading(const Tensor& x, int count) { return Dims(x.sizes().begin(), x.sizes().end() - count); }

Dims joined(Dims first, std::initializer_list<std::int64_t> rest) {
  for (const std::int64_t size : rest) first.push_back(size);
  return first;
}

std::int64_t size_from_end(const Tensor& x, std::int64_t dim) {
  return x.size(x.ndim() + static_cast<int>(dim));
}

// What both ways of computing share: queries (batch, shared heads, group, L, E), everything else alike.
struct Plain {
  Tensor query, key, value;
  Tensor allowed;  // bool or absent
  Tensor added;    // the mask's finite numbers, or absent
  Tensor keep;     // dropout's factors, or absent
  double scale;

  static Tensor grouped(const Tensor& x, std::int64_t shared) {
    if (!x || x.size(1) == shared) return x ? unsqueeze(x, 2) : x;
    return reshape(x, Dims{x.size(0), shared, x.size(1) / shared, x.size(2), x.size(3)});
  }

  Plain(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, const Tensor& dropped,
        double scale_by, bool causal, double keep_scale)
      : query(grouped(q, k.size(1))), key(unsqueeze(k, 2)), value(unsqueeze(v, 2)), scale(scale_by) {
    const std::int64_t shared = k.size(1), rows = q.size(2), keys = k.size(2);
    if (mask && mask.dtype() == Dtype::kBool) {
      allowed = grouped(mask, shared);
    } else if (mask) {
      const Tensor whole = grouped(mask, shared);
      allowed = gt(whole, -std::numeric_limits<double>::infinity());
      added = where(allowed, whole, 0.0);
    }
    if (causal) {
      const Tensor i = call<Arange>({}, {0, 1, rows, Dtype::kInt64});
      const Tensor j = call<Arange>({}, {0, 1, keys, Dtype::kInt64});
      const Tensor seen = ge(unsqueeze(i, 1), j);
      allowed = allowed ? allowed & seen : seen;
    }
    if (dropped) keep = to(grouped(dropped, shared), q.dtype()) * keep_scale;
  }

  Tensor probabilities() const {
    Tensor scores = matmul(query, mT(key)) * scale;
    if (added) scores = scores + added;
    if (!allowed) return softmax(scores, kColumns);
    // The lowest number instead of -infinity, because a row without any key must give zeros, not NaN.
    scores = where(allowed, scores, std::numeric_limits<float>::lowest());
    return where(allowed, softmax(scores, kColumns), 0.0);
  }
  Tensor dropped(const Tensor& x) const { return keep ? x * keep : x; }
};

Tensor plain_attention(const Plain& p, const Dims& sizes) {
  return reshape(matmul(p.dropped(p.probabilities()), p.value), sizes);
}

void plain_cotangents(const Plain& p, const Tensor& grad, std::span<Tensor> grads) {
  const Tensor g = Plain::grouped(grad, p.key.size(1));
  const Tensor probability = p.probabilities();
  const Tensor upstream = p.dropped(matmul(g, mT(p.value)));
  const Tensor slope = probability * (upstream - sum(probability * upstream, Dims{kColumns}, true)) * p.scale;
  const Dims group{2};
  const Tensor q = matmul(slope, p.key);
  grads[0] = reshape(q, Dims{q.size(0), q.size(1) * q.size(2), q.size(3), q.size(4)});
  grads[1] = sum(matmul(mT(slope), p.query), group);
  grads[2] = sum(matmul(mT(p.dropped(probability)), g), group);
}

// The kernels read rows whose columns lie side by side.
Tensor side_by_side(const Tensor& x) {
  return x.strides().back() == 1 || x.sizes().back() <= 1 ? x : clone(x);
}

Tensor turned(const Tensor& x, bool heads_inside) { return heads_inside ? transpose(x, 1, 2) : x; }

}  // namespace

void infer_attention(Inference& c) {
  for (int i = 0; i < 3; ++i) {
    if (c.ndim(i) != 4) c.fail("expects (batch, heads, rows, columns), got ", to_string(c.sizes(i)));
  }
  const Dtype type = c[0].impl().dtype;
  for (int i = 0; i < 3; ++i) {
    const TensorImpl& x = c[i].impl();
    if (x.dtype != type || !is_floating(type) || (x.sizes[3] > 1 && x.strides[3] != 1)) {
      c.fail("expects one floating dtype and columns that lie side by side");
    }
  }
  const DimSpan q = c.sizes(0), k = c.sizes(1), v = c.sizes(2);
  if (q[0] != k[0] || q[0] != v[0] || k[1] != v[1] || k[2] != v[2] || q[3] != k[3] ||
      (k[1] > 0 ? q[1] % k[1] : q[1]) != 0) {
    c.fail("query ", to_string(q), ", key ", to_string(k), " and value ", to_string(v), " do not fit");
  }
  for (int i = 3; i < 5; ++i) {
    if (c.has(i) && !(Dims(c.sizes(i)) == Dims{q[0], q[1], q[2], k[2]})) {
      c.fail("a mask of ", to_string(c.sizes(i)), " does not fit query ", to_string(q), " and key ",
             to_string(k));
    }
  }
  if (c.flag("heads_inside"))
    c.give(0, {q[0], q[2], q[1], v[3]}, type);
  else
    c.give(0, {q[0], q[1], q[2], v[3]}, type);
  c.give(1, {q[0], q[1], q[2]}, type);
}

void infer_attention_backward(Inference& c) {
  const Dtype type = c[1].impl().dtype;
  for (int i = 0; i < 3; ++i) {
    const DimSpan x = c.sizes(i + 1);
    if (x.size() != 4) c.fail("expects (batch, heads, rows, columns), got ", to_string(x));
    if (c.flag("heads_inside"))
      c.give(i, {x[0], x[2], x[1], x[3]}, type);
    else
      c.give(i, Dims(x), type);
  }
}

void attention_cotangents(Vjp& v, std::span<Tensor> grads) {
  const bool inside = v.flag("heads_inside");
  const Tensor grad = side_by_side(turned(v.g(0), inside));
  if (thread_state().grad_enabled) {
    const Plain plain(v.x(0), v.x(1), v.x(2), v.x(3), v.x(4), v.number("scale"), v.flag("is_causal"),
                      v.number("keep_scale"));
    return plain_cotangents(plain, grad, grads);
  }
  const std::array<Operand, 8> operands = {grad,     v.in(0), v.in(1), v.in(2), turned(v.out(0), inside),
                                           v.out(1), v.in(3), v.in(4)};
  const std::array<Attr, 4> attrs = {v.attr("scale"), v.attr("is_causal"), v.attr("keep_scale"), inside};
  std::array<Tensor, 3> out;
  emitter().emit({op_of<AttentionBackward>, operands, attrs}, out);
  for (int i = 0; i < 3; ++i) {
    const auto place = static_cast<std::size_t>(i);
    if (v.wants(i)) grads[place] = turned(out[place], inside);
  }
}

namespace {

void check_operands(const Call& c) {
  const Dtype type = c[0].impl().dtype;
  if (c.ndim(0) < 2 || c.ndim(1) < 2 || c.ndim(2) < 2) {
    c.fail("query, key and value must have at least 2 dimensions, got ", to_string(c.sizes(0)), ", ",
           to_string(c.sizes(1)), " and ", to_string(c.sizes(2)));
  }
  if (!is_floating(type) || !may_meet(type, c[1].impl().dtype) || !may_meet(type, c[2].impl().dtype)) {
    c.fail("query, key and value must have one floating dtype, got ", name(type), ", ",
           name(c[1].impl().dtype), " and ", name(c[2].impl().dtype), "; convert with .to()");
  }
  const Tensor q = c.tensor(0), k = c.tensor(1), v = c.tensor(2);
  if (size_from_end(q, kColumns) != size_from_end(k, kColumns) ||
      size_from_end(k, kRows) != size_from_end(v, kRows)) {
    c.fail("query ", to_string(q.sizes()), ", key ", to_string(k.sizes()), " and value ",
           to_string(v.sizes()), " do not fit: expected (..., L, E), (..., S, E) and (..., S, Ev)");
  }
  const double p = c.number("dropout_p");
  if (p > 1 || !(p == p)) c.fail("dropout_p must be a probability between 0 and 1, got ", p);
  if (!c.has(3)) return;
  const Dtype mask = c[3].impl().dtype;
  if (mask != Dtype::kBool && mask != type && mask != Dtype::kFloat32) {
    c.fail("attn_mask must be bool or ", name(type), ", got ", name(mask), "; convert it with .to()");
  }
  if (c.flag("is_causal")) c.fail("give attn_mask or is_causal, not both");
}

// Brings leading dimensions `batch` and then heads to x (..., heads, rows, columns).
Tensor spread(const Tensor& x, const Dims& batch) {
  const Dims sizes = joined(batch, {size_from_end(x, -2), size_from_end(x, -1)});
  return sizes == x.sizes() ? x : expand(x, sizes);
}

// (..., heads, rows, columns) as (batch, heads, rows, columns).
Tensor as_four(const Tensor& x) {
  if (x.ndim() == 4) return x;
  if (x.ndim() == 2) return unsqueeze(unsqueeze(x, 0), 0);
  if (x.ndim() == 3) return unsqueeze(x, 1);
  const int n = x.ndim();
  const std::int64_t batch = numel(DimSpan(x.sizes()).first(static_cast<std::size_t>(n - 3)));
  return reshape(x, Dims{batch, x.size(n - 3), x.size(n - 2), x.size(n - 1)});
}

// The leading sizes (batches and heads) of query, and of key and value, after broadcasting.
std::pair<Dims, Dims> leading_sizes(const Call& c) {
  const Tensor q = c.tensor(0), k = c.tensor(1), v = c.tensor(2);
  const auto refuse = [&] {
    c.fail("the leading dimensions of query ", to_string(q.sizes()), ", key ", to_string(k.sizes()),
           " and value ", to_string(v.sizes()), " do not broadcast");
  };
  if (!c.flag("enable_gqa") || q.ndim() < 3) {
    Dims all = leading(q, 2);
    if (!broadcast_into(all, leading(k, 2)) || !broadcast_into(all, leading(v, 2))) refuse();
    return {all, all};
  }
  if (k.ndim() < 3 || v.ndim() < 3) refuse();
  const std::int64_t heads = size_from_end(q, -3), shared = size_from_end(k, -3);
  if (size_from_end(v, -3) != shared || shared == 0 || heads % shared != 0) {
    c.fail("enable_gqa: the number of heads in key (", shared, ") and value (", size_from_end(v, -3),
           ") must be equal and divide the query's (", heads, ")");
  }
  Dims batch = leading(q, 3);
  if (!broadcast_into(batch, leading(k, 3)) || !broadcast_into(batch, leading(v, 3))) refuse();
  return {joined(batch, {heads}), joined(batch, {shared})};
}

Tensor mask_like(const Call& c, const Dims& scores) {
  if (!c.has(3)) return {};
  Tensor mask = c.tensor(3);
  Dims sizes = scores;
  if (!broadcast_into(sizes, mask.sizes()) || !(sizes == scores)) {
    c.fail("attn_mask ", to_string(mask.sizes()), " does not broadcast to the scores ", to_string(scores));
  }
  if (mask.dtype() != Dtype::kBool) mask = to(mask, c[0].impl().dtype);
  return as_four(expand(mask, scores));
}

// Dropout's mask over all scores, drawn in element order.
Tensor draw_keep(const Dims& sizes, double p) {
  if (p <= 0) return {};
  if (p == 1) return full(sizes, false, Dtype::kBool);
  return call<Bernoulli>({}, {sizes, 1 - p, Dtype::kBool, Attr()});
}

}  // namespace

Tensor scaled_dot_product_attention(const Call& c) {
  check_operands(c);
  const auto [heads, shared] = leading_sizes(c);
  Tensor q = c.tensor(0), k = c.tensor(1), v = c.tensor(2);
  const std::int64_t rows = size_from_end(q, kRows), keys = size_from_end(k, kRows);
  const Dims result = joined(heads, {rows, size_from_end(v, kColumns)});
  const double scale =
      c.given("scale") ? c.number("scale") : 1 / std::sqrt(static_cast<double>(size_from_end(q, kColumns)));
  const Tensor mask = mask_like(c, joined(heads, {rows, keys}));
  q = side_by_side(as_four(spread(q, heads)));
  k = side_by_side(as_four(spread(k, shared)));
  v = side_by_side(as_four(spread(v, shared)));
  const double p = c.number("dropout_p"), keep_scale = p < 1 ? 1 / (1 - p) : 0.0;
  const Tensor keep = draw_keep(Dims{q.size(0), q.size(1), rows, keys}, p);
  const bool causal = c.flag("is_causal");
  if (mask && mask.requires_grad() && thread_state().grad_enabled) {
    return plain_attention(Plain(q, k, v, mask, keep, scale, causal, keep_scale), result);
  }
  const bool inside = q.strides()[1] < q.strides()[2];  // heads split from the columns of each row
  const Tensor output =
      turned(call<Attention>({q, k, v, mask, keep}, {scale, causal, keep_scale, inside}), inside);
  return output.sizes() == result ? output : reshape(output, result);
}

}  // namespace unspool::ops
