// Scaled dot-product attention, backward: the probabilities are computed again, tile by tile, from the sums
// that the forward kernel kept (Dao et al. 2022, appendix B). A unit of work is all queries that share a
// head of keys and values, so that additions to these happen in one order.
#include <array>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/fold.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// The memory of one unit.
template <class T>
struct Room {
  T *keys_across, *values_across, *keys, *scores, *slopes, *queries, *grads, *mask_row;
  std::size_t bytes;

  Room(const AttentionShape& s, std::byte* memory) {
    Pieces<T> pieces(memory);
    keys_across = pieces.take(Panels<T>::elements(s.keys, s.depth));
    values_across = pieces.take(Panels<T>::elements(s.keys, s.width));
    keys = pieces.take(Panels<T>::elements(s.depth, s.keys));
    scores = pieces.take(s.tile() * s.pitch<T>());
    slopes = pieces.take(s.tile() * s.pitch<T>());
    queries = pieces.take(Panels<T>::elements(s.depth, s.tile()));
    grads = pieces.take(Panels<T>::elements(s.width, s.tile()));
    mask_row = pieces.take(s.keys);
    bytes = reinterpret_cast<std::size_t>(pieces.take(0)) - reinterpret_cast<std::size_t>(memory);
  }
};

template <class T>
class Backward {
 public:
  // in: grad, query, key, value, output, logsumexp, mask, keep; out: the cotangents of query, key, value.
  Backward(const KernelCall& call, const AttentionShape& shape)
      : s_(shape),
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
               s_.group() * s_.queries * s_.keys * (3 * s_.depth + 2 * s_.width), Room<T>(s_, nullptr).bytes,
               [&](std::int64_t unit, std::byte* memory) {
                 unwind(unit / s_.shared_heads, unit % s_.shared_heads, Room<T>(s_, memory));
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
    const Panels<T> keys(room.keys, key, key_.row, 1, s_.keys, s_.depth);
    clear(to_key_, b, shared, s_.keys, s_.depth);
    clear(to_value_, b, shared, s_.keys, s_.width);
    const std::int64_t pitch = s_.pitch<T>();
    for (std::int64_t h = shared * s_.group(); h < (shared + 1) * s_.group(); ++h) {
      for (std::int64_t row = 0; row < s_.queries; row += s_.tile()) {
        const std::int64_t rows = std::min(s_.tile(), s_.queries - row), n = s_.visible<T>(row + rows);
        const T* query = query_.at(b, h) + row * query_.row;
        const T* grad = grad_.at(b, h) + row * grad_.row;
        keys_across.multiply(rows, n, s_.depth, query, query_.row, 1, room.scores, pitch, false);
        values_across.multiply(rows, n, s_.width, grad, grad_.row, 1, room.slopes, pitch, false);
        for (std::int64_t i = 0; i < rows; ++i) {
          slopes_of_row(b, h, row + i, n, room.scores + i * pitch, room.slopes + i * pitch, room.mask_row);
        }
        T* to_query = to_query_.at(b, h) + row * to_query_.row;
        for (std::int64_t i = 0; i < rows; ++i) std::fill_n(to_query + i * to_query_.row, s_.depth, T(0));
        // Added to zeros like the others, so that none of the three is ever -0.
        keys.multiply(rows, s_.depth, n, room.slopes, pitch, 1, to_query, to_query_.row, true);
        const Panels<T> queries(room.queries, query, query_.row, 1, rows, s_.depth);
        queries.multiply(n, s_.depth, rows, room.slopes, 1, pitch, to_key_.at(b, shared), to_key_.row, true);
        const Panels<T> grads(room.grads, grad, grad_.row, 1, rows, s_.width);
        grads.multiply(n, s_.width, rows, room.scores, 1, pitch, to_value_.at(b, shared), to_value_.row,
                       true);
      }
    }
  }

  // Turns a row of scores into probabilities (after dropout), and the cotangents of these into cotangents of
  // query · key.
  void slopes_of_row(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t n, T* scores, T* slopes,
                     T* mask_row) {
    using P = Vec<T>;
    const std::int64_t seen = s_.seen_by(i), place = (b * s_.heads + h) * s_.queries + i;
    const T* grad = grad_.at(b, h) + i * grad_.row;
    const T* output = output_.at(b, h) + i * output_.row;
    const P dot = fold_row<T>(SumStep<T>{}, s_.width, [&](std::int64_t j, auto lanes) {
      return load_lanes<P>(grad + j, lanes) * load_lanes<P>(output + j, lanes);
    });
    const T* mask = mask_ ? mask_.read(b, h, i, seen, mask_row) : nullptr;
    const bool* keep = keep_ ? keep_ + place * s_.keys : nullptr;
    if (keep) {
      for (std::int64_t j = 0; j < seen; ++j) slopes[j] *= keep[j] ? keep_scale_ : T(0);
    }
    const P scale(scale_), log_sum(log_sums_[place]);
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
  return Slots::bytes(threads, call.out[0].dtype == Dtype::kFloat32 ? Room<float>(shape, nullptr).bytes
                                                                    : Room<double>(shape, nullptr).bytes);
}

constexpr std::array<Kernel, 1> kKernels = {
    {{"attention_backward", run_attention_backward, attention_backward_scratch}}};

}  // namespace

std::span<const Kernel> attention_backward_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
