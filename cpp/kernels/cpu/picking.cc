// Reading and writing elements by index tensors, and finding nonzero elements. The offsets that the index
// tensors name are computed, and checked, before anything is written; sums are made in the order of the
// index, whatever the number of threads.
#include <array>
#include <cstring>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/reader.h"
#include "tensor/shape.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kBlock = 512;

// The index tensors of a call and what they index. `whole` is the indexed tensor, `picked` has the shape of
// what is picked: the dimensions of `whole` that are not indexed, with those of the index in their place.
struct Selection {
  std::span<const View> indices;
  DimSpan dims;
  View whole, picked;
  int place = 0;  // of the index's dimensions in `picked`
  int ndim = 0;   // of the index

  Selection(std::span<const View> tensors, DimSpan indexed, const View& indexed_tensor, const View& result)
      : indices(tensors), dims(indexed), whole(indexed_tensor), picked(result) {
    const bool together = dims.back() - dims.front() + 1 == static_cast<std::int64_t>(dims.size());
    place = together ? static_cast<int>(dims.front()) : 0;
    ndim = picked.ndim - (whole.ndim - static_cast<int>(dims.size()));
  }

  std::int64_t count() const {
    std::int64_t n = 1;
    for (int d = place; d < place + ndim; ++d) n *= picked.sizes[d];
    return n;
  }

  // Index tensor i, broadcast to the index's shape; `strides` must outlive the view.
  View broadcast(std::size_t i, std::int64_t* strides) const {
    const View& index = indices[i];
    const int missing = ndim - index.ndim;
    bool same = missing == 0;
    for (int d = 0; d < ndim; ++d) {
      const bool repeats = d < missing || (index.sizes[d - missing] == 1 && picked.sizes[place + d] != 1);
      strides[d] = repeats ? 0 : index.strides[d - missing];
      same = same && !repeats;
    }
    return {index.data, picked.sizes + place, strides, ndim, index.dtype, same && index.contiguous};
  }

  // The dimensions of a view in the shape of `picked`, or of `whole`, that no index names: those before the
  // place of the index's, and those behind it.
  void split(const View& view, bool is_whole, View& before, View& behind, std::int64_t (&sizes)[kMaxDims],
             std::int64_t (&strides)[kMaxDims]) const {
    int kept = 0;
    std::size_t next = 0;
    for (int d = 0; d < view.ndim; ++d) {
      const bool named = is_whole ? next < dims.size() && dims[next] == d : d >= place && d < place + ndim;
      next += named;
      if (named) continue;
      sizes[kept] = view.sizes[d];
      strides[kept++] = view.strides[d];
    }
    before = {view.data, sizes, strides, place, view.dtype, false};
    behind = {view.data, sizes + place, strides + place, kept - place, view.dtype, false};
  }
};

// Adds to each offset what one index tensor contributes; negative indices count from the end.
template <class I>
bool add_offsets(const KernelCall& call, const View& index, std::int64_t dim, std::int64_t size,
                 std::int64_t stride, bool is_first, std::int64_t* offsets) {
  const Reader<I> reader(index);
  const std::int64_t n = index.numel();
  I buffer[kBlock];
  for (std::int64_t start = 0; start < n; start += kBlock) {
    const std::int64_t length = std::min(kBlock, n - start);
    const I* values = reader.read(start, length, buffer);
    bool any_bad = false;
    for (std::int64_t i = 0; i < length; ++i) {
      const auto value = static_cast<std::int64_t>(values[i]);
      const std::int64_t wrapped = value + (value < 0 ? size : 0);
      any_bad |= static_cast<std::uint64_t>(wrapped) >= static_cast<std::uint64_t>(size);
      offsets[start + i] = (is_first ? 0 : offsets[start + i]) + wrapped * stride;
    }
    if (!any_bad) continue;
    std::int64_t i = 0;
    while (values[i] >= -size && values[i] < size) ++i;
    *call.fault = {"index", static_cast<std::int64_t>(values[i]), size, static_cast<std::int32_t>(dim)};
    return false;
  }
  return true;
}

// Where in `whole` each picked slice lies, in elements; false when an index is out of range.
bool find_offsets(const KernelCall& call, const Selection& s, std::int64_t* offsets) {
  for (std::size_t i = 0; i < s.indices.size(); ++i) {
    std::int64_t strides[kMaxDims];
    const View index = s.broadcast(i, strides);
    const std::int64_t dim = s.dims[i];
    const std::int64_t size = s.whole.sizes[dim], stride = s.whole.strides[dim];
    const bool fits = index.dtype == Dtype::kInt64
                          ? add_offsets<std::int64_t>(call, index, dim, size, stride, i == 0, offsets)
                          : add_offsets<std::int32_t>(call, index, dim, size, stride, i == 0, offsets);
    if (!fits) return false;
  }
  return true;
}

