// Window arithmetic and checks of pooling.
#include "ops/pooling.h"

#include <algorithm>

#include "ops/joining.h"

namespace unspool::ops {
namespace {

std::size_t at(int d) { return static_cast<std::size_t>(d); }

// One number for each spatial dimension; a single one stands for all.
Dims spread_out(const Call& c, Text name, int spatial) {
  const Dims& given = c.dims(name);
  if (given.size() == 1) return Dims(at(spatial), given[0]);
  if (given.size() != at(spatial)) {
    c.fail(name, " must be an int or ", spatial, " ints, got ", to_string(given));
  }
  return given;
}

void check_input(const Call& c, int spatial, bool any_channels = false) {
  const DimSpan sizes = c.sizes(0);
  const int ndim = static_cast<int>(sizes.size());
  if (ndim != spatial + 1 && ndim != spatial + 2) {
    c.fail("input must have ", spatial + 1, " dimensions (C, ...) or ", spatial + 2, " (N, C, ...), got ",
           to_string(sizes));
  }
  const int first = any_channels ? ndim - spatial : ndim - spatial - 1;
  for (int d = first; d < ndim; ++d) {
    if (sizes[at(d)] == 0) c.fail("only the batch size of input ", to_string(sizes), " may be 0");
  }
}

void require_floating(const Call& c) {
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type)) {
    c.fail_as(ErrorKind::kNotImplemented, "needs a floating dtype, got ", name(type),
              "; convert the input with .float()");
  }
}

void require_all(const Call& c, Text name, const Dims& values, std::int64_t least) {
  for (std::int64_t value : values) {
    if (value < least) c.fail(name, " must be at least ", least, ", got ", to_string(values));
  }
}

// A sliding window, checked, and the size of what it gives.
struct Sliding {
  Dims size, kernel, stride, padding, dilation;

  Sliding(const Call& c, int spatial, const Dims& pad, bool dilates) : padding(pad) {
    kernel = spread_out(c, "kernel_size", spatial);
    const bool has_stride = c.given("stride") && !c.dims("stride").empty();
    stride = has_stride ? spread_out(c, "stride", spatial) : kernel;
    dilation = dilates ? spread_out(c, "dilation", spatial) : Dims(at(spatial), 1);
    require_all(c, "kernel_size", kernel, 1);
    require_all(c, "stride", stride, 1);
    require_all(c, "dilation", dilation, 1);
    require_all(c, "padding", padding, 0);
    const DimSpan sizes = c.sizes(0).last(at(spatial));
    for (int d = 0; d < spatial; ++d) size.push_back(output_size(c, sizes[at(d)], d));
  }

 private:
  std::int64_t output_size(const Call& c, std::int64_t in, int d) const {
    const std::int64_t s = stride[at(d)], p = padding[at(d)];
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    if (std::max({kernel[at(d)], s, p, dilation[at(d)]}) >= kMost) {
      c.fail("kernel_size, stride, padding and dilation must be below 2^31");
    }
    const std::int64_t reach = dilation[at(d)] * (kernel[at(d)] - 1) + 1;
    if (p > reach / 2) {
      c.fail("padding ", to_string(padding), " must be at most half of the window ", to_string(kernel),
             " (as dilated)");
    }
    const std::int64_t room = in + 2 * p - reach;
    if (room < 0) {
      const bool rounds_up = c.flag("ceil_mode") && room + s - 1 >= 0;
      if (!rounds_up) {
        c.fail("the window ", to_string(kernel), " (as dilated) does not fit input ", to_string(c.sizes(0)),
               " with padding ", to_string(padding), ": the output would be empty");
      }
    }
    std::int64_t out = (room + (c.flag("ceil_mode") ? s - 1 : 0)) / s + 1;
    // Windows begin inside of the input or its left border.
    if (c.flag("ceil_mode") && (out - 1) * s >= in + p) --out;
    return out;
  }
};

