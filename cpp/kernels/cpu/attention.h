// What the forward and the backward kernel of attention share: where heads lie, how rows are cut into tiles,
// and what a mask adds to a row of scores. Softmax is taken over whole rows of scores, of which a tile of
// queries is held at a time, never the square of all queries and keys.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cpu/panels.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/slots.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

constexpr std::int64_t round_to(std::int64_t n, std::int64_t multiple) {
  return divide_up(n, multiple) * multiple;
}

// Elements from one row of scores for so many keys to the next: not a power of two, whose lines would evict
// each other.
template <class T>
constexpr std::int64_t pitch_of(std::int64_t keys) {
  return round_to(keys, Panels<T>::kColumns) + 64 / static_cast<std::int64_t>(sizeof(T));
}

// One tensor (batch, heads, rows, columns) with its columns side by side. `inside` says that the view's sizes
// are (batch, rows, heads, columns) instead.
template <class T>
struct Heads {
  T* data;
  std::int64_t batch, head, row;

  Heads(const View& view, bool inside = false)
      : data(view.as<T>()),
        batch(view.strides[0]),
        head(view.strides[inside ? 2 : 1]),
        row(view.strides[inside ? 1 : 2]) {}
  T* at(std::int64_t b, std::int64_t h) const { return data + b * batch + h * head; }
};

struct AttentionShape {
  std::int64_t batch, heads, queries, depth;  // of the query
  std::int64_t shared_heads, keys, width;     // of key and value; each serves `group` heads of the query
  bool causal;

  AttentionShape(const View& query, const View& key, const View& value, bool is_causal)
      : batch(query.sizes[0]),
        heads(query.sizes[1]),
        queries(query.sizes[2]),
        depth(query.sizes[3]),
        shared_heads(key.sizes[1]),
        keys(key.sizes[2]),
        width(value.sizes[3]),
        causal(is_causal) {}

  std::int64_t group() const { return shared_heads > 0 ? heads / shared_heads : 0; }
  // Queries of one tile of whole rows: fewer where their rows of scores are long, so that these stay in the
  // cache, and where half of a large tile would be scores that nobody sees.
  std::int64_t tile() const {
    if (keys > 512) return keys <= 2048 ? 32 : 16;
    return causal && keys <= 128 ? 32 : 64;
  }
  // How many keys the queries before `end` see, in whole panels.
  template <class T>
  std::int64_t visible(std::int64_t end) const {
    return causal ? std::min(keys, round_to(end, Panels<T>::kColumns)) : keys;
  }
  // How many keys query i sees.
  std::int64_t seen_by(std::int64_t i) const { return causal ? std::min(keys, i + 1) : keys; }
};

// The optional mask, added to scores; where it is bool, false adds -infinity.
template <class T>
class MaskRows {
 public:
  explicit MaskRows(const View* view) : view_(view) {}
  explicit operator bool() const { return view_ != nullptr; }

  // n values of a row from `first` on; `buffer` has room for them.
  const T* read(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t first, std::int64_t n,
                T* buffer) const {
    const std::int64_t* s = view_->strides;
    const std::int64_t step = s[3], at = b * s[0] + h * s[1] + i * s[2] + first * step;
    if (view_->dtype == Dtype::kBool) {
      const bool* from = view_->as<const bool>() + at;
      for (std::int64_t j = 0; j < n; ++j) {
        buffer[j] = from[j * step] ? T(0) : -std::numeric_limits<T>::infinity();
      }
      return buffer;
    }
    const T* from = view_->as<const T>() + at;
    if (step == 1) return from;
    for (std::int64_t j = 0; j < n; ++j) buffer[j] = from[j * step];
    return buffer;
  }

 private:
  const View* view_;
};

inline const View* optional_view(const KernelCall& call, int i) {
  return call.has(i) ? &call.in[static_cast<std::size_t>(i)] : nullptr;
}

// Pieces of a thread's scratch, handed out in turn.
template <class T>
class Pieces {
 public:
  explicit Pieces(std::byte* memory) : next_(reinterpret_cast<T*>(memory)) {}
  T* take(std::int64_t elements) {
    T* piece = next_;
    next_ += round_to(elements, 64 / static_cast<std::int64_t>(sizeof(T)));
    return piece;
  }

 private:
  T* next_;
};

// Runs work(unit, scratch) for every unit in parallel; `cost` is one unit's multiply-adds.
template <class F>
void over_units(const Context& context, std::int64_t units, std::int64_t cost, std::size_t scratch,
                const F& work) {
  Slots slots(context.scratch, context.threads, scratch);
  over_ranges(context, units, grain_of(cost / 8), [&](std::int64_t begin, std::int64_t end) {
    slots.lend([&](std::byte* memory) {
      for (std::int64_t unit = begin; unit < end; ++unit) work(unit, memory);
    });
  });
}

}  // namespace unspool::kernels::cpu
