// Folds: any reduction that maps each element and combines the results two by two. The order is fixed by the
// shape: blocks along the reduced elements, inside a block a few interleaved chains, and blocks combined
// pairwise, so that rounding errors grow like the logarithm of the count. Which folds exist is not known
// here.
//
// A Step has: identity(), map(x, parameter), combine(a, b), finish(total), all on Packet<T>.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/folding.h"
#include "kernels/cpu/lane.h"
#include "kernels/cpu/packets.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/reader.h"

namespace unspool::kernels::cpu {

inline constexpr std::int64_t kFoldBlock = 1024;  // elements of a reduced run that one block holds
inline constexpr std::int64_t kFoldRows = 32;     // kept runs that one block holds
inline constexpr std::int64_t kFoldPanel = 512;   // neighbouring outputs that are folded together
inline constexpr int kFoldLevels = 44;            // 2^44 blocks: more than memory holds

// The mapped value where lane < n, else the identity.
template <class T>
Vec<T> keep_first(Vec<T> mapped, Vec<T> identity, std::int64_t n) {
  constexpr int kLanes = Vec<T>::kLanes;
  static constexpr auto kOnesThenZeros = [] {
    std::array<T, 2 * kLanes> table{};
    for (int i = 0; i < kLanes; ++i) table[static_cast<std::size_t>(i)] = T(1);
    return table;
  }();
  return select(Vec<T>::load(kOnesThenZeros.data() + kLanes - n) != Vec<T>(T(0)), mapped, identity);
}

template <int kShift, class T>
Vec<T> rotate_lanes(Vec<T> a) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return Vec<T>(typename Vec<T>::Reg(__builtin_shufflevector(
        a.v, a.v, static_cast<int>((I + kShift) % static_cast<int>(sizeof...(I)))...)));
  }(std::make_index_sequence<static_cast<std::size_t>(Vec<T>::kLanes)>{});
}

template <int kHalf, class T, class Step>
T halve_lanes(const Step& step, Vec<T> a) {
  if constexpr (kHalf == 0)
    return a[0];
  else
    return halve_lanes<kHalf / 2>(step, step.combine(a, rotate_lanes<kHalf>(a)));
}

// All lanes into one: the upper half onto the lower half, again and again.
template <class P, class Step>
auto combine_lanes(const Step& step, P a) {
  if constexpr (P::kLanes == 1)
    return a.value;
  else
    return halve_lanes<P::kLanes / 2>(step, a);
}

// Partial results of a sequence, combined pairwise as they arrive (like carries of a binary counter).
template <class P>
class Pairwise {
 public:
  template <class Step>
  void push(const Step& step, P value) {
    int level = 0;
    for (std::int64_t rest = count_++; rest & 1; rest >>= 1) value = step.combine(levels_[level++], value);
    levels_[level] = value;
  }
  template <class Step>
  P total(const Step& step) const {
    if (count_ == 0) return step.identity();
    int level = 0;
    std::int64_t rest = count_;
    while ((rest & 1) == 0) {
      rest >>= 1;
      ++level;
    }
    P value = levels_[level++];
    for (rest >>= 1; rest; rest >>= 1, ++level) {
      if (rest & 1) value = step.combine(levels_[level], value);
    }
    return value;
  }

 private:
  std::int64_t count_ = 0;
  P levels_[kFoldLevels];
};

