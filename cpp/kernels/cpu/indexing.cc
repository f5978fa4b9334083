// Picking elements and slices by index, and the transposes of that: gather, scatter_onto, index_select and
// its backward. Additions to one place happen in the order of the index, whatever the number of threads.
#include <array>
#include <atomic>
#include <cstring>

#include "kernels/cpu/along.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

void clear(const Context& context, const View& out) {
  const std::int64_t bytes = out.numel() * static_cast<std::int64_t>(size_of(out.dtype));
  over_ranges(context, bytes, 8 * kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::memset(bytes_of(out) + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

int place_of(std::int64_t dim, int ndim) { return static_cast<int>(dim < 0 ? dim + ndim : dim); }

// A view's strides with 0 along `dim`, in the sizes of `like`: where to start counting along `dim`.
struct Base {
  std::int64_t strides[kMaxDims];
  std::int64_t step = 0;
  View view;

  Base(const View& x, const View& like, int dim) : view(like) {
    for (int d = 0; d < like.ndim; ++d) strides[d] = d == dim || d >= x.ndim ? 0 : x.strides[d];
    if (dim < x.ndim) step = x.strides[dim];
    view.strides = strides;
  }
};

std::int64_t size_at(const View& x, int dim) { return dim < x.ndim ? x.sizes[dim] : 1; }

void run_gather(const Context& context, const KernelCall& call) {
  constexpr std::int64_t kBlock = 2048;  // indices that are checked, and then read again from the cache
  const View &input = call.in[0], &index = call.in[1], &out = call.out[0];
  const std::int64_t n = index.numel();
  if (n == 0) return;
  const int dim = place_of(call.attrs[0].integer(), std::max(index.ndim, 1));
  const std::int64_t limit = size_at(input, dim);
  const Base base(input, index, dim);
  Joint joint(out, index, base.view);
  joint.merge();
  joint.ensure_row();
  const std::int64_t s0 = joint.row_stride(0), s1 = joint.row_stride(1), s2 = joint.row_stride(2);
  const bool is_plain = s0 == 1 && s1 == 1 && s2 == 0 && base.step == 1;
  std::atomic<bool> all_valid = true;
  visit_size(size_of(out.dtype), [&](auto word) {
    using W = decltype(word);
    over_ranges(context, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      Cursor cursor(joint, begin);
      while (begin < end) {
        const std::int64_t row = std::min({end - begin, cursor.left_in_row(), kBlock});
        W* to = out.as<W>() + cursor.offset[0];
        const auto* at = index.as<const std::int64_t>() + cursor.offset[1];
        const W* from = input.as<const W>() + cursor.offset[2];
        if (!all_within(at, s1, row, limit)) {
          all_valid = false;
          return;
        }
        if (is_plain) {
          for (std::int64_t i = 0; i < row; ++i) to[i] = from[at[i]];
        } else {
          for (std::int64_t i = 0; i < row; ++i) to[i * s0] = from[i * s2 + at[i * s1] * base.step];
        }
        cursor.advance(row);
        begin += row;
      }
    });
  });
  if (!all_valid) indices_are_valid<std::int64_t>(call, index, limit, "index");  // names the first
}

// index and source are row-major. Elements that differ outside of `dim` never meet, so ranges of the
// dimensions before it can run in parallel.
void run_scatter_onto(const Context& context, const KernelCall& call) {
  const View &index = call.in[0], &source = call.in[1], &out = call.out[0];
  clear(context, out);
  if (index.numel() == 0) return;
  const int dim = place_of(call.attrs[1].integer(), std::max(index.ndim, 1));
  if (!indices_are_valid<std::int64_t>(call, index, size_at(out, dim), "index")) return;
  const Base base(out, index, dim);
  const Along a(index, dim);
  Joint joint(index, source, base.view);
  joint.merge();
  joint.ensure_row();
  visit_dtype(out.dtype, [&]<class T>(T) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, T, Lane<T>>;
    over_ranges(context, a.outer, grain_of(a.n * a.inner), [&](std::int64_t first, std::int64_t last) {
      std::int64_t begin = first * a.n * a.inner;
      const std::int64_t end = last * a.n * a.inner;
      Cursor cursor(joint, begin);
      while (begin < end) {
        const std::int64_t row = std::min(end - begin, cursor.left_in_row());
        const auto* at = index.as<const std::int64_t>() + cursor.offset[0];
        const T* from = source.as<const T>() + cursor.offset[1];
        T* to = out.as<T>() + cursor.offset[2];
        const std::int64_t s0 = joint.row_stride(0), s1 = joint.row_stride(1), s2 = joint.row_stride(2);
        for (std::int64_t i = 0; i < row; ++i) {
          T& place = to[i * s2 + at[i * s0] * base.step];
          const Sum sum = Sum(place) + Sum(from[i * s1]);
          if constexpr (std::is_floating_point_v<T>)
            place = sum;
          else
            place = sum.value;
        }
        cursor.advance(row);
        begin += row;
      }
    });
  });
}

std::int64_t stride_of(const View& index) { return index.ndim == 0 ? 0 : index.strides[0]; }

// Single elements: along the last dimension there are no slices.
template <class W>
void select_elements(W* to, std::int64_t to_step, const W* from, std::int64_t from_step,
                     const std::int64_t* at, std::int64_t stride, std::int64_t n) {
  if (to_step == 1 && from_step == 1 && stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[at[i]];
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * to_step] = from[at[i * stride] * from_step];
  }
}

