// Rules of unfold and fold.
#include "ops/im2col.h"

namespace unspool::ops {
namespace {

// Height and width, from one value for both or from two.
struct Two {
  std::int64_t value[2];

  Two(const Call& c, std::string_view name, std::int64_t least) {
    const Dims& given = c.dims(name);
    if (given.size() != 1 && given.size() != 2)
      c.fail(name, " must be one integer or 2, got ", to_string(given));
    for (int d = 0; d < 2; ++d) {
      value[d] = given[given.size() == 1 ? 0 : static_cast<std::size_t>(d)];
      if (value[d] < least) c.fail(name, " must be at least ", least, ", got ", to_string(given));
    }
  }
  std::int64_t operator[](int d) const { return value[d]; }
};

struct Windows {
  Two kernel, dilation, padding, stride;
  std::int64_t rows = 0, columns = 0;

  // Of an image of the given height and width.
  Windows(const Call& c, std::int64_t height, std::int64_t width)
      : kernel(c, "kernel_size", 1),
        dilation(c, "dilation", 1),
        padding(c, "padding", 0),
        stride(c, "stride", 1) {
    rows = along(0, height), columns = along(1, width);
    if (rows < 1 || columns < 1) {
      c.fail("no window of kernel_size ", to_string(c.dims("kernel_size")), " with dilation ",
             to_string(c.dims("dilation")), " fits an image of ", height, " x ", width, " with padding ",
             to_string(c.dims("padding")));
    }
  }
  std::int64_t count() const { return rows * columns; }
  std::int64_t taps() const { return kernel[0] * kernel[1]; }

 private:
  std::int64_t along(int d, std::int64_t size) const {
    const std::int64_t room = size + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1;
    return room < 0 ? 0 : room / stride[d] + 1;
  }
};

// Only the batch may be empty.
void check_sizes(const Call& c, int ndim) {
  const DimSpan x = c.sizes(0);
  bool fits = c.ndim(0) == ndim || c.ndim(0) == ndim - 1;
  for (int d = 0; fits && d < c.ndim(0); ++d) {
    fits = x[static_cast<std::size_t>(d)] != 0 || (d == 0 && c.ndim(0) == ndim);
  }
  if (!fits) {
    c.fail("input must have ", ndim - 1, " dimensions (unbatched) or ", ndim,
           " (batched), none of them empty but the batch, got ", to_string(x));
  }
}

}  // namespace

void infer_im2col(Inference& c) {
  check_sizes(c, 4);
  const DimSpan x = c.sizes(0), image = x.last(3);
  const Windows windows(c, image[1], image[2]);
  Dims sizes(x.first(x.size() - 3));
  sizes.push_back(image[0] * windows.taps());
  sizes.push_back(windows.count());
  c.give(0, std::move(sizes), c[0].impl().dtype);
}

void infer_col2im(Inference& c) {
  check_sizes(c, 3);
  const DimSpan x = c.sizes(0), columns = x.last(2);
  const Two image(c, "output_size", 1);
  const Windows windows(c, image[0], image[1]);
  if (columns[0] % windows.taps() != 0) {
    c.fail("the channels of input ", to_string(x), " must be a multiple of the ", windows.taps(),
           " taps of kernel_size ", to_string(c.dims("kernel_size")));
  }
  if (columns[1] != windows.count()) {
    c.fail("input ", to_string(x), " must have ", windows.rows, " * ", windows.columns, " = ",
           windows.count(), " windows for output_size ", to_string(c.dims("output_size")));
  }
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type))
    c.fail_as(ErrorKind::kNotImplemented, "takes floating-point tensors, got ", name(type));
  Dims sizes(x.first(x.size() - 2));
  sizes.push_back(columns[0] / windows.taps());
  sizes.push_back(image[0]);
  sizes.push_back(image[1]);
  c.give(0, std::move(sizes), type);
}

Tensor im2col_cotangent(Vjp& v) {
  return call<Col2im>({v.g()}, {DimSpan(v.sizes(0)).last(2), v.attr("kernel_size"), v.attr("dilation"),
                                v.attr("padding"), v.attr("stride")});
}

Tensor col2im_cotangent(Vjp& v) {
  return call<Im2col>({v.g()},
                      {v.attr("kernel_size"), v.attr("dilation"), v.attr("padding"), v.attr("stride")});
}

}  // namespace unspool::ops
