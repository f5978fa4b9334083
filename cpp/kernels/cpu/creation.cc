// Tensors out of nothing: constants, ranges, and random numbers in element order from the generator of the
// call.
#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/random.h"
#include "kernels/cpu/ranges.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu {
namespace {

using ops::Attr;

template <class T>
T value_of(const Attr& attr) {
  return attr.kind() == Attr::Kind::kFloat ? convert<T>(attr.number()) : convert<T>(attr.integer());
}

// out[i] = value(i), with i as the given type of number.
template <class T, class Index, class F>
void fill_by_index(const Context& context, const View& view, const F& value) {
  constexpr std::int64_t kBlock = 4096;
  T* out = view.as<T>();
  over_ranges(context, view.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t start = begin; start < end; start += kBlock) {
      // A narrow index within the block, because its conversion to floating is one vector instruction.
      const auto length = static_cast<std::int32_t>(std::min(kBlock, end - start));
      const auto first = static_cast<Index>(start);
      T* block = out + start;
      for (std::int32_t i = 0; i < length; ++i) block[i] = value(first + static_cast<Index>(i));
    }
  });
}

void run_full(const Context& context, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    const T value = value_of<T>(call.attrs[1]);
    T* out = call.out[0].as<T>();
    over_ranges(context, call.out[0].numel(), kGrain,
                [&](std::int64_t begin, std::int64_t end) { std::fill(out + begin, out + end, value); });
  });
}

void run_arange(const Context& context, const KernelCall& call) {
  const Attr &start = call.attrs[0], &step = call.attrs[1];
  const bool whole = start.kind() != Attr::Kind::kFloat && step.kind() != Attr::Kind::kFloat;
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    if (whole && !std::is_floating_point_v<T>) {
      // Unsigned, because the last step may pass the end of the range.
      const auto first = static_cast<std::uint64_t>(start.integer()),
                 by = static_cast<std::uint64_t>(step.integer());
      fill_by_index<T, std::uint64_t>(context, call.out[0], [=](std::uint64_t i) {
        return convert<T>(static_cast<std::int64_t>(first + i * by));
      });
    } else {
      const double first = start.number(), by = step.number();
      fill_by_index<T, double>(context, call.out[0], [=](double i) { return convert<T>(first + i * by); });
    }
  });
}

// From both ends, so that each is met exactly. A step is one multiply-add: of the dtype for float and double,
// whose bits are then PyTorch's, of double for all others.
void run_linspace(const Context& context, const KernelCall& call) {
  const double start = call.attrs[0].number(), end = call.attrs[1].number();
  const std::int64_t n = call.out[0].numel();
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    using Real = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const Real first = static_cast<Real>(start), last = static_cast<Real>(end);
    const Real steps = static_cast<Real>(std::max<std::int64_t>(1, n - 1)), way = last - first;
    const Real step = std::isfinite(way) ? way / steps : last / steps - first / steps;
    const std::int64_t middle = std::max<std::int64_t>(1, n / 2);
    fill_by_index<T, std::int64_t>(context, call.out[0], [=](std::int64_t i) {
      const Real from_start = std::fma(step, static_cast<Real>(i), first);
      const Real from_end = std::fma(-step, static_cast<Real>(n - 1 - i), last);
      return convert<T>(i < middle ? from_start : from_end);
    });
  });
}

MersenneState& state_of(const Attr& attr) { return attr.generator()->state(); }

// Calls visit(pointer to the output) for floating dtypes.
template <class F>
void visit_floating(const View& out, F&& visit) {
  if (out.dtype == Dtype::kFloat32)
    visit(out.as<float>());
  else if (out.dtype == Dtype::kFloat64)
    visit(out.as<double>());
}

void run_uniform(const Context&, const KernelCall& call) {
  visit_floating(call.out[0], [&](auto* out) {
    fill_uniform(state_of(call.attrs[4]), out, call.out[0].numel(), call.attrs[1].number(),
                 call.attrs[2].number());
  });
}

void run_normal(const Context& context, const KernelCall& call) {
  visit_floating(call.out[0], [&](auto* out) {
    MersenneState& state = state_of(call.attrs[5]);
    const double mean = call.attrs[1].number(), std = call.attrs[2].number();
    if (call.attrs[4].flag())
      fill_normal_pairwise(state, out, call.out[0].numel(), mean, std);
    else
      fill_normal(context, state, out, call.out[0].numel(), mean, std, is_narrow(call.attrs[3].dtype()));
  });
}

void run_randint(const Context&, const KernelCall& call) {
  const std::int64_t low = call.attrs[1].integer(), high = call.attrs[2].integer();
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    IntegerRange range = IntegerRange::between(low, high);
    if constexpr (std::is_floating_point_v<T>) range = IntegerRange::between_rounded<T>(low, high);
    fill_integers(state_of(call.attrs[4]), call.out[0].as<T>(), call.out[0].numel(), range);
  });
}

void run_random(const Context&, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    fill_integers(state_of(call.attrs[2]), call.out[0].as<T>(), call.out[0].numel(),
                  IntegerRange::whole<T>());
  });
}

void run_bernoulli(const Context&, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    fill_bernoulli(state_of(call.attrs[3]), call.out[0].as<T>(), call.out[0].numel(), call.attrs[1].number());
  });
}

void run_exponential(const Context&, const KernelCall& call) {
  visit_floating(call.out[0], [&](auto* out) {
    fill_exponential(state_of(call.attrs[3]), out, call.out[0].numel(), call.attrs[1].number());
  });
}

void run_permutation(const Context&, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, bool>) {
      fill_permutation(state_of(call.attrs[2]), call.out[0].as<T>(), call.out[0].numel());
    }
  });
}

void run_bernoulli_each(const Context&, const KernelCall& call) {
  visit_floating(call.out[0], [&]<class T>(T* out) {
    const T* p = call.in[0].as<const T>();
    for (std::int64_t i = 0; i < call.out[0].numel(); ++i) {
      if (p[i] >= T(0) && p[i] <= T(1)) continue;
      *call.fault = {.what = "a probability outside [0, 1] at element", .value = i, .limit = -1};
      return;
    }
    fill_bernoulli_each(state_of(call.attrs[0]), out, call.out[0].numel(), call.in[0].as<const T>());
  });
}

constexpr std::array<Kernel, 11> kKernels = {{
    {"full_of", run_full},
    {"arange_of", run_arange},
    {"linspace_of", run_linspace},
    {"uniform_of", run_uniform},
    {"normal_of", run_normal},
    {"randint_of", run_randint},
    {"random_of", run_random},
    {"bernoulli_of", run_bernoulli},
    {"exponential_of", run_exponential},
    {"randperm_of", run_permutation},
    {"bernoulli_each", run_bernoulli_each},
}};

}  // namespace

std::span<const Kernel> creation_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
