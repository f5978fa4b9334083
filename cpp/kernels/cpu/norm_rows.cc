// Normalization over rows of consecutive elements, and its cotangents. A row is a group of channels of one
// sample; where every channel is one element (layer norm) weights run along the row, elsewhere each covers a
// run of it.
#include <array>
#include <cmath>

#include "kernels/cpu/families.h"
#include "kernels/cpu/norm.h"

namespace unspool::kernels::cpu {
namespace {

using namespace norm;

// The input as (samples, groups, per_group, inner).
struct Rows {
  std::int64_t channels, groups, inner, per_group, length, count;
  bool centered;

  Rows(const View& x, const KernelCall& call)
      : channels(call.attrs[0].integer()),
        groups(call.attrs[1].integer()),
        inner(call.attrs[2].integer()),
        per_group(channels / groups),
        length(per_group * inner),
        count(length > 0 ? x.numel() / length : 0),
        centered(call.attrs[3].flag()) {}
  // The first channel of a row.
  std::int64_t channel(std::int64_t row) const { return groups == 1 ? 0 : row % groups * per_group; }
};

// y = (x - mean) * rstd * weight + bias along a row whose channels are single elements.
template <class T>
void scale_row(const T* x, T* y, std::int64_t n, T mean, T rstd, const T* weight, const T* bias) {
  using P = Vec<T>;
  const P center(mean), scale(rstd);
  with_flag(weight != nullptr, [&](auto has_weight) {
    with_flag(bias != nullptr, [&](auto has_bias) {
      each_packet<P>(n, [&](std::int64_t i, auto lanes) {
        P z = (load_lanes<P>(x + i, lanes) - center) * scale;
        if constexpr (has_weight) z = z * load_lanes<P>(weight + i, lanes);
        if constexpr (has_bias) z = z + load_lanes<P>(bias + i, lanes);
        store_lanes<P>(y + i, z, lanes);
      });
    });
  });
}

template <class T>
void scale_run(const T* x, T* y, std::int64_t n, T mean, T factor, T bias) {
  using P = Vec<T>;
  const P center(mean), scale(factor), shift(bias);
  each_packet<P>(n, [&](std::int64_t i, auto lanes) {
    store_lanes<P>(y + i, (load_lanes<P>(x + i, lanes) - center) * scale + shift, lanes);
  });
}

template <class T>
void forward(const Context& context, const KernelCall& call) {
  const Rows rows(call.in[0], call);
  const T eps = static_cast<T>(call.attrs[4].number());
  const T *x = call.in[0].as<const T>(), *weight = data_of<T>(call, 1), *bias = data_of<T>(call, 2);
  T *y = call.out[0].as<T>(), *means = call.out[1].as<T>(), *rstds = call.out[2].as<T>();
  const std::int64_t n = rows.length;
  over_either_way(context, rows.count, grain_of(4 * n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T* row = x + r * n;
      const T mean = rows.centered ? sum_of(row, n) / static_cast<T>(n) : T(0);
      const T rstd = T(1) / std::sqrt(squares_around(mean, row, n, n) / static_cast<T>(n) + eps);
      if (rows.centered) means[r] = mean;
      rstds[r] = rstd;
      const std::int64_t first = rows.channel(r);
      if (rows.inner == 1) {
        scale_row(row, y + r * n, n, mean, rstd, weight ? weight + first : nullptr,
                  bias ? bias + first : nullptr);
        continue;
      }
      for (std::int64_t d = 0; d < rows.per_group; ++d) {
        const std::int64_t at = d * rows.inner;
        scale_run(row + at, y + r * n + at, rows.inner, mean, weight ? rstd * weight[first + d] : rstd,
                  bias ? bias[first + d] : T(0));
      }
    }
  });
}

// What a backward pass reads and writes; null where absent or not asked for.
template <class T>
struct Backward {
  const T *grad, *x, *weight, *means, *rstds;
  T *input, *weight_grad, *bias_grad;

