// Recurrent layers: one product for the input of all steps, then step after step one product with the hidden
// state and one pass over the gates; and the same backwards. The weights that every step reads are packed
// once, in the order in which a product reads them. Samples of a batch never meet: where a core's own cache
// holds the weights, each thread takes some samples through all steps.
#include "kernels/cpu/recurrent.h"

#include <array>
#include <cstring>

#include "kernels/cpu/families.h"
#include "kernels/cpu/gemm_plan.h"
#include "kernels/cpu/panels.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

using namespace recurrent;

constexpr std::int64_t kOwnBytes = 1 << 20;    // of weights that every core keeps for itself
constexpr std::int64_t kLeastSamples = 16;     // of a thread
constexpr std::int64_t kSampleWork = 1 << 24;  // multiply-adds of all steps that pay for threads

std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

// Scratch handed out piece by piece; with a null base it only counts.
struct Pieces {
  std::byte* next;
  std::size_t taken = 0;

  template <class T>
  T* take(std::int64_t n) {
    const std::size_t bytes = rounded(static_cast<std::size_t>(n) * sizeof(T));
    T* piece = reinterpret_cast<T*>(next);
    if (next) next += bytes;
    taken += bytes;
    return piece;
  }
};

// A weight as the right factor of every step's product, k rows of n columns: element (p, j) of it is at
// weight[p * row + j * column]. Where several steps read it, it is packed first.
template <class T>
class Factor {
 public:
  Factor() = default;
  Factor(const T* weight, std::int64_t k, std::int64_t n, std::int64_t row, std::int64_t column, bool often,
         Pieces& pieces)
      : weight_(weight), k_(k), n_(n), row_(row), column_(column), is_packed_(often && n > kFew) {
    if (is_packed_) panels_ = pieces.take<T>(Panels<T>::elements(n, k));
  }

  // To be called before `run`.
  void pack(const Context& context) const {
    if (!is_packed_) return;
    over_panels(context, n_ * k_ / kPackedWork, [&](std::int64_t j, std::int64_t end) {
      Panels<T>(panels_ + j * k_, weight_ + j * column_, row_, column_, k_, end - j);
    });
  }

  // y = x times the weight (+ y before) (+ bias) for m rows.
  void run(const Context& context, std::int64_t m, const T* x, T* y, bool accumulate,
           const T* bias = nullptr) const {
    if (is_packed_) {
      over_panels(context, m * n_ * k_ / (kSharedWork * kChunkWork), [&](std::int64_t j, std::int64_t end) {
        Panels<T>(panels_ + j * k_, k_)
            .multiply(m, end - j, k_, x, k_, 1, y + j, n_, accumulate, bias ? bias + j : nullptr);
      });
      return;
    }
    for (std::int64_t i = 0; i < m; i += kStepRows)
      gemm(context, product(std::min(kStepRows, m - i), x + i * k_, y + i * n_, accumulate, bias));
  }
  std::size_t scratch(std::int64_t m, bool accumulate, int threads) const {
    if (is_packed_ || m <= 0) return 0;
    const auto of = [&](std::int64_t rows) {
      return gemm_scratch(product(rows, weight_, nullptr, accumulate), threads);
    };
    return std::max(of(std::min(kStepRows, m)), of((m - 1) % kStepRows + 1));
  }

 private:
  static constexpr std::int64_t kStepRows = 32;           // that gemm reads weights for where they lie
  static constexpr std::int64_t kPackedWork = 256 << 10;  // elements worth another thread

  Gemm<T> product(std::int64_t m, const T* x, T* y, bool accumulate, const T* bias = nullptr) const {
    return {m, n_, k_, x, k_, 1, weight_, row_, column_, y, n_, bias, accumulate};
  }

  // run(begin, end) for columns that are whole panels, or all there are; on several threads if that pays.
  template <class F>
  void over_panels(const Context& context, std::int64_t pays, const F& run) const {
    constexpr std::int64_t kColumns = Panels<T>::kColumns;
    const std::int64_t count = ceil_div(n_, kColumns);
    const Parts parts{
        count, context.threads > 1 && pays > 0 ? std::min(count, kChunksPerThread * context.threads) : 1};
    context.parallel(parts.count, [&](std::int64_t part) {
      run(parts.start(part) * kColumns, std::min(n_, parts.start(part + 1) * kColumns));
    });
  }

  const T* weight_ = nullptr;
  std::int64_t k_ = 0, n_ = 0, row_ = 0, column_ = 0;
  bool is_packed_ = false;
  T* panels_ = nullptr;
};

