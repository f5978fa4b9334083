// Regions of a tensor by sizes, strides and offset. Where the whole is laid out row-major, which is nearly
// always so, a region is a strided copy; otherwise the whole is first spread over the storage it describes.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"
#include "tensor/shape.h"

namespace unspool::kernels::cpu {
namespace {

struct Layout {
  DimSpan sizes, strides;
  std::int64_t offset;

  std::int64_t numel() const { return unspool::numel(sizes); }
  bool is_row_major() const {
    std::int64_t expected = 1;
    for (std::size_t d = sizes.size(); d-- > 0;) {
      if (sizes[d] != 1 && strides[d] != expected) return false;
      expected *= sizes[d];
    }
    return true;
  }
  // Whether two elements may share a place.
  bool overlaps() const {
    std::pair<std::int64_t, std::int64_t> order[kMaxDims];  // (stride, size), ascending
    std::size_t count = 0;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      if (sizes[d] == 0) return false;
      if (sizes[d] > 1) order[count++] = {strides[d], sizes[d]};
    }
    std::sort(order, order + count);
    std::int64_t reach = 0;
    for (std::size_t d = 0; d < count; ++d) {
      if (order[d].first <= reach) return true;
      reach += order[d].first * (order[d].second - 1);
    }
    return false;
  }
  std::int64_t first() const { return offset; }
  // Behind the last place; strides are not negative.
  std::int64_t end() const {
    std::int64_t last = offset;
    for (std::size_t d = 0; d < sizes.size(); ++d) last += (sizes[d] - 1) * strides[d];
    return last + 1;
  }
  // The places, seen in memory that begins with place `origin`.
  View over(void* memory, std::int64_t origin, Dtype dtype) const {
    return {static_cast<std::byte*>(memory) + (offset - origin) * static_cast<std::int64_t>(size_of(dtype)),
            sizes.data(),
            strides.data(),
            static_cast<std::int32_t>(sizes.size()),
            dtype,
            false};
  }
};

// Region and whole as the attributes say, and the stretch of storage that holds both.
struct Places {
  Layout region, whole;
  std::int64_t begin = 0, end = 0;

  explicit Places(const KernelCall& call)
      : region{call.attrs[0].dims(), call.attrs[1].dims(), call.attrs[2].integer()},
        whole{call.attrs[3].dims(), call.attrs[4].dims(), call.attrs[5].integer()} {
    if (whole.numel() > 0) begin = whole.first(), end = whole.end();
    if (region.numel() == 0) return;
    const bool only = begin == end;
    begin = only ? region.first() : std::min(begin, region.first());
    end = only ? region.end() : std::max(end, region.end());
  }

