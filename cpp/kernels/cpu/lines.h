// Walking the lines of a tensor along one dimension: a few neighbouring lines are read together and their
// results written together, so that memory is used row by row whichever dimension it is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/along.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/reader.h"
#include "kernels/cpu/slots.h"

namespace unspool::kernels::cpu {

template <class T>
constexpr std::size_t room_of(std::int64_t elements) {
  return align_up(static_cast<std::size_t>(elements) * sizeof(T));
}

// Each line of n elements gives m values (of the input's dtype) and m indices.
struct Lines {
  Along along;
  std::int64_t m, group;  // results per line, lines that go together
  bool apart;             // whether the results of one line lie apart in memory

  Lines(const View& input, std::int64_t dim, std::int64_t results)
      : along(input, dim),
        m(results),
        group(std::clamp<std::int64_t>((1 << 20) / std::max<std::int64_t>(1, along.n), 1, 16)),
        apart(along.inner != 1) {}

  template <class T>
  std::size_t bytes(std::size_t work) const {
    return room_of<T>(group * along.n) +
           (apart ? room_of<T>(group * m) + room_of<std::int64_t>(group * m) : 0) + align_up(work);
  }
};

// The input with `dim` as its last dimension. The sizes and strides live in this object.
struct LastDim {
  std::int64_t sizes[kMaxDims], strides[kMaxDims];
  View view;

  LastDim(const View& x, std::int64_t dim) : view(x) {
    if (x.ndim == 0) return;
    const auto at = static_cast<int>(dim < 0 ? dim + x.ndim : dim);
    int next = 0;
    for (int d = 0; d < x.ndim; ++d) {
      if (d == at) continue;
      sizes[next] = x.sizes[d];
      strides[next++] = x.strides[d];
    }
    sizes[next] = x.sizes[at];
    strides[next] = x.strides[at];
    view.sizes = sizes;
    view.strides = strides;
    view.contiguous = x.contiguous && at == x.ndim - 1;
  }
};

// process(line, values, indices, work) for every line; `work` bytes of scratch for each. The outputs are
// contiguous and have m elements along `dim`.
template <class T, class F>
void over_lines(const Context& context, const KernelCall& call, const Lines& lines, std::int64_t dim,
                std::size_t work, const F& process) {
  const Along& a = lines.along;
  if (a.outer * a.inner == 0 || lines.m == 0) return;
  const LastDim last(call.in[0], dim);
  const Reader<T> reader(last.view);
  T* const all_values = call.out[0].as<T>();
  auto* const all_indices = call.out[1].as<std::int64_t>();
  const std::int64_t group = lines.group, m = lines.m, n = a.n;
  // With inner = 1 the lines follow each other, and groups may be cut anywhere.
  const std::int64_t rows = lines.apart ? a.inner : a.outer, per_outer = divide_up(rows, group);
  const std::int64_t groups = (lines.apart ? a.outer : 1) * per_outer;
  Slots slots(context.scratch, context.threads, lines.bytes<T>(work));
  over_ranges(context, groups, grain_of(8 * group * n), [&](std::int64_t begin, std::int64_t end) {
    slots.lend([&](std::byte* slot) {
      T* buffer = reinterpret_cast<T*>(slot);
      slot += room_of<T>(group * n);
      T* values = reinterpret_cast<T*>(slot);
      if (lines.apart) slot += room_of<T>(group * m);
      auto* indices = reinterpret_cast<std::int64_t*>(slot);
      if (lines.apart) slot += room_of<std::int64_t>(group * m);
      for (std::int64_t g = begin; g < end; ++g) {
        const std::int64_t outer = g / per_outer, first = g % per_outer * group;
        const std::int64_t count = std::min(group, rows - first), line = outer * rows + first;
        const T* starts[16];
        reader.read_rows(line * n, n, count, n, buffer, starts);
        for (std::int64_t l = 0; l < count; ++l) {
          const bool direct = !lines.apart;
          process(starts[l], direct ? all_values + (line + l) * m : values + l * m,
                  direct ? all_indices + (line + l) * m : indices + l * m, slot);
        }
        if (!lines.apart) continue;
        const std::int64_t to = outer * m * a.inner + first;
        visit_size(sizeof(T), [&](auto word) {
          using W = decltype(word);
          transpose(reinterpret_cast<W*>(all_values + to), a.inner, reinterpret_cast<const W*>(values), m, m,
                    count);
        });
        transpose(reinterpret_cast<std::uint64_t*>(all_indices + to), a.inner,
                  reinterpret_cast<const std::uint64_t*>(indices), m, m, count);
      }
    });
  });
}

}  // namespace unspool::kernels::cpu
