// Checks of the sampling operations.
#include "ops/sampling.h"

namespace unspool::ops {

void infer_multinomial(Inference& c) {
  const DimSpan sizes = c.sizes(0);
  const Dtype type = c[0].impl().dtype;
  if (sizes.empty() || sizes.size() > 2)
    c.fail("weights must be a vector or a matrix, got shape ", to_string(sizes));
  if (!is_floating(type)) c.fail("weights must be floating, got ", name(type));
  const std::int64_t samples = c.integer("num_samples"), categories = sizes.back();
  if (samples <= 0) c.fail("num_samples must be positive, got ", samples);
  if (!c.flag("replacement") && samples > categories) {
    c.fail("cannot draw ", samples, " of ", categories,
           " categories without replacement; pass replacement=True");
  }
  Dims result(sizes);
  result.back() = samples;
  if (categories == 0 && numel(result) > 0)
    c.fail("there are no categories to draw from in weights ", to_string(sizes));
  c.give(0, result, Dtype::kInt64);
}

}  // namespace unspool::ops
