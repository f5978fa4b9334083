// Connectionist temporal classification by the forward-backward algorithm (Graves et al. 2006, section 4), in
// logarithms. The states of a label sequence are its labels with blanks before, between and behind them.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/slots.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
constexpr T kNever = -std::numeric_limits<T>::infinity();

template <class T>
T log_add(T a, T b) {
  const T high = std::max(a, b), low = std::min(a, b);
  return low == kNever<T> ? high : high + std::log1p(std::exp(low - high));
}

struct CtcShape {
  std::int64_t steps, samples, classes, blank;
};

// One label sequence and the steps it is aligned with.
struct Sequence {
  const std::int64_t* labels;
  std::int64_t length, steps, blank;

  std::int64_t states() const { return 2 * length + 1; }
  std::int64_t label(std::int64_t state) const { return state % 2 ? labels[state / 2] : blank; }
  // Whether a path may come from two states before, past a blank.
  bool skips(std::int64_t state) const {
    return state % 2 && state >= 3 && labels[state / 2] != labels[state / 2 - 1];
  }
};

// targets, starts, input lengths and target lengths from view `first` on.
struct Batch {
  const View &targets, &starts, &steps, &lengths;
  CtcShape shape;

  Batch(const KernelCall& call, std::size_t first, const View& log_probs, std::int64_t blank)
      : targets(call.in[first]),
        starts(call.in[first + 1]),
        steps(call.in[first + 2]),
        lengths(call.in[first + 3]),
        shape{log_probs.sizes[0], log_probs.sizes[1], log_probs.sizes[2], blank} {}

  Sequence at(std::int64_t n) const {
    return {targets.as<const std::int64_t>() + starts.as<const std::int64_t>()[n],
            lengths.as<const std::int64_t>()[n], steps.as<const std::int64_t>()[n], shape.blank};
  }

  bool are_valid(const KernelCall& call, std::int64_t width) const {
    for (std::int64_t n = 0; n < shape.samples; ++n) {
      const std::int64_t start = starts.as<const std::int64_t>()[n];
      const Sequence s = at(n);
      const char* wrong = nullptr;
      if (s.steps < 0 || s.steps > shape.steps)
        wrong = "an input length outside of [0, T] for sample";
      else if (s.length < 0 || s.length > width || start < 0 || start + s.length > targets.sizes[0])
        wrong = "a target length that does not fit the targets for sample";
      if (wrong) {
        *call.fault = {wrong, n, -1};
        return false;
      }
      for (std::int64_t i = 0; i < s.length; ++i) {
        if (s.labels[i] >= 0 && s.labels[i] < shape.classes) continue;
        *call.fault = {"target", s.labels[i], shape.classes};
        return false;
      }
    }
    return true;
  }
};

// The log probabilities of sample n: row t at `data + t * step`.
template <class T>
struct Steps {
  const T* data;
  std::int64_t step;
  const T* at(std::int64_t t) const { return data + t * step; }
};

template <class T>
T forward_variables(const Sequence& s, const Steps<T>& p, T* alpha, std::int64_t width) {
  if (s.steps == 0) return s.length == 0 ? T(0) : -kNever<T>;
  const std::int64_t states = s.states();
  std::fill(alpha, alpha + width, kNever<T>);
  alpha[0] = p.at(0)[s.blank];
  if (states > 1) alpha[1] = p.at(0)[s.label(1)];
  for (std::int64_t t = 1; t < s.steps; ++t) {
    const T *before = alpha + (t - 1) * width, *here = p.at(t);
    T* now = alpha + t * width;
    for (std::int64_t i = 0; i < states; ++i) {
      T sum = before[i];
      if (i > 0) sum = log_add(sum, before[i - 1]);
      if (s.skips(i)) sum = log_add(sum, before[i - 2]);
      now[i] = sum + here[s.label(i)];
    }
  }
  const T* last = alpha + (s.steps - 1) * width;
  return -(states > 1 ? log_add(last[states - 1], last[states - 2]) : last[0]);
}