// The walk over what is picked: `before` and `behind` the index's dimensions, each of both sides, and the
// offset of every slice on either side.
struct Walk {
  Joint before, behind;
  std::int64_t count;
  const std::int64_t* whole_at;
  const std::int64_t* picked_at = nullptr;  // null where slices are picked_step apart
  std::int64_t picked_step = 0;

  static Joint joined(const View& picked, const View& whole) {
    Joint joint(picked.sizes, picked.ndim);
    joint.add(picked);
    joint.add(whole);
    joint.drop_ones();
    joint.merge();
    joint.ensure_row();
    return joint;
  }

  // `offsets` has room for two numbers per slice; the first half is filled.
  static Walk over(const Selection& s, std::int64_t* offsets) {
    std::int64_t sizes[2][kMaxDims], strides[2][kMaxDims];
    View before[2], behind[2];
    s.split(s.picked, false, before[0], behind[0], sizes[0], strides[0]);
    s.split(s.whole, true, before[1], behind[1], sizes[1], strides[1]);
    Walk walk{joined(before[0], before[1]), joined(behind[0], behind[1]), s.count(), offsets};
    Joint places(s.picked.sizes + s.place, s.ndim);
    places.add(
        {nullptr, s.picked.sizes + s.place, s.picked.strides + s.place, s.ndim, s.picked.dtype, false});
    places.drop_ones();
    places.merge();
    places.ensure_row();
    if (places.ndim == 1) {
      walk.picked_step = places.row_stride(0);
      return walk;
    }
    std::int64_t* at = offsets + walk.count;
    Cursor cursor(places, 0);
    for (std::int64_t k = 0; k < walk.count; ++k, cursor.advance(1)) at[k] = cursor.offset[0];
    walk.picked_at = at;
    return walk;
  }

  std::int64_t picked_offset(std::int64_t k) const { return picked_at ? picked_at[k] : k * picked_step; }
};

std::size_t offset_bytes(const Selection& s) {
  return static_cast<std::size_t>(std::max<std::int64_t>(s.count(), 1)) * 2 * sizeof(std::int64_t);
}

Selection index_selection(const KernelCall& call) {
  return {call.in.subspan(1), call.attrs[0].dims(), call.in[0], call.out[0]};
}
std::size_t index_scratch(const KernelCall& call, int) { return offset_bytes(index_selection(call)); }

// One element per slice.
template <class W>
void gather_elements(W* to, std::int64_t step, const W* from, const std::int64_t* at, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) to[k * step] = from[at[k]];
}

void run_index(const Context& context, const KernelCall& call) {
  const Selection s = index_selection(call);
  auto* offsets = reinterpret_cast<std::int64_t*>(context.scratch);
  if (!find_offsets(call, s, offsets) || s.picked.numel() == 0) return;
  const Walk walk = Walk::over(s, offsets);
  const std::int64_t slice = walk.behind.numel(), row = walk.behind.row();
  visit_size(size_of(s.picked.dtype), [&](auto word) {
    using W = decltype(word);
    over_ranges(context, walk.before.numel() * walk.count, grain_of(slice),
                [&](std::int64_t begin, std::int64_t end) {
                  Cursor outer(walk.before, begin / walk.count);
                  std::int64_t k = begin % walk.count;
                  while (begin < end) {
                    const std::int64_t n = std::min(end - begin, walk.count - k);
                    W* to = s.picked.as<W>() + outer.offset[0];
                    const W* from = s.whole.as<const W>() + outer.offset[1];
                    if (slice == 1 && !walk.picked_at) {
                      gather_elements(to + k * walk.picked_step, walk.picked_step, from, walk.whole_at + k,
                                      n);
                    } else if (row == slice) {
                      for (std::int64_t j = k; j < k + n; ++j) {
                        copy_row(to + walk.picked_offset(j), walk.behind.row_stride(0),
                                 from + walk.whole_at[j], walk.behind.row_stride(1), row);
                      }
                    } else {
                      for (std::int64_t j = k; j < k + n; ++j) {
                        Cursor inner(walk.behind, 0);
                        for (std::int64_t done = 0; done < slice; done += row, inner.advance(row)) {
                          copy_row(to + walk.picked_offset(j) + inner.offset[0], walk.behind.row_stride(0),
                                   from + walk.whole_at[j] + inner.offset[1], walk.behind.row_stride(1), row);
                        }
                      }
                    }
                    begin += n;
                    k += n;
                    if (k == walk.count) {
                      k = 0;
                      outer.advance(1);
                    }
                  }
                });
  });
}

