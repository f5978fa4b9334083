// Scaled dot-product attention, backward: the probabilities are computed again, block by block, from the sums
// that the forward kernel kept (Dao et al. 2022, appendix B). A unit of work is all queries that share a
// head of keys and values, so that additions to these happen in one order.
#include <algorithm>
#include <array>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/fold.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// Scores are made and used in blocks, so many queries by so many keys, that stay in the cache; a row of them
// need not be whole, because its sum is known. Both numbers are the depths of products, which should be long.
struct Blocks {
  std::int64_t queries, keys;

  explicit Blocks(const AttentionShape& s)
      : queries(std::clamp<std::int64_t>(s.queries, 1, most_queries(s))),
        keys(std::clamp<std::int64_t>(s.keys, 1, 128)) {}
  // Fewer where half of a large block would be scores that nobody sees.
  static std::int64_t most_queries(const AttentionShape& s) {
    if (s.causal) return s.keys <= 128 ? 32 : 64;
    return 128;
  }
};

// The memory of one unit.
template <class T>
struct Room {
  T *keys_across, *values_across, *keys, *scores, *slopes, *queries, *grads, *dots, *mask_row;
  std::size_t bytes;

  Room(const AttentionShape& s, const Blocks& block, std::byte* memory) {
    Pieces<T> pieces(memory);
    keys_across = pieces.take(Panels<T>::elements(s.keys, s.depth));
    values_across = pieces.take(Panels<T>::elements(s.keys, s.width));
    keys = pieces.take(Panels<T>::elements(s.depth, s.keys));
    scores = pieces.take(block.queries * pitch_of<T>(block.keys));
    slopes = pieces.take(block.queries * pitch_of<T>(block.keys));
    queries = pieces.take(Panels<T>::elements(s.depth, block.queries));
    grads = pieces.take(Panels<T>::elements(s.width, block.queries));
    dots = pieces.take(block.queries);
    mask_row = pieces.take(block.keys);
    bytes = reinterpret_cast<std::size_t>(pieces.take(0)) - reinterpret_cast<std::size_t>(memory);
  }
};

template <class T>
class Backward {
 public:
  // in: grad, query, key, value, output, logsumexp, mask, keep; out: the cotangents of query, key, value.
  Backward(const KernelCall& call, const AttentionShape& shape)
      : s_(shape),
        block_(shape),
        grad_(call.in[0]),
        query_(call.in[1]),
        key_(call.in[2]),
        value_(call.in[3]),
        output_(call.in[4]),
        log_sums_(call.in[5].as<const T>()),
        mask_(optional_view(call, 6)),
        keep_(call.has(7) ? call.in[7].as<const bool>() : nullptr),
        to_query_(call.out[0], call.attrs[3].flag()),
        to_key_(call.out[1], call.attrs[3].flag()),
        to_value_(call.out[2], call.attrs[3].flag()),
        scale_(static_cast<T>(call.attrs[0].number())),
        keep_scale_(static_cast<T>(call.attrs[2].number())) {}

  void run(const Context& context) {
    over_units(context, s_.batch * s_.shared_heads,
               s_.group() * s_.queries * s_.keys * (3 * s_.depth + 2 * s_.width),
               Room<T>(s_, block_, nullptr).bytes, [&](std::int64_t unit, std::byte* memory) {
                 unwind(unit / s_.shared_heads, unit % s_.shared_heads, Room<T>(s_, block_, memory));
               });
  }

 private:
  static void clear(const Heads<T>& x, std::int64_t b, std::int64_t h, std::int64_t rows,
                    std::int64_t columns) {
    for (std::int64_t i = 0; i < rows; ++i) std::fill_n(x.at(b, h) + i * x.row, columns, T(0));
  }

  void unwind(std::int64_t b, std::int64_t shared, const Room<T>& room) {
    const T *key = key_.at(b, shared), *value = value_.at(b, shared);
    const Panels<T> keys_across(room.keys_across, key, 1, key_.row, s_.depth, s_.keys);
    const Panels<T> values_across(room.values_across, value, 1, value_.row, s_.width, s_.keys);
    for (std::int64_t first = 0; first < s_.keys; first += block_.keys) {
      Panels<T>(keys_of(room, first), key + first * key_.row, key_.row, 1,
                std::min(block_.keys, s_.keys - first), s_.depth);
    }
    clear(to_key_, b, shared, s_.keys, s_.depth);
    clear(to_value_, b, shared, s_.keys, s_.width);
    for (std::int64_t h = shared * s_.group(); h < (shared + 1) * s_.group(); ++h) {
      for (std::int64_t row = 0; row < s_.queries; row += block_.queries)
        unwind_rows(b, h, shared, row, std::min(block_.queries, s_.queries - row), room);
    }
  }