// n >= 16 bytes in pieces of 16, of which the last ones may overlap: shorter than a call for a few of them.
inline void copy_few(std::byte* to, const std::byte* from, std::int64_t n) {
  for (std::int64_t i = 0; i + 16 <= n; i += 16) std::memcpy(to + i, from + i, 16);
  std::memcpy(to + n - 16, from + n - 16, 16);
}

void run_index_select(const Context& context, const KernelCall& call) {
  const View &input = call.in[0], &index = call.in[1], &out = call.out[0];
  const int dim = place_of(call.attrs[0].integer(), std::max(input.ndim, 1));
  const std::int64_t picks = index.numel();
  if (!indices_are_valid<std::int64_t>(call, index, size_at(input, dim), "index") || out.numel() == 0) return;
  const std::int64_t item = static_cast<std::int64_t>(size_of(out.dtype));
  // A walk over the dimensions after `dim` (one picked slice) inside one over those before it.
  Joint slice(out.sizes + std::min(dim + 1, out.ndim), std::max(out.ndim - dim - 1, 0));
  Joint outer(out.sizes, std::min(dim, out.ndim));
  for (const View* view : {&out, &input}) {
    const auto part = [&](int first, int count) {
      View v = *view;
      v.sizes += first, v.strides += first, v.ndim = count;
      return v;
    };
    slice.add(part(std::min(dim + 1, out.ndim), slice.ndim));
    outer.add(part(0, outer.ndim));
  }
  for (Joint* joint : {&slice, &outer}) {
    joint->drop_ones();
    joint->merge();
    joint->ensure_row();
  }
  const std::int64_t to_step = size_at(out, dim) > 1 ? out.strides[dim] : 0;
  const std::int64_t from_step = input.ndim > 0 ? input.strides[dim] : 0;
  const std::int64_t slice_size = slice.numel(), row = slice.row();
  const auto* at = index.as<const std::int64_t>();
  const std::int64_t stride = stride_of(index);
  if (slice_size == 1) {
    visit_size(size_of(out.dtype), [&](auto word) {
      using W = decltype(word);
      over_ranges(context, outer.numel() * picks, kGrain, [&](std::int64_t begin, std::int64_t end) {
        Cursor place(outer, begin / picks);
        std::int64_t k = begin % picks;
        while (begin < end) {
          const std::int64_t n = std::min(end - begin, picks - k);
          select_elements(out.as<W>() + place.offset[0] + k * to_step, to_step,
                          input.as<const W>() + place.offset[1], from_step, at + k * stride, stride, n);
          begin += n;
          k = 0;
          place.advance(1);
        }
      });
    });
    return;
  }
  const std::int64_t bytes = slice_size * item;
  const bool is_dense = row == slice_size && slice.row_stride(0) == 1 && slice.row_stride(1) == 1;
  const bool is_few = is_dense && bytes >= 16 && bytes <= 128;
  over_ranges(
      context, outer.numel() * picks, grain_of(slice_size), [&](std::int64_t begin, std::int64_t end) {
        Cursor place(outer, begin / picks);
        std::int64_t k = begin % picks;
        for (; begin < end; ++begin) {
          std::byte* to = bytes_of(out) + (place.offset[0] + k * to_step) * item;
          const std::byte* from = bytes_of(input) + (place.offset[1] + at[k * stride] * from_step) * item;
          if (is_few) {
            copy_few(to, from, bytes);
          } else if (row == slice_size) {
            copy_row(static_cast<std::size_t>(item), to, slice.row_stride(0), from, slice.row_stride(1), row);
          } else {
            Cursor cursor(slice, 0);
            for (std::int64_t done = 0; done < slice_size; done += row) {
              copy_row(static_cast<std::size_t>(item), to + cursor.offset[0] * item, slice.row_stride(0),
                       from + cursor.offset[1] * item, slice.row_stride(1), row);
              cursor.advance(row);
            }
          }
          if (++k == picks) {
            k = 0;
            place.advance(1);
          }
        }
      });
}

