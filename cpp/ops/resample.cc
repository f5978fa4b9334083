// Checks of resizing.
#include "ops/resample.h"

namespace unspool::ops {

void infer_nearest(Inference& c) {
  const DimSpan sizes = c.sizes(0);
  const Dims& size = c.dims("size");
  if (size.empty() || size.size() > 3 || sizes.size() != size.size() + 2) {
    c.fail("input ", to_string(sizes), " must have two dimensions before the ", size.size(), " of size ",
           to_string(size));
  }
  for (std::size_t d = 1; d < sizes.size(); ++d) {
    if (sizes[d] == 0) c.fail("only the batch size of input ", to_string(sizes), " may be 0");
  }
  for (std::int64_t n : size) {
    if (n < 1) c.fail("size ", to_string(size), " must be positive");
  }
  infer_pooled(c);
}

void infer_resample(Inference& c) {
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type)) {
    c.fail_as(ErrorKind::kNotImplemented, "needs a floating dtype, got ", name(type),
              "; convert the input with .float(), or use mode 'nearest'");
  }
  infer_nearest(c);
}

}  // namespace unspool::ops
