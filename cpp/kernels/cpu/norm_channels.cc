// Normalization over everything that shares a channel of (samples, channels, ...), and its cotangents. Where
// a channel is a run of consecutive elements, each run gives its part of the statistics; where it is one
// element of each row, columns are summed over the rows.
#include <array>
#include <cmath>

#include "kernels/cpu/families.h"
#include "kernels/cpu/norm.h"

namespace unspool::kernels::cpu {
namespace {

using namespace norm;

struct Channels {
  std::int64_t samples, count, inner = 1;

  explicit Channels(const View& x) : samples(x.sizes[0]), count(x.sizes[1]) {
    for (int d = 2; d < x.ndim; ++d) inner *= x.sizes[d];
  }
  std::int64_t runs() const { return samples * count; }
  std::int64_t each() const { return samples * inner; }  // elements of one channel
};

// Of channel c: y = (x - mean[c]) * scale[c] + shift[c].
template <class T>
struct Affine {
  const T *mean, *scale, *shift;
};

// --- Statistics
// ---------------------------------------------------------------------------------------------

// Each run's mean and squares around it, then over the samples (Chan, Golub and LeVeque 1983).
template <class T>
void run_statistics(const Context& context, const Channels& c, const T* x, T* partial, T* mean, T* var) {
  T *means = partial, *squares = partial + c.runs();
  over_ranges(context, c.runs(), grain_of(2 * c.inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      means[u] = sum_of(x + u * c.inner, c.inner) / static_cast<T>(c.inner);
      squares[u] = squares_around(means[u], x + u * c.inner, c.inner, c.inner);
    }
  });
  const double inner = static_cast<double>(c.inner), each = static_cast<double>(c.each());
  for (std::int64_t k = 0; k < c.count; ++k) {
    double total = 0, spread = 0;
    for (std::int64_t u = k; u < c.runs(); u += c.count) total += static_cast<double>(means[u]);
    const double center = total / static_cast<double>(c.samples);
    for (std::int64_t u = k; u < c.runs(); u += c.count) {
      const double off = static_cast<double>(means[u]) - center;
      spread += static_cast<double>(squares[u]) + inner * off * off;
    }
    mean[k] = static_cast<T>(center);
    var[k] = static_cast<T>(spread / each);
  }
}

// sums[c] = Σ over rows of map(row, c, lanes), chunk by chunk.
template <class T, class Map>
void column_sums(const Context& context, const Channels& c, T* partial, T* sums, const Map& map) {
  using P = Vec<T>;
  const RowChunks chunks(c.samples);
  context.parallel(chunks.count, [&](std::int64_t chunk) {
    T* total = partial + chunk * c.count;
    std::fill_n(total, c.count, T(0));
    each_rows<8>(chunks.begin(chunk), chunks.end(chunk), [&](std::int64_t r, auto rows) {
      each_packet<P>(c.count, [&](std::int64_t i, auto lanes) {
        P even = map(r, i, lanes), odd(T(0));
        for (int k = 1; k < rows; k += 2) {
          odd = odd + map(r + k, i, lanes);
          if (k + 1 < rows) even = even + map(r + k + 1, i, lanes);
        }
        store_lanes<P>(total + i, load_lanes<P>(total + i, lanes) + (even + odd), lanes);
      });
    });
  });
  add_chunks(partial, chunks.count, c.count, c.count, sums);
}

template <class T>
void column_statistics(const Context& context, const Channels& c, const T* x, T* partial, T* mean, T* var) {
  using P = Vec<T>;
  const T each = static_cast<T>(c.samples);
  column_sums(context, c, partial, mean, [&](std::int64_t r, std::int64_t i, auto lanes) {
    return load_lanes<P>(x + r * c.count + i, lanes);
  });
  for (std::int64_t k = 0; k < c.count; ++k) mean[k] /= each;
  column_sums(context, c, partial, var, [&](std::int64_t r, std::int64_t i, auto lanes) {
    const P z = load_lanes<P>(x + r * c.count + i, lanes) - load_lanes<P>(mean + i, lanes);
    return z * z;
  });
  for (std::int64_t k = 0; k < c.count; ++k) var[k] /= each;
}

// --- Forward
// ------------------------------------------------------------------------------------------------

template <class T>
void scale_runs(const Context& context, const Channels& c, const Affine<T>& by, const T* x, T* y) {
  using P = Vec<T>;
  over_ranges(context, c.runs(), grain_of(2 * c.inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      const std::int64_t k = u % c.count, at = u * c.inner;
      const P mean(by.mean[k]), scale(by.scale[k]), shift(by.shift ? by.shift[k] : T(0));
      each_packet<P>(c.inner, [&](std::int64_t i, auto lanes) {
        store_lanes<P>(y + at + i, (load_lanes<P>(x + at + i, lanes) - mean) * scale + shift, lanes);
      });
    }
  });
}