// Combines map(i, lanes) over n consecutive elements, in four interleaved chains.
template <class P, class Step, class Map>
P fold_chains(const Step& step, std::int64_t n, const Map& map) {
  constexpr int kLanes = P::kLanes;
  constexpr AllLanes<P> kAll{};
  P a = step.identity(), b = a, c = a, d = a;
  std::int64_t i = 0;
  if constexpr (kLanes == 1) {
    // Exact in any order: left to the compiler.
    for (; i < n; ++i) a = step.combine(a, map(i, kAll));
    return a;
  }
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = step.combine(a, map(i, kAll));
    b = step.combine(b, map(i + kLanes, kAll));
    c = step.combine(c, map(i + 2 * kLanes, kAll));
    d = step.combine(d, map(i + 3 * kLanes, kAll));
  }
  if (i + kLanes <= n) {
    a = step.combine(a, map(i, kAll));
    i += kLanes;
    if (i + kLanes <= n) {
      b = step.combine(b, map(i, kAll));
      i += kLanes;
      if (i + kLanes <= n) {
        c = step.combine(c, map(i, kAll));
        i += kLanes;
      }
    }
  }
  if constexpr (kLanes > 1) {
    if (i < n) d = step.combine(d, keep_first(map(i, static_cast<int>(n - i)), step.identity(), n - i));
  }
  return step.combine(step.combine(a, b), step.combine(c, d));
}

// The fold of map(i, lanes) over n elements, in blocks; the total in every lane.
template <class T, class Step, class Map>
Vec<T> fold_row(const Step& step, std::int64_t n, const Map& map) {
  using P = Vec<T>;
  if (n <= kFoldBlock) return P(combine_lanes(step, fold_chains<P>(step, n, map)));
  Pairwise<P> partial;
  for (std::int64_t start = 0; start < n; start += kFoldBlock) {
    partial.push(step, fold_chains<P>(step, std::min(kFoldBlock, n - start),
                                      [&](std::int64_t i, auto lanes) { return map(start + i, lanes); }));
  }
  return P(combine_lanes(step, partial.total(step)));
}

// One block of at most kFoldBlock consecutive elements.
template <class T, class Step>
Packet<T> fold_block(const Step& step, const T* x, std::int64_t n, Packet<T> parameter) {
  using P = Packet<T>;
  return fold_chains<P>(
      step, n, [&](std::int64_t i, auto lanes) { return step.map(load_lanes<P>(x + i, lanes), parameter); });
}

// The blocks [first, last) of a run of n elements that begins at `begin`.
template <class T, class Step>
Packet<T> fold_blocks(const Step& step, const Reader<T>& reader, std::int64_t begin, std::int64_t n,
                      std::int64_t first, std::int64_t last, Packet<T> parameter) {
  alignas(64) T buffer[kFoldBlock];
  const auto block = [&](std::int64_t i) {
    const std::int64_t start = i * kFoldBlock, length = std::min(kFoldBlock, n - start);
    return fold_block<T>(step, reader.read(begin + start, length, buffer), length, parameter);
  };
  if (last - first == 1) return block(first);
  Pairwise<Packet<T>> partial;
  for (std::int64_t i = first; i < last; ++i) partial.push(step, block(i));
  return partial.total(step);
}

// The same for the outputs [begin, end) of a strided input: a few outputs at once, so that an input whose
// memory runs across them is read in order.
template <class T, class Step>
void fold_groups(const Step& step, const Folding& f, const Reader<T>& reader, const T* parameters, T* out,
                 std::int64_t begin, std::int64_t end) {
  using P = Packet<T>;
  constexpr std::int64_t kGroup = 16;
  alignas(64) T buffer[kGroup * kFoldBlock];
  const std::int64_t blocks = divide_up(f.inner, kFoldBlock), runs = f.reduced.count();
  const std::int64_t side = f.kept.ndim > 0 ? f.kept.sizes[f.kept.ndim - 1] : 1;
  const std::int64_t distance = f.kept.ndim > 0 ? f.kept.distance[f.kept.ndim - 1] : 0;
  while (begin < end) {
    const std::int64_t count = std::min({kGroup, end - begin, side - begin % side});
    const std::int64_t base = f.kept.at(begin);
    Pairwise<P> total[kGroup];
    for (std::int64_t r = 0; r < runs; ++r) {
      Pairwise<P> run[kGroup];
      for (std::int64_t b = 0; b < blocks; ++b) {
        const std::int64_t start = b * kFoldBlock, length = std::min(kFoldBlock, f.inner - start);
        const T* rows[kGroup];
        reader.read_rows(base + f.reduced.at(r) + start, distance, count, length, buffer, rows);
        for (std::int64_t i = 0; i < count; ++i) {
          const P parameter(parameters ? parameters[begin + i] : T(0));
          run[i].push(step, fold_block<T>(step, rows[i], length, parameter));
        }
      }
      for (std::int64_t i = 0; i < count; ++i) total[i].push(step, run[i].total(step));
    }
    for (std::int64_t i = 0; i < count; ++i) out[begin + i] = combine_lanes(step, total[i].total(step));
    begin += count;
  }
}

