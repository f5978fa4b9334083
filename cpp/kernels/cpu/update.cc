// Kernels of the optimizer updates: the rule of one element from ops/update.h, run in place over groups of
// contiguous tensors (parameter, gradient, states). A chunk is the same part of every group, so that a thread
// updates the rows whose gradient it computed, and many small tensors cost one chunk.
#include "ops/update.h"

#include <algorithm>
#include <array>

#include "kernels/cpu/families.h"
#include "kernels/cpu/far.h"
#include "kernels/cpu/packets.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

constexpr std::int64_t kUpdateGrain = 64
                                      << 10;  // elements that pay for a thread, where several share the work
constexpr std::int64_t kAligned = 16;         // elements that threads do not share

// The rule on elements [0, n) of one group. The parameter and the states are written back, the gradient is
// not.
template <class Op, class T>
void update_range(T* const* tensors, std::int64_t n, const Vec<T>* hyper) {
  using P = Vec<T>;
  constexpr std::size_t kArity = Op::arity, kHyper = static_cast<std::size_t>(Op::record.args.size() - 1);
  const bool fetches = is_far(n * static_cast<std::int64_t>(sizeof(T)));
  each_packet<P>(n, [&](std::int64_t i, auto lanes) {
    P value[kArity];
    if (fetches) {
      for (std::size_t k = 0; k < kArity; ++k) fetch_ahead(tensors[k] + i);
    }
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

  const std::int64_t most = context.threads == 1 || total < kOneCore ? 1 : 4 * context.threads;
  const std::int64_t chunks = std::clamp<std::int64_t>(total / kUpdateGrain, 1, most);
  const auto cut = [chunks](std::int64_t numel, std::int64_t chunk) {
    return chunk == chunks ? numel : numel * chunk / chunks / kAligned * kAligned;
  };
  context.parallel(chunks, [&](std::int64_t chunk) {
    for (std::size_t g = 0; g < groups; ++g) {
      const View* views = &call.in[g * kArity];
      const std::int64_t numel = views[0].numel(), from = cut(numel, chunk), to = cut(numel, chunk + 1);
      if (from == to) continue;
      T* tensors[kArity];
      for (std::size_t k = 0; k < kArity; ++k) tensors[k] = views[k].template as<T>() + from;
      update_range<Op, T>(tensors, to - from, hyper);
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
