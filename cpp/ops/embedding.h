// Embeddings: rows of a table by integer index, alone or combined in bags. The bags' sums are three kernels
// that are each other's derivatives, because the result is linear in the table and in the scales.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_embedding(Inference& c);
void infer_embedding_backward(Inference& c);
void infer_embedding_renorm(Inference& c);
// The rows of v.g() that indices name, as the derivative of an embedding_backward call sees them.
Tensor embedding_of_cotangent(Vjp& v);

struct EmbeddingBackward;

struct Embedding {
  static constexpr Record record{
      .name = "embedding",
      .where = kTop,
      .formula = "weight[indices]",
      .doc =
          "Rows of weight (V, D) by index (int64 or int32, any shape); gives (*indices.shape, D). The row "
          "padding_idx gets no gradient; with scale_grad_by_freq a row's gradient is divided by the number "
          "of times it was picked.",
      .args = {tensor("weight"), tensor("indices"), integer("padding_idx", -1),
               flag("scale_grad_by_freq", false), flag("sparse", false)},
      .row_major = true,
      .infer = infer_embedding,
      .vjp = {{in(1), [](Vjp& v) {
                 return call<EmbeddingBackward>(
                     {v.g(), v.in(1)}, {v.sizes(0)[0], v.attr("padding_idx"), v.attr("scale_grad_by_freq")});
               }}}};
};

struct EmbeddingBackward {
  static constexpr Record record{
      .name = "embedding_dense_backward",
      .where = kHidden,
      .formula = "zeros(num_weights, D) with grad's rows added at indices",
      .doc = "Cotangent of the table of an embedding, rows added in the order of the indices.",
      .args = {tensor("grad"), tensor("indices"), integer("num_weights"), integer("padding_idx", -1),
               flag("scale_grad_by_freq", false)},
      .row_major = true,
      .infer = infer_embedding_backward,
      .vjp = {{in(1), embedding_of_cotangent}}};
};

struct EmbeddingRenorm {
  static constexpr Record record{
      .name = "embedding_renorm",
      .where = kHidden,
      .formula = "weight with row * max_norm / |row| where a row of indices is longer than max_norm",
      .doc = "Shortens the rows that indices name to a norm of at most max_norm.",
      .args = {tensor("weight"), tensor("indices"), real("max_norm"), real("norm_type", 2)},
      .has_in_place = true,
      .row_major = true,
      .infer = infer_embedding_renorm};
};

void infer_bag_sum(Inference& c);
void infer_bag_scatter(Inference& c);
void infer_bag_dot(Inference& c);
void infer_bag_max(Inference& c);
void infer_bag_scales(Inference& c);
// scale / (how often each index occurs), where the call asks for it.
Tensor bag_scale_by_freq(Vjp& v, const Tensor& indices, const Tensor& scale, std::int64_t rows);

struct BagScatter;
struct BagDot;

// Bag b holds the places offsets[b] .. offsets[b + 1] of indices; one offset more than there are bags. A
// place whose index is padding_idx does not count.
struct BagSum {
  static constexpr Record record{
      .name = "embedding_bag_sum",
      .where = kHidden,
      .formula = "Σ_{i in bag} scale[i] * weight[indices[i]]",
      .doc = "Weighted sums of table rows, one per bag.",
      .args = {tensor("weight"), tensor("indices"), tensor("offsets"), tensor("scale"),
               integer("padding_idx"), flag("scale_grad_by_freq")},
      .row_major = true,
      .infer = infer_bag_sum,
      .vjp = {{in(1) | in(2) | in(3),
               [](Vjp& v) {
                 const std::int64_t rows = v.sizes(0)[0];
                 return call<BagScatter>(
                     {v.g(), v.in(1), v.in(2), bag_scale_by_freq(v, v.x(1), v.x(3), rows)},
                     {rows, v.attr("padding_idx")});
               }},
              kNoGradient(),
              kNoGradient(),
              {in(0) | in(1) | in(2), [](Vjp& v) {
                 return call<BagDot>({v.g(), v.in(0), v.in(1), v.in(2)}, {v.attr("padding_idx")});
               }}}};
};

struct BagScatter {
  static constexpr Record record{
      .name = "embedding_bag_scatter",
      .where = kHidden,
      .formula = "zeros(num_weights, D) with scale[i] * grad[bag of i] added at indices[i]",
      .doc = "Cotangent of the table of embedding_bag_sum.",
      .args = {tensor("grad"), tensor("indices"), tensor("offsets"), tensor("scale"), integer("num_weights"),
               integer("padding_idx")},
      .row_major = true,
      .infer = infer_bag_scatter,
      .vjp = {{in(1) | in(2) | in(3),
               [](Vjp& v) {
                 return call<BagSum>({v.g(), v.in(1), v.in(2), v.in(3)}, {v.attr("padding_idx"), false});
               }},
              kNoGradient(),
              kNoGradient(),
              {in(0) | in(1) | in(2), [](Vjp& v) {
                 return call<BagDot>({v.in(0), v.g(), v.in(1), v.in(2)}, {v.attr("padding_idx")});
               }}}};
};

struct BagDot {
  static constexpr Record record{.name = "embedding_bag_dot",
                                 .where = kHidden,
                                 .formula = "grad[bag of i] · weight[indices[i]]",
                                 .doc = "Cotangent of the scales of embedding_bag_sum.",
                                 .args = {tensor("grad"), tensor("weight"), tensor("indices"),
                                          tensor("offsets"), integer("padding_idx")},
                                 .row_major = true,
                                 .infer = infer_bag_dot,
                                 .vjp = {{in(1) | in(2) | in(3),
                                          [](Vjp& v) {
                                            return call<BagSum>({v.in(1), v.in(2), v.in(3), v.g()},
                                                                {v.attr("padding_idx"), false});
                                          }},
                                         {in(0) | in(2) | in(3), [](Vjp& v) {
                                            return call<BagScatter>({v.in(0), v.in(2), v.in(3), v.g()},
                                                                    {v.sizes(1)[0], v.attr("padding_idx")});
                                          }}}};
};

struct BagMax {
  // The second output is the table row that each maximum came from; -1 in a bag without any.
  static constexpr Record record{
      .name = "embedding_bag_max",
      .where = kHidden,
      .formula = "max_{i in bag} weight[indices[i]]",
      .doc = "Column-wise maxima of table rows, one row per bag; 0 where a bag is empty.",
      .args = {tensor("weight"), tensor("indices"), tensor("offsets"), integer("padding_idx")},
      .outputs = {{"output", "chosen"}},
      .row_major = true,
      .infer = infer_bag_max,
      .vjp = {{out(1), [](Vjp& v) {
                 const Tensor chosen = v.out(1);
                 const Tensor flown = where(ge(chosen, 0), v.g(), 0.0);
                 return scatter_onto(v.sizes(0), 0, clamp_min(chosen, 0), flown);
               }}}};
};

// What a mean multiplies each place by: 1 / (places of its bag that count).
struct BagMeanScales {
  static constexpr Record record{
      .name = "embedding_bag_mean_scales",
      .where = kHidden,
      .formula = "1 / (size of the bag of i)",
      .doc = "The scales with which embedding_bag_sum gives means.",
      .args = {tensor("indices"), tensor("offsets"), integer("padding_idx"), dtype()},
      .row_major = true,
      .infer = infer_bag_scales};
};

using EmbeddingOps =
    OpList<Embedding, EmbeddingBackward, EmbeddingRenorm, BagSum, BagScatter, BagDot, BagMax, BagMeanScales>;

}  // namespace unspool::ops