  explicit Backward(const KernelCall& call)
      : grad(call.in[0].as<const T>()),
        x(call.in[1].as<const T>()),
        weight(data_of<T>(call, 2)),
        means(call.attrs[3].flag() ? call.in[3].as<const T>() : nullptr),
        rstds(call.in[4].as<const T>()),
        input(call.attrs[4].flag() ? call.out[0].as<T>() : nullptr),
        weight_grad(call.attrs[5].flag() ? call.out[1].as<T>() : nullptr),
        bias_grad(call.out[2].as<T>()) {}
  T mean(std::int64_t row) const { return means ? means[row] : T(0); }
};

// kRows rows from `r`, whose channels are single elements starting at channel `first`: their input
// cotangents, and their contributions to the affine ones.
template <int kRows, bool kInput, bool kAffine, bool kWeight, class T>
void backward_rows(const Backward<T>& b, const Rows& rows, std::int64_t r, T* weight_sum, T* bias_sum,
                   const T* weight) {
  using P = Vec<T>;
  const std::int64_t n = rows.length;
  P mean[kRows], rstd[kRows], along[kRows], across[kRows];
  for (int k = 0; k < kRows; ++k) {
    const T *g = b.grad + (r + k) * n, *x = b.x + (r + k) * n;
    [[maybe_unused]] const T* out = b.input + (r + k) * n;
    const P center(b.mean(r + k)), scale(b.rstds[r + k]);
    mean[k] = center, rstd[k] = scale;
    if constexpr (kInput) {
      const auto [sum, dot] = two_sums<T>(n, [&](std::int64_t i, auto lanes) {
        __builtin_prefetch(g + kRows * n + i);
        __builtin_prefetch(x + kRows * n + i);
        __builtin_prefetch(out + kRows * n + i, 1);
        P h = load_lanes<P>(g + i, lanes);
        if constexpr (kWeight) h = h * load_lanes<P>(weight + i, lanes);
        return Sums<T>{h, h * ((load_lanes<P>(x + i, lanes) - center) * scale)};
      });
      along[k] = P(rows.centered ? sum / static_cast<T>(n) : T(0));
      across[k] = P(dot / static_cast<T>(n));
    }
  }
  each_packet<P>(n, [&](std::int64_t i, auto lanes) {
    P weight_total, bias_total, w;
    if constexpr (kAffine) {
      weight_total = load_lanes<P>(weight_sum + i, lanes);
      bias_total = load_lanes<P>(bias_sum + i, lanes);
    }
    if constexpr (kWeight) w = load_lanes<P>(weight + i, lanes);
    for (int k = 0; k < kRows; ++k) {
      const std::int64_t at = (r + k) * n + i;
      const P g = load_lanes<P>(b.grad + at, lanes);
      const P z = (load_lanes<P>(b.x + at, lanes) - mean[k]) * rstd[k];
      if constexpr (kAffine) {
        weight_total = weight_total + g * z;
        bias_total = bias_total + g;
      }
      if constexpr (kInput) {
        P h = g;
        if constexpr (kWeight) h = h * w;
        store_lanes<P>(b.input + at, rstd[k] * (h - along[k] - z * across[k]), lanes);
      }
    }
    if constexpr (kAffine) {
      store_lanes<P>(weight_sum + i, weight_total, lanes);
      store_lanes<P>(bias_sum + i, bias_total, lanes);
    }
  });
}

// Channels are single elements. `partial` holds, for each chunk of rows, both sums over all channels.
template <bool kInput, bool kAffine, bool kWeight, class T>
void backward_elements(const Context& context, const Backward<T>& b, const Rows& rows, T* partial) {
  const RowChunks chunks(rows.count);
  const std::int64_t c = rows.channels;
  over_chunks_either_way(context, chunks.count, [&](std::int64_t chunk) {
    T *weight_sum = partial + chunk * 2 * c, *bias_sum = weight_sum + c;
    if (kAffine) std::fill_n(weight_sum, 2 * c, T(0));
    const auto run = [&](std::int64_t r, auto count) {
      const std::int64_t first = rows.channel(r);
      backward_rows<count, kInput, kAffine, kWeight>(b, rows, r, weight_sum + first, bias_sum + first,
                                                     b.weight + (kWeight ? first : 0));
    };
    if (rows.groups == 1)
      each_rows<2>(chunks.begin(chunk), chunks.end(chunk), run);
    else
      each_rows<1>(chunks.begin(chunk), chunks.end(chunk), run);
  });
  if (!kAffine) return;
  add_chunks(partial, chunks.count, 2 * c, c, b.weight_grad);
  add_chunks(partial + c, chunks.count, 2 * c, c, b.bias_grad);
}

// Channels are runs of `inner` elements. `partial` holds both sums of each run: all Σ grad * z, then all Σ
// grad.
template <class T>
void backward_run_row(const Backward<T>& b, const Rows& rows, std::int64_t r, T* dots, T* sums) {
  using P = Vec<T>;
  const std::int64_t n = rows.length, first = rows.channel(r);
  const P center(b.mean(r)), scale(b.rstds[r]);
  const T *g = b.grad + r * n, *x = b.x + r * n;
  double along = 0, across = 0;
  for (std::int64_t d = 0; d < rows.per_group; ++d) {
    const T *run_g = g + d * rows.inner, *run_x = x + d * rows.inner;
    const auto [sum, dot] = two_sums<T>(rows.inner, [&](std::int64_t i, auto lanes) {
      const P h = load_lanes<P>(run_g + i, lanes);
      return Sums<T>{h, h * ((load_lanes<P>(run_x + i, lanes) - center) * scale)};
    });
    dots[d] = dot, sums[d] = sum;
    const double w = b.weight ? static_cast<double>(b.weight[first + d]) : 1.0;
    along += w * static_cast<double>(sum), across += w * static_cast<double>(dot);
  }
  if (!b.input) return;
  const auto share = [&](double total) { return static_cast<T>(total / static_cast<double>(n)); };
  const P shift(rows.centered ? b.rstds[r] * share(along) : T(0)), slope(b.rstds[r] * share(across));
  for (std::int64_t d = 0; d < rows.per_group; ++d) {
    const P factor(b.weight ? b.rstds[r] * b.weight[first + d] : b.rstds[r]);
    const std::int64_t at = d * rows.inner;
    each_packet<P>(rows.inner, [&](std::int64_t i, auto lanes) {
      const P z = (load_lanes<P>(x + at + i, lanes) - center) * scale;
      store_lanes<P>(b.input + r * n + at + i, factor * load_lanes<P>(g + at + i, lanes) - shift - z * slope,
                     lanes);
    });
  }
}

template <class T>
void backward_runs(const Context& context, const Backward<T>& b, const Rows& rows, T* partial) {
  const std::int64_t runs = rows.count * rows.per_group;
  T *dots = partial, *sums = partial + runs;
  over_either_way(context, rows.count, grain_of(4 * rows.length), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      backward_run_row(b, rows, r, dots + r * rows.per_group, sums + r * rows.per_group);
    }
  });
  if (!b.weight_grad) return;
  const std::int64_t samples = rows.count / rows.groups;
  add_chunks(dots, samples, rows.channels, rows.channels, b.weight_grad);
  add_chunks(sums, samples, rows.channels, rows.channels, b.bias_grad);
}

