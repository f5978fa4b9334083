// Kernels of the activation functions: loops made from the bodies in ops/activation.h, and of the function
// and its slope at once.
#include "ops/activation.h"

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/packets.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
void run_with_slope(const Context& context, const KernelCall& call) {
  using P = Vec<T>;
  const T* const x = call.in[0].as<const T>();
  T *const values = call.out[0].as<T>(), *const slopes = call.out[1].as<T>();
  over_either_way(context, call.in[0].numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    each_packet<P>(end - begin, [&](std::int64_t i, auto lanes) {
      P value, slope;
      ops::GeluErfWithSlope::body(load_lanes<P>(x + begin + i, lanes), value, slope);
      store_lanes<P>(values + begin + i, value, lanes);
      store_lanes<P>(slopes + begin + i, slope, lanes);
    });
  });
}

constexpr Kernel kPair{ops::GeluErfWithSlope::record.name.data(),
                       [](const Context& context, const KernelCall& call) {
                         if (call.in[0].dtype == Dtype::kFloat32)
                           run_with_slope<float>(context, call);
                         else
                           run_with_slope<double>(context, call);
                       },
                       nullptr, nullptr, true};

constexpr auto kKernels = [] {
  constexpr auto& functions = ElementwiseKernels<ops::ActivationOps>::table;
  std::array<Kernel, functions.size() + 1> all{};
  std::copy(functions.begin(), functions.end(), all.begin());
  all.back() = kPair;
  return all;
}();

}  // namespace

std::span<const Kernel> activation_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