// --- writing
// ------------------------------------------------------------------------------------------------------------

template <class T>
T sum_of(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return (Lane<T>(a) + Lane<T>(b)).value;
}

// How a row is written, and how a single element.
template <class T>
struct Adding {
  static void row(T* to, std::int64_t to_stride, const T* from, std::int64_t from_stride, std::int64_t n) {
    if (to_stride == 1 && from_stride == 1) {
      for (std::int64_t i = 0; i < n; ++i) to[i] = sum_of(to[i], from[i]);
    } else {
      for (std::int64_t i = 0; i < n; ++i)
        to[i * to_stride] = sum_of(to[i * to_stride], from[i * from_stride]);
    }
  }
  static void one(T& to, T from) { to = sum_of(to, from); }
};

template <class W>
struct Replacing {
  static void row(W* to, std::int64_t to_stride, const W* from, std::int64_t from_stride, std::int64_t n) {
    copy_row(to, to_stride, from, from_stride, n);
  }
  static void one(W& to, W from) { to = from; }
};

// Threads share what lies outside of the index's dimensions, never the index: several slices may go to one
// place, in their order.
template <class T, class Put>
void write_slices(const Context& context, const Selection& s, const Walk& walk) {
  constexpr std::int64_t kPanel = 256;
  const std::int64_t row = walk.behind.row(), slice = walk.behind.numel();
  const std::int64_t panels = divide_up(row, kPanel), rows = slice / row;
  const std::int64_t per_place = rows * panels, units = walk.before.numel() * per_place;
  const std::int64_t from_stride = walk.behind.row_stride(0), to_stride = walk.behind.row_stride(1);
  const std::int64_t grain = grain_of(walk.count * std::min(row, kPanel));
  over_ranges(context, units, grain, [&](std::int64_t begin, std::int64_t end) {
    Cursor outer(walk.before, begin / per_place);
    for (std::int64_t part = begin % per_place; begin < end; ++begin) {
      const std::int64_t panel = part % panels * kPanel, width = std::min(kPanel, row - panel);
      const T* from = s.picked.as<const T>() + outer.offset[0];
      T* to = s.whole.as<T>() + outer.offset[1];
      if (part > 0) {
        const Cursor inner(walk.behind, part / panels * row + panel);
        from += inner.offset[0];
        to += inner.offset[1];
      }
      if (++part == per_place) {
        part = 0;
        outer.advance(1);
      }
      if (width == 1 && !walk.picked_at) {
        const std::int64_t step = walk.picked_step;
        for (std::int64_t k = 0; k < walk.count; ++k) Put::one(to[walk.whole_at[k]], from[k * step]);
      } else {
        for (std::int64_t k = 0; k < walk.count; ++k) {
          Put::row(to + walk.whole_at[k], to_stride, from + walk.picked_offset(k), from_stride, width);
        }
      }
    }
  });
}

void write(const Context& context, const Selection& s, bool accumulate, std::int64_t* offsets) {
  if (s.picked.numel() == 0) return;
  const Walk walk = Walk::over(s, offsets);
  if (accumulate) {
    visit_dtype(s.whole.dtype, [&]<class T>(T) { write_slices<T, Adding<T>>(context, s, walk); });
  } else {
    visit_size(size_of(s.whole.dtype), [&](auto word) {
      using W = decltype(word);
      write_slices<W, Replacing<W>>(context, s, walk);
    });
  }
}

std::int64_t* offsets_in(const Context& context) { return reinterpret_cast<std::int64_t*>(context.scratch); }

// `values` seen in the shape of what the indices pick.
struct Broadcast {
  std::int64_t sizes[kMaxDims], strides[kMaxDims];
  View view;

  Broadcast(const View& values, std::span<const View> indices, DimSpan dims, const View& whole) {
    std::int64_t common[kMaxDims];
    int ndim = 0;
    for (const View& index : indices) ndim = std::max(ndim, static_cast<int>(index.ndim));
    for (int d = 0; d < ndim; ++d) common[d] = 1;
    for (const View& index : indices) {
      for (int d = 0; d < index.ndim; ++d) {
        std::int64_t& size = common[ndim - index.ndim + d];
        if (index.sizes[d] != 1) size = index.sizes[d];
      }
    }
    const bool together = dims.back() - dims.front() + 1 == static_cast<std::int64_t>(dims.size());
    const std::int64_t place = together ? dims.front() : 0;
    int total = 0;
    const auto add_common = [&] {
      for (int d = 0; d < ndim; ++d) sizes[total++] = common[d];
    };
    std::size_t next = 0;
    for (int d = 0; d < whole.ndim; ++d) {
      if (total == place && next == 0) add_common();
      if (next < dims.size() && dims[next] == d) {
        ++next;
        continue;
      }
      sizes[total++] = whole.sizes[d];
    }
    view = {values.data, sizes, strides, total, values.dtype, false};
    const int missing = total - values.ndim;
    for (int d = 0; d < total; ++d) {
      strides[d] = d < missing || values.sizes[d - missing] == 1 ? 0 : values.strides[d - missing];
    }
  }
};

