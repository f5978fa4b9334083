// Writing elements to the places that an index names along a dimension: replacing, adding, multiplying, or
// taking the larger or smaller. Elements that meet in one place arrive in the order of the index, whatever
// the number of threads.
#include <array>
#include <atomic>

#include "kernels/cpu/along.h"
#include "kernels/cpu/copy.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// A view's strides in the sizes of `like`, with 0 along `dropped`.
struct Shadow {
  std::int64_t strides[kMaxDims];
  View view;

  Shadow(const View& x, const View& like, int dropped) : view(like) {
    for (int d = 0; d < like.ndim; ++d) strides[d] = d == dropped || d >= x.ndim ? 0 : x.strides[d];
    view.strides = strides;
    view.contiguous = false;
  }
};

template <class W>
struct Replace {
  static void apply(W& place, W value) { place = value; }
};

template <class T>
T store(Lane<T> lane) {
  return lane.value;
}
template <class T>
  requires std::is_floating_point_v<T>
T store(T value) {
  return value;
}
template <class T>
using Value = std::conditional_t<std::is_floating_point_v<T>, T, Lane<T>>;

template <class T>
struct Add {
  static void apply(T& place, T value) { place = store(Value<T>(place) + Value<T>(value)); }
};
template <class T>
struct Multiply {
  static void apply(T& place, T value) { place = store(Value<T>(place) * Value<T>(value)); }
};
template <class T, bool kMax>
struct Extremum {
  static void apply(T& place, T value) {
    bool wins = kMax ? value > place : value < place;
    if constexpr (std::is_floating_point_v<T>) wins |= value != value;
    place = wins ? value : place;
  }
};
template <class T>
using Raise = Extremum<T, true>;
template <class T>
using Lower = Extremum<T, false>;

template <class T, template <class> class Combine>
void write(const Context& context, const KernelCall& call) {
  constexpr std::int64_t kBlock = 2048;  // indices that are checked, and then read again from the cache
  const View &index = call.in[1], &source = call.in[2], &out = call.out[0];
  const std::int64_t named = call.attrs[0].integer();
  const int dim = static_cast<int>(named < 0 ? named + std::max(index.ndim, 1) : named);
  const Shadow places(out, index, dim), values(source, index, -1);
  const bool has_dim = dim < out.ndim;
  const std::int64_t step = has_dim ? out.strides[dim] : 0, limit = has_dim ? out.sizes[dim] : 1;
  const Along a(index, dim);
  Joint joint(index, values.view, places.view);
  joint.merge();
  joint.ensure_row();
  const std::int64_t s0 = joint.row_stride(0), s1 = joint.row_stride(1), s2 = joint.row_stride(2);
  const bool is_plain = s0 == 1 && s1 == 1 && s2 == 0 && step == 1;
  std::atomic<bool> all_valid = true;
  // Elements that differ before `dim` never meet.
  over_ranges(context, a.outer, grain_of(a.n * a.inner), [&](std::int64_t first, std::int64_t last) {
    std::int64_t begin = first * a.n * a.inner;
    const std::int64_t end = last * a.n * a.inner;
    Cursor cursor(joint, begin);
    while (begin < end) {
      const std::int64_t row = std::min({end - begin, cursor.left_in_row(), kBlock});
      const auto* at = index.as<const std::int64_t>() + cursor.offset[0];
      const T* from = source.as<const T>() + cursor.offset[1];
      T* to = out.as<T>() + cursor.offset[2];
      if (!all_within(at, s0, row, limit)) {
        all_valid = false;
        return;
      }
      if (is_plain) {
        for (std::int64_t i = 0; i < row; ++i) Combine<T>::apply(to[at[i]], from[i]);
      } else if (s0 == 1 && s1 == 1 && s2 == 1) {
        // Places lie apart: their lines are asked for in time.
        constexpr std::int64_t kAhead = 24;
        std::int64_t i = 0;
        for (; i + kAhead < row; ++i) {
          __builtin_prefetch(to + i + kAhead + at[i + kAhead] * step, 1);
          Combine<T>::apply(to[i + at[i] * step], from[i]);
        }
        for (; i < row; ++i) Combine<T>::apply(to[i + at[i] * step], from[i]);
      } else {
        for (std::int64_t i = 0; i < row; ++i)
          Combine<T>::apply(to[i * s2 + at[i * s0] * step], from[i * s1]);
      }
      cursor.advance(row);
      begin += row;
    }
  });
  if (!all_valid) indices_are_valid<std::int64_t>(call, index, limit, "index");  // names the first
}

// Copies the input, unless it is changed in place: then nothing may be written if an index is out of range.
bool prepare(const Context& context, const KernelCall& call) {
  const View &input = call.in[0], &index = call.in[1], &out = call.out[0];
  if (input.data != out.data) {
    if (out.numel() > 0) copy_view(context, out, input);
    return index.numel() > 0;
  }
  const std::int64_t dim = call.attrs[0].integer(),
                     n = out.ndim ? out.sizes[dim < 0 ? dim + out.ndim : dim] : 1;
  return index.numel() > 0 && indices_are_valid<std::int64_t>(call, index, n, "index");
}

template <template <class> class Combine>
void run(const Context& context, const KernelCall& call) {
  if (!prepare(context, call)) return;
  visit_dtype(call.out[0].dtype, [&]<class T>(T) { write<T, Combine>(context, call); });
}

void run_replace(const Context& context, const KernelCall& call) {
  if (!prepare(context, call)) return;
  visit_size(size_of(call.out[0].dtype), [&](auto word) { write<decltype(word), Replace>(context, call); });
}

constexpr std::array<Kernel, 6> kKernels = {{{"scatter", run_replace},
                                             {"scatter_value", run_replace},
                                             {"scatter_add", run<Add>},
                                             {"scatter_multiply", run<Multiply>},
                                             {"scatter_amax", run<Raise>},
                                             {"scatter_amin", run<Lower>}}};

}  // namespace

std::span<const Kernel> scatter_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