template <class T>
void scale_columns(const Context& context, const Channels& c, const Affine<T>& by, const T* x, T* y) {
  using P = Vec<T>;
  over_ranges(context, c.samples, grain_of(2 * c.count), [&](std::int64_t begin, std::int64_t end) {
    each_rows<4>(begin, end, [&](std::int64_t r, auto rows) {
      each_packet<P>(c.count, [&](std::int64_t i, auto lanes) {
        const P mean = load_lanes<P>(by.mean + i, lanes), scale = load_lanes<P>(by.scale + i, lanes);
        const P shift = by.shift ? load_lanes<P>(by.shift + i, lanes) : P(T(0));
        for (int k = 0; k < rows; ++k) {
          const std::int64_t at = (r + k) * c.count + i;
          store_lanes<P>(y + at, (load_lanes<P>(x + at, lanes) - mean) * scale + shift, lanes);
        }
      });
    });
  });
}

template <class T>
void forward(const Context& context, const KernelCall& call) {
  const Channels c(call.in[0]);
  const bool training = call.attrs[0].flag();
  const T eps = static_cast<T>(call.attrs[1].number());
  const T *x = call.in[0].as<const T>(), *weight = data_of<T>(call, 1);
  T *scale = reinterpret_cast<T*>(context.scratch), *partial = scale + c.count;
  const T *mean = data_of<T>(call, 3), *var = data_of<T>(call, 4);
  if (training) {
    T *batch_mean = call.out[1].as<T>(), *batch_var = call.out[2].as<T>();
    if (c.each() == 0) {
      std::fill_n(batch_mean, c.count, T(0));
      std::fill_n(batch_var, c.count, T(0));
      return;
    }
    if (c.inner == 1)
      column_statistics(context, c, x, partial, batch_mean, batch_var);
    else
      run_statistics(context, c, x, partial, batch_mean, batch_var);
    mean = batch_mean, var = batch_var;
  }
  for (std::int64_t k = 0; k < c.count; ++k) {
    const T rstd = T(1) / std::sqrt(var[k] + eps);
    scale[k] = weight ? weight[k] * rstd : rstd;
  }
  const Affine<T> by{mean, scale, data_of<T>(call, 2)};
  T* y = call.out[0].as<T>();
  c.inner == 1 ? scale_columns(context, c, by, x, y) : scale_runs(context, c, by, x, y);
}

// --- Backward
// -----------------------------------------------------------------------------------------------

// dots[c] = Σ grad * (x - mean), sums[c] = Σ grad.
template <class T>
void run_dots(const Context& context, const Channels& c, const T* g, const T* x, const T* mean, T* partial,
              T* dots, T* sums) {
  using P = Vec<T>;
  T *run_dots = partial, *run_sums = partial + c.runs();
  over_ranges(context, c.runs(), grain_of(2 * c.inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      const std::int64_t at = u * c.inner;
      const P center(mean[u % c.count]);
      const auto [sum, dot] = two_sums<T>(c.inner, [&](std::int64_t i, auto lanes) {
        const P h = load_lanes<P>(g + at + i, lanes);
        return Sums<T>{h, h * (load_lanes<P>(x + at + i, lanes) - center)};
      });
      run_dots[u] = dot, run_sums[u] = sum;
    }
  });
  add_chunks(run_dots, c.samples, c.count, c.count, dots);
  add_chunks(run_sums, c.samples, c.count, c.count, sums);
}

template <class T>
void column_dots(const Context& context, const Channels& c, const T* g, const T* x, const T* mean, T* partial,
                 T* dots, T* sums) {
  using P = Vec<T>;
  const RowChunks chunks(c.samples);
  context.parallel(chunks.count, [&](std::int64_t chunk) {
    T *dot = partial + chunk * 2 * c.count, *sum = dot + c.count;
    std::fill_n(dot, 2 * c.count, T(0));
    each_rows<4>(chunks.begin(chunk), chunks.end(chunk), [&](std::int64_t r, auto rows) {
      each_packet<P>(c.count, [&](std::int64_t i, auto lanes) {
        const P center = load_lanes<P>(mean + i, lanes);
        P d = load_lanes<P>(dot + i, lanes), s = load_lanes<P>(sum + i, lanes);
        for (int k = 0; k < rows; ++k) {
          const std::int64_t at = (r + k) * c.count + i;
          const P h = load_lanes<P>(g + at, lanes);
          d = d + h * (load_lanes<P>(x + at, lanes) - center);
          s = s + h;
        }
        store_lanes<P>(dot + i, d, lanes);
        store_lanes<P>(sum + i, s, lanes);
      });
    });
  });
  add_chunks(partial, chunks.count, 2 * c.count, c.count, dots);
  add_chunks(partial + c.count, chunks.count, 2 * c.count, c.count, sums);
}