// Each output folds runs of consecutive elements.
template <class T, class Step>
void fold_runs(const Context& context, const Step& step, const Folding& f, const Reader<T>& reader,
               const T* parameters, T* out) {
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
    context.parallel(segments, [&](std::int64_t s) {
      partial[s] =
          fold_blocks<T>(step, reader, 0, f.inner, s * length, std::min(blocks, (s + 1) * length), parameter);
    });
    Pairwise<P> total;
    for (std::int64_t s = 0; s < segments; ++s) total.push(step, partial[s]);
    out[0] = combine_lanes(step, total.total(step));
    return;
  }
  over_ranges(context, f.outputs, grain_of(f.count), [&](std::int64_t begin, std::int64_t end) {
    if (!reader.is_flat()) {
      fold_groups(step, f, reader, parameters, out, begin, end);
      return;
    }
    if (runs == 1 && blocks == 1 && f.kept.ndim <= 1) {
      const T* x = reader.read(begin * f.inner, 0, nullptr);
      for (std::int64_t o = begin; o < end; ++o, x += f.inner) {
        const P parameter(parameters ? parameters[o] : T(0));
        out[o] = combine_lanes(step, fold_block<T>(step, x, f.inner, parameter));
      }
      return;
    }
    for (std::int64_t o = begin; o < end; ++o) {
      const P parameter(parameters ? parameters[o] : T(0));
      const std::int64_t base = f.kept.at(o);
      const auto run = [&](std::int64_t r) {
        return fold_blocks<T>(step, reader, base + f.reduced.at(r), f.inner, 0, blocks, parameter);
      };
      if (runs == 1) {
        out[o] = combine_lanes(step, run(0));
        continue;
      }
      Pairwise<P> total;
      for (std::int64_t r = 0; r < runs; ++r) total.push(step, run(r));
      out[o] = combine_lanes(step, total.total(step));
    }
  });
}

// `rows` runs of `width` elements onto `sums`, kVectors packets of columns at a time.
template <int kVectors, class T, class Step>
void fold_strip(const Step& step, const T* const* rows, std::int64_t count, std::int64_t column,
                const T* parameters, T* sums) {
  using P = Packet<T>;
  constexpr int kLanes = P::kLanes;
  P total[kVectors], parameter[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    total[v] = step.identity();
    parameter[v] = parameters ? P::load(parameters + column + v * kLanes) : P(T(0));
  }
  for (std::int64_t r = 0; r < count; ++r) {
    const T* x = rows[r] + column;
    for (int v = 0; v < kVectors; ++v) {
      total[v] = step.combine(total[v], step.map(P::load(x + v * kLanes), parameter[v]));
    }
  }
  for (int v = 0; v < kVectors; ++v) total[v].store(sums + column + v * kLanes);
}

template <class T, class Step>
void fold_rows(const Step& step, const T* const* rows, std::int64_t count, std::int64_t width,
               const T* parameters, T* sums) {
  using P = Packet<T>;
  constexpr int kLanes = P::kLanes;
  std::int64_t c = 0;
  for (; c + 8 * kLanes <= width; c += 8 * kLanes) fold_strip<8>(step, rows, count, c, parameters, sums);
  for (; c + 2 * kLanes <= width; c += 2 * kLanes) fold_strip<2>(step, rows, count, c, parameters, sums);
  for (; c + kLanes <= width; c += kLanes) fold_strip<1>(step, rows, count, c, parameters, sums);
  if constexpr (kLanes > 1) {
    if (c < width) {
      const int rest = static_cast<int>(width - c);
      const P parameter = parameters ? P::load_partial(parameters + c, rest) : P(T(0));
      P total = step.identity();
      for (std::int64_t r = 0; r < count; ++r) {
        total = step.combine(total, step.map(P::load_partial(rows[r] + c, rest), parameter));
      }
      total.store_partial(sums + c, rest);
    }
  }
}

