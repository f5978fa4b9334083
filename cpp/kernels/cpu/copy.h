// Copies between views of any layout and dtype, for the kernels that move data.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

// Moves n elements from one row to another; strides in elements.
using RowMove = void (*)(std::byte* to, std::int64_t to_stride, const std::byte* from,
                         std::int64_t from_stride, std::int64_t n);

// How rows are converted to a dtype from another one; of those that are kept in memory only, to or from their
// carrier.
RowMove row_conversion(Dtype to, Dtype from);

// Writes `from`, broadcast to `to` and converted to its dtype.
void copy_view(const Context& context, const View& to, const View& from);

}  // namespace unspool::kernels::cpu