Dims part_sizes(const Call& c, int spatial) {
  Dims size = spread_out(c, "output_size", spatial);
  require_all(c, "output_size", size, 0);
  return size;
}

// Emits an operation of two outputs; the second is dropped where the caller wants one.
template <class T>
void emit_pair(std::span<const Operand> operands, std::span<const Attr> attrs, std::span<Tensor> out) {
  Tensor pair[2];
  emitter().emit({op_of<T>, operands, attrs}, pair);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::move(pair[i]);
}

Dims with_last(DimSpan sizes, const Dims& last) {
  Dims result(sizes);
  std::copy(last.begin(), last.end(), result.end() - static_cast<std::ptrdiff_t>(last.size()));
  return result;
}

// All planes as rows of a matrix.
Tensor flat(const Tensor& x, std::int64_t planes) {
  return reshape(x, Dims{planes, planes == 0 ? 0 : x.numel() / planes});
}

std::int64_t planes_of(const Tensor& x, int spatial) {
  std::int64_t planes = 1;
  for (int d = 0; d < x.ndim() - spatial; ++d) planes *= x.size(d);
  return planes;
}

}  // namespace

void infer_pooled(Inference& c) { c.give(0, with_last(c.sizes(0), c.dims("size")), c[0].impl().dtype); }

void infer_pooled_indices(Inference& c) {
  infer_pooled(c);
  c.give(1, c.out[0].sizes, Dtype::kInt64);
}

void infer_max_pool(Inference& c) {
  infer_pooled(c);
  c.give(1, c.out[0].sizes, Dtype::kUInt8);
}

void infer_max_unpool(Inference& c) {
  const auto spatial = static_cast<int>(c.dims("size").size());
  check_input(c, spatial);
  if (c[1].impl().dtype != Dtype::kInt64) c.fail("indices must be int64, got ", name(c[1].impl().dtype));
  if (!(c[1].impl().sizes == c[0].impl().sizes)) {
    c.fail("indices ", to_string(c.sizes(1)), " must have the shape of input ", to_string(c.sizes(0)));
  }
  require_all(c, "size", c.dims("size"), 1);
  infer_pooled(c);
}

void infer_fractional(Inference& c) {
  if (c[1].impl().dtype != c[0].impl().dtype) {
    c.fail("samples are ", name(c[1].impl().dtype), " but input is ", name(c[0].impl().dtype));
  }
  infer_pooled_indices(c);
}

Dims plane_of(const Vjp& v, int i) {
  const Dims& sizes = v.sizes(i);
  const auto spatial = static_cast<std::ptrdiff_t>(v.dims("size").size());
  return Dims(sizes.end() - spatial, sizes.end());
}

Tensor put_at(Vjp& v) {
  const Tensor indices = v.out(1);
  const auto spatial = static_cast<int>(v.dims("size").size());
  const std::int64_t planes = planes_of(indices, spatial);
  if (indices.numel() == 0) return expand(sum(v.g()), v.sizes(0));  // zeros, as a function of g
  const Dims flat_sizes{planes, numel(plane_of(v, 0))};
  return reshape(scatter_onto(flat_sizes, 1, flat(indices, planes), flat(v.g(), planes)), v.sizes(0));
}

Tensor take_at(const Tensor& x, const Tensor& indices, int spatial) {
  const std::int64_t planes = planes_of(indices, spatial);
  return reshape(gather(flat(x, planes), 1, flat(indices, planes)), indices.sizes());
}

void max_pool(const Call& c, int spatial, std::span<Tensor> out) {
  check_input(c, spatial);
  const Dtype type = c[0].impl().dtype;
  if (type == Dtype::kBool) c.fail_as(ErrorKind::kNotImplemented, "needs numbers, got bool");
  const Sliding w(c, spatial, spread_out(c, "padding", spatial), true);
  const Operand operands[1] = {c[0]};
  const Attr attrs[5] = {w.size, w.kernel, w.stride, w.padding, w.dilation};
  const bool fits_byte = numel(w.kernel) <= 256;
  if (out.size() == 1 && is_floating(type) && fits_byte)
    emit_pair<MaxPool>(operands, attrs, out);
  else
    emit_pair<MaxPoolIndices>(operands, attrs, out);
}