template <class T, class Step>
void combine_panels(const Step& step, const T* a, T* b, std::int64_t width) {
  using P = Packet<T>;
  each_packet<P>(width, [&](std::int64_t c, auto lanes) {
    store_lanes<P>(b + c, step.combine(load_lanes<P>(a + c, lanes), load_lanes<P>(b + c, lanes)), lanes);
  });
}

// Folds the row blocks [first, last) of one panel of outputs onto `out`.
template <class T, class Step>
void fold_panel(const Step& step, const Folding& f, const Reader<T>& reader, std::int64_t base,
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
    fold_rows(step, pointers, count, width, parameters, sums);
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
    for (int k = 0; k < level; ++k) combine_panels(step, levels[k], sums, width);
  }
  std::int64_t rest = last - first;
  int level = 0;
  while ((rest & 1) == 0) {
    rest >>= 1;
    ++level;
  }
  T* total = levels[level++];
  for (rest >>= 1; rest; rest >>= 1, ++level) {
    if (rest & 1) combine_panels(step, levels[level], total, width);
  }
  std::copy_n(total, width, out);
}

// Each run holds one element for each of `inner` neighbouring outputs.
template <class T, class Step>
void fold_columns(const Context& context, const Step& step, const Folding& f, const Reader<T>& reader,
                  const T* parameters, T* out) {
  const std::int64_t panel = reader.is_flat() ? kFoldPanel : kFoldPanel / 4;
  const std::int64_t panels = divide_up(f.inner, panel), outer = f.kept.count();
  const std::int64_t blocks = divide_up(f.reduced.count(), kFoldRows);
  over_ranges(context, outer * panels, grain_of(f.count * std::min(f.inner, panel)),
              [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t unit = begin; unit < end; ++unit) {
                  const std::int64_t o = unit / panels, column = unit % panels * panel;
                  const std::int64_t first = o * f.inner + column, width = std::min(panel, f.inner - column);
                  fold_panel(step, f, reader, f.kept.at(o) + column, width, 0, blocks,
                             parameters ? parameters + first : nullptr, out + first);
                }
              });
}

// out[o] = finish(combine over the elements x of output o of map(x, parameters[o])).
template <class T, class Step>
void fold(const Context& context, const Step& step, const Folding& f, const View& input, const T* parameters,
          T* out) {
  using P = Packet<T>;
  if (f.outputs == 0) return;
  if (f.count == 0) {
    const P empty = step.identity();
    for (std::int64_t o = 0; o < f.outputs; ++o) out[o] = combine_lanes(step, empty);
  } else {
    const Reader<T> reader(input);
    if (f.inner_is_reduced)
      fold_runs(context, step, f, reader, parameters, out);
    else
      fold_columns(context, step, f, reader, parameters, out);
  }
  if constexpr (Step::kFinishes) {
    over_ranges(context, f.outputs, kGrain, [&](std::int64_t begin, std::int64_t end) {
      each_packet<P>(end - begin, [&](std::int64_t o, auto lanes) {
        store_lanes<P>(out + begin + o, step.finish(load_lanes<P>(out + begin + o, lanes)), lanes);
      });
    });
  }
}

// The plain sum, and the base of the other steps.
template <class T>
struct SumStep {
  using P = Packet<T>;
  static constexpr bool kFinishes = false;
  static P identity() { return P(T(0)); }
  static P map(P x, P) { return x; }
  static P combine(P a, P b) { return a + b; }
  static P finish(P total) { return total; }
};

}  // namespace unspool::kernels::cpu
