// Kernels of the optimizer updates: the rule of one element from ops/update.h, run in place over groups of
// contiguous tensors (parameter, gradient, states). Work is split over the concatenation of all groups, so
// that many small tensors cost one chunk.
#include "ops/update.h"

#include <array>

#include "kernels/cpu/families.h"
#include "kernels/cpu/packets.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// Elements of what a core's own cache does not hold anyway: less is fetched back from another's for longer
// than it takes to update.
constexpr std::int64_t kUpdateGrain = 512 << 10;

// The rule on elements [0, n) of one group. The parameter and the states are written back, the gradient is
// not.
template <class Op, class T>
void update_range(T* const* tensors, std::int64_t n, const Vec<T>* hyper) {
  using P = Vec<T>;
  constexpr std::size_t kArity = Op::arity, kHyper = static_cast<std::size_t>(Op::record.args.size() - 1);
  each_packet<P>(n, [&](std::int64_t i, auto lanes) {
    P value[kArity];
    for (std::size_t k = 0; k < kArity; ++k) value[k] = load_lanes<P>(tensors[k] + i, lanes);
    [&]<std::size_t... S, std::size_t... H>(std::index_sequence<S...>, std::index_sequence<H...>) {
      Op::body(value[0], value[1], value[S + 2]..., hyper[H]...);
    }(std::make_index_sequence<kArity - 2>{}, std::make_index_sequence<kHyper>{});
    for (std::size_t k = 0; k < kArity; ++k) {
      if (k != 1) store_lanes<P>(tensors[k] + i, value[k], lanes);
    }
  });
}

template <class Op, class T>
void update_groups(const Context& context, const KernelCall& call) {
  constexpr std::size_t kArity = Op::arity, kHyper = static_cast<std::size_t>(Op::record.args.size() - 1);
  Vec<T> hyper[kHyper > 0 ? kHyper : 1];
  for (std::size_t h = 0; h < kHyper; ++h) hyper[h] = Vec<T>(static_cast<T>(call.attrs[h].number()));
  const std::size_t groups = call.in.size() / kArity;
  std::int64_t total = 0;
  for (std::size_t g = 0; g < groups; ++g) total += call.in[g * kArity].numel();

  over_ranges(context, total, kUpdateGrain, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t start = 0;  // of the group, in the concatenation
    for (std::size_t g = 0; g < groups && start < end; ++g) {
      const View* views = &call.in[g * kArity];
      const std::int64_t numel = views[0].numel();
      const std::int64_t from = std::max(begin - start, std::int64_t{0}), to = std::min(end - start, numel);
      if (from < to) {
        T* tensors[kArity];
        for (std::size_t k = 0; k < kArity; ++k) tensors[k] = views[k].template as<T>() + from;
        update_range<Op, T>(tensors, to - from, hyper);
      }
      start += numel;
    }
  });
}

template <class Op>
void run_update(const Context& context, const KernelCall& call) {
  if (call.in.empty()) return;
  if (call.in[0].dtype == Dtype::kFloat32)
    update_groups<Op, float>(context, call);
  else
    update_groups<Op, double>(context, call);
}

template <class... Ops>
constexpr std::array<Kernel, sizeof...(Ops)> kernels_of(ops::OpList<Ops...>) {
  return {{{Ops::record.name.data(), run_update<Ops>}...}};
}

constexpr auto kKernels = kernels_of(ops::UpdateOps{});

}  // namespace

std::span<const Kernel> update_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
