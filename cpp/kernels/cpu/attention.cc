// Scaled dot-product attention, forward: softmax(scale * query · keyᵀ + mask) · value, tile by tile. Keeps
// for the derivative the logarithm of each row's sum of exponentials.
#include "kernels/cpu/attention.h"

#include <array>

#include "kernels/cpu/families.h"
#include "kernels/cpu/fold.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

template <class T>
struct MaxStep : SumStep<T> {
  static Vec<T> identity() { return Vec<T>(-kInfinity<T>); }
  static Vec<T> combine(Vec<T> a, Vec<T> b) { return max(a, b); }
};

// Scores become exponentials of their distance from the row's largest.
template <class T>
struct SoftRow {
  // Of a row that sees nothing: infinity, so that the derivative finds exponentials of 0; and 1.
  T highest, total;

  SoftRow(T* row, const T* mask, std::int64_t n, T scale_by) {
    using P = Vec<T>;
    const P scale(scale_by);
    const auto score = [&](std::int64_t i, auto lanes) {
      const P s = load_lanes<P>(row + i, lanes) * scale;
      return mask ? s + load_lanes<P>(mask + i, lanes) : s;
    };
    const P peak = fold_row<T>(MaxStep<T>{}, n, score);
    highest = peak[0];
    if (highest == -kInfinity<T>) {
      std::fill(row, row + n, T(0));
      highest = kInfinity<T>, total = T(1);
      return;
    }
    total = fold_row<T>(SumStep<T>{}, n, [&](std::int64_t i, auto lanes) {
      const P e = exp(score(i, lanes) - peak);
      store_lanes<P>(row + i, e, lanes);
      return e;
    })[0];
  }
};

template <class T>
void drop(T* row, const bool* keep, std::int64_t n, T scale) {
  for (std::int64_t j = 0; j < n; ++j) row[j] *= keep[j] ? scale : T(0);
}

// Units are (batch, shared head, block of rows); blocks only where heads alone are too few to share out.
struct Units {
  std::int64_t blocks, rows;  // rows of a block

  explicit Units(const AttentionShape& s) {
    constexpr std::int64_t kEnough = 16;
    const std::int64_t pairs = std::max<std::int64_t>(1, s.batch * s.shared_heads);
    const std::int64_t tiles = std::max<std::int64_t>(1, divide_up(s.queries, s.tile()));
    const std::int64_t wanted = std::min(tiles, divide_up(kEnough, pairs));
    rows = divide_up(tiles, wanted) * s.tile();
    blocks = std::max<std::int64_t>(1, divide_up(s.queries, rows));
  }
};

template <class T>
std::size_t scratch_of(const AttentionShape& s) {
  Pieces<T> pieces(nullptr);
  pieces.take(Panels<T>::elements(s.keys, s.depth));
  pieces.take(Panels<T>::elements(s.width, s.keys));
  pieces.take(s.tile() * pitch_of<T>(s.keys));
  pieces.take(s.tile());
  pieces.take(s.tile());
  pieces.take(s.keys);
  return reinterpret_cast<std::size_t>(pieces.take(0));
}

template <class T>
class Forward {
 public:
  Forward(const KernelCall& call, const AttentionShape& shape)
      : s_(shape),
        query_(call.in[0]),
        key_(call.in[1]),
        value_(call.in[2]),
        mask_(optional_view(call, 3)),
        keep_(call.has(4) ? call.in[4].as<const bool>() : nullptr),
        out_(call.out[0], call.attrs[3].flag()),
        log_sums_(call.out[1].as<T>()),
        scale_(static_cast<T>(call.attrs[0].number())),
        keep_scale_(static_cast<T>(call.attrs[2].number())) {}

  void run(const Context& context) {
    const Units units(s_);
    over_units(context, s_.batch * s_.shared_heads * units.blocks,
               s_.group() * units.rows * s_.keys * (s_.depth + s_.width), scratch_of<T>(s_),
               [&](std::int64_t unit, std::byte* memory) {
                 const std::int64_t pair = unit / units.blocks, first = unit % units.blocks * units.rows;
                 attend(pair / s_.shared_heads, pair % s_.shared_heads, first,
                        std::min(s_.queries, first + units.rows), memory);
               });
  }

