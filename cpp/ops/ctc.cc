// Checks of ctc_loss's parts. The public function, which brings lengths and targets into one form, is Python.
#include "ops/ctc.h"

namespace unspool::ops {

void infer_ctc(Inference& c) {
  const DimSpan x = c.sizes(0);
  if (x.size() != 3) c.fail("log_probs must be (T, N, C), got ", to_string(x));
  const Dtype type = c[0].impl().dtype;
  if (!is_floating(type)) c.fail("log_probs must be floating, got ", name(type));
  for (int i = 1; i < 5; ++i) {
    if (c[i].impl().dtype != Dtype::kInt64 || c.ndim(i) != 1) {
      c.fail("targets and lengths must be 1-d int64 tensors, got ", name(c[i].impl().dtype), " ",
             to_string(c.sizes(i)));
    }
    if (i > 1 && c.sizes(i)[0] != x[1]) {
      c.fail("expected a length for each of the ", x[1], " samples, got ", to_string(c.sizes(i)));
    }
  }
  const std::int64_t blank = c.integer("blank"), width = c.integer("width");
  if (blank < 0 || blank >= x[2]) {
    c.fail("blank must be in label range [0, ", x[2], "), got ", blank);
  }
  if (width < 0) c.fail("target_lengths must not be negative");
  c.give(0, {x[1]}, type);
  c.give(1, {x[1], x[0], 2 * width + 1}, type);
}

void infer_ctc_backward(Inference& c) { c.give(0, c[1].impl().sizes, c[1].impl().dtype); }

Tensor refuse_second_ctc(Vjp&) {
  fail(ErrorKind::kNotImplemented,
       "ctc_loss: its second derivative is not implemented; the first is, without create_graph");
}

}  // namespace unspool::ops
