// The walk of a fold over the blocks of a tensor: which rows and columns are read together, how partial
// results wait and in which order they combine. A walk knows the loops of its fold as pointers and is
// compiled once for each dtype, not once for each fold.
#pragma once

#include <algorithm>

#include "kernels/cpu/fold.h"
#include "kernels/cpu/fold_order.h"
#include "kernels/cpu/folding.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/reader.h"

namespace unspool::kernels::cpu {

// The inner loops of a step, as fold.h makes them. For Pairwise it is a step itself.
template <class T>
struct Loops {
  using P = Packet<T>;
  const void* step;
  P start;
  P (*pair)(const void* step, P a, P b);
  T (*lanes)(const void* step, P total);
  P (*block)(const void* step, const T* x, std::int64_t n, P parameter);
  // The outputs [begin, end) of an input without gaps whose runs are one block each.
  void (*short_runs)(const void* step, const Folding& f, const T* data, std::int64_t begin, std::int64_t end,
                     const T* parameters, T* out);
  void (*rows)(const void* step, const T* const* rows, std::int64_t count, std::int64_t width,
               const T* parameters, T* sums);
  void (*panels)(const void* step, const T* a, T* b, std::int64_t width);

  P identity() const { return start; }
  P combine(P a, P b) const { return pair(step, a, b); }
};

template <class T, class Step>
const Step& as_step(const void* step) {
  return *static_cast<const Step*>(step);
}

template <class T, class Step>
[[gnu::noinline, gnu::flatten]] Packet<T> fold_any_block(const void* step, const T* x, std::int64_t n,
                                                         Packet<T> parameter) {
  return fold_block<T>(as_step<T, Step>(step), x, n, parameter);
}

template <class T, class Step>
[[gnu::flatten]] void fold_short_runs(const void* any, const Folding& f, const T* data, std::int64_t begin,
                                      std::int64_t end, const T* parameters, T* out) {
  using P = Packet<T>;
  const Step& step = as_step<T, Step>(any);
  const std::int64_t runs = f.reduced.count();
  if (runs == 1 && f.kept.ndim <= 1) {
    const T* x = data + begin * f.inner;
    for (std::int64_t o = begin; o < end; ++o, x += f.inner) {
      const P parameter(parameters ? parameters[o] : T(0));
      out[o] = combine_lanes(step, fold_block<T>(step, x, f.inner, parameter));
    }
    return;
  }
  for (std::int64_t o = begin; o < end; ++o) {
    const P parameter(parameters ? parameters[o] : T(0));
    const T* x = data + f.kept.at(o);
    Pairwise<P> total;
    for (std::int64_t r = 0; r < runs; ++r) {
      total.push(step, fold_any_block<T, Step>(any, x + f.reduced.at(r), f.inner, parameter));
    }
    out[o] = combine_lanes(step, total.total(step));
  }
}

template <class T, class Step>
Loops<T> loops_of(const Step& of) {
  using P = Packet<T>;
  Loops<T> loops{&of, of.identity()};
  loops.pair = [](const void* step, P a, P b) { return as_step<T, Step>(step).combine(a, b); };
  loops.lanes = [](const void* step, P total) -> T { return combine_lanes(as_step<T, Step>(step), total); };
  loops.block = fold_any_block<T, Step>;
  loops.short_runs = fold_short_runs<T, Step>;
  loops.rows = [](const void* step, const T* const* rows, std::int64_t count, std::int64_t width,
                  const T* parameters,
                  T* sums) { fold_rows(as_step<T, Step>(step), rows, count, width, parameters, sums); };
  loops.panels = [](const void* step, const T* a, T* b, std::int64_t width) {
    combine_panels(as_step<T, Step>(step), a, b, width);
  };
  return loops;
}

// The blocks [first, last) of a run of n elements that begins at `begin`.
template <class T>
Packet<T> fold_blocks(const Loops<T>& loops, const Reader<T>& reader, std::int64_t begin, std::int64_t n,
                      std::int64_t first, std::int64_t last, Packet<T> parameter) {
  alignas(64) T buffer[kFoldBlock];
  const auto block = [&](std::int64_t i) {
    const std::int64_t start = i * kFoldBlock, length = std::min(kFoldBlock, n - start);
    return loops.block(loops.step, reader.read(begin + start, length, buffer), length, parameter);
  };
  if (last - first == 1) return block(first);
  Pairwise<Packet<T>> partial;
  for (std::int64_t i = first; i < last; ++i) partial.push(loops, block(i));
  return partial.total(loops);
}

// The same for the outputs [begin, end) of a strided input: a few outputs at once, so that an input whose
// memory runs across them is read in order.
template <class T>
void fold_groups(const Loops<T>& loops, const Folding& f, const Reader<T>& reader, const T* parameters,
                 T* out, std::int64_t begin, std::int64_t end, const KeptOrder* order) {
  using P = Packet<T>;
  constexpr std::int64_t kGroup = 16;
  alignas(64) T buffer[kGroup * kFoldBlock];
  T collected[kGroup], totals[kGroup];
  const std::int64_t blocks = divide_up(f.inner, kFoldBlock), runs = f.reduced.count();
  const std::int64_t side = f.kept.ndim > 0 ? f.kept.sizes[f.kept.ndim - 1] : 1;
  const std::int64_t distance = f.kept.ndim > 0 ? f.kept.distance[f.kept.ndim - 1] : 0;
  while (begin < end) {
    const std::int64_t count = std::min({kGroup, end - begin, side - begin % side});
    const std::int64_t base = f.kept.at(begin);
    const T* parameter = parameters ? parameters + begin : nullptr;
    if (order && parameters) {
      order->collect(collected, parameters, begin, count);
      parameter = collected;
    }
    Pairwise<P> total[kGroup];
    for (std::int64_t r = 0; r < runs; ++r) {
      Pairwise<P> run[kGroup];
      for (std::int64_t b = 0; b < blocks; ++b) {
        const std::int64_t start = b * kFoldBlock, length = std::min(kFoldBlock, f.inner - start);
        const T* rows[kGroup];
        reader.read_rows(base + f.reduced.at(r) + start, distance, count, length, buffer, rows);
        for (std::int64_t i = 0; i < count; ++i) {
          run[i].push(loops, loops.block(loops.step, rows[i], length, P(parameter ? parameter[i] : T(0))));
        }
      }
      for (std::int64_t i = 0; i < count; ++i) total[i].push(loops, run[i].total(loops));
    }
    T* to = order ? totals : out + begin;
    for (std::int64_t i = 0; i < count; ++i) to[i] = loops.lanes(loops.step, total[i].total(loops));
    if (order) order->spread(out, totals, begin, count);
    begin += count;
  }
}

// Each output folds runs of consecutive elements. `order` is null where the outputs lie in `out` as they are
// counted, which is so for inputs without strides.
template <class T>
[[gnu::noinline]] void fold_runs(const Context& context, const Loops<T>& loops, const Folding& f,
                                 const Reader<T>& reader, const T* parameters, T* out,
                                 const KeptOrder* order) {
  using P = Packet<T>;
  const std::int64_t blocks = divide_up(f.inner, kFoldBlock), runs = f.reduced.count();
  if (f.outputs == 1 && runs == 1 && blocks > 64) {
    // Segments are aligned powers of two, so they are the subtrees of the whole.
    constexpr int kMaxSegments = 256;
    std::int64_t length = 32;
    while (length * kMaxSegments < blocks) length *= 2;
    P partial[kMaxSegments];
    const std::int64_t segments = divide_up(blocks, length);
    const P parameter(parameters ? parameters[0] : T(0));
    over_chunks_either_way(context, segments, [&](std::int64_t s) {
      partial[s] =
          fold_blocks(loops, reader, 0, f.inner, s * length, std::min(blocks, (s + 1) * length), parameter);
    });
    Pairwise<P> total;
    for (std::int64_t s = 0; s < segments; ++s) total.push(loops, partial[s]);
    out[0] = loops.lanes(loops.step, total.total(loops));
    return;
  }
  over_either_way(context, f.outputs, grain_of(f.count), [&](std::int64_t begin, std::int64_t end) {
    if (!reader.is_flat()) {
      fold_groups(loops, f, reader, parameters, out, begin, end, order);
      return;
    }
    if (blocks == 1) {
      loops.short_runs(loops.step, f, reader.read(0, 0, nullptr), begin, end, parameters, out);
      return;
    }
    for (std::int64_t o = begin; o < end; ++o) {
      const P parameter(parameters ? parameters[o] : T(0));
      const std::int64_t base = f.kept.at(o);
      const auto run = [&](std::int64_t r) {
        return fold_blocks(loops, reader, base + f.reduced.at(r), f.inner, 0, blocks, parameter);
      };
      if (runs == 1) {
        out[o] = loops.lanes(loops.step, run(0));
        continue;
      }
      Pairwise<P> total;
      for (std::int64_t r = 0; r < runs; ++r) total.push(loops, run(r));
      out[o] = loops.lanes(loops.step, total.total(loops));
    }
  });
}

// Folds the row blocks [first, last) of one panel of outputs onto `out`.
template <class T>
void fold_panel(const Loops<T>& loops, const Folding& f, const Reader<T>& reader, std::int64_t base,
                std::int64_t width, std::int64_t first, std::int64_t last, const T* parameters, T* out) {
  const std::int64_t rows = f.reduced.count();
  const std::int64_t pack = reader.is_flat() ? 0 : width;
  // Narrow enough when packed, because only then it is used.
  alignas(64) T packed[kFoldRows * (kFoldPanel / 4)];
  alignas(64) T levels[kFoldLevels][kFoldPanel];
  const auto block = [&](std::int64_t b, T* sums) {
    const T* pointers[kFoldRows];
    const std::int64_t start = b * kFoldRows, count = std::min(kFoldRows, rows - start);
    if (reader.is_flat() || f.reduced.ndim > 1) {
      for (std::int64_t r = 0; r < count; ++r) {
        pointers[r] = reader.read(base + f.reduced.at(start + r), width, packed + r * pack);
      }
    } else {
      const std::int64_t distance = f.reduced.ndim == 0 ? 0 : f.reduced.distance[0];
      reader.read_rows(base + start * distance, distance, count, width, packed, pointers);
    }
    loops.rows(loops.step, pointers, count, width, parameters, sums);
  };
  if (last - first == 1) {
    block(first, out);
    return;
  }
  // Pairwise, as in class Pairwise.
  for (std::int64_t b = first; b < last; ++b) {
    int level = 0;
    std::int64_t carry = b - first;
    for (std::int64_t rest = carry; rest & 1; rest >>= 1) ++level;
    T* sums = levels[level];
    block(b, sums);
    for (int k = 0; k < level; ++k) loops.panels(loops.step, levels[k], sums, width);
  }
  std::int64_t rest = last - first;
  int level = 0;
  while ((rest & 1) == 0) {
    rest >>= 1;
    ++level;
  }
  T* total = levels[level++];
  for (rest >>= 1; rest; rest >>= 1, ++level) {
    if (rest & 1) loops.panels(loops.step, levels[level], total, width);
  }
  std::copy_n(total, width, out);
}

// Each run holds one element for each of `inner` neighbouring outputs.
template <class T>
[[gnu::noinline]] void fold_columns(const Context& context, const Loops<T>& loops, const Folding& f,
                                    const Reader<T>& reader, const T* parameters, T* out,
                                    const KeptOrder* order) {
  const std::int64_t panel = reader.is_flat() ? kFoldPanel : kFoldPanel / 4;
  const std::int64_t panels = divide_up(f.inner, panel), outer = f.kept.count();
  const std::int64_t blocks = divide_up(f.reduced.count(), kFoldRows);
  over_ranges(context, outer * panels, grain_of(f.count * std::min(f.inner, panel)),
              [&](std::int64_t begin, std::int64_t end) {
                alignas(64) T collected[kFoldPanel], sums[kFoldPanel];
                for (std::int64_t unit = begin; unit < end; ++unit) {
                  const std::int64_t o = unit / panels, column = unit % panels * panel;
                  const std::int64_t first = o * f.inner + column, width = std::min(panel, f.inner - column);
                  const T* parameter = parameters ? parameters + first : nullptr;
                  if (order && parameters) {
                    order->collect(collected, parameters, first, width);
                    parameter = collected;
                  }
                  fold_panel(loops, f, reader, f.kept.at(o) + column, width, 0, blocks, parameter,
                             order ? sums : out + first);
                  if (order) order->spread(out, sums, first, width);
                }
              });
}

template <class T>
void walk_in(const Context& context, const Loops<T>& loops, const Folding& f, const Reader<T>& reader,
             const T* parameters, T* out, const KeptOrder* order) {
  if (f.inner_is_reduced)
    fold_runs(context, loops, f, reader, parameters, out, order);
  else
    fold_columns(context, loops, f, reader, parameters, out, order);
}

template <class T>
[[gnu::noinline]] void walk(const Context& context, const Loops<T>& loops, const Folding& f,
                            const View& input, const T* parameters, T* out) {
  if (input.contiguous || !KeptOrder::suits(input, f))
    return walk_in<T>(context, loops, f, Reader<T>::converting(input), parameters, out, nullptr);
  const KeptOrder order(input, f);
  walk_in<T>(context, loops, order.folding(), Reader<T>::converting(order.input()), parameters, out, &order);
}

// out[o] = combine over the elements x of output o of map(x, parameters[o]).
template <class T, class Step>
void fold(const Context& context, const Step& step, const Folding& f, const View& input, const T* parameters,
          T* out) {
  if (f.outputs == 0) return;
  if (f.count == 0) {
    std::fill_n(out, f.outputs, combine_lanes(step, step.identity()));
    return;
  }
  walk(context, loops_of<T>(step), f, input, parameters, out);
}

}  // namespace unspool::kernels::cpu
