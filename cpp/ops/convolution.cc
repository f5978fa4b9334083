// Rules of convolutions: what fits what, sizes, padding by name.
#include "ops/convolution.h"

#include "ops/one_dtype.h"

namespace unspool::ops {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

DimSpan spatial_of(DimSpan sizes) { return sizes.subspan(2); }

// One value per spatial dimension, from one for all or as many.
Dims spread(const Call& c, std::string_view name, int spatial, std::int64_t least) {
  const Dims& given = c.dims(name);
  if (given.size() != 1 && static_cast<int>(given.size()) != spatial) {
    c.fail(name, " must be one integer or ", spatial, ", got ", to_string(given));
  }
  Dims values;
  for (int d = 0; d < spatial; ++d) {
    values.push_back(given[given.size() == 1 ? 0 : at(d)]);
    if (values[at(d)] < least) c.fail(name, " must be at least ", least, ", got ", to_string(given));
  }
  return values;
}

// Input with its batch dimension, of size 1 where it was left out.
Tensor batched(const Call& c, int spatial) {
  const Tensor input = c.tensor(0);
  if (input.ndim() == spatial + 1) return unsqueeze(input, 0);
  if (input.ndim() != spatial + 2) {
    c.fail("input must have ", spatial + 1, " dimensions (unbatched) or ", spatial + 2, " (batched), got ",
           to_string(input.sizes()));
  }
  return input;
}

// Checks what input, weight and bias must share. `filters` are the channels of the result.
void check_operands(const Call& c, const Tensor& input, std::int64_t channels, std::int64_t filters) {
  const Tensor weight = c.tensor(1);
  if (input.size(1) != channels) {
    c.fail("input ", to_string(input.sizes()), " has ", input.size(1), " channels, but weight ",
           to_string(weight.sizes()), " with groups=", c.integer("groups"), " takes ", channels);
  }
  if (c.has(2) && (c.ndim(2) != 1 || c.sizes(2)[0] != filters)) {
    c.fail("bias ", to_string(c.sizes(2)), " does not fit weight ", to_string(weight.sizes()), ": expected (",
           filters, ",)");
  }
  const Dtype type = input.dtype();
  if (!may_meet(type, weight.dtype()) || (c.has(2) && !may_meet(type, c[2].impl().dtype))) {
    c.fail("input is ", name(type), " but weight is ", name(weight.dtype()), c.has(2) ? " and bias is " : "",
           c.has(2) ? name(c[2].impl().dtype) : std::string_view(), "; convert with .to()");
  }
  for (std::int64_t size : spatial_of(input.sizes())) {
    if (size == 0 && input.size(0) != 0 && input.size(1) != 0) {
      c.fail("input ", to_string(input.sizes()), " is empty along a spatial dimension");
    }
  }
}

void check_weight(const Call& c, int spatial) {
  if (c.ndim(1) != spatial + 2) {
    c.fail("weight must have ", spatial + 2, " dimensions, got ", to_string(c.sizes(1)));
  }
  for (std::int64_t size : spatial_of(c.sizes(1))) {
    if (size == 0) c.fail("weight ", to_string(c.sizes(1)), " has no taps");
  }
  const std::int64_t groups = c.integer("groups"), first = c.sizes(1)[0];
  if (groups <= 0) c.fail("groups must be at least 1, got ", groups);
  if (first % groups != 0 || first == 0) {
    c.fail("the first size of weight ", to_string(c.sizes(1)),
           " must be a positive multiple of groups=", groups);
  }
}

Tensor like_input(const Call& c, const Tensor& result, int spatial) {
  return c.ndim(0) == spatial + 1 ? squeeze(result, 0) : result;
}

}  // namespace

Tensor convolve(const Call& c, int spatial) {
  check_weight(c, spatial);
  const Tensor input = batched(c, spatial);
  const DimSpan weight = c.sizes(1);
  const std::int64_t groups = c.integer("groups");
  check_operands(c, input, weight[1] * groups, weight[0]);
  const Dims stride = spread(c, "stride", spatial, 1), dilation = spread(c, "dilation", spatial, 1);
  const bool by_name = c.attr("padding").kind() == Attr::Kind::kText;
  const std::string_view named = by_name ? c.text("padding") : std::string_view();
  if (by_name && named != "same" && named != "valid") {
    c.fail("padding must be 'valid', 'same', an integer or one per dimension, got '", named, "'");
  }
  Dims padding = by_name ? Dims(at(spatial), 0) : spread(c, "padding", spatial, 0);
  Dims size;
  for (int d = 0; d < spatial; ++d) {
    const std::int64_t in = input.size(2 + d), reach = dilation[at(d)] * (weight[at(2 + d)] - 1);
    if (named == "same") {
      if (stride[at(d)] != 1) c.fail("padding='same' needs stride 1, got ", to_string(stride));
      padding[at(d)] = reach / 2;
      size.push_back(in);
      continue;
    }
    const std::int64_t room = in + 2 * padding[at(d)] - reach - 1;
    if (room < 0) {
      c.fail("the kernel is larger than the padded input: input ", to_string(input.sizes()), ", weight ",
             to_string(weight), ", padding ", to_string(padding), ", dilation ", to_string(dilation));
    }
    size.push_back(room / stride[at(d)] + 1);
  }
  return like_input(c, call<Convolution>({input, c[1], c[2]}, {size, stride, padding, dilation, groups}),
                    spatial);
}

