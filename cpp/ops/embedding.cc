// Shape rules of embeddings, and the parts of their derivatives that are more than one call.
#include "ops/embedding.h"

#include "ops/joining.h"

namespace unspool::ops {
namespace {

bool is_index(Dtype type) { return type == Dtype::kInt64 || type == Dtype::kInt32; }

void check_table(const Inference& c, int weight, int indices) {
  if (c.ndim(weight) != 2) {
    c.fail("weight must be 2-d (rows, columns), got ", to_string(c.sizes(weight)));
  }
  if (!is_index(c[indices].impl().dtype)) {
    c.fail("indices must be int64 or int32, got ", name(c[indices].impl().dtype),
           "; convert them with .long()");
  }
}

// How often the index at each place occurs among all of them, as floating numbers.
Tensor occurrences(const Tensor& indices, std::int64_t rows, Dtype type) {
  const Tensor flat = reshape(to(indices, Dtype::kInt64), Dims{-1});
  const Tensor counts = scatter_onto(Dims{rows}, 0, flat, full(flat.sizes(), 1.0, type));
  return reshape(gather(counts, 0, flat), indices.sizes());
}

}  // namespace

void infer_embedding(Inference& c) {
  check_table(c, 0, 1);
  if (c.flag("sparse")) {
    c.fail_as(ErrorKind::kNotImplemented,
              "sparse=True asks for sparse gradients, which unspool does not have; leave it out to get the "
              "same values as a dense gradient");
  }
  Dims sizes(c.sizes(1));
  sizes.push_back(c.sizes(0)[1]);
  c.give(0, std::move(sizes), c[0].impl().dtype);
}

void infer_embedding_backward(Inference& c) {
  c.give(0, {c.integer("num_weights"), c.sizes(0).back()}, c[0].impl().dtype);
}

void infer_embedding_renorm(Inference& c) {
  check_table(c, 0, 1);
  if (!is_floating(c[0].impl().dtype)) c.fail("weight must be floating, got ", name(c[0].impl().dtype));
  if (!(c.number("norm_type") > 0)) c.fail("norm_type must be positive, got ", c.number("norm_type"));
  c.give(0, c[0].impl().sizes, c[0].impl().dtype);
}

Tensor embedding_of_cotangent(Vjp& v) {
  const Tensor indices = v.x(1), g = v.g();
  const std::int64_t padding = v.integer("padding_idx");
  Tensor picked = call<Embedding>({g, indices}, {-1, false, false});
  if (padding >= 0) picked = where(unsqueeze(eq(indices, padding), -1), 0.0, picked);
  if (!v.flag("scale_grad_by_freq")) return picked;
  return picked / unsqueeze(occurrences(indices, v.integer("num_weights"), g.dtype()), -1);
}

void infer_bag_sum(Inference& c) {
  check_table(c, 0, 1);
  c.give(0, {c.sizes(2)[0] - 1, c.sizes(0)[1]}, c[0].impl().dtype);
}

void infer_bag_scatter(Inference& c) {
  c.give(0, {c.integer("num_weights"), c.sizes(0)[1]}, c[0].impl().dtype);
}

void infer_bag_dot(Inference& c) { c.give(0, Dims(c.sizes(2)), c[1].impl().dtype); }

void infer_bag_max(Inference& c) {
  check_table(c, 0, 1);
  const Dims sizes{c.sizes(2)[0] - 1, c.sizes(0)[1]};
  c.give(0, sizes, c[0].impl().dtype);
  c.give(1, sizes, Dtype::kInt64);
}

void infer_bag_scales(Inference& c) { c.give(0, Dims(c.sizes(0)), c.attr("dtype").dtype()); }

Tensor bag_scale_by_freq(Vjp& v, const Tensor& indices, const Tensor& scale, std::int64_t rows) {
  return v.flag("scale_grad_by_freq") ? scale / occurrences(indices, rows, scale.dtype()) : scale;
}

}  // namespace unspool::ops
