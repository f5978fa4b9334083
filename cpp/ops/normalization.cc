// Shape rules, checks and derivatives of the normalizations, and the public functions around the primitives.
#include "ops/normalization.h"

#include <limits>

#include "ops/recompute.h"
#include "ops/shape.h"
#include "ops/update.h"

namespace unspool::ops {
namespace {

void check_floating(const Call& c) {
  if (is_floating(c[0].impl().dtype)) return;
  c.fail_as(ErrorKind::kNotImplemented, "needs a floating input, got ", name(c[0].impl().dtype),
            "; convert it with .float()");
}

// Operand i, where given, must hold one number for each channel, in the input's dtype.
void check_channels(const Call& c, int i, std::string_view argument, std::int64_t channels) {
  if (!c.has(i)) return;
  const TensorImpl& x = c[i].impl();
  if (x.numel != channels || x.sizes.size() != 1) {
    c.fail(argument, " should contain ", channels, " elements, one for each channel of input ",
           to_string(c.sizes(0)), ", but has shape ", to_string(x.sizes));
  }
  if (x.dtype != c[0].impl().dtype) {
    c.fail("input is ", name(c[0].impl().dtype), " but ", argument, " is ", name(x.dtype),
           "; convert one with .to()");
  }
}

std::int64_t product_from(DimSpan sizes, std::size_t first) {
  return numel(sizes.subspan(std::min(first, sizes.size())));
}

Dims empty() { return {0}; }

// Whether a 16-bit input is normalized with float32 parameters or statistics.
bool has_single_parameters(const Call& c) {
  if (!is_narrow(c[0].impl().dtype) || !is_floating(c[0].impl().dtype)) return false;
  for (int i = 1; i < static_cast<int>(c.in.size()); ++i) {
    if (c.has(i) && c[i].impl().dtype == Dtype::kFloat32) return true;
  }
  return false;
}

// The same function of the input as float32, its result in the input's dtype.
Tensor computed_in_single(const Call& c) {
  SmallVector<Operand, 5> operands(c.in.begin(), c.in.end());
  operands[0] = to(c.tensor(0), Dtype::kFloat32);
  Tensor result;
  c.op.record.compose({c.op, operands, c.attrs}, {&result, 1});
  return to(result, c[0].impl().dtype);
}

// What the composed forms add behind the normalized z.
Tensor affine(const Tensor& z, const Operand& weight, const Operand& bias, const Dims& sizes) {
  Tensor y = z;
  if (weight.is_tensor()) y = y * reshape(weight.tensor(), sizes);
  if (bias.is_tensor()) y = y + reshape(bias.tensor(), sizes);
  return y;
}

}  // namespace

void infer_row_norm(Inference& c) {
  const TensorImpl& x = c[0].impl();
  const std::int64_t row = c.integer("channels") / c.integer("groups") * c.integer("inner");
  const std::int64_t rows = row > 0 ? x.numel / row : 0;
  c.give(0, x.sizes, x.dtype);
  c.give(1, {c.flag("centered") ? rows : 0}, x.dtype);
  c.give(2, {rows}, x.dtype);
}

void infer_row_norm_backward(Inference& c) {
  const TensorImpl& x = c[1].impl();
  const Dims channels = {c.flag("wants_affine") ? c.integer("channels") : 0};
  c.give(0, c.flag("wants_input") ? x.sizes : empty(), x.dtype);
  c.give(1, channels, x.dtype);
  c.give(2, channels, x.dtype);
}

void row_norm_cotangents(Vjp& v, std::span<Tensor> grads) {
  const std::int64_t channels = v.integer("channels"), groups = v.integer("groups"),
                     inner = v.integer("inner");
  const bool centered = v.flag("centered");
  if (is_recorded()) {
    return derive(v, grads, [&](std::span<const Operand> in) -> std::vector<Tensor> {
      const Tensor x = in[0].tensor();
      const std::int64_t length = channels / groups * inner,
                         count = x.numel() / std::max<std::int64_t>(1, length);
      const Tensor rows = reshape(x, Dims{count, length});
      const Tensor z = centered ? rows - mean(rows, Dims{1}, true) : rows;
      const Tensor scaled = z * rsqrt(mean(square(z), Dims{1}, true) + v.number("eps"));
      const Tensor y = reshape(scaled, Dims{count / groups, channels, inner});
      return {reshape(affine(y, in[1], in[2], {channels, 1}), x.sizes())};
    });
  }
  const bool wants_affine = v.wants(1) || v.wants(2);
  auto found = call_all<RowNormBackward>({v.g(), v.in(0), v.in(1), v.out(1), v.out(2)},
                                         {channels, groups, inner, centered, v.wants(0), wants_affine});
  if (v.wants(0)) grads[0] = std::move(found[0]);
  if (v.wants(1)) grads[1] = reshape(found[1], v.sizes(1));
  if (v.wants(2)) grads[2] = reshape(found[2], v.sizes(2));
}

void infer_channel_norm(Inference& c) {
  const TensorImpl& x = c[0].impl();
  const Dims channels = {c.flag("training") ? x.sizes[1] : 0};
  c.give(0, x.sizes, x.dtype);
  c.give(1, channels, x.dtype);
  c.give(2, channels, x.dtype);
}

void infer_channel_norm_backward(Inference& c) {
  const TensorImpl& x = c[1].impl();
  c.give(0, c.flag("wants_input") ? x.sizes : empty(), x.dtype);
  c.give(1, {x.sizes[1]}, x.dtype);
  c.give(2, {x.sizes[1]}, x.dtype);
}

void channel_norm_cotangents(Vjp& v, std::span<Tensor> grads) {
  const bool training = v.flag("training");
  if (is_recorded()) {
    return derive(v, grads.first(3), [&](std::span<const Operand> in) -> std::vector<Tensor> {
      const Tensor x = in[0].tensor();
      Dims others, sizes(static_cast<std::size_t>(x.ndim()), 1);
      for (int d = 0; d < x.ndim(); ++d) {
        if (d != 1) others.push_back(d);
      }
      sizes[1] = x.size(1);
      const Tensor center = training ? mean(x, others, true) : reshape(v.x(3), sizes);
      const Tensor z = x - center;
      const Tensor var = training ? mean(square(z), others, true) : reshape(v.x(4), sizes);
      return {affine(z * rsqrt(var + v.number("eps")), in[1], in[2], sizes)};
    });
  }
  const Operand mean = training ? Operand(v.out(1)) : v.in(3), var = training ? Operand(v.out(2)) : v.in(4);
  auto found = call_all<ChannelNormBackward>({v.g(), v.in(0), v.in(1), mean, var},
                                             {training, v.number("eps"), v.wants(0)});
  for (int i = 0; i < 3; ++i) {
    if (v.wants(i)) grads[static_cast<std::size_t>(i)] = std::move(found[static_cast<std::size_t>(i)]);
  }
}

// --- The public functions
// ------------------------------------------------------------------------------------

namespace {

// Checks the normalized sizes of layer_norm and rms_norm, whose weight may have another dtype; returns their
// product.
std::int64_t normalized_numel(const Call& c) {
  check_floating(c);
  const Dims& shape = c.dims("normalized_shape");
  const DimSpan x = c.sizes(0);
  if (shape.empty()) {
    c.fail("expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element");
  }
  if (x.size() < shape.size() || !std::equal(shape.begin(), shape.end(), x.end() - std::ssize(shape))) {
    c.fail("given normalized_shape ", to_string(shape),
           ", the last sizes of input must be the same, but it is ", to_string(x));
  }
  for (int i : {1, 2}) {
    if (!c.has(i)) continue;
    if (!(c[i].impl().sizes == shape)) {
      c.fail("expected ", i == 1 ? "weight" : "bias", " to be of same shape as normalized_shape ",
             to_string(shape), ", got ", to_string(c.sizes(i)));
    }
    if (&c.op != &op_of<RmsNorm> && c[i].impl().dtype != c[0].impl().dtype) {
      c.fail("input is ", name(c[0].impl().dtype), " but ", i == 1 ? "weight" : "bias", " is ",
             name(c[i].impl().dtype), "; convert one with .to()");
    }
  }
  return numel(shape);
}

Operand flat(const Operand& x) {
  return x.is_tensor() && x.ndim() != 1 ? Operand(reshape(x.tensor(), Dims{-1})) : x;
}

// Moves a running statistic towards the batch's.
void follow(const Tensor& running, const Tensor& fresh, double momentum, double scale) {
  const GradMode no_grad(false);
  const Tensor target = contiguous(running);
  const Operand group[2] = {target, contiguous(fresh)};
  const Attr attrs[2] = {momentum, scale};
  emitter().emit({op_of<RunningAverageUpdate>, group, attrs}, {});
  if (target.impl().storage.get() == running.impl().storage.get()) return;
  const Operand copied[2] = {running, target};
  const Attr blocking[1] = {false};
  emitter().emit_into({op_of<CopyInto>, copied, blocking}, running);
}

// The mean and the variance that normalize, where they are not the input's own.
void check_running(const Call& c, bool needs_both, std::int64_t channels) {
  if (needs_both && (!c.has(1) || !c.has(2))) {
    c.fail(c.has(1) ? "running_var" : "running_mean",
           " must be given where the input's own statistics are "
           "not used");
  }
  check_channels(c, 1, "running_mean", channels);
  check_channels(c, 2, "running_var", channels);
  if (c.has(1) != c.has(2)) {
    c.fail_as(ErrorKind::kValue, "running_mean and running_var must either both be None or neither be None");
  }
}

double bessel(std::int64_t n) { return static_cast<double>(n) / static_cast<double>(n - 1); }

}  // namespace

Tensor layer_norm(const Call& c) {
  if (has_single_parameters(c)) return computed_in_single(c);
  const std::int64_t n = normalized_numel(c);
  return call<RowNorm>({c[0], flat(c[1]), flat(c[2])}, {n, 1, 1, true, c.attr("eps")});
}

Tensor rms_norm(const Call& c) {
  const std::int64_t n = normalized_numel(c);
  const Dtype dtype = c[0].impl().dtype;
  const double epsilon = dtype == Dtype::kFloat64
                             ? std::numeric_limits<double>::epsilon()
                             : static_cast<double>(std::numeric_limits<float>::epsilon());
  const double eps = c.given("eps") ? c.number("eps") : epsilon;
  const Operand weight = flat(c[1]);
  if (!weight.is_tensor() || weight.impl().dtype == dtype)
    return call<RowNorm>({c[0], weight, Operand()}, {n, 1, 1, false, eps});
  const Dtype wide = promote(dtype, weight.impl().dtype);
  const Tensor x = to(c.tensor(0), wide);
  return to(call<RowNorm>({x, to(weight.tensor(), wide), Operand()}, {n, 1, 1, false, eps}), dtype);
}

Tensor group_norm(const Call& c) {
  if (has_single_parameters(c)) return computed_in_single(c);
  check_floating(c);
  const DimSpan x = c.sizes(0);
  if (x.size() < 2) c.fail("expected at least 2 dimensions (N, C, ...), got ", to_string(x));
  const std::int64_t groups = c.integer("num_groups"), channels = x[1];
  if (groups <= 0) c.fail("num_groups must be greater than 0, got ", groups);
  if (channels % groups != 0) {
    c.fail("the number of channels of input ", to_string(x), " must be divisible by num_groups, ", groups);
  }
  if (c[0].impl().numel == groups) {
    c.fail_as(ErrorKind::kValue, "expected more than 1 value per channel when training, got input size ",
              to_string(x), " in ", groups, " groups");
  }
  check_channels(c, 1, "weight", channels);
  check_channels(c, 2, "bias", channels);
  return call<RowNorm>({c[0], c[1], c[2]}, {channels, groups, product_from(x, 2), true, c.attr("eps")});
}

Tensor instance_norm(const Call& c) {
  if (has_single_parameters(c)) return computed_in_single(c);
  check_floating(c);
  const DimSpan x = c.sizes(0);
  if (x.size() < 2) c.fail("expected at least 2 dimensions (N, C, ...), got ", to_string(x));
  const std::int64_t channels = x[1], inner = product_from(x, 2);
  const bool own = c.flag("use_input_stats");
  check_running(c, !own, channels);
  check_channels(c, 3, "weight", channels);
  check_channels(c, 4, "bias", channels);
  if (!own) return call<ChannelNorm>({c[0], c[3], c[4], c[1], c[2]}, {false, c.attr("eps")});
  if (inner == 1) {
    c.fail_as(ErrorKind::kValue, "expected more than 1 spatial element when training, got input size ",
              to_string(x));
  }
  const auto out = call_all<RowNorm>({c[0], c[3], c[4]}, {channels, channels, inner, true, c.attr("eps")});
  if (c.has(1) && x[0] > 0 && inner > 0) {
    const GradMode no_grad(false);
    const Tensor rows = reshape(c.tensor(0), Dims{x[0], channels, inner});
    const Tensor means = mean(rows, Dims{2}, true);
    const Tensor variance = mean(square(rows - means), Dims{0, 2});
    follow(c.tensor(1), mean(means, Dims{0, 2}), c.number("momentum"), 1);
    follow(c.tensor(2), variance, c.number("momentum"), bessel(inner));
  }
  return out[0];
}

Tensor batch_norm(const Call& c) {
  if (has_single_parameters(c)) return computed_in_single(c);
  check_floating(c);
  const DimSpan x = c.sizes(0);
  if (x.size() == 1 && x[0] == 0) return clone(c.tensor(0));
  if (x.size() < 2) {
    c.fail_as(ErrorKind::kIndex, "expected at least 2 dimensions (N, C, ...), got ", to_string(x));
  }
  const bool training = c.flag("training");
  const std::int64_t channels = x[1], count = x[0] * product_from(x, 2);
  if (training && count == 1) {
    c.fail_as(ErrorKind::kValue, "expected more than 1 value per channel when training, got input size ",
              to_string(x));
  }
  if (training && c.number("eps") <= 0) {
    c.fail_as(ErrorKind::kValue, "eps must be positive during training, got ", c.number("eps"));
  }
  check_running(c, !training, channels);
  check_channels(c, 3, "weight", channels);
  check_channels(c, 4, "bias", channels);
  if (!training) return call<ChannelNorm>({c[0], c[3], c[4], c[1], c[2]}, {false, c.attr("eps")});
  const auto out = call_all<ChannelNorm>({c[0], c[3], c[4], Operand(), Operand()}, {true, c.attr("eps")});
  if (c.has(1) && count > 0) {
    follow(c.tensor(1), out[1], c.number("momentum"), 1);
    follow(c.tensor(2), out[2], c.number("momentum"), bessel(count));
  }
  return out[0];
}

}  // namespace unspool::ops
