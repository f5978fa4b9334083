// Geometry of regions, and the public operations made of them.
#include "ops/strided.h"

#include <algorithm>

namespace unspool::ops {
namespace {

// Raises unless the geometry stays inside the storage.
void require_inside(const Call& c, const Geometry& g, const TensorImpl& x) {
  std::int64_t last = g.offset;
  const bool empty = checked_numel(g.sizes, c.name()) == 0;
  for (std::size_t i = 0; i < g.sizes.size(); ++i) {
    if (g.strides[i] < 0) c.fail_as(ErrorKind::kValue, "negative stride in ", to_string(g.strides));
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(std::max<std::int64_t>(g.sizes[i] - 1, 0), g.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      c.fail("stride ", to_string(g.strides), " overflows");
    }
  }
  const auto available = static_cast<std::int64_t>(x.storage->bytes() / size_of(x.dtype));
  if (g.offset < 0 || (!empty && last >= available)) {
    c.fail("size ", to_string(g.sizes), ", stride ", to_string(g.strides), " and storage_offset ", g.offset,
           " reach outside the storage of ", available, " elements");
  }
}

// What a call of as_strided or as_strided_scatter asks for.
Region requested(const Call& c) {
  const TensorImpl& x = c[0].impl();
  Geometry g{c.dims("size"), c.dims("stride"),
             c.given("storage_offset") ? c.integer("storage_offset") : x.offset};
  if (g.sizes.size() != g.strides.size()) {
    c.fail("size ", to_string(g.sizes), " and stride ", to_string(g.strides), " differ in length");
  }
  require_inside(c, g, x);
  return {std::move(g.sizes), std::move(g.strides), g.offset, x.sizes, x.strides, x.offset};
}

template <class T>
Tensor call_on(std::initializer_list<Borrowed> operands, const Region& r) {
  return call<T>(operands, {r.size, r.stride, r.offset, r.whole_size, r.whole_stride, r.whole_offset});
}

// `source` in the region's shape and the whole's dtype.
Tensor fitting(const Call& c, const Tensor& source, const Region& region) {
  if (!(source.sizes() == region.size)) {
    c.fail("src has shape ", to_string(source.sizes()), ", but it replaces elements of shape ",
           to_string(region.size));
  }
  return to(source, c[0].impl().dtype);
}

}  // namespace

Tensor strided_gather(const Tensor& whole, const Region& region) {
  return call_on<StridedGather>({whole}, region);
}
Tensor strided_scatter(const Tensor& whole, const Tensor& source, const Region& region) {
  return call_on<StridedScatter>({whole, source}, region);
}

void infer_strided_gather(Inference& c) { c.give(0, c.dims("size"), c[0].impl().dtype); }
void infer_strided_add(Inference& c) { c.give(0, c.dims("whole_size"), c[0].impl().dtype); }
void infer_strided_scatter(Inference& c) { c.give(0, c.dims("whole_size"), c[0].impl().dtype); }

Geometry region_geometry(const Call& c) {
  Geometry g{c.dims("size"), c.dims("stride"), c.integer("offset")};
  require_inside(c, g, c[0].impl());
  return g;
}

Tensor as_strided(const Call& c) { return call_on<StridedView>({c[0]}, requested(c)); }

Tensor as_strided_scatter(const Call& c) {
  const Region region = requested(c);
  if (may_overlap_itself(region.size, region.stride)) {
    c.fail("size ", to_string(region.size), " and stride ", to_string(region.stride),
           " show some elements more than once; they cannot all be replaced");
  }
  return strided_scatter(c.tensor(0), fitting(c, c.tensor(1), region), region);
}

Geometry unfold_geometry(const Call& c) {
  const TensorImpl& x = c[0].impl();
  const std::int64_t size = c.attrs[1].integer(), step = c.attrs[2].integer();
  const auto d = static_cast<std::size_t>(normalize_dim(c.attrs[0].integer(), c.ndim(0), c.name()));
  const std::int64_t length = x.sizes.empty() ? 1 : x.sizes[d];
  if (size < 0 || size > length) {
    c.fail("size must be between 0 and ", length, ", the size of dim ", d, ", got ", size);
  }
  if (step <= 0) c.fail("step must be positive, got ", step);
  Geometry g{x.sizes, x.strides, x.offset};
  const std::int64_t stride = x.sizes.empty() ? 1 : x.strides[d];
  if (!x.sizes.empty()) {
    g.sizes[d] = (length - size) / step + 1;
    g.strides[d] = stride * step;
  }
  g.sizes.push_back(size);
  g.strides.push_back(stride);
  return g;
}

Tensor unfold_backward(Vjp& v) {
  // Windows of a contiguous tensor, whatever the layout of the one that was unfolded.
  const Dims whole = v.sizes(0), whole_strides = contiguous_strides(whole);
  Dims strides = whole_strides;
  const auto ndim = static_cast<std::int64_t>(whole.size());
  std::int64_t stride = 1;
  if (ndim > 0) {
    const auto d = static_cast<std::size_t>((v.integer("dimension") + ndim) % ndim);
    stride = strides[d];
    strides[d] *= v.integer("step");
  }
  strides.push_back(stride);
  const Tensor g = v.g();
  return call_on<StridedAdd>({g}, {g.sizes(), strides, 0, whole, whole_strides, 0});
}

Tensor replaced(const Call& c, const Op& view, std::span<const Attr> attrs) {
  const Tensor x = c.tensor(0);
  const Dims strides = contiguous_strides(x.sizes());
  const Operand layout[1] = {x.alias(x.sizes(), strides, 0)};
  const Geometry g = view.record.view({view, layout, attrs});
  const Region region{g.sizes, g.strides, g.offset, x.sizes(), strides, 0};
  return strided_scatter(x, fitting(c, c.tensor(1), region), region);
}

}  // namespace unspool::ops