Tensor convolve_transposed(const Call& c, int spatial) {
  check_weight(c, spatial);
  const Tensor input = batched(c, spatial);
  const DimSpan weight = c.sizes(1);
  const std::int64_t groups = c.integer("groups");
  check_operands(c, input, weight[0], weight[1] * groups);
  const Dims stride = spread(c, "stride", spatial, 1), dilation = spread(c, "dilation", spatial, 1);
  const Dims padding = spread(c, "padding", spatial, 0), more = spread(c, "output_padding", spatial, 0);
  Dims size;
  for (int d = 0; d < spatial; ++d) {
    if (more[at(d)] >= stride[at(d)] && more[at(d)] >= dilation[at(d)]) {
      c.fail("output_padding ", to_string(more), " must be smaller than stride ", to_string(stride),
             " or dilation ", to_string(dilation));
    }
    size.push_back((input.size(2 + d) - 1) * stride[at(d)] - 2 * padding[at(d)] +
                   dilation[at(d)] * (weight[at(2 + d)] - 1) + more[at(d)] + 1);
    if (size[at(d)] < 0) {
      c.fail("the result would have spatial size ", size[at(d)], ": input ", to_string(input.sizes()),
             ", weight ", to_string(weight), ", padding ", to_string(padding));
    }
  }
  return like_input(
      c, call<ConvolutionTransposed>({input, c[1], c[2]}, {size, stride, padding, dilation, groups}),
      spatial);
}

namespace {

// What the kernels rely on, whoever calls: two operands of one dtype and three to five dimensions, positive
// sizes and steps, whole groups.
int check_geometry(const Inference& c, DtypeSet dtypes) {
  const int ndim = c.ndim(0), spatial = ndim - 2;
  if (spatial < 1 || spatial > 3 || c.ndim(1) != ndim) {
    c.fail("expects operands of the same 3 to 5 dimensions, got ", to_string(c.sizes(0)), " and ",
           to_string(c.sizes(1)));
  }
  const Dtype type = c[0].impl().dtype;
  if (c[1].impl().dtype != type || !(bit(carrier(type)) & dtypes)) {
    c.fail("does not take ", name(type), " and ", name(c[1].impl().dtype));
  }
  for (const std::string_view argument : {"size", "stride", "dilation", "padding"}) {
    const std::int64_t least = argument == "stride" || argument == "dilation" ? 1 : 0;
    const Dims& values = c.dims(argument);
    if (static_cast<int>(values.size()) != spatial)
      c.fail(argument, " ", to_string(values), " is not one per dimension");
    for (std::int64_t value : values) {
      if (value < least) c.fail(argument, " must be at least ", least, ", got ", to_string(values));
    }
  }
  if (c.integer("groups") < 1) c.fail("groups must be at least 1");
  return spatial;
}

void give(Inference& c, std::int64_t first, std::int64_t second) {
  Dims sizes{first, second};
  for (std::int64_t size : c.dims("size")) sizes.push_back(size);
  c.give(0, std::move(sizes), c[0].impl().dtype);
}

// `channels` of the input fit the weight, and the bias, where there is one, its filters.
void check_channels(const Inference& c, std::int64_t channels, std::int64_t filters) {
  for (std::int64_t size : spatial_of(c.sizes(1))) {
    if (size == 0) c.fail("weight ", to_string(c.sizes(1)), " has no taps");
  }
  const bool fits =
      !c.has(2) || (c.ndim(2) == 1 && c.sizes(2)[0] == filters && c[2].impl().dtype == c[0].impl().dtype);
  if (c.sizes(0)[1] != channels || c.sizes(1)[0] % c.integer("groups") != 0 || !fits) {
    c.fail("input ", to_string(c.sizes(0)), ", weight ", to_string(c.sizes(1)), " and bias do not fit");
  }
}

}  // namespace

void infer_convolution(Inference& c) {
  check_geometry(c, kNumbers);
  const DimSpan weight = c.sizes(1);
  check_channels(c, weight[1] * c.integer("groups"), weight[0]);
  give(c, c.sizes(0)[0], weight[0]);
}

void infer_convolution_transposed(Inference& c) {
  check_geometry(c, kNumbers);
  const DimSpan weight = c.sizes(1);
  check_channels(c, weight[0], weight[1] * c.integer("groups"));
  give(c, c.sizes(0)[0], weight[1] * c.integer("groups"));
}

void infer_convolution_weight(Inference& c) {
  check_geometry(c, kFloats);
  const DimSpan grad = c.sizes(0), input = c.sizes(1);
  const std::int64_t groups = c.integer("groups");
  if (grad[0] != input[0] || grad[1] % groups != 0 || input[1] % groups != 0) {
    c.fail("grad ", to_string(grad), " and input ", to_string(input), " do not fit with groups=", groups);
  }
  give(c, grad[1], input[1] / groups);
}

namespace {

template <class Op>
Tensor with_geometry(Vjp& v, std::initializer_list<Borrowed> operands, DimSpan like) {
  return call<Op>(operands, {spatial_of(like), v.attr("stride"), v.attr("padding"), v.attr("dilation"),
                             v.attr("groups")});
}

}  // namespace

Tensor convolution(Vjp& v, const Tensor& input, const Tensor& weight, DimSpan like) {
  return with_geometry<Convolution>(v, {input, weight, Operand()}, like);
}

Tensor convolution_transposed(Vjp& v, const Tensor& input, const Tensor& weight, DimSpan like) {
  return with_geometry<ConvolutionTransposed>(v, {input, weight, Operand()}, like);
}

Tensor convolution_weight(Vjp& v, const Tensor& grad, const Tensor& input, DimSpan like) {
  return with_geometry<ConvolutionWeight>(v, {grad, input}, like);
}

Tensor bias_cotangent(Vjp& v) {
  const Tensor g = v.g();
  Dims others{0};
  for (int d = 2; d < g.ndim(); ++d) others.push_back(d);
  return sum(g, others);
}

}  // namespace unspool::ops
