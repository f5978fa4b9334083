// Sampling from distributions that tensors describe, and the fills that are rarely asked for.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/random.h"

namespace unspool::kernels::cpu {
namespace {

MersenneState& state_of(const ops::Attr& attr) { return attr.generator()->state(); }

// Calls visit(pointer to the view's data) for floating dtypes.
template <class F>
void visit_floating(const View& view, F&& visit) {
  if (view.dtype == Dtype::kFloat32)
    visit(view.as<float>());
  else if (view.dtype == Dtype::kFloat64)
    visit(view.as<double>());
}

void run_cauchy(const Context&, const KernelCall& call) {
  visit_floating(call.out[0], [&](auto* out) {
    fill_cauchy(state_of(call.attrs[4]), out, call.out[0].numel(), call.attrs[1].number(),
                call.attrs[2].number());
  });
}

void run_log_normal(const Context&, const KernelCall& call) {
  visit_floating(call.out[0], [&](auto* out) {
    fill_log_normal(state_of(call.attrs[4]), out, call.out[0].numel(), call.attrs[1].number(),
                    call.attrs[2].number());
  });
}

void run_geometric(const Context&, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, bool>) {
      fill_geometric(state_of(call.attrs[3]), call.out[0].as<T>(), call.out[0].numel(),
                     call.attrs[1].number());
    }
  });
}

// Finds what no draw can be made from.
template <class T>
bool weights_are_valid(const KernelCall& call, const T* weights, std::int64_t rows, std::int64_t categories) {
  for (std::int64_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (std::int64_t c = 0; c < categories; ++c) {
      const T weight = weights[row * categories + c];
      if (!(weight >= T(0)) || std::isinf(weight)) {
        *call.fault = {.what = "a weight that is negative, inf or nan at element",
                       .value = row * categories + c,
                       .limit = -1};
        return false;
      }
      sum += static_cast<double>(weight);
    }
    if (sum > 0) continue;
    *call.fault = {.what = "only weights of 0 in row", .value = row, .limit = -1};
    return false;
  }
  return true;
}

void run_multinomial(const Context& context, const KernelCall& call) {
  const View& input = call.in[0];
  if (call.out[0].numel() == 0) return;
  const std::int64_t categories = input.sizes[input.ndim - 1], rows = input.numel() / categories;
  const std::int64_t samples = call.attrs[0].integer();
  auto* out = call.out[0].as<std::int64_t>();
  visit_floating(input, [&]<class T>(T* weights) {
    if (!weights_are_valid<T>(call, weights, rows, categories)) return;
    MersenneState& state = state_of(call.attrs[2]);
    if (call.attrs[1].flag() && samples > 1) {
      multinomial_with_replacement<T>(state, out, rows, samples, weights, categories,
                                      reinterpret_cast<T*>(context.scratch));
    } else {
      multinomial_without_replacement<T>(state, out, rows, samples, weights, categories,
                                         reinterpret_cast<Ranked*>(context.scratch));
    }
  });
}

std::size_t multinomial_scratch(const KernelCall& call, int) {
  return static_cast<std::size_t>(call.in[0].sizes[call.in[0].ndim - 1]) * sizeof(Ranked);
}

// By products of uniforms below a rate of 10, by Hörmann's transformed rejection (PTRS, 1993) from there on.
std::int64_t draw_poisson(MersenneState& state, double rate) {
  if (rate == 0) return 0;
  if (rate < 10) {
    const double limit = std::exp(-rate);
    double product = 1;
    std::int64_t count = 0;
    while ((product *= uniform53(state)) > limit) ++count;
    return count;
  }
  const double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_limit = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = uniform53(state) - 0.5, v = uniform53(state), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_limit) return static_cast<std::int64_t>(k);
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double left = std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b);
    if (left <= k * std::log(rate) - rate - std::lgamma(k + 1)) return static_cast<std::int64_t>(k);
  }
}

void run_poisson(const Context&, const KernelCall& call) {
  constexpr double kLargestRate = 0x1p62;
  visit_floating(call.out[0], [&]<class T>(T* out) {
    const T* rates = call.in[0].as<const T>();
    for (std::int64_t i = 0; i < call.out[0].numel(); ++i) {
      if (rates[i] >= T(0) && static_cast<double>(rates[i]) < kLargestRate) continue;
      *call.fault = {.what = "a rate that is negative, nan or too large at element", .value = i, .limit = -1};
      return;
    }
    MersenneState& state = state_of(call.attrs[0]);
    for (std::int64_t i = 0; i < call.out[0].numel(); ++i) {
      out[i] = static_cast<T>(draw_poisson(state, static_cast<double>(rates[i])));
    }
  });
}

// By a cube of a normal number and rejection (Marsaglia and Tsang 2000); below 1 from the next concentration,
// times a power of a uniform. Uniforms are turned around, so that 0 is not among them.
double draw_gamma(MersenneState& state, double concentration) {
  if (concentration == 0) return 0;
  double scale = 1;
  if (concentration < 1) {
    scale = std::pow(1 - uniform53(state), 1 / concentration);
    concentration += 1;
  }
  const double d = concentration - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x = 0, root = 0;
    do {
      x = standard_normal(state);
      root = 1 + c * x;
    } while (root <= 0);
    const double v = root * root * root, u = 1 - uniform53(state), xx = x * x;
    if (u < 1 - 0.0331 * xx * xx || std::log(u) < 0.5 * xx + d * (1 - v + std::log(v))) return scale * d * v;
  }
}

void run_gamma(const Context&, const KernelCall& call) {
  visit_floating(call.out[0], [&]<class T>(T* out) {
    const T* concentrations = call.in[0].as<const T>();
    for (std::int64_t i = 0; i < call.out[0].numel(); ++i) {
      if (concentrations[i] >= T(0) && !std::isinf(concentrations[i])) continue;
      *call.fault = {
          .what = "a concentration that is negative, inf or nan at element", .value = i, .limit = -1};
      return;
    }
    MersenneState& state = state_of(call.attrs[0]);
    for (std::int64_t i = 0; i < call.out[0].numel(); ++i) {
      const T drawn = static_cast<T>(draw_gamma(state, static_cast<double>(concentrations[i])));
      out[i] = std::max(drawn, std::numeric_limits<T>::min());
    }
  });
}

constexpr std::array<Kernel, 6> kKernels = {{{"cauchy_of", run_cauchy},
                                             {"log_normal_of", run_log_normal},
                                             {"geometric_of", run_geometric},
                                             {"multinomial", run_multinomial, multinomial_scratch},
                                             {"poisson", run_poisson},
                                             {"standard_gamma", run_gamma}}};

}  // namespace

std::span<const Kernel> drawing_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
