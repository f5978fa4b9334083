// Shape rules of embeddings, and the parts of their derivatives that are more than one call.
#include "ops/embedding.h"

#include <algorithm>

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

// The table, indices and offsets of bags, as the kernels read them.
void check_bags(const Inference& c, int weight, int indices, int offsets) {
  if (c.ndim(weight) != 2 || !is_floating(c[weight].impl().dtype)) {
    c.fail("weight must be a 2-d floating tensor, got ", name(c[weight].impl().dtype), " ",
           to_string(c.sizes(weight)));
  }
  for (const int i : {indices, offsets}) {
    if (c.ndim(i) == 1 && c[i].impl().dtype == Dtype::kInt64) continue;
    c.fail("indices and offsets must be 1-d int64 tensors, got ", name(c[i].impl().dtype), " ",
           to_string(c.sizes(i)));
  }
  if (c.sizes(offsets)[0] == 0) c.fail("offsets must hold at least one element");
}

void check_scale(const Inference& c, int scale, int indices, int like) {
  if (c.ndim(scale) == 1 && c.sizes(scale)[0] == c.sizes(indices)[0] &&
      c[scale].impl().dtype == c[like].impl().dtype) {
    return;
  }
  c.fail("scale must hold a ", name(c[like].impl().dtype), " for each of the ", c.sizes(indices)[0],
         " indices, got ", name(c[scale].impl().dtype), " ", to_string(c.sizes(scale)));
}

void check_grad(const Inference& c, int grad, int offsets) {
  if (c.ndim(grad) != 2 || c.sizes(grad)[0] != c.sizes(offsets)[0] - 1) {
    c.fail("grad must have a row for each bag, got ", to_string(c.sizes(grad)));
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
  const DimSpan g = c.sizes(0), at = c.sizes(1);
  const bool fits = g.size() == at.size() + 1 && std::equal(at.begin(), at.end(), g.begin());
  if (!fits || !is_floating(c[0].impl().dtype) || !is_index(c[1].impl().dtype)) {
    c.fail("grad ", name(c[0].impl().dtype), " ", to_string(g), " does not fit indices ",
           name(c[1].impl().dtype), " ", to_string(at));
  }
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
  check_bags(c, 0, 1, 2);
  check_scale(c, 3, 1, 0);
  c.give(0, {c.sizes(2)[0] - 1, c.sizes(0)[1]}, c[0].impl().dtype);
}

void infer_bag_scatter(Inference& c) {
  check_bags(c, 0, 1, 2);
  check_scale(c, 3, 1, 0);
  check_grad(c, 0, 2);
  c.give(0, {c.integer("num_weights"), c.sizes(0)[1]}, c[0].impl().dtype);
}

void infer_bag_dot(Inference& c) {
  check_bags(c, 1, 2, 3);
  check_grad(c, 0, 3);
  if (c.sizes(0)[1] != c.sizes(1)[1] || c[0].impl().dtype != c[1].impl().dtype) {
    c.fail("grad ", to_string(c.sizes(0)), " does not fit weight ", to_string(c.sizes(1)));
  }
  c.give(0, Dims(c.sizes(2)), c[1].impl().dtype);
}

void infer_bag_max(Inference& c) {
  check_bags(c, 0, 1, 2);
  const Dims sizes{c.sizes(2)[0] - 1, c.sizes(0)[1]};
  c.give(0, sizes, c[0].impl().dtype);
  c.give(1, sizes, Dtype::kInt64);
}

void infer_bag_scales(Inference& c) {
  for (int i = 0; i < 2; ++i) {
    if (c.ndim(i) == 1 && c[i].impl().dtype == Dtype::kInt64) continue;
    c.fail("indices and offsets must be 1-d int64 tensors, got ", name(c[i].impl().dtype), " ",
           to_string(c.sizes(i)));
  }
  if (c.sizes(1)[0] == 0) c.fail("offsets must hold at least one element");
  const Dtype type = c.attr("dtype").dtype();
  if (!is_floating(type)) c.fail("weight must be floating, got ", name(type));
  c.give(0, Dims(c.sizes(0)), type);
}

Tensor bag_scale_by_freq(Vjp& v, const Tensor& indices, const Tensor& scale, std::int64_t rows) {
  return v.flag("scale_grad_by_freq") ? scale / occurrences(indices, rows, scale.dtype()) : scale;
}

}  // namespace unspool::ops
