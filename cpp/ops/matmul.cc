// The general matrix product and the forms composed of it.
#include "ops/matmul.h"

#include "ops/arithmetic.h"
#include "ops/fitting.h"
#include "ops/one_dtype.h"
#include "ops/reduction.h"

namespace unspool::ops {
namespace {

void check_inner(const Tensor& a, const Tensor& b) {
  const std::int64_t k = a.size(a.ndim() - 1), rows = b.size(b.ndim() == 1 ? 0 : b.ndim() - 2);
  if (k != rows) {
    fail("matmul: input ", to_string(a.sizes()), " and other ", to_string(b.sizes()),
         " do not multiply: the last size ", k, " of input must equal ", rows, " of other");
  }
}

// The leading dimensions of x, without the last two.
DimSpan batch_of(const Tensor& x) { return DimSpan(x.sizes()).first(static_cast<std::size_t>(x.ndim() - 2)); }

Tensor as_batch(const Tensor& x, const Dims& batch) {
  Dims sizes = batch;
  sizes.push_back(x.size(x.ndim() - 2));
  sizes.push_back(x.size(x.ndim() - 1));
  const Tensor expanded = expand(x, sizes);
  if (batch.size() == 1) return expanded;
  return reshape(expanded, Dims{numel(batch), sizes[batch.size()], sizes[batch.size() + 1]});
}

Tensor batched_matmul(const Tensor& a, const Tensor& b) {
  Dims batch(batch_of(a));
  if (!broadcast_into(batch, batch_of(b))) {
    fail("matmul: the batch dimensions of input ", to_string(a.sizes()), " and other ", to_string(b.sizes()),
         " do not broadcast");
  }
  const Tensor product = call<Bmm>({as_batch(a, batch), as_batch(b, batch)});
  if (batch.size() == 1) return product;
  Dims sizes = batch;
  sizes.push_back(a.size(a.ndim() - 2));
  sizes.push_back(b.size(b.ndim() - 1));
  return reshape(product, sizes);
}

}  // namespace

// From here on a product with its sum is faster than a product of elements and a sum.
constexpr std::int64_t kLongDot = 1024;

Tensor matmul(const Tensor& a, const Tensor& b) {
  if (a.ndim() == 2 && b.ndim() == 2) return call<Mm>({a, b});
  if (a.ndim() == 0 || b.ndim() == 0) {
    fail("matmul: input ", to_string(a.sizes()), " and other ", to_string(b.sizes()),
         " must have at least 1 dimension; use * for numbers");
  }
  check_inner(a, b);
  if (a.ndim() == 1 && b.ndim() == 1) {
    if (!may_meet(a.dtype(), b.dtype())) {
      fail("matmul: input is ", name(a.dtype()), " but other is ", name(b.dtype()),
           "; convert one with .to()");
    }
    if (is_floating(a.dtype()) && a.dtype() == b.dtype() && a.size(0) >= kLongDot) {
      return reshape(call<Mm>({unsqueeze(a, 0), unsqueeze(b, 1)}), Dims{});
    }
    const Tensor products = a * b;
    return call<SumOp>({products}, {Attr(), false, products.dtype()});
  }
  if (a.ndim() == 1) return squeeze(matmul(unsqueeze(a, 0), b), -2);
  if (b.ndim() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (b.ndim() == 2) {
    // One tall product instead of a batch of small ones.
    Dims sizes(a.sizes().begin(), a.sizes().end() - 1);
    sizes.push_back(b.size(1));
    const std::int64_t rows = numel(DimSpan(a.sizes()).first(static_cast<std::size_t>(a.ndim() - 1)));
    return reshape(call<Mm>({reshape(a, Dims{rows, a.size(a.ndim() - 1)}), b}), sizes);
  }
  return batched_matmul(a, b);
}

void infer_linear(Inference& c) {
  const DimSpan x = c.sizes(0), w = c.sizes(1);
  if (w.size() != 1 && w.size() != 2) c.fail("weight must be (out, in) or (in,), got ", to_string(w));
  if (x.empty() || x.back() != w.back()) {
    c.fail("input ", to_string(x), " does not fit weight ", to_string(w), ": the last size of input must be ",
           w.back(), " (in_features)");
  }
  const Dtype type = c[0].impl().dtype;
  if (c[1].impl().dtype != type || (c.has(2) && c[2].impl().dtype != type)) {
    c.fail("input is ", name(type), " but weight is ", name(c[1].impl().dtype),
           c.has(2) ? " and bias is " : "", c.has(2) ? name(c[2].impl().dtype) : std::string_view(),
           "; convert with .to()");
  }
  Dims sizes(x.begin(), x.end() - 1);
  if (w.size() == 2) sizes.push_back(w[0]);
  if (c.has(2)) {
    const DimSpan b = c.sizes(2);
    const bool fits = w.size() == 2 ? b.size() == 1 && b[0] == w[0] : b.empty();
    if (!fits) {
      c.fail("bias ", to_string(b), " does not fit weight ", to_string(w), ": expected ",
             to_string(w.first(w.size() - 1)));
    }
  }
  c.give(0, std::move(sizes), type);
}

Tensor linear_input_cotangent(Vjp& v) {
  const Tensor w = v.x(1);
  if (w.ndim() == 1) return unsqueeze(v.g(), -1) * w;
  if (v.g().ndim() == 2) return call<Mm>({v.g(), w});
  return matmul(v.g(), w);
}

Tensor linear_weight_cotangent(Vjp& v) {
  const Tensor x = v.x(0);
  if (v.sizes(1).size() == 1) return reshape(matmul(reshape(v.g(), Dims{1, -1}), rows_of(x)), v.sizes(1));
  const Tensor g = v.g();
  if (x.ndim() == 1) return unsqueeze(g, 1) * x;
  return call<Mm>({mT(rows_of(g)), rows_of(x)});
}

Tensor exact_matmul(const Call& c, int ndim_a, int ndim_b) {
  if (c.ndim(0) != ndim_a || c.ndim(1) != ndim_b) {
    c.fail("expects ", ndim_a, "-d and ", ndim_b, "-d tensors, got ", to_string(c.sizes(0)), " and ",
           to_string(c.sizes(1)));
  }
  if (c.sizes(0).back() != c.sizes(1)[0]) {
    c.fail("input ", to_string(c.sizes(0)), " and other ", to_string(c.sizes(1)), " do not multiply");
  }
  expect_one_dtype(c);
  return matmul(c.tensor(0), c.tensor(1));
}

Tensor add_product(const Call& c, int ndim) {
  const int left = ndim == 1 ? 2 : ndim, right = ndim;
  if (c.ndim(1) != left || c.ndim(2) != right) {
    c.fail("expects ", left, "-d and ", right, "-d factors, got ", to_string(c.sizes(1)), " and ",
           to_string(c.sizes(2)));
  }
  expect_one_dtype(c);
  // Of 16-bit numbers the sum is formed in float32, and rounded once.
  const Dtype dtype = c[0].impl().dtype;
  const bool is_half =
      is_narrow(dtype) && is_floating(dtype) && c[1].impl().dtype == dtype && c[2].impl().dtype == dtype;
  const auto summand = [&](int i) { return is_half ? to(c.tensor(i), Dtype::kFloat32) : c.tensor(i); };
  Tensor product = matmul(summand(1), summand(2));
  Dims sizes = product.sizes();
  if (!broadcast_into(sizes, c.sizes(0)) || !(sizes == product.sizes())) {
    c.fail("input ", to_string(c.sizes(0)), " does not broadcast to the product's shape ",
           to_string(product.sizes()));
  }
  // Integer products take the whole part of the factors.
  const bool exact = !is_floating(product.dtype());
  if (exact) {
    expect_fitting_factor(c, "alpha", product.dtype());
    expect_fitting_factor(c, "beta", product.dtype());
  }
  const auto factor = [exact](double value) {
    return exact ? Operand(static_cast<std::int64_t>(value)) : Operand(value);
  };
  const double alpha = c.number("alpha"), beta = c.number("beta");
  if (alpha != 1) product = product * factor(alpha);
  if (beta != 0) product = add(product, beta == 1 ? Operand(summand(0)) : Operand(summand(0) * factor(beta)));
  return is_half ? to(product, dtype) : product;
}

Tensor outer_product(const Call& c) {
  if (c.ndim(0) != 1 || c.ndim(1) != 1) {
    c.fail("expects two vectors, got ", to_string(c.sizes(0)), " and ", to_string(c.sizes(1)));
  }
  return unsqueeze(c.tensor(0), 1) * c[1];
}

}  // namespace unspool::ops
