// Shape rules of padding.
#include "ops/padding.h"

#include <algorithm>
#include <limits>

#include "ops/fitting.h"

namespace unspool::ops {
namespace {

void check_length(const Call& c, DimSpan from, const Dims& pads) {
  if (pads.size() % 2 != 0 || pads.size() > 2 * from.size()) {
    c.fail("pad must hold two numbers for each of at most ", from.size(), " dimensions of input ",
           to_string(from), ", got ", pads.size(), " numbers");
  }
}

enum class Part : std::uint8_t { kAll, kCuts };

// The sizes after padding, or after what negative pads cut off alone; raises when that is more than there is.
Dims padded(const Call& c, DimSpan from, const Dims& pads, Part part = Part::kAll) {
  const std::int64_t most = part == Part::kAll ? std::numeric_limits<std::int64_t>::max() : 0;
  Dims sizes(from);
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    const std::size_t d = from.size() - 1 - i;
    const std::int64_t before = pads[2 * i], after = pads[2 * i + 1];
    std::int64_t& size = sizes[d];
    if (__builtin_add_overflow(size, std::min(before, most), &size) ||
        __builtin_add_overflow(size, std::min(after, most), &size) || size < 0) {
      c.fail("pad (", before, ", ", after, ") does not fit dim ", d, " of input ", to_string(from));
    }
  }
  return sizes;
}

}  // namespace

void infer_constant_pad(Inference& c) {
  const Dtype type = c[0].impl().dtype;
  expect_fitting_numbers(c, type);
  const Dims& pads = c.dims("pad");
  check_length(c, c.sizes(0), pads);
  padded(c, c.sizes(0), pads, Part::kCuts);
  c.give(0, padded(c, c.sizes(0), pads), type);
}

void infer_bordered(Inference& c) {
  const Dims& pads = c.dims("pad");
  const DimSpan from = c.sizes(0);
  const std::string_view mode = c.text("mode");
  const std::size_t spatial = pads.size() / 2;
  check_length(c, from, pads);
  if (spatial < 1 || spatial > 3 || (from.size() != spatial + 1 && from.size() != spatial + 2)) {
    c.fail_as(ErrorKind::kNotImplemented, "mode '", mode, "' pads the last 1, 2 or 3 dimensions of an input ",
              "with one or two dimensions before them, got input ", to_string(from), " and pad ",
              to_string(pads), "; other ranks can be reshaped to these");
  }
  Dims sizes = padded(c, from, pads);
  const bool wraps = mode == "circular";  // which needs no element to stand on
  for (std::size_t d = from.size() == spatial + 2 ? 1 : 0; d < from.size(); ++d) {
    if (from[d] == 0 && !wraps) c.fail("only the batch size of input ", to_string(from), " may be 0");
  }
  for (std::size_t i = 0; i < spatial; ++i) {
    const std::size_t d = from.size() - 1 - i;
    const std::int64_t most = std::max(pads[2 * i], pads[2 * i + 1]);
    if ((mode == "reflect" && most >= from[d]) || (wraps && most > from[d])) {
      c.fail("pad (", pads[2 * i], ", ", pads[2 * i + 1], ") of mode '", mode, "' must be ",
             mode == "reflect" ? "smaller than" : "at most", " the size of dim ", d, " of input ",
             to_string(from));
    }
    if (sizes[d] == 0 && !wraps)
      c.fail("pad ", to_string(pads), " leaves nothing of input ", to_string(from));
  }
  c.give(0, std::move(sizes), c[0].impl().dtype);
}

void infer_bordered_backward(Inference& c) { c.give(0, c.dims("size"), c[0].impl().dtype); }

namespace {

// What negative pads cut off is gone before the rest is wrapped around.
Tensor wrap(const Call& c) {
  Dims grown = c.dims("pad"), cut = grown;
  for (std::size_t i = 0; i < cut.size(); ++i) {
    cut[i] = std::min<std::int64_t>(cut[i], 0);
    grown[i] -= cut[i];
  }
  if (grown == c.dims("pad") || c.ndim(0) * 2 < static_cast<int>(cut.size())) {
    return call<Bordered>({c[0]}, {c.attr("pad"), c.attr("mode")});
  }
  return call<Bordered>({call<ConstantPad>({c[0]}, {cut, 0.0})}, {grown, c.attr("mode")});
}

}  // namespace

Tensor pad(const Call& c) {
  const std::string_view mode = c.text("mode");
  if (mode == "constant") {
    return call<ConstantPad>({c[0]}, {c.attr("pad"), c.given("value") ? c.number("value") : 0.0});
  }
  if (mode != "reflect" && mode != "replicate" && mode != "circular") {
    c.fail_as(ErrorKind::kNotImplemented,
              "mode must be 'constant', 'reflect', 'replicate' or 'circular', got '", mode, "'");
  }
  if (c.given("value") && c.number("value") != 0) {
    c.fail("value belongs to mode 'constant'; mode '", mode, "' takes none");
  }
  if (mode == "circular") return wrap(c);
  return call<Bordered>({c[0]}, {c.attr("pad"), c.attr("mode")});
}

}  // namespace unspool::ops
