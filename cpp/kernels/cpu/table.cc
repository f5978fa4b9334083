// The one symbol of a kernel library: the table of all its kernels.
#include <vector>

#include "kernels/cpu/decompositions.h"
#include "kernels/cpu/families.h"

namespace unspool::kernels::cpu {
namespace {

#if defined(UNSPOOL_ISA_LEVEL)
constexpr const char* kLevel = UNSPOOL_ISA_LEVEL;
#elif defined(__AVX512F__) && defined(__AVX512DQ__)
constexpr const char* kLevel = "x86-64-v4";
#elif defined(__AVX2__)
constexpr const char* kLevel = "x86-64-v3";
#elif defined(__SSE4_2__)
constexpr const char* kLevel = "x86-64-v2";
#elif defined(__aarch64__)
constexpr const char* kLevel = "armv8-a";
#else
constexpr const char* kLevel = "generic";
#endif

struct AllKernels {
  std::vector<Kernel> kernels;
  Table table;

  AllKernels() {
    for (const auto& family : {arithmetic_kernels(),
                               pointwise_kernels(),
                               comparison_kernels(),
                               bitwise_kernels(),
                               selection_kernels(),
                               activation_kernels(),
                               loss_core_kernels(),
                               nll_kernels(),
                               copy_kernels(),
                               reduction_kernels(),
                               indexed_extremum_kernels(),
                               scan_kernels(),
                               softmax_kernels(),
                               matmul_kernels(),
                               linalg_cholesky_kernels(),
                               linalg_lu_kernels(),
                               linalg_qr_kernels(),
                               linalg_eigh_kernels(),
                               linalg_svd_kernels(),
                               indexing_kernels(),
                               joining_kernels(),
                               creation_kernels(),
                               update_kernels(),
                               padding_kernels(),
                               max_pool_kernels(),
                               indexed_max_pool_kernels(),
                               avg_pool_kernels(),
                               resample_kernels(),
                               sampling_kernels(),
                               warp_kernels(),
                               embedding_kernels(),
                               row_norm_kernels(),
                               channel_norm_kernels(),
                               attention_kernels(),
                               attention_backward_kernels(),
                               ctc_kernels(),
                               distance_kernels(),
                               cross_kernels(),
                               convolution_kernels(),
                               conv_weight_kernels(),
                               im2col_kernels(),
                               recurrent_kernels(),
                               strided_kernels(),
                               picking_kernels(),
                               scatter_kernels(),
                               sorting_kernels(),
                               drawing_kernels(),
                               bits_kernels(),
                               special_kernels()}) {
      kernels.insert(kernels.end(), family.begin(), family.end());
    }
    table = {kAbiVersion, kLevel, kernels.data(), kernels.size()};
  }
};

}  // namespace
}  // namespace unspool::kernels::cpu

extern "C" __attribute__((visibility("default"))) const unspool::kernels::Table* unspool_kernel_table() {
  static const unspool::kernels::cpu::AllKernels all;
  return &all.table;
}