template <class T>
void copy_or_zero(T* to, const View& from, std::int64_t n) {
  if (from.ndim >= 0)
    std::memcpy(to, from.as<const T>(), static_cast<std::size_t>(n) * sizeof(T));
  else
    std::fill_n(to, n, T(0));
}

template <class T>
void copy_rows(T* to, const T* from, std::int64_t n) {
  std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
}

// Rows of one step, run in parallel where there are many.
template <class F>
void each_row(const Context& context, std::int64_t rows, std::int64_t work, const F& run) {
  over_ranges(context, rows, grain_of(work), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) run(r);
  });
}

// How many threads share the samples, given the elements of the weights that each step reads.
template <class T>
std::int64_t sharers(const Steps& steps, std::int64_t weights, int threads) {
  const bool pays = steps.count > 1 && weights * static_cast<std::int64_t>(sizeof(T)) <= kOwnBytes &&
                    steps.rows * weights >= kSampleWork;
  return pays ? std::clamp<std::int64_t>(steps.batch / kLeastSamples, 1, threads) : 1;
}

// run(begin, end, context) for parts of the samples; each has `bytes` of scratch.
template <class F>
void over_samples(const Context& context, std::int64_t batch, std::int64_t parts, std::size_t bytes,
                  const F& run) {
  if (parts == 1) return run(std::int64_t{0}, batch, context);
  const Parts samples{batch, parts};
  context.parallel(parts, [&](std::int64_t part) {
    Context own = context;
    own.threads = 1;
    own.scratch += static_cast<std::size_t>(part) * bytes;
    run(samples.start(part), samples.start(part + 1), own);
  });
}

// --- Forward
// ------------------------------------------------------------------------------------------------

template <class T>
class Forward {
 public:
  Forward(const KernelCall& call, std::byte* scratch)
      : call_(call),
        steps_(call),
        pieces_{scratch},
        out_(call.in[4].sizes[1]),
        width_(call.in[4].sizes[0] / gates_of(steps_.mode)),
        all_(call.in[4].sizes[0]),
        inner_(call.in[3].sizes[1]),
        reserve_(call.out[3].as<T>(), steps_.mode, steps_.rows, width_, out_) {
    const bool often = steps_.count > 1;
    recurrent_ = {call.in[4].as<const T>(), out_, all_, 1, out_, often, pieces_};
    if (call.has(7)) projection_ = {call.in[7].as<const T>(), width_, out_, 1, width_, often, pieces_};
    bias_ = pieces_.take<T>(all_);
    if (steps_.mode == Mode::kGru) sums_ = pieces_.take<T>(steps_.batch * all_);
    if (call.has(7)) raw_ = pieces_.take<T>(steps_.batch * width_);
  }

  std::size_t scratch(int threads) const {
    const std::int64_t parts = sharers<T>(steps_, weights(), threads);
    const std::size_t steps = static_cast<std::size_t>(parts) * step_scratch(parts, threads);
    return pieces_.taken + std::max(gemm_scratch(input_product(), threads), steps);
  }

  void run(Context context) {
    context.scratch = pieces_.next;
    recurrent_.pack(context);
    if (raw_) projection_.pack(context);
    add_biases();
    gemm(context, input_product());
    T *state = call_.out[1].as<T>(), *cell = call_.out[2].as<T>(), *y = call_.out[0].as<T>();
    copy_or_zero(state, call_.in[1], steps_.batch * out_);
    if (steps_.mode == Mode::kLstm) copy_or_zero(cell, call_.in[2], steps_.batch * width_);
    const std::int64_t parts = sharers<T>(steps_, weights(), context.threads);
    over_samples(context, steps_.batch, parts, parts == 1 ? 0 : step_scratch(parts, 1),
                 [&](std::int64_t begin, std::int64_t end, const Context& own) {
                   T* const h = state + begin * out_;
                   T* const c = steps_.mode == Mode::kLstm ? cell + begin * width_ : nullptr;
                   steps_.each(steps_.reverse, begin, end, [&](std::int64_t row, std::int64_t n) {
                     copy_rows(reserve_.before + row * out_, h, n * out_);
                     step(own, row, n, begin, h, c);
                     copy_rows(y + row * out_, h, n * out_);
                   });
                 });
  }