template <class T>
void backward(const Context& context, const KernelCall& call) {
  const Rows rows(call.in[1], call);
  const Backward<T> b(call);
  T* partial = reinterpret_cast<T*>(context.scratch);
  if (rows.count == 0) {
    if (!b.weight_grad) return;
    std::fill_n(b.weight_grad, rows.channels, T(0));
    std::fill_n(b.bias_grad, rows.channels, T(0));
    return;
  }
  if (rows.inner != 1) return backward_runs(context, b, rows, partial);
  with_flag(b.input != nullptr, [&](auto input) {
    with_flag(b.weight_grad != nullptr, [&](auto affine) {
      with_flag(b.weight != nullptr,
                [&](auto weight) { backward_elements<input, affine, weight>(context, b, rows, partial); });
    });
  });
}

template <class T>
std::size_t backward_scratch(const KernelCall& call) {
  const Rows rows(call.in[1], call);
  const std::int64_t sums =
      rows.inner == 1 ? RowChunks(rows.count).count * rows.channels : rows.count * rows.per_group;
  return static_cast<std::size_t>(2 * sums) * sizeof(T);
}

void run_forward(const Context& context, const KernelCall& call) {
  call.out[0].dtype == Dtype::kFloat32 ? forward<float>(context, call) : forward<double>(context, call);
}

void run_backward(const Context& context, const KernelCall& call) {
  call.out[1].dtype == Dtype::kFloat32 ? backward<float>(context, call) : backward<double>(context, call);
}

std::size_t scratch(const KernelCall& call, int) {
  return call.out[1].dtype == Dtype::kFloat32 ? backward_scratch<float>(call)
                                              : backward_scratch<double>(call);
}

constexpr std::array<Kernel, 2> kKernels = {{{"row_norm", run_forward, nullptr, nullptr, true},
                                             {"row_norm_backward", run_backward, scratch, nullptr, true}}};

}  // namespace

std::span<const Kernel> row_norm_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