 private:
  void attend(std::int64_t b, std::int64_t shared, std::int64_t first, std::int64_t last, std::byte* memory) {
    Pieces<T> pieces(memory);
    const Panels<T> keys(pieces.take(Panels<T>::elements(s_.keys, s_.depth)), key_.at(b, shared), 1, key_.row,
                         s_.depth, s_.keys);
    const Panels<T> values(pieces.take(Panels<T>::elements(s_.width, s_.keys)), value_.at(b, shared),
                           value_.row, 1, s_.keys, s_.width);
    const std::int64_t pitch = pitch_of<T>(s_.keys);
    T* scores = pieces.take(s_.tile() * pitch);
    T* highest = pieces.take(s_.tile());
    T* totals = pieces.take(s_.tile());
    T* mask_row = pieces.take(s_.keys);
    for (std::int64_t g = 0; g < s_.group(); ++g) {
      const std::int64_t h = shared * s_.group() + g;
      for (std::int64_t row = first; row < last; row += s_.tile()) {
        const std::int64_t rows = std::min(s_.tile(), last - row), n = s_.visible<T>(row + rows);
        keys.multiply(rows, n, s_.depth, query_.at(b, h) + row * query_.row, query_.row, 1, scores, pitch,
                      false);
        for (std::int64_t i = 0; i < rows; ++i) {
          const SoftRow<T> soft = soften(b, h, row + i, n, scores + i * pitch, mask_row);
          highest[i] = soft.highest, totals[i] = soft.total;
        }
        using P = Vec<T>;
        T* log_sums = log_sums_ + (b * s_.heads + h) * s_.queries + row;
        each_packet<P>(rows, [&](std::int64_t i, auto lanes) {
          const P total = load_lanes<P>(totals + i, lanes);
          store_lanes<P>(log_sums + i, load_lanes<P>(highest + i, lanes) + log(total), lanes);
          store_lanes<P>(totals + i, P(T(1)) / total, lanes);
        });
        T* out = out_.at(b, h) + row * out_.row;
        values.multiply(rows, s_.width, n, scores, pitch, 1, out, out_.row, false);
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = 0; j < s_.width; ++j) out[i * out_.row + j] *= totals[i];
        }
      }
    }
  }

  SoftRow<T> soften(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t n, T* row, T* mask_row) {
    const std::int64_t seen = s_.seen_by(i), place = (b * s_.heads + h) * s_.queries + i;
    const T* mask = mask_ ? mask_.read(b, h, i, 0, seen, mask_row) : nullptr;
    const SoftRow<T> soft(row, mask, seen, scale_);
    std::fill(row + seen, row + n, T(0));
    if (keep_ != nullptr) drop(row, keep_ + place * s_.keys, seen, keep_scale_);
    return soft;
  }

  const AttentionShape& s_;
  Heads<const T> query_, key_, value_;
  MaskRows<T> mask_;
  const bool* keep_;
  Heads<T> out_;
  T* log_sums_;
  T scale_, keep_scale_;
};

AttentionShape shape_of(const KernelCall& call) {
  return {call.in[0], call.in[1], call.in[2], call.attrs[1].flag()};
}

void run_attention(const Context& context, const KernelCall& call) {
  const AttentionShape shape = shape_of(call);
  if (call.out[0].dtype == Dtype::kFloat32)
    Forward<float>(call, shape).run(context);
  else
    Forward<double>(call, shape).run(context);
}

std::size_t attention_scratch(const KernelCall& call, int threads) {
  const AttentionShape shape = shape_of(call);
  return Slots::bytes(
      threads, call.out[0].dtype == Dtype::kFloat32 ? scratch_of<float>(shape) : scratch_of<double>(shape));
}

constexpr std::array<Kernel, 1> kKernels = {{{"attention", run_attention, attention_scratch}}};

}  // namespace

std::span<const Kernel> attention_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
