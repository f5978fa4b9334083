// Kernels of the losses: the element-wise cores of ops/loss.h, the negative log likelihood and the
// cross-entropy with their cotangents.
#include "ops/loss.h"

#include <array>
#include <cstring>

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/indices.h"
#include "kernels/cpu/packets.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/softmax.h"

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

// Of log probabilities x.
template <class T>
void nll(const KernelCall& call, const T* x, const Classes& c, std::int64_t ignored, std::string_view how) {
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
  *call.out[1].as<T>() = static_cast<T>(total);
  if (!per_element) *out = static_cast<T>(how == "mean" ? loss / total : loss);
}

void run_nll(const Context&, const KernelCall& call) {
  const Classes c(call.in[0].sizes, call.in[0].ndim);
  const std::string_view how = call.attrs[0].text();
  const std::int64_t ignored = call.attrs[1].integer();
  if (!indices_are_valid<std::int64_t>(call, call.in[1], c.count, "target", &ignored)) return;
  if (call.out[0].dtype == Dtype::kFloat32)
    nll(call, call.in[0].as<const float>(), c, ignored, how);
  else
    nll(call, call.in[0].as<const double>(), c, ignored, how);
}

void run_cross_entropy(const Context& context, const KernelCall& call) {
  const View& logits = call.in[0];
  const Classes c(logits.sizes, logits.ndim);
  const std::string_view how = call.attrs[0].text();
  const std::int64_t ignored = call.attrs[1].integer();
  if (!indices_are_valid<std::int64_t>(call, call.in[1], c.count, "target", &ignored)) return;
  log_softmax(context, logits, logits.ndim == 1 ? 0 : 1, call.out[2]);
  if (call.out[0].dtype == Dtype::kFloat32)
    nll(call, call.out[2].as<const float>(), c, ignored, how);
  else
    nll(call, call.out[2].as<const double>(), c, ignored, how);
}

// The one number that the loss of target i hands to its log probability.
template <class T>
class Shares {
 public:
  // The operands of the call begin with grad, target, weight and total weight.
  Shares(const KernelCall& call, std::string_view how, std::int64_t ignored)
      : grad_(call.in[0].as<const T>()),
        target_(call.in[1].as<const std::int64_t>()),
        weights_(call.has(2) ? call.in[2].as<const T>() : nullptr),
        divisor_(how == "mean" ? *call.in[3].as<const T>() : T(1)),
        is_per_element_(how == "none"),
        ignored_(ignored) {}

  std::int64_t target(std::int64_t i) const { return target_[i]; }
  bool counts(std::int64_t i) const { return target_[i] != ignored_; }
  T operator[](std::int64_t i) const {
    return -weight_of(weights_, target_[i]) * grad_[is_per_element_ ? i : 0] / divisor_;
  }

 private:
  const T* grad_;
  const std::int64_t* target_;
  const T* weights_;
  T divisor_;
  bool is_per_element_;
  std::int64_t ignored_;
};

template <class T>
void nll_backward(const Context& context, const Classes& c, const Shares<T>& shares, T* out) {
  over_ranges(context, c.targets(), grain_of(c.count), [&](std::int64_t begin, std::int64_t end) {
    if (c.inner == 1) {
      std::memset(out + begin * c.count, 0, static_cast<std::size_t>((end - begin) * c.count) * sizeof(T));
    } else {
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::int64_t k = 0; k < c.count; ++k) out[c.place(i, k)] = T(0);
      }
    }
    for (std::int64_t i = begin; i < end; ++i) {
      if (shares.counts(i)) out[c.place(i, shares.target(i))] = shares[i];
    }
  });
}

// run(classes, shares, out) in the type of the result, if all targets are classes.
template <class F>
void with_shares(const KernelCall& call, std::string_view how, std::int64_t ignored, const F& run) {
  const View& out = call.out[0];
  const Classes c(out.sizes, out.ndim);
  if (!indices_are_valid<std::int64_t>(call, call.in[1], c.count, "target", &ignored)) return;
  if (out.dtype == Dtype::kFloat32)
    run(c, Shares<float>(call, how, ignored), out.as<float>());
  else
    run(c, Shares<double>(call, how, ignored), out.as<double>());
}