  // The whole is row-major and holds the region: its memory is the storage.
  bool is_direct() const {
    return whole.is_row_major() && end - begin == whole.numel() && begin == whole.offset;
  }
  bool whole_overlaps() const { return whole.overlaps(); }
  std::size_t extent() const { return static_cast<std::size_t>(end - begin); }
};

// The storage, and behind it how many elements of the whole share each place.
std::size_t storage_bytes(const KernelCall& call, int) {
  const Places places(call);
  if (places.is_direct()) return 0;
  return (places.extent() + 1) *
         (size_of(call.out[0].dtype) + (places.whole_overlaps() ? sizeof(double) : 0));
}

void clear(void* memory, std::size_t elements, Dtype dtype) {
  std::memset(memory, 0, elements * size_of(dtype));
}

// Adds the elements of the row-major `source` to the places, one after the other.
template <class T>
void add_at(const Layout& places, T* memory, std::int64_t origin, const T* source) {
  const View view = places.over(memory, origin, dtype_of<T>());
  Joint joint(view);
  joint.ensure_row();
  Cursor cursor(joint, 0);
  for (std::int64_t left = places.numel(); left > 0;) {
    const std::int64_t n = joint.row(), stride = joint.row_stride(0);
    T* to = static_cast<T*>(view.data) + cursor.offset[0];
    for (std::int64_t i = 0; i < n; ++i) to[i * stride] += *source++;
    cursor.advance(n);
    left -= n;
  }
}

// Divides the places by the number of elements of the whole that share them.
template <class T>
void share_out(const Places& places, T* storage) {
  auto* count = reinterpret_cast<double*>(storage + (places.extent() + 1) / 2 * 2);
  std::fill_n(count, places.extent(), 0.0);
  const View view = places.whole.over(count, places.begin, Dtype::kFloat64);
  Joint joint(view);
  joint.ensure_row();
  Cursor cursor(joint, 0);
  for (std::int64_t left = places.whole.numel(); left > 0; left -= joint.row()) {
    for (std::int64_t i = 0; i < joint.row(); ++i) {
      static_cast<double*>(view.data)[cursor.offset[0] + i * joint.row_stride(0)] += 1.0;
    }
    cursor.advance(joint.row());
  }
  for (std::size_t i = 0; i < places.extent(); ++i) {
    if (count[i] > 1) storage[i] = static_cast<T>(static_cast<double>(storage[i]) / count[i]);
  }
}

// Calls visit(T{}) for the floating dtypes, the only ones that derivatives have.
template <class F>
void visit_floating(Dtype dtype, F&& visit) {
  if (dtype == Dtype::kFloat32)
    visit(float{});
  else if (dtype == Dtype::kFloat64)
    visit(double{});
}

void run_gather(const Context& context, const KernelCall& call) {
  const View &whole = call.in[0], &out = call.out[0];
  const Places places(call);
  if (out.numel() == 0) return;
  if (places.is_direct()) {
    copy_view(context, out, places.region.over(whole.data, places.begin, out.dtype));
    return;
  }
  std::byte* storage = context.scratch;
  clear(storage, places.extent(), out.dtype);
  if (places.whole_overlaps()) {
    visit_floating(out.dtype, [&]<class T>(T) {
      add_at(places.whole, reinterpret_cast<T*>(storage), places.begin, whole.as<const T>());
      share_out(places, reinterpret_cast<T*>(storage));
    });
  } else {
    copy_view(context, places.whole.over(storage, places.begin, out.dtype), whole);
  }
  copy_view(context, out, places.region.over(storage, places.begin, out.dtype));
}

void run_add(const Context& context, const KernelCall& call) {
  const View &source = call.in[0], &out = call.out[0];
  const Places places(call);
  const bool is_direct = places.is_direct();
  void* storage = is_direct ? out.data : context.scratch;
  clear(storage, places.extent(), out.dtype);
  if (source.numel() > 0) {
    if (places.region.overlaps()) {
      visit_floating(out.dtype, [&]<class T>(T) {
        add_at(places.region, static_cast<T*>(storage), places.begin, source.as<const T>());
      });
    } else {
      copy_view(context, places.region.over(storage, places.begin, out.dtype), source);
    }
  }
  if (is_direct || out.numel() == 0) return;
  if (places.whole_overlaps()) {
    visit_floating(out.dtype, [&]<class T>(T) { share_out(places, static_cast<T*>(storage)); });
  }
  copy_view(context, out, places.whole.over(storage, places.begin, out.dtype));
}

void run_scatter(const Context& context, const KernelCall& call) {
  const View &whole = call.in[0], &source = call.in[1], &out = call.out[0];
  const Places places(call);
  const bool is_direct = places.is_direct();
  if (is_direct || source.numel() == 0) copy_view(context, out, whole);
  if (source.numel() == 0) return;
  void* storage = is_direct ? out.data : context.scratch;
  if (!is_direct) copy_view(context, places.whole.over(storage, places.begin, out.dtype), whole);
  copy_view(context, places.region.over(storage, places.begin, out.dtype), source);
  if (!is_direct) copy_view(context, out, places.whole.over(storage, places.begin, out.dtype));
}

constexpr std::array<Kernel, 3> kKernels = {{
    {"strided_gather", run_gather, storage_bytes},
    {"strided_add", run_add, storage_bytes},
    {"strided_scatter", run_scatter, storage_bytes},
}};

}  // namespace

std::span<const Kernel> strided_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