std::size_t write_scratch(const KernelCall& call, int) {
  const auto indices = call.in.subspan(2);
  const DimSpan dims = call.attrs[0].dims();
  const Broadcast values(call.in[1], indices, dims, call.out[0]);
  return offset_bytes({indices, dims, call.out[0], values.view});
}

void run_index_write(const Context& context, const KernelCall& call) {
  const View &input = call.in[0], &out = call.out[0];
  const auto indices = call.in.subspan(2);
  const DimSpan dims = call.attrs[0].dims();
  const Broadcast values(call.in[1], indices, dims, out);
  const Selection s(indices, dims, out, values.view);
  if (!find_offsets(call, s, offsets_in(context))) return;
  if (out.data != input.data) copy_view(context, out, input);
  write(context, s, call.attrs[1].flag(), offsets_in(context));
}

Selection onto_selection(const KernelCall& call) {
  return {call.in.subspan(1), call.attrs[1].dims(), call.out[0], call.in[0]};
}
std::size_t onto_scratch(const KernelCall& call, int) { return offset_bytes(onto_selection(call)); }

void run_index_onto(const Context& context, const KernelCall& call) {
  const View& out = call.out[0];
  const Selection s = onto_selection(call);
  if (!find_offsets(call, s, offsets_in(context))) return;
  const std::int64_t zero = 0;
  copy_view(context, out, {const_cast<std::int64_t*>(&zero), nullptr, nullptr, 0, out.dtype, false});
  write(context, s, true, offsets_in(context));
}

// --- nonzero
// ------------------------------------------------------------------------------------------------------------

// Calls visit(start, values, length) with blocks of the row-major order of the view.
template <class T, class F>
void over_blocks(const View& view, const F& visit) {
  const Reader<T> reader(view);
  const std::int64_t n = view.numel();
  T buffer[kBlock];
  for (std::int64_t start = 0; start < n; start += kBlock) {
    const std::int64_t length = std::min(kBlock, n - start);
    visit(start, reader.read(start, length, buffer), length);
  }
}

void run_nonzero_count(const Context&, const KernelCall& call) {
  std::int64_t total = 0;
  visit_dtype(call.in[0].dtype, [&]<class T>(T) {
    over_blocks<T>(call.in[0], [&](std::int64_t, const T* values, std::int64_t length) {
      std::int32_t found = 0;
      for (std::int64_t i = 0; i < length; ++i) found += values[i] != T(0);
      total += found;
    });
  });
  *call.out[0].as<std::int64_t>() = total;
}

void run_nonzero_places(const Context&, const KernelCall& call) {
  const View &input = call.in[0], &out = call.out[0];
  const std::int64_t count = call.attrs[0].integer();
  const int ndim = input.ndim;
  if (ndim == 0) return;
  const std::int64_t row = input.sizes[ndim - 1];
  auto* to = out.as<std::int64_t>();
  std::int64_t found = 0;
  visit_dtype(input.dtype, [&]<class T>(T) {
    over_blocks<T>(input, [&](std::int64_t start, const T* values, std::int64_t length) {
      if (ndim == 1) {
        for (std::int64_t i = 0; i < length && found < count; ++i) {
          to[found] = start + i;
          found += values[i] != T(0);
        }
        return;
      }
      for (std::int64_t i = 0; i < length;) {
        const std::int64_t column = (start + i) % row, part = std::min(length - i, row - column);
        std::int64_t next = found;
        for (std::int64_t j = 0; j < part && next < count; ++j) {
          to[next * ndim + ndim - 1] = column + j;
          next += values[i + j] != T(0);
        }
        std::int64_t rest = (start + i) / row;
        for (int d = ndim - 2; d >= 0; --d, rest /= input.sizes[d + 1]) {
          const std::int64_t place = rest % input.sizes[d];
          for (std::int64_t k = found; k < next; ++k) to[k * ndim + d] = place;
        }
        found = next;
        i += part;
      }
    });
  });
}

constexpr std::array<Kernel, 5> kKernels = {{
    {"index", run_index, index_scratch},
    {"index_write", run_index_write, write_scratch},
    {"index_onto", run_index_onto, onto_scratch},
    {"nonzero_count", run_nonzero_count},
    {"nonzero_places", run_nonzero_places},
}};

}  // namespace

std::span<const Kernel> picking_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