 private:
  std::int64_t weights() const { return all_ * out_ + (call_.has(7) ? out_ * width_ : 0); }
  // Of the products of a step, of all samples or some of them.
  std::size_t step_scratch(std::int64_t parts, int threads) const {
    std::size_t most = 0;
    steps_.each_size(parts, [&](std::int64_t n) {
      most = std::max(most, recurrent_.scratch(n, steps_.mode != Mode::kGru, parts == 1 ? threads : 1));
      if (call_.has(7)) most = std::max(most, projection_.scratch(n, false, parts == 1 ? threads : 1));
    });
    return rounded(most);
  }
  Gemm<T> input_product() const {
    return {steps_.rows,
            all_,
            inner_,
            call_.in[0].as<const T>(),
            inner_,
            1,
            call_.in[3].as<const T>(),
            1,
            inner_,
            reserve_.gates,
            all_,
            has_bias() ? bias_ : nullptr};
  }
  bool has_bias() const { return call_.has(5) || (call_.has(6) && steps_.mode != Mode::kGru); }

  // What the input's product adds: both biases, or where the hidden one is needed apart, the input's alone.
  void add_biases() {
    std::fill_n(bias_, all_, T(0));
    for (int i : {5, 6}) {
      if (!call_.has(i) || (i == 6 && steps_.mode == Mode::kGru)) continue;
      const T* values = call_.in[static_cast<std::size_t>(i)].as<const T>();
      for (std::int64_t j = 0; j < all_; ++j) bias_[j] += values[j];
    }
  }

  // `n` samples from `first` on, whose rows begin at `row`.
  void step(const Context& context, std::int64_t row, std::int64_t n, std::int64_t first, T* state, T* cell) {
    T* gates = reserve_.gates + row * all_;
    const T* before = reserve_.before + row * out_;
    if (steps_.mode == Mode::kGru) {
      T* sums = sums_ + first * all_;
      recurrent_.run(context, n, before, sums, false, call_.has(6) ? call_.in[6].as<const T>() : nullptr);
      each_row(context, n, 16 * width_, [&](std::int64_t r) {
        gru_row(width_, gates + r * all_, sums + r * all_, reserve_.hidden + (row + r) * width_,
                state + r * width_);
      });
      return;
    }
    recurrent_.run(context, n, before, gates, true);
    if (steps_.mode != Mode::kLstm) {
      each_row(context, n, 8 * width_, [&](std::int64_t r) {
        elman_row(width_, steps_.mode == Mode::kRelu, gates + r * all_, state + r * width_);
      });
      return;
    }
    T* hidden = raw_ ? raw_ + first * width_ : state;
    each_row(context, n, 24 * width_, [&](std::int64_t r) {
      const std::int64_t at = (row + r) * width_;
      lstm_row(width_, gates + r * all_, cell + r * width_, reserve_.cell_before + at, reserve_.squashed + at,
               hidden + r * width_);
    });
    if (raw_) projection_.run(context, n, hidden, state, false);
  }

  const KernelCall& call_;
  Steps steps_;
  Pieces pieces_;
  std::int64_t out_, width_, all_, inner_;
  Reserve<T> reserve_;
  Factor<T> recurrent_, projection_;
  T *bias_ = nullptr, *sums_ = nullptr, *raw_ = nullptr;
};

// --- Backward
// -----------------------------------------------------------------------------------------------

template <class T>
class Backward {
 public:
  Backward(const KernelCall& call, std::byte* scratch)
      : call_(call),
        steps_(call),
        pieces_{scratch},
        out_(call.in[4].sizes[1]),
        width_(call.in[4].sizes[0] / gates_of(steps_.mode)),
        all_(call.in[4].sizes[0]),
        reserve_(call.in[0].as<T>(), steps_.mode, steps_.rows, width_, out_) {
    const bool often = steps_.count > 1;
    recurrent_ = {call.in[4].as<const T>(), all_, out_, out_, 1, often, pieces_};
    if (call.has(5)) {
      projection_ = {call.in[5].as<const T>(), out_, width_, width_, 1, often, pieces_};
      raw_ = pieces_.take<T>(steps_.batch * width_);
    }
  }

  std::size_t scratch(int threads) const {
    const std::int64_t parts = sharers<T>(steps_, weights(), threads);
    return pieces_.taken + static_cast<std::size_t>(parts) * step_scratch(parts, threads);
  }