void avg_pool(const Call& c, int spatial, std::span<Tensor> out) {
  check_input(c, spatial);
  if (c[0].impl().dtype != Dtype::kInt64) require_floating(c);
  const Sliding w(c, spatial, spread_out(c, "padding", spatial), false);
  const Attr divisor = spatial == 1 ? Attr() : c.attr("divisor_override");
  if (!divisor.is_none() && divisor.integer() == 0) c.fail("divisor_override must not be 0");
  out[0] =
      call<AvgPool>({c[0]}, {w.size, w.kernel, w.stride, w.padding, c.attr("count_include_pad"), divisor});
}

void adaptive_max_pool(const Call& c, int spatial, std::span<Tensor> out) {
  check_input(c, spatial);
  require_floating(c);
  const Operand operands[1] = {c[0]};
  const Attr attrs[1] = {part_sizes(c, spatial)};
  emit_pair<AdaptiveMaxPool>(operands, attrs, out);
}

void adaptive_avg_pool(const Call& c, int spatial, std::span<Tensor> out) {
  check_input(c, spatial, true);
  require_floating(c);
  const Dims size = part_sizes(c, spatial);
  const Tensor x = c.tensor(0);
  if (x.numel() == 0 || std::any_of(size.begin(), size.end(), [](std::int64_t n) { return n != 1; })) {
    out[0] = call<AdaptiveAvgPool>({x}, {size});
    return;
  }
  Dims whole;
  for (int d = x.ndim() - spatial; d < x.ndim(); ++d) whole.push_back(d);
  out[0] = mean(x, whole, true);
}

void fractional_max_pool(const Call& c, int spatial, std::span<Tensor> out) {
  check_input(c, spatial);
  require_floating(c);
  const Dims kernel = spread_out(c, "kernel_size", spatial), size = spread_out(c, "output_size", spatial);
  require_all(c, "kernel_size", kernel, 1);
  require_all(c, "output_size", size, 1);
  const DimSpan sizes = c.sizes(0);
  for (int d = 0; d < spatial; ++d) {
    const std::int64_t in = sizes[sizes.size() - at(spatial) + at(d)];
    const std::int64_t spare = spatial == 3 ? 1 : 0;  // as PyTorch has it
    if (size[at(d)] + kernel[at(d)] - 1 + spare > in) {
      c.fail("output_size ", to_string(size), " with kernel_size ", to_string(kernel), " does not fit input ",
             to_string(sizes));
    }
  }
  const bool has_batch = sizes.size() == at(spatial) + 2;
  const Dims expected{has_batch ? sizes[0] : 1, sizes[has_batch ? 1 : 0], spatial};
  if (!(c[1].impl().sizes == expected)) {
    c.fail("random_samples ", to_string(c.sizes(1)), " must have shape ", to_string(expected));
  }
  const Operand operands[2] = {c[0], c[1]};
  const Attr attrs[2] = {size, kernel};
  emit_pair<FractionalMaxPool>(operands, attrs, out);
}

void lp_pool(const Call& c, int spatial, std::span<Tensor> out) {
  check_input(c, spatial);
  const double power = c.number("norm_type");
  const Tensor raised = pow(c[0], power);
  const Sliding w(c, spatial, Dims(at(spatial), 0), false);
  const Tensor means = call<AvgPool>({raised}, {w.size, w.kernel, w.stride, w.padding, true, Attr()});
  const Tensor sums = sign(means) * relu(abs(means)) * static_cast<double>(numel(w.kernel));
  out[0] = pow(sums, 1 / power);
}

}  // namespace unspool::ops
