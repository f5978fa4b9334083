// Distances between all rows of one set and all rows of another.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

void infer_cdist(Inference& c);
Tensor cdist_cotangent(Vjp& v, int side);
Tensor cdist(const Call& c);

struct CdistBackward;

// Over batches of matrices, (B, P, M) and (B, R, M).
struct CdistForward {
  static constexpr Record record{
      .name = "cdist_forward",
      .where = kHidden,
      .formula = "|x1[p] - x2[r]|_p",
      .doc = "Distances of the rows of two batches of matrices.",
      .args = {tensor("x1"), tensor("x2"), real("p")},
      .row_major = true,
      .infer = infer_cdist,
      .vjp = {{in(0) | in(1) | out(), [](Vjp& v) { return cdist_cotangent(v, 0); }},
              {in(0) | in(1) | out(), [](Vjp& v) { return cdist_cotangent(v, 1); }}}};
};

// Not differentiable itself: where derivatives of derivatives are wanted, cdist_cotangent is composed.
struct CdistBackward {
  static constexpr Record record{
      .name = "cdist_backward",
      .where = kHidden,
      .formula = "Σ_r grad[p, r] * sign(d) * |d|^(p - 1) / distance[p, r]^(p - 1), d = x1[p] - x2[r]",
      .doc = "Cotangent of x1 of cdist_forward.",
      .args = {tensor("grad"), tensor("x1"), tensor("x2"), tensor("distance"), real("p")},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, c[1].impl().sizes, c[1].impl().dtype); }};
};

Tensor pdist_cotangent(Vjp& v);

struct PdistForward {
  static constexpr Record record{
      .name = "pdist_forward",
      .where = kHidden,
      .formula = "|input[i] - input[j]|_p, i < j",
      .doc = "Distances of all pairs of rows of a matrix (N, M), row after row: (N (N - 1) / 2).",
      .args = {tensor(), real("p")},
      .row_major = true,
      .infer =
          [](Inference& c) {
            if (c.ndim(0) != 2 || !is_floating(c[0].impl().dtype)) {
              c.fail("expects a floating matrix, got ", name(c[0].impl().dtype), " ", to_string(c.sizes(0)));
            }
            const std::int64_t n = c.sizes(0)[0];
            c.give(0, {n * (n - 1) / 2}, c[0].impl().dtype);
          },
      .vjp = {{in(0) | out(), pdist_cotangent}}};
};

// Not differentiable itself: see CdistBackward.
struct PdistBackward {
  static constexpr Record record{
      .name = "pdist_backward",
      .where = kHidden,
      .formula = "Σ_j grad[i, j] * sign(d) * |d|^(p - 1) / distance[i, j]^(p - 1), d = input[i] - input[j]",
      .doc = "Cotangent of pdist_forward.",
      .args = {tensor("grad"), tensor(), tensor("distance"), real("p")},
      .row_major = true,
      .infer = [](Inference& c) { c.give(0, c[1].impl().sizes, c[1].impl().dtype); }};
};

struct Cdist {
  static constexpr Record record{
      .name = "cdist",
      .where = kTop,
      .kind = Kind::kComposite,
      .formula = "|x1[.., p, :] - x2[.., r, :]|_p",
      .doc =
          "Distances of all rows of x1 (..., P, M) to all rows of x2 (..., R, M): (..., P, R). Batch "
          "dimensions broadcast. p is any norm from 0 (how many coordinates differ) to infinity.",
      .args = {tensor("x1"), tensor("x2"), real("p", 2),
               text("compute_mode", "use_mm_for_euclid_dist_if_necessary")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = cdist(c); }};
};

using DistanceOps = OpList<CdistForward, CdistBackward, PdistForward, PdistBackward, Cdist>;

}  // namespace unspool::ops