  void run(Context context) {
    context.scratch = pieces_.next;
    recurrent_.pack(context);
    if (raw_) projection_.pack(context);
    T *state = call_.out[2].as<T>(), *cell = call_.out[3].as<T>();
    copy_or_zero(state, call_.in[2], steps_.batch * out_);
    if (steps_.mode == Mode::kLstm) copy_or_zero(cell, call_.in[3], steps_.batch * width_);
    const T* grad = call_.has(1) ? call_.in[1].as<const T>() : nullptr;
    const std::int64_t parts = sharers<T>(steps_, weights(), context.threads);
    over_samples(context, steps_.batch, parts, parts == 1 ? 0 : step_scratch(parts, 1),
                 [&](std::int64_t begin, std::int64_t end, const Context& own) {
                   T* const h = state + begin * out_;
                   T* const c = steps_.mode == Mode::kLstm ? cell + begin * width_ : nullptr;
                   steps_.each(!steps_.reverse, begin, end, [&](std::int64_t row, std::int64_t n) {
                     if (grad) add(h, grad + row * out_, n * out_);
                     step(own, row, n, begin, h, c);
                   });
                 });
  }

 private:
  std::int64_t weights() const { return all_ * out_ + (call_.has(5) ? out_ * width_ : 0); }
  std::size_t step_scratch(std::int64_t parts, int threads) const {
    std::size_t most = 0;
    steps_.each_size(parts, [&](std::int64_t n) {
      most = std::max(most, recurrent_.scratch(n, steps_.mode == Mode::kGru, parts == 1 ? threads : 1));
      if (call_.has(5)) most = std::max(most, projection_.scratch(n, false, parts == 1 ? threads : 1));
    });
    return rounded(most);
  }
  static void add(T* to, const T* from, std::int64_t n) {
    using P = Vec<T>;
    each_packet<P>(n, [&](std::int64_t i, auto lanes) {
      store_lanes<P>(to + i, load_lanes<P>(to + i, lanes) + load_lanes<P>(from + i, lanes), lanes);
    });
  }

  // `state` holds the cotangent of the hidden state after the step, and then of that before it.
  void step(const Context& context, std::int64_t row, std::int64_t n, std::int64_t first, T* state, T* cell) {
    const T* gates = reserve_.gates + row * all_;
    T* out = call_.out[0].as<T>() + row * all_;
    if (steps_.mode == Mode::kGru) {
      T* hidden = call_.out[1].as<T>() + row * all_;
      each_row(context, n, 12 * width_, [&](std::int64_t r) {
        const std::int64_t at = (row + r) * width_;
        gru_row_back(width_, gates + r * all_, reserve_.hidden + at, reserve_.before + at, state + r * width_,
                     out + r * all_, hidden + r * all_);
      });
      recurrent_.run(context, n, hidden, state, true);
      return;
    }
    if (steps_.mode != Mode::kLstm) {
      each_row(context, n, 4 * width_, [&](std::int64_t r) {
        elman_row_back(width_, steps_.mode == Mode::kRelu, gates + r * all_, state + r * width_,
                       out + r * all_);
      });
    } else {
      const T* grad = state;
      if (raw_) {
        copy_rows(call_.out[1].as<T>() + row * out_, state, n * out_);
        T* const raw = raw_ + first * width_;
        projection_.run(context, n, state, raw, false);
        grad = raw;
      }
      each_row(context, n, 12 * width_, [&](std::int64_t r) {
        const std::int64_t at = (row + r) * width_;
        lstm_row_back(width_, gates + r * all_, reserve_.cell_before + at, reserve_.squashed + at,
                      grad + r * width_, cell + r * width_, out + r * all_);
      });
    }
    recurrent_.run(context, n, out, state, false);
  }

  const KernelCall& call_;
  Steps steps_;
  Pieces pieces_;
  std::int64_t out_, width_, all_;
  Reserve<T> reserve_;
  Factor<T> recurrent_, projection_;
  T* raw_ = nullptr;
};

template <template <class> class Pass>
void run(const Context& context, const KernelCall& call) {
  if (call.out[0].dtype == Dtype::kFloat32)
    Pass<float>(call, context.scratch).run(context);
  else
    Pass<double>(call, context.scratch).run(context);
}

template <template <class> class Pass>
std::size_t scratch(const KernelCall& call, int threads) {
  return call.out[0].dtype == Dtype::kFloat32 ? Pass<float>(call, nullptr).scratch(threads)
                                              : Pass<double>(call, nullptr).scratch(threads);
}

constexpr std::array<Kernel, 2> kKernels = {{{"recurrent", run<Forward>, scratch<Forward>},
                                             {"recurrent_backward", run<Backward>, scratch<Backward>}}};

}  // namespace

std::span<const Kernel> recurrent_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
