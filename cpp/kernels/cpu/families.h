// The kernels of each family, as table.cc gathers them.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

std::span<const Kernel> arithmetic_kernels();
std::span<const Kernel> pointwise_kernels();
std::span<const Kernel> comparison_kernels();
std::span<const Kernel> bitwise_kernels();
std::span<const Kernel> selection_kernels();
std::span<const Kernel> activation_kernels();
std::span<const Kernel> loss_core_kernels();
std::span<const Kernel> nll_kernels();
std::span<const Kernel> copy_kernels();
std::span<const Kernel> reduction_kernels();
std::span<const Kernel> indexed_extremum_kernels();
std::span<const Kernel> scan_kernels();
std::span<const Kernel> scatter_kernels();
std::span<const Kernel> drawing_kernels();
std::span<const Kernel> bits_kernels();
std::span<const Kernel> sorting_kernels();
std::span<const Kernel> softmax_kernels();
std::span<const Kernel> row_norm_kernels();
std::span<const Kernel> channel_norm_kernels();
std::span<const Kernel> recurrent_kernels();
std::span<const Kernel> matmul_kernels();
std::span<const Kernel> indexing_kernels();
std::span<const Kernel> strided_kernels();
std::span<const Kernel> picking_kernels();
std::span<const Kernel> joining_kernels();
std::span<const Kernel> creation_kernels();
std::span<const Kernel> embedding_kernels();
std::span<const Kernel> attention_kernels();
std::span<const Kernel> attention_backward_kernels();
std::span<const Kernel> ctc_kernels();
std::span<const Kernel> distance_kernels();
std::span<const Kernel> cross_kernels();
std::span<const Kernel> update_kernels();
std::span<const Kernel> padding_kernels();
std::span<const Kernel> convolution_kernels();
std::span<const Kernel> conv_weight_kernels();
std::span<const Kernel> im2col_kernels();
std::span<const Kernel> max_pool_kernels();
std::span<const Kernel> indexed_max_pool_kernels();
std::span<const Kernel> avg_pool_kernels();
std::span<const Kernel> resample_kernels();
std::span<const Kernel> sampling_kernels();
std::span<const Kernel> warp_kernels();
std::span<const Kernel> special_kernels();

}  // namespace unspool::kernels::cpu
