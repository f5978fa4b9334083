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

void run_check_probabilities(const Context&, const KernelCall& call) {
  constexpr std::int64_t kBlock = 1024;
  const std::int64_t n = call.in[0].numel();
  *call.out[0].as<bool>() = true;
  const auto check = [&]<class T>(const T* x, const T* t) {
    const auto is_inside = [](T value) { return value >= T(0) && value <= T(1); };
    for (std::int64_t start = 0; start < n; start += kBlock) {
      const std::int64_t end = std::min(n, start + kBlock);
      int outside = 0;
      for (std::int64_t i = start; i < end; ++i) outside |= !is_inside(x[i]) | !is_inside(t[i]);
      if (!outside) continue;
      std::int64_t i = start;
      while (is_inside(x[i]) && is_inside(t[i])) ++i;
      *call.fault = {is_inside(x[i])
                         ? "all elements of target should be between 0 and 1; the first outside is element"
                         : "all elements of input should be between 0 and 1; the first outside is element",
                     i, -1};
      return;
    }
  };
  if (call.in[0].dtype == Dtype::kFloat32)
    check(call.in[0].as<const float>(), call.in[1].as<const float>());
  else
    check(call.in[0].as<const double>(), call.in[1].as<const double>());
}

// ---- multi-label margin ----

// The classes that a row of targets lists.
struct Listed {
  const std::int64_t* classes;
  std::int64_t count = 0;

  Listed(const std::int64_t* row, std::int64_t length) : classes(row) {
    while (count < length && row[count] >= 0) ++count;
  }
  bool has(std::int64_t c) const { return std::find(classes, classes + count, c) != classes + count; }
};

bool labels_are_valid(const KernelCall& call, const View& target) {
  const auto* at = target.as<const std::int64_t>();
  const std::int64_t rows = target.sizes[0], classes = target.sizes[1];
  for (std::int64_t r = 0; r < rows; ++r) {
    const Listed listed(at + r * classes, classes);
    for (std::int64_t j = 0; j < listed.count; ++j) {
      if (listed.classes[j] < classes) continue;
      *call.fault = {"target", listed.classes[j], classes};
      return false;
    }
  }
  return true;
}

// open(own, other, size) for every hinge of row r that is open.
template <class T, class F>
void each_open_hinge(const T* x, const std::int64_t* target, std::int64_t classes, const F& open) {
  const Listed listed(target, classes);
  for (std::int64_t i = 0; i < classes; ++i) {
    if (listed.has(i)) continue;
    for (std::int64_t j = 0; j < listed.count; ++j) {
      const T gap = T(1) - x[listed.classes[j]] + x[i];
      if (gap > T(0)) open(listed.classes[j], i, gap);
    }
  }
}

template <class T>
void multilabel_margin(const Context& context, const KernelCall& call, std::int64_t rows,
                       std::int64_t classes) {
  const T* x = call.in[0].as<const T>();
  const auto* target = call.in[1].as<const std::int64_t>();
  T* out = call.out[0].as<T>();
  over_ranges(context, rows, grain_of(classes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      T sum = T(0);
      each_open_hinge(x + r * classes, target + r * classes, classes,
                      [&](std::int64_t, std::int64_t, T gap) { sum += gap; });
      out[r] = sum / static_cast<T>(classes);
    }
  });
}

void run_multilabel_margin(const Context& context, const KernelCall& call) {
  if (!labels_are_valid(call, call.in[1])) return;
  const std::int64_t rows = call.in[0].sizes[0], classes = call.in[0].sizes[1];
  if (call.out[0].dtype == Dtype::kFloat32)
    multilabel_margin<float>(context, call, rows, classes);
  else
    multilabel_margin<double>(context, call, rows, classes);
}

template <class T>
void multilabel_margin_backward(const Context& context, const KernelCall& call, std::int64_t rows,
                                std::int64_t classes) {
  const T *grad = call.in[0].as<const T>(), *x = call.in[1].as<const T>();
  const auto* target = call.in[2].as<const std::int64_t>();
  T* out = call.out[0].as<T>();
  over_ranges(context, rows, grain_of(classes), [&](std::int64_t begin, std::int64_t end) {
    std::fill(out + begin * classes, out + end * classes, T(0));
    for (std::int64_t r = begin; r < end; ++r) {
      const T share = grad[r] / static_cast<T>(classes);
      T* to = out + r * classes;
      each_open_hinge(x + r * classes, target + r * classes, classes,
                      [&](std::int64_t own, std::int64_t other, T) {
                        to[own] -= share;
                        to[other] += share;
                      });
    }
  });
}

void run_multilabel_margin_backward(const Context& context, const KernelCall& call) {
  if (!labels_are_valid(call, call.in[2])) return;
  const std::int64_t rows = call.in[1].sizes[0], classes = call.in[1].sizes[1];
  if (call.out[0].dtype == Dtype::kFloat32)
    multilabel_margin_backward<float>(context, call, rows, classes);
  else
    multilabel_margin_backward<double>(context, call, rows, classes);
}

constexpr std::array<Kernel, 5> kKernels = {{
    {"nll_loss_forward", run_nll},
    {"nll_loss_backward", run_nll_backward},
    {"check_probabilities", run_check_probabilities},
    {"multilabel_margin_loss_forward", run_multilabel_margin},
    {"multilabel_margin_loss_backward", run_multilabel_margin_backward},
}};

}  // namespace

std::span<const Kernel> loss_core_kernels() { return ElementwiseKernels<ops::LossCores>::table; }
std::span<const Kernel> nll_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
