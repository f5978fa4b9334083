// Kernels of the losses: the element-wise cores of ops/loss.h, and the negative log likelihood with its
// cotangent.
#include "ops/loss.h"

#include <array>
#include <cstring>

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kSumBlock = 4096;

// (N, C, d...) as (batch, classes, inner); the targets are (batch, inner).
struct Classes {
  std::int64_t batch = 1, count = 1, inner = 1;

  explicit Classes(const std::int64_t* sizes, int ndim) {
    if (ndim == 1) {
      count = sizes[0];
      return;
    }
    batch = sizes[0];
    count = sizes[1];
    for (int d = 2; d < ndim; ++d) inner *= sizes[d];
  }
  std::int64_t targets() const { return batch * inner; }
  // Of element i of the targets.
  std::int64_t place(std::int64_t i, std::int64_t target) const {
    if (inner == 1) return i * count + target;
    return (i / inner * count + target) * inner + i % inner;
  }
};

template <class T>
T weight_of(const T* weights, std::int64_t target) {
  return weights ? weights[target] : T(1);
}

template <class T>
void nll(const Context& context, const KernelCall& call, const Classes& c, std::int64_t ignored,
         std::string_view how) {
  const T* x = call.in[0].as<const T>();
  const auto* target = call.in[1].as<const std::int64_t>();
  const T* weights = call.has(2) ? call.in[2].as<const T>() : nullptr;
  T* out = call.out[0].as<T>();
  const bool per_element = how == "none";

  // Sums of blocks in double, added in order.
  double loss = 0, total = 0;
  const auto block = [&](std::int64_t begin, std::int64_t end) {
    double block_loss = 0, block_total = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t t = target[i];
      const bool counts = t != ignored;
      const T weight = counts ? weight_of(weights, t) : T(0);
      const T term = counts ? -x[c.place(i, t)] * weight : T(0);
      if (per_element) out[i] = term;
      block_loss += static_cast<double>(term);
      block_total += static_cast<double>(weight);
    }
    return std::pair(block_loss, block_total);
  };
  const std::int64_t n = c.targets();
  for (std::int64_t begin = 0; begin < n; begin += kSumBlock) {
    const auto [block_loss, block_total] = block(begin, std::min(n, begin + kSumBlock));
    loss += block_loss;
    total += block_total;
  }
  static_cast<void>(context);
  *call.out[1].as<T>() = static_cast<T>(total);
  if (!per_element) *out = static_cast<T>(how == "mean" ? loss / total : loss);
}

void run_nll(const Context& context, const KernelCall& call) {
  const Classes c(call.in[0].sizes, call.in[0].ndim);
  const std::string_view how = call.attrs[0].text();
  const std::int64_t ignored = call.attrs[1].integer();
  if (!indices_are_valid<std::int64_t>(call, call.in[1], c.count, "target", &ignored)) return;
  if (call.out[0].dtype == Dtype::kFloat32)
    nll<float>(context, call, c, ignored, how);
  else
    nll<double>(context, call, c, ignored, how);
}

template <class T>
void nll_backward(const Context& context, const KernelCall& call, const Classes& c, std::int64_t ignored,
                  std::string_view how) {
  const T* grad = call.in[0].as<const T>();
  const auto* target = call.in[1].as<const std::int64_t>();
  const T* weights = call.has(2) ? call.in[2].as<const T>() : nullptr;
  T* out = call.out[0].as<T>();
  const T divisor = how == "mean" ? *call.in[3].as<const T>() : T(1);
  const bool per_element = how == "none";
  over_ranges(context, c.targets(), grain_of(c.count), [&](std::int64_t begin, std::int64_t end) {
    if (c.inner == 1) {
      std::memset(out + begin * c.count, 0, static_cast<std::size_t>((end - begin) * c.count) * sizeof(T));
    } else {
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::int64_t k = 0; k < c.count; ++k) out[c.place(i, k)] = T(0);
      }
    }
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t t = target[i];
      if (t == ignored) continue;
      out[c.place(i, t)] = -weight_of(weights, t) * grad[per_element ? i : 0] / divisor;
    }
  });
}

void run_nll_backward(const Context& context, const KernelCall& call) {
  const View& out = call.out[0];
  const Classes c(out.sizes, out.ndim);
  const std::string_view how = call.attrs[1].text();
  const std::int64_t ignored = call.attrs[2].integer();
  if (!indices_are_valid<std::int64_t>(call, call.in[1], c.count, "target", &ignored)) return;
  if (out.dtype == Dtype::kFloat32)
    nll_backward<float>(context, call, c, ignored, how);
  else
    nll_backward<double>(context, call, c, ignored, how);
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"nll_loss_forward", run_nll}, {"nll_loss_backward", run_nll_backward}}};

}  // namespace

std::span<const Kernel> loss_core_kernels() { return ElementwiseKernels<ops::LossCores>::table; }
std::span<const Kernel> nll_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
