// Kernels of the folds in ops/reduction.h and of the other reductions to one value: Euclidean norm, logarithm
// of a sum of exponentials, variance and mean.
#include "ops/reduction.h"

#include <array>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/fold.h"

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
  static P combine(P a, P b) {
    if constexpr (std::is_same_v<T, bool>) {
      // In bits, which the compiler runs in parallel: any for sums and maxima, all for products and minima.
      constexpr bool kAny = Op::start == ops::Start::kZero || Op::start == ops::Start::kLowest;
      return static_cast<bool>(kAny ? a.value | b.value : a.value & b.value);
    } else {
      return Op::combine(a, b);
    }
  }
};

template <class T>
struct MeanStep : SumStep<T> {
  using P = Packet<T>;
  static constexpr bool kFinishes = true;
  P count;
  explicit MeanStep(std::int64_t n) : count(static_cast<T>(n)) {}
  P finish(P total) const { return total / count; }
};

template <class T>
struct NormStep : SumStep<T> {
  using P = Packet<T>;
  static constexpr bool kFinishes = true;
  static P map(P x, P) { return x * x; }
  static P finish(P total) { return sqrt(total); }
};

template <class T>
struct CentredSquareStep : SumStep<T> {
  using P = Packet<T>;
  static constexpr bool kFinishes = true;
  P divisor;
  explicit CentredSquareStep(double n) : divisor(static_cast<T>(n)) {}
  static P map(P x, P mean) {
    const P d = x - mean;
    return d * d;
  }
  P finish(P total) const { return total / divisor; }
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

template <class Op>
void run_fold(const Context& context, const KernelCall& call) {
  const View& input = call.in[0];
  const Folding folding(input, call.attrs[0]);
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    T* out = call.out[0].as<T>();
    if constexpr (std::is_same_v<Op, ops::MeanOp>) {
      if constexpr (std::is_floating_point_v<T>) {
        fold<T>(context, MeanStep<T>(folding.count), folding, input, nullptr, out);
      }
    } else {
      fold<T>(context, FoldStep<Op, T>{}, folding, input, nullptr, out);
    }
  });
}

void run_norm(const Context& context, const KernelCall& call) {
  const Folding folding(call.in[0], call.attrs[0]);
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    fold<T>(context, NormStep<T>{}, folding, call.in[0], nullptr, call.out[0].as<T>());
  });
}

// Two passes: the mean, then the squares around it.
void run_moment(const Context& context, const KernelCall& call) {
  const View& input = call.in[0];
  const Folding folding(input, call.attrs[0]);
  visit_float(call.out[0].dtype, [&]<class T>(T) {
    T* mean = call.out[1].as<T>();
    fold<T>(context, MeanStep<T>(folding.count), folding, input, nullptr, mean);
    const double divisor = std::max(0.0, static_cast<double>(folding.count) - call.attrs[2].number());
    fold<T>(context, CentredSquareStep<T>(divisor), folding, input, mean, call.out[0].as<T>());
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
    fold<T>(context, FoldStep<ops::Amax, T>{}, folding, input, nullptr, highest);
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
  return {Op::record.name.data(), run_fold<Op>};
}

constexpr std::array<Kernel, 8> kKernels = {{
    fold_kernel<ops::SumOp>(),
    fold_kernel<ops::MeanOp>(),
    fold_kernel<ops::ProdOp>(),
    fold_kernel<ops::Amax>(),
    fold_kernel<ops::Amin>(),
    {"norm2", run_norm},
    {"central_moment", run_moment},
    {"logsumexp", run_logsumexp, output_bytes},
}};

}  // namespace

std::span<const Kernel> reduction_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
