// Matrix products. Three primitives (mm, bmm, linear) run as GEMMs; everything else is composed of them.
#pragma once

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

struct Mm {
  static constexpr Record record{
      .name = "mm",
      .formula = "input · mat2",
      .doc = "Product of two matrices, (n, k) · (k, m). Broadcasting is matmul's.",
      .args = {tensor(), tensor("mat2")},
      .infer =
          [](Inference& c) {
            const DimSpan a = c.sizes(0), b = c.sizes(1);
            if (a.size() != 2 || b.size() != 2 || a[1] != b[0]) {
              c.fail("input ", to_string(a), " and mat2 ", to_string(b),
                     " do not multiply: both must be matrices, and input's columns as many as mat2's rows");
            }
            if (c[0].impl().dtype != c[1].impl().dtype) {
              c.fail("input is ", name(c[0].impl().dtype), " but mat2 is ", name(c[1].impl().dtype),
                     "; convert one with .to()");
            }
            c.give(0, {a[0], b[1]}, c[0].impl().dtype);
          },
      // A product of one row and one column has a number for its cotangent.
      .vjp = {
          {in(1),
           [](Vjp& v) { return v.g().numel() == 1 ? v.g() * mT(v.x(1)) : call<Mm>({v.g(), mT(v.x(1))}); }},
          {in(0),
           [](Vjp& v) { return v.g().numel() == 1 ? mT(v.x(0)) * v.g() : call<Mm>({mT(v.x(0)), v.g()}); }}}};
};

struct Bmm {
  static constexpr Record record{.name = "bmm",
                                 .formula = "input[b] · mat2[b]",
                                 .doc = "Product of two batches of matrices, (b, n, k) · (b, k, m).",
                                 .args = {tensor(), tensor("mat2")},
                                 .infer =
                                     [](Inference& c) {
                                       const DimSpan a = c.sizes(0), b = c.sizes(1);
                                       if (a.size() != 3 || b.size() != 3 || a[0] != b[0] || a[2] != b[1]) {
                                         c.fail("input ", to_string(a), " and mat2 ", to_string(b),
                                                " do not multiply: expected (b, n, k) and (b, k, m)");
                                       }
                                       if (c[0].impl().dtype != c[1].impl().dtype) {
                                         c.fail("input is ", name(c[0].impl().dtype), " but mat2 is ",
                                                name(c[1].impl().dtype), "; convert one with .to()");
                                       }
                                       c.give(0, {a[0], a[1], b[2]}, c[0].impl().dtype);
                                     },
                                 .vjp = {{in(1), [](Vjp& v) { return call<Bmm>({v.g(), mT(v.x(1))}); }},
                                         {in(0), [](Vjp& v) { return call<Bmm>({mT(v.x(0)), v.g()}); }}}};
};

// (..., n) as (rows, n).
inline Tensor rows_of(const Tensor& x) {
  return x.ndim() == 2 ? x : reshape(x, Dims{-1, x.size(x.ndim() - 1)});
}

void infer_linear(Inference& c);
Tensor linear_input_cotangent(Vjp& v);   // g · weight
Tensor linear_weight_cotangent(Vjp& v);  // gᵀ · input, over all leading dimensions

struct Linear {
  static constexpr Record record{
      .name = "linear",
      .where = kFunctional,
      .formula = "input · weightᵀ + bias",
      .doc = "Affine map: input (..., in), weight (out, in) or (in,), bias (out,) or None; gives (..., out).",
      .args = {tensor(), tensor("weight"), optional_tensor("bias")},
      .infer = infer_linear,
      .vjp = {{in(1), linear_input_cotangent}, {in(0), linear_weight_cotangent}, {kNothing, [](Vjp& v) {
                                                                                    return v.g();
                                                                                  }}}};
};

struct MatMul {
  static constexpr Record record{
      .name = "matmul",
      .kind = Kind::kComposite,
      .formula = "input · other",
      .doc =
          "Matrix product: 1-d operands are vectors, 2-d matrices; leading dimensions are batches and "
          "broadcast.",
      .args = {tensor(), tensor("other")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = matmul(c.tensor(0), c.tensor(1)); }};
};

constexpr Record product(std::string_view name, std::string_view formula, std::string_view doc, Args args,
                         void (*compose)(const Call&, std::span<Tensor>)) {
  Record record{.name = name, .kind = Kind::kComposite, .formula = formula, .doc = doc};
  record.args = args;
  record.compose = compose;
  return record;
}

// Checks the dimensions that the vector and matrix forms insist on, then is matmul.
Tensor exact_matmul(const Call& c, int ndim_a, int ndim_b);
Tensor add_product(const Call& c, int ndim);
Tensor outer_product(const Call& c);

struct Mv {
  static constexpr Record record =
      product("mv", "input · vec", "Product of a matrix and a vector.", {tensor(), tensor("vec")},
              [](const Call& c, std::span<Tensor> out) { out[0] = exact_matmul(c, 2, 1); });
};

struct Dot {
  static constexpr Record record =
      product("dot", "Σ input * tensor", "Inner product of two vectors.", {tensor(), tensor("tensor")},
              [](const Call& c, std::span<Tensor> out) { out[0] = exact_matmul(c, 1, 1); });
};

struct Outer {
  static constexpr Record record =
      product("outer", "input[i] * vec2[j]", "Outer product of two vectors.", {tensor(), tensor("vec2")},
              [](const Call& c, std::span<Tensor> out) { out[0] = outer_product(c); });
};

struct Addmm {
  static constexpr Record record = product(
      "addmm", "beta * input + alpha * (mat1 · mat2)", "Product of two matrices, added to a broadcast third.",
      {tensor(), tensor("mat1"), tensor("mat2"), keyword(real("beta", 1)), keyword(real("alpha", 1))},
      [](const Call& c, std::span<Tensor> out) { out[0] = add_product(c, 2); });
};

struct Addmv {
  static constexpr Record record = product(
      "addmv", "beta * input + alpha * (mat · vec)", "Product of a matrix and a vector, added to a third.",
      {tensor(), tensor("mat"), tensor("vec"), keyword(real("beta", 1)), keyword(real("alpha", 1))},
      [](const Call& c, std::span<Tensor> out) { out[0] = add_product(c, 1); });
};

struct Baddbmm {
  static constexpr Record record = product(
      "baddbmm", "beta * input + alpha * (batch1[b] · batch2[b])",
      "Batched product added to a broadcast third.",
      {tensor(), tensor("batch1"), tensor("batch2"), keyword(real("beta", 1)), keyword(real("alpha", 1))},
      [](const Call& c, std::span<Tensor> out) { out[0] = add_product(c, 3); });
};

Tensor einsum(const Call& c);

struct Einsum {
  static constexpr Record record = [] {
    Record r = product("einsum", "Einstein summation",
                       "Sums of products over named indices, e.g. 'bij,bjk->bik'; "
                       "repeated indices take diagonals, '...' stands for broadcast dimensions. Operands are "
                       "contracted from left to right.",
                       {text("equation"), tensors("operands")},
                       [](const Call& c, std::span<Tensor> out) { out[0] = einsum(c); });
    r.where = kTop;
    return r;
  }();
};

using MatmulOps = OpList<Mm, Bmm, Linear, MatMul, Mv, Dot, Outer, Addmm, Addmv, Baddbmm, Einsum>;

}  // namespace unspool::ops