  void unwind_rows(std::int64_t b, std::int64_t h, std::int64_t shared, std::int64_t row, std::int64_t rows,
                   const Room<T>& room) {
    const std::int64_t visible = s_.visible<T>(row + rows), pitch = pitch_of<T>(block_.keys);
    const T* query = query_.at(b, h) + row * query_.row;
    const T* grad = grad_.at(b, h) + row * grad_.row;
    const Panels<T> queries(room.queries, query, query_.row, 1, rows, s_.depth);
    const Panels<T> grads(room.grads, grad, grad_.row, 1, rows, s_.width);
    find_dots(b, h, row, rows, room.dots);
    T* to_query = to_query_.at(b, h) + row * to_query_.row;
    for (std::int64_t i = 0; i < rows; ++i) std::fill_n(to_query + i * to_query_.row, s_.depth, T(0));
    for (std::int64_t first = 0; first < visible; first += block_.keys) {
      const std::int64_t n = std::min(block_.keys, visible - first);
      Panels<T>(room.keys_across + first * s_.depth, s_.depth)
          .multiply(rows, n, s_.depth, query, query_.row, 1, room.scores, pitch, false);
      Panels<T>(room.values_across + first * s_.width, s_.width)
          .multiply(rows, n, s_.width, grad, grad_.row, 1, room.slopes, pitch, false);
      for (std::int64_t i = 0; i < rows; ++i) {
        slopes_of_row(b, h, row + i, first, n, room.scores + i * pitch, room.slopes + i * pitch, room.dots[i],
                      room.mask_row);
      }
      // Added to zeros like the others, so that none of the three is ever -0.
      Panels<T>(keys_of(room, first), std::min(block_.keys, s_.keys - first))
          .multiply(rows, s_.depth, n, room.slopes, pitch, 1, to_query, to_query_.row, true);
      queries.multiply(n, s_.depth, rows, room.slopes, 1, pitch, to_key_.at(b, shared) + first * to_key_.row,
                       to_key_.row, true);
      grads.multiply(n, s_.width, rows, room.scores, 1, pitch,
                     to_value_.at(b, shared) + first * to_value_.row, to_value_.row, true);
    }
  }

  // The block of keys that begins with `first`, packed.
  T* keys_of(const Room<T>& room, std::int64_t first) const {
    return room.keys + Panels<T>::elements(s_.depth, first);
  }

  // Of the cotangent and the output of each row.
  void find_dots(std::int64_t b, std::int64_t h, std::int64_t row, std::int64_t rows, T* dots) const {
    using P = Vec<T>;
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* grad = grad_.at(b, h) + (row + i) * grad_.row;
      const T* output = output_.at(b, h) + (row + i) * output_.row;
      dots[i] = fold_row<T>(SumStep<T>{}, s_.width, [&](std::int64_t j, auto lanes) {
        return load_lanes<P>(grad + j, lanes) * load_lanes<P>(output + j, lanes);
      })[0];
    }
  }

  // Turns the scores of query i and n keys from `first` on into probabilities (after dropout), and the
  // cotangents of these into cotangents of query · key.
  void slopes_of_row(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t first, std::int64_t n,
                     T* scores, T* slopes, T dot_of_row, T* mask_row) {
    using P = Vec<T>;
    const std::int64_t seen = std::clamp<std::int64_t>(s_.seen_by(i) - first, 0, n);
    const std::int64_t place = (b * s_.heads + h) * s_.queries + i;
    const T* mask = mask_ ? mask_.read(b, h, i, first, seen, mask_row) : nullptr;
    const bool* keep = keep_ ? keep_ + place * s_.keys + first : nullptr;
    if (keep) {
      for (std::int64_t j = 0; j < seen; ++j) slopes[j] *= keep[j] ? keep_scale_ : T(0);
    }
    const P scale(scale_), log_sum(log_sums_[place]), dot(dot_of_row);
    each_packet<P>(seen, [&](std::int64_t j, auto lanes) {
      P s = load_lanes<P>(scores + j, lanes) * scale;
      if (mask) s = s + load_lanes<P>(mask + j, lanes);
      const P probability = exp(s - log_sum);
      store_lanes<P>(scores + j, probability, lanes);
      store_lanes<P>(slopes + j, probability * (load_lanes<P>(slopes + j, lanes) - dot) * scale, lanes);
    });
    if (keep) {
      for (std::int64_t j = 0; j < seen; ++j) scores[j] *= keep[j] ? keep_scale_ : T(0);
    }
    std::fill(scores + seen, scores + n, T(0));
    std::fill(slopes + seen, slopes + n, T(0));
  }

  const AttentionShape& s_;
  Blocks block_;
  Heads<const T> grad_, query_, key_, value_, output_;
  const T* log_sums_;
  MaskRows<T> mask_;
  const bool* keep_;
  Heads<T> to_query_, to_key_, to_value_;
  T scale_, keep_scale_;
};

AttentionShape shape_of(const KernelCall& call) {
  return {call.in[1], call.in[2], call.in[3], call.attrs[1].flag()};
}

void run_attention_backward(const Context& context, const KernelCall& call) {
  const AttentionShape shape = shape_of(call);
  if (call.out[0].dtype == Dtype::kFloat32)
    Backward<float>(call, shape).run(context);
  else
    Backward<double>(call, shape).run(context);
}

std::size_t attention_backward_scratch(const KernelCall& call, int threads) {
  const AttentionShape shape = shape_of(call);
  return Slots::bytes(threads, call.out[0].dtype == Dtype::kFloat32
                                   ? Room<float>(shape, Blocks(shape), nullptr).bytes
                                   : Room<double>(shape, Blocks(shape), nullptr).bytes);
}

constexpr std::array<Kernel, 1> kKernels = {
    {{"attention_backward", run_attention_backward, attention_backward_scratch}}};

}  // namespace

std::span<const Kernel> attention_backward_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
