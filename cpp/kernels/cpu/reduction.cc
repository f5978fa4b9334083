// Kernels of the folds in ops/reduction.h and of the other reductions to one value: Euclidean norm, logarithm
// of a sum of exponentials, variance and mean.
#include "ops/reduction.h"

#include <array>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/fold_walk.h"

namespace unspool::kernels::cpu {
namespace {

template <class Op, class T>
struct FoldStep : SumStep<T> {
  using P = Packet<T>;
  static P identity() {
    using Limits = std::numeric_limits<T>;
    constexpr bool kFloat = std::is_floating_point_v<T>;
    switch (Op::start) {
      case ops::Start::kZero:
        return P(T(0));
      case ops::Start::kOne:
        return P(T(1));
      case ops::Start::kLowest:
        return P(kFloat ? static_cast<T>(-Limits::infinity()) : Limits::lowest());
      default:
        return P(kFloat ? Limits::infinity() : Limits::max());
    }
  }
  static P combine(P a, P b) { return Op::combine(a, b); }
};

// In bits, which the compiler runs in parallel: any for sums and maxima, all for products and minima.
template <bool kAny>
struct BoolStep : SumStep<bool> {
  using P = Packet<bool>;
  static P identity() { return !kAny; }
  static P combine(P a, P b) { return static_cast<bool>(kAny ? a.value | b.value : a.value & b.value); }
};

template <class Op, class T>
using StepOf =
    std::conditional_t<std::is_same_v<T, bool>,
                       BoolStep<Op::start == ops::Start::kZero || Op::start == ops::Start::kLowest>,
                       FoldStep<Op, T>>;

template <class T>
struct SquareStep : SumStep<T> {
  using P = Packet<T>;
  static P map(P x, P) { return x * x; }
};

template <class T>
struct NumberStep : SumStep<T> {
  using P = Packet<T>;
  static P map(P x, P) { return select(x == x, x, P(T(0))); }
};

template <class T>
struct CentredSquareStep : SumStep<T> {
  using P = Packet<T>;
  static P map(P x, P mean) {
    const P d = x - mean;
    return d * d;
  }
};

template <class T>
struct ExpStep : SumStep<T> {
  using P = Packet<T>;
  static P map(P x, P highest) { return exp(x - highest); }
};

// Calls visit(T{}) for floating dtypes only.
template <class F>
void visit_float(Dtype dtype, F&& visit) {
  if (dtype == Dtype::kFloat32)
    visit(float{});
  else
    visit(double{});
}

// out[o] = f(out[o]), packet by packet.
template <class T, class F>
void finish(const Context& context, std::int64_t outputs, T* out, const F& f) {
  using P = Vec<T>;
  over_ranges(context, outputs, kGrain, [&](std::int64_t begin, std::int64_t end) {
    each_packet<P>(end - begin, [&](std::int64_t o, auto lanes) {
      store_lanes<P>(out + begin + o, f(load_lanes<P>(out + begin + o, lanes)), lanes);
    });
  });
}

template <class T>
void divide(const Context& context, const Folding& folding, double by, T* out) {
  const Vec<T> divisor(static_cast<T>(by));
  finish(context, folding.outputs, out, [&](Vec<T> total) { return total / divisor; });
}

template <class T>
void fold_mean(const Context& context, const Folding& folding, const View& input, T* out) {
  fold<T>(context, SumStep<T>{}, folding, input, nullptr, out);
  divide(context, folding, static_cast<double>(static_cast<T>(folding.count)), out);
}

template <class Op>
void run_fold(const Context& context, const KernelCall& call) {
  const View& input = call.in[0];
  const Folding folding(input, call.attrs[0]);
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    fold<T>(context, StepOf<Op, T>{}, folding, input, nullptr, call.out[0].as<T>());
  });
}

void run_mean(const Context& context, const KernelCall& call) {
  const Folding folding(call.in[0], call.attrs[0]);
  visit_float(call.out[0].dtype,
              [&]<class T>(T) { fold_mean(context, folding, call.in[0], call.out[0].as<T>()); });
}

void run_sum_of_numbers(const Context& context, const KernelCall& call) {
  const Folding folding(call.in[0], call.attrs[0]);
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    fold<T>(context, NumberStep<T>{}, folding, call.in[0], nullptr, call.out[0].as<T>());
  });
}

void run_norm(const Context& context, const KernelCall& call) {
  const Folding folding(call.in[0], call.attrs[0]);
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    T* out = call.out[0].as<T>();
    fold<T>(context, SquareStep<T>{}, folding, call.in[0], nullptr, out);
    finish(context, folding.outputs, out, [](Vec<T> total) { return sqrt(total); });
  });
}

// Two passes: the mean, then the squares around it.
void run_moment(const Context& context, const KernelCall& call) {
  const View& input = call.in[0];
  const Folding folding(input, call.attrs[0]);
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    T *out = call.out[0].as<T>(), *mean = call.out[1].as<T>();
    fold_mean(context, folding, input, mean);
    fold<T>(context, CentredSquareStep<T>{}, folding, input, mean, out);
    divide(context, folding, std::max(0.0, static_cast<double>(folding.count) - call.attrs[2].number()), out);
  });
}

std::size_t output_bytes(const KernelCall& call, int) {
  return static_cast<std::size_t>(call.out[0].numel()) * size_of(call.out[0].dtype);
}

// Shifted by the largest element, which is kept in scratch; infinite ones shift nothing.
void run_logsumexp(const Context& context, const KernelCall& call) {
  const View& input = call.in[0];
  const Folding folding(input, call.attrs[0]);
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    using P = Vec<T>;
    T* highest = reinterpret_cast<T*>(context.scratch);
    T* out = call.out[0].as<T>();
    fold<T>(context, StepOf<ops::Amax, T>{}, folding, input, nullptr, highest);
    for (std::int64_t o = 0; o < folding.outputs; ++o) {
      if (highest[o] - highest[o] != T(0)) highest[o] = T(0);
    }
    fold<T>(context, ExpStep<T>{}, folding, input, highest, out);
    for (std::int64_t o = 0; o < folding.outputs; o += P::kLanes) {
      const int n = static_cast<int>(std::min<std::int64_t>(P::kLanes, folding.outputs - o));
      (log(P::load_partial(out + o, n)) + P::load_partial(highest + o, n)).store_partial(out + o, n);
    }
  });
}

template <class Op>
constexpr Kernel fold_kernel() {
  return {Op::record.name.data(), run_fold<Op>, nullptr, nullptr, true};
}

constexpr std::array<Kernel, 9> kKernels = {{
    fold_kernel<ops::SumOp>(),
    {"mean", run_mean, nullptr, nullptr, true},
    fold_kernel<ops::ProdOp>(),
    fold_kernel<ops::Amax>(),
    fold_kernel<ops::Amin>(),
    {"norm2", run_norm, nullptr, nullptr, true},
    {"sum_of_numbers", run_sum_of_numbers},
    {"central_moment", run_moment},
    {"logsumexp", run_logsumexp, output_bytes},
}};

}  // namespace

std::span<const Kernel> reduction_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