void run_nll_backward(const Context& context, const KernelCall& call) {
  with_shares(
      call, call.attrs[1].text(), call.attrs[2].integer(),
      [&](const Classes& c, const auto& shares, auto* out) { nll_backward(context, c, shares, out); });
}

// What nll_backward and log_softmax_backward make of it one after the other, bit for bit: the latter
// subtracts from each element its probability times the share.
template <class T>
void cross_entropy_backward(const Context& context, const Classes& c, const Shares<T>& shares, const T* log_p,
                            T* out) {
  using P = Vec<T>;
  const auto part = [](P share, P log_probability, P own) { return own - exp(log_probability) * share; };
  const auto at_target = [&](std::int64_t i, T share) {
    const std::int64_t at = c.place(i, shares.target(i));
    out[at] = part(P(share), P(log_p[at]), P(share))[0];
  };
  if (c.inner == 1) {
    over_ranges(context, c.batch, grain_of(4 * c.count), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T share = shares.counts(i) ? shares[i] : T(0);
        const std::int64_t row = i * c.count;
        each_packet<P>(c.count, [&](std::int64_t k, auto lanes) {
          store_lanes<P>(out + row + k, part(P(share), load_lanes<P>(log_p + row + k, lanes), P(T(0))),
                         lanes);
        });
        if (shares.counts(i)) at_target(i, share);
      }
    });
    return;
  }
  constexpr std::int64_t kStrip = 256;
  const std::int64_t strips = divide_up(c.inner, kStrip);
  over_ranges(
      context, c.batch * strips, grain_of(4 * c.count * std::min(kStrip, c.inner)),
      [&](std::int64_t begin, std::int64_t end) {
        alignas(64) T held[kStrip];
        for (std::int64_t unit = begin; unit < end; ++unit) {
          const std::int64_t column = unit % strips * kStrip, first = unit / strips * c.inner + column;
          const std::int64_t width = std::min(kStrip, c.inner - column);
          for (std::int64_t j = 0; j < width; ++j)
            held[j] = shares.counts(first + j) ? shares[first + j] : T(0);
          for (std::int64_t k = 0; k < c.count; ++k) {
            const std::int64_t row = c.place(first, k);
            each_packet<P>(width, [&](std::int64_t j, auto lanes) {
              const P here = load_lanes<P>(log_p + row + j, lanes);
              store_lanes<P>(out + row + j, part(load_lanes<P>(held + j, lanes), here, P(T(0))), lanes);
            });
          }
          for (std::int64_t j = 0; j < width; ++j) {
            if (shares.counts(first + j)) at_target(first + j, held[j]);
          }
        }
      });
}

void run_cross_entropy_backward(const Context& context, const KernelCall& call) {
  with_shares(call, call.attrs[0].text(), call.attrs[1].integer(),
              [&]<class T>(const Classes& c, const Shares<T>& shares, T* out) {
                cross_entropy_backward(context, c, shares, call.in[4].as<const T>(), out);
              });
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
      for (std::int64_t i = start; i < end; ++i) {
        outside |= !is_inside(x[i]);
        outside |= !is_inside(t[i]);
      }
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

constexpr std::array<Kernel, 7> kKernels = {{
    {"nll_loss_forward", run_nll},
    {"nll_loss_backward", run_nll_backward},
    {"cross_entropy_forward", run_cross_entropy},
    {"cross_entropy_backward", run_cross_entropy_backward},
    {"check_probabilities", run_check_probabilities},
    {"multilabel_margin_loss_forward", run_multilabel_margin},
    {"multilabel_margin_loss_backward", run_multilabel_margin_backward},
}};

}  // namespace

std::span<const Kernel> loss_core_kernels() { return ElementwiseKernels<ops::LossCores>::table; }
std::span<const Kernel> nll_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