template <class T>
void add_elements(T* to, const T* from, const std::int64_t* at, std::int64_t stride, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    T& place = to[at[i * stride]];
    if constexpr (std::is_floating_point_v<T>)
      place += from[i];
    else
      place = (Lane<T>(place) + Lane<T>(from[i])).value;
  }
}

// source is row-major. Threads share the columns inside of `dim` and the dimensions before it, never the
// index.
void run_index_select_backward(const Context& context, const KernelCall& call) {
  constexpr std::int64_t kPanel = 256;
  const View &index = call.in[0], &source = call.in[1], &out = call.out[0];
  clear(context, out);
  const std::int64_t picks = index.numel();
  const Along a(out, call.attrs[1].integer());
  if (!indices_are_valid<std::int64_t>(call, index, a.n, "index") || source.numel() == 0) return;
  const std::int64_t panels = divide_up(a.inner, kPanel);
  visit_dtype(out.dtype, [&]<class T>(T) {
    const auto* at = index.as<const std::int64_t>();
    const std::int64_t stride = stride_of(index);
    const std::int64_t grain = grain_of(picks * std::min(a.inner, kPanel));
    over_ranges(context, a.outer * panels, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t outer = unit / panels, column = unit % panels * kPanel;
        const std::int64_t width = std::min(kPanel, a.inner - column);
        const T* from = source.as<const T>() + outer * picks * a.inner + column;
        T* to = out.as<T>() + outer * a.n * a.inner + column;
        if (a.inner == 1) {
          add_elements(to, from, at, stride, picks);
          continue;
        }
        for (std::int64_t k = 0; k < picks; ++k, from += a.inner) {
          T* row = to + at[k * stride] * a.inner;
          for (std::int64_t c = 0; c < width; ++c) {
            if constexpr (std::is_floating_point_v<T>)
              row[c] += from[c];
            else
              row[c] = (Lane<T>(row[c]) + Lane<T>(from[c])).value;
          }
        }
      }
    });
  });
}

constexpr std::array<Kernel, 4> kKernels = {{
    {"gather", run_gather},
    {"scatter_onto", run_scatter_onto},
    {"index_select", run_index_select},
    {"index_select_backward", run_index_select_backward},
}};

}  // namespace

std::span<const Kernel> indexing_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
