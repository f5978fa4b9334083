// Scaled dot-product attention (Vaswani et al. 2017): one fused operation each way over (batch, heads, rows,
// columns), and around it the checks, broadcasts and forms that the public function offers.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_attention(Inference& c);
void infer_attention_backward(Inference& c);
void attention_cotangents(Vjp& v, std::span<Tensor> grads);
Tensor scaled_dot_product_attention(const Call& c);

// Columns lie side by side in every tensor. Heads of key and value may be fewer than the query's, of which
// each then serves several. `keep` is dropout's mask and `keep_scale` what it multiplies by. With
// `heads_inside` the results are laid out as (batch, rows, heads, columns).
struct Attention {
  static constexpr Record record{
      .name = "attention",
      .where = kHidden,
      .formula = "softmax(scale * query · keyᵀ + mask) · value",
      .doc = "Attention over (batch, heads, rows, columns), and the logarithm of each row's normalizer.",
      .args = {tensor("query"), tensor("key"), tensor("value"), optional_tensor("mask"),
               optional_tensor("keep"), real("scale"), flag("is_causal"), real("keep_scale"),
               flag("heads_inside")},
      .outputs = {{"output", "logsumexp"}},
      .infer = infer_attention,
      .joint_vjp = {in(0) | in(1) | in(2) | in(3) | in(4) | out(0) | out(1), attention_cotangents}};
};

// Not differentiable itself: where derivatives of derivatives are wanted, attention_cotangents is composed.
struct AttentionBackward {
  static constexpr Record record{
      .name = "attention_backward",
      .where = kHidden,
      .formula = "dS = P * (grad · valueᵀ - Σ grad * output); dS · key, dSᵀ · query, Pᵀ · grad",
      .doc = "Cotangents of query, key and value of attention.",
      .args = {tensor("grad"), tensor("query"), tensor("key"), tensor("value"), tensor("output"),
               tensor("logsumexp"), optional_tensor("mask"), optional_tensor("keep"), real("scale"),
               flag("is_causal"), real("keep_scale"), flag("heads_inside")},
      .outputs = {{"grad_query", "grad_key", "grad_value"}},
      .infer = infer_attention_backward};
};

struct ScaledDotProductAttention {
  static constexpr Record record{
      .name = "scaled_dot_product_attention",
      .where = kFunctional,
      .kind = Kind::kComposite,
      .formula = "softmax(query · keyᵀ * scale + attn_mask) · value",
      .doc =
          "Attention of queries (..., L, E) to keys (..., S, E) and values (..., S, Ev): (..., L, Ev). "
          "attn_mask broadcasts to (..., L, S): False, or -inf, hides a key; a query that sees none gives "
          "zeros. is_causal hides key j from query i where j > i. scale is 1 / sqrt(E) by default. With "
          "enable_gqa, key and value may have fewer heads (dimension -3), a divisor of the query's.",
      .args = {tensor("query"), tensor("key"), tensor("value"), optional_tensor("attn_mask"),
               real("dropout_p", 0), flag("is_causal", false), keyword(optional_real("scale")),
               keyword(flag("enable_gqa", false))},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = scaled_dot_product_attention(c); }};
};

using AttentionOps = OpList<Attention, AttentionBackward, ScaledDotProductAttention>;

}  // namespace unspool::ops