// Leaves in `through` (steps, classes; `step` apart) the logarithm of the summed likelihood of all
// alignments that have a class at a step, still counting that class's probability twice.
template <class T>
void alignments_through(const Sequence& s, const Steps<T>& p, const T* alpha, std::int64_t width, T* beta,
                        T* through, std::int64_t step, std::int64_t classes) {
  const std::int64_t states = s.states();
  T* next = beta + width;
  for (std::int64_t t = s.steps - 1; t >= 0; --t) {
    const T* here = p.at(t);
    T* sums = through + t * step;
    std::fill(sums, sums + classes, kNever<T>);
    for (std::int64_t i = 0; i < states; ++i) {
      T sum = kNever<T>;
      if (t == s.steps - 1) {
        sum = i >= states - 2 ? T(0) : kNever<T>;
      } else {
        sum = next[i];
        if (i + 1 < states) sum = log_add(sum, next[i + 1]);
        if (i + 2 < states && s.skips(i + 2)) sum = log_add(sum, next[i + 2]);
      }
      beta[i] = sum + here[s.label(i)];
      T& place = sums[s.label(i)];
      place = log_add(place, alpha[t * width + i] + beta[i]);
    }
    std::swap(beta, next);
  }
}

template <class T>
void forward(const Context& context, const KernelCall& call, const Batch& batch) {
  const CtcShape& shape = batch.shape;
  const T* x = call.in[0].as<const T>();
  T *losses = call.out[0].as<T>(), *alpha = call.out[1].as<T>();
  const std::int64_t width = call.out[1].sizes[2];
  over_ranges(context, shape.samples, grain_of(8 * shape.steps * width),
              [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t n = begin; n < end; ++n) {
                  const Steps<T> steps{x + n * shape.classes, shape.samples * shape.classes};
                  losses[n] = forward_variables(batch.at(n), steps, alpha + n * shape.steps * width, width);
                }
              });
}

template <class T>
void backward(const Context& context, const KernelCall& call, const Batch& batch) {
  const CtcShape& shape = batch.shape;
  const T *grad = call.in[0].as<const T>(), *x = call.in[1].as<const T>();
  const T *losses = call.in[6].as<const T>(), *alpha = call.in[7].as<const T>();
  T* out = call.out[0].as<T>();
  const std::int64_t width = call.in[7].sizes[2], step = shape.samples * shape.classes;
  const bool zero_infinity = call.attrs[1].flag();
  Slots slots(context.scratch, context.threads, 2 * static_cast<std::size_t>(width) * sizeof(T));
  over_ranges(context, shape.samples, grain_of(8 * shape.steps * width),
              [&](std::int64_t begin, std::int64_t end) {
                slots.lend([&](std::byte* memory) {
                  for (std::int64_t n = begin; n < end; ++n) {
                    const Sequence s = batch.at(n);
                    const Steps<T> steps{x + n * shape.classes, step};
                    T* sums = out + n * shape.classes;
                    const bool is_lost = losses[n] == -kNever<T> && zero_infinity;
                    if (!is_lost) {
                      alignments_through(s, steps, alpha + n * shape.steps * width, width,
                                         reinterpret_cast<T*>(memory), sums, step, shape.classes);
                    }
                    for (std::int64_t t = 0; t < shape.steps; ++t) {
                      T* row = sums + t * step;
                      for (std::int64_t c = 0; c < shape.classes; ++c) {
                        const T log_p = steps.at(t)[c];
                        row[c] = is_lost || t >= s.steps
                                     ? T(0)
                                     : (std::exp(log_p) - std::exp(row[c] + losses[n] - log_p)) * grad[n];
                      }
                    }
                  }
                });
              });
}

void run_ctc(const Context& context, const KernelCall& call) {
  const Batch batch(call, 1, call.in[0], call.attrs[0].integer());
  if (!batch.are_valid(call, call.attrs[1].integer())) return;
  if (call.out[0].dtype == Dtype::kFloat32)
    forward<float>(context, call, batch);
  else
    forward<double>(context, call, batch);
}

void run_ctc_backward(const Context& context, const KernelCall& call) {
  const Batch batch(call, 2, call.in[1], call.attrs[0].integer());
  if (!batch.are_valid(call, call.in[7].sizes[2] / 2)) return;
  if (call.out[0].dtype == Dtype::kFloat32)
    backward<float>(context, call, batch);
  else
    backward<double>(context, call, batch);
}

std::size_t ctc_backward_scratch(const KernelCall& call, int threads) {
  return Slots::bytes(threads, 2 * static_cast<std::size_t>(call.in[7].sizes[2]) * size_of(call.in[7].dtype));
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"ctc_loss_forward", run_ctc}, {"ctc_loss_backward", run_ctc_backward, ctc_backward_scratch}}};

}  // namespace

std::span<const Kernel> ctc_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