// Of channel c: input cotangent = factor[c] * grad + slope[c] * (x - mean[c]) + shift[c].
template <class T>
struct Mixture {
  const T *mean, *factor, *slope, *shift;
};

template <class T>
void mix_runs(const Context& context, const Channels& c, const Mixture<T>& by, const T* g, const T* x,
              T* out) {
  using P = Vec<T>;
  over_ranges(context, c.runs(), grain_of(3 * c.inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      const std::int64_t k = u % c.count, at = u * c.inner;
      const P mean(by.mean[k]), factor(by.factor[k]), slope(by.slope[k]), shift(by.shift[k]);
      each_packet<P>(c.inner, [&](std::int64_t i, auto lanes) {
        const P z = load_lanes<P>(x + at + i, lanes) - mean;
        store_lanes<P>(out + at + i, factor * load_lanes<P>(g + at + i, lanes) + (slope * z + shift), lanes);
      });
    }
  });
}

template <class T>
void mix_columns(const Context& context, const Channels& c, const Mixture<T>& by, const T* g, const T* x,
                 T* out) {
  using P = Vec<T>;
  over_ranges(context, c.samples, grain_of(3 * c.count), [&](std::int64_t begin, std::int64_t end) {
    each_rows<4>(begin, end, [&](std::int64_t r, auto rows) {
      each_packet<P>(c.count, [&](std::int64_t i, auto lanes) {
        const P mean = load_lanes<P>(by.mean + i, lanes), factor = load_lanes<P>(by.factor + i, lanes);
        const P slope = load_lanes<P>(by.slope + i, lanes), shift = load_lanes<P>(by.shift + i, lanes);
        for (int k = 0; k < rows; ++k) {
          const std::int64_t at = (r + k) * c.count + i;
          const P z = load_lanes<P>(x + at, lanes) - mean;
          store_lanes<P>(out + at, factor * load_lanes<P>(g + at, lanes) + (slope * z + shift), lanes);
        }
      });
    });
  });
}

template <class T>
void backward(const Context& context, const KernelCall& call) {
  const Channels c(call.in[1]);
  const bool training = call.attrs[0].flag();
  const T eps = static_cast<T>(call.attrs[1].number());
  const T *g = call.in[0].as<const T>(), *x = call.in[1].as<const T>(), *weight = data_of<T>(call, 2);
  const T *mean = call.in[3].as<const T>(), *var = call.in[4].as<const T>();
  T *dots = call.out[1].as<T>(), *sums = call.out[2].as<T>();
  T *factor = reinterpret_cast<T*>(context.scratch), *slope = factor + c.count, *shift = slope + c.count;
  T* partial = shift + c.count;
  if (c.each() == 0) {
    std::fill_n(dots, c.count, T(0));
    std::fill_n(sums, c.count, T(0));
    return;
  }
  c.inner == 1 ? column_dots(context, c, g, x, mean, partial, dots, sums)
               : run_dots(context, c, g, x, mean, partial, dots, sums);
  const T share = training ? T(1) / static_cast<T>(c.each()) : T(0);
  for (std::int64_t k = 0; k < c.count; ++k) {
    const T rstd = T(1) / std::sqrt(var[k] + eps);
    dots[k] *= rstd;
    factor[k] = weight ? weight[k] * rstd : rstd;
    slope[k] = -factor[k] * rstd * dots[k] * share;
    shift[k] = -factor[k] * sums[k] * share;
  }
  if (!call.attrs[2].flag()) return;
  const Mixture<T> by{mean, factor, slope, shift};
  T* out = call.out[0].as<T>();
  c.inner == 1 ? mix_columns(context, c, by, g, x, out) : mix_runs(context, c, by, g, x, out);
}

// Three numbers per channel, and two partial sums per run or per chunk of rows.
std::size_t scratch(const KernelCall& call, int) {
  const View& x = call.in[0];  // the input, or a cotangent of its shape
  const Channels c(x);
  const std::int64_t parts = c.inner == 1 ? RowChunks(c.samples).count : c.samples;
  return static_cast<std::size_t>((3 + 2 * parts) * c.count) * (x.dtype == Dtype::kFloat32 ? 4 : 8);
}

void run_forward(const Context& context, const KernelCall& call) {
  call.in[0].dtype == Dtype::kFloat32 ? forward<float>(context, call) : forward<double>(context, call);
}

void run_backward(const Context& context, const KernelCall& call) {
  call.in[0].dtype == Dtype::kFloat32 ? backward<float>(context, call) : backward<double>(context, call);
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"channel_norm", run_forward, scratch}, {"channel_norm_backward", run_backward, scratch}}};

}  // namespace

std::span<const Kernel> channel_norm_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
