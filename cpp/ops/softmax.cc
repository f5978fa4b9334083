// Shape and dtype rules of the softmax family.
#include "ops/softmax.h"

namespace unspool::ops {

void infer_softmax(Inference& c) {
  normalize_dim(c.integer("dim"), c.ndim(0), c.name());
  const Dtype type = c.given("dtype") ? c.attr("dtype").dtype() : c[0].impl().dtype;
  if (!is_floating(type)) {
    c.fail("needs a floating dtype, got ", name(type), "; convert the input with .float() or pass dtype");
  }
  c.cast_all(type);
  c.give(0, c[0].impl().sizes, type);
}

void infer_softmax_backward(Inference& c) { c.give(0, c[0].impl().sizes, c[1].impl().dtype); }

}  // namespace unspool::ops
