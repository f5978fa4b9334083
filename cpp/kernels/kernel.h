// The border between the library and its kernel libraries: one table per instruction-set level (and later one
// per device), found by operation name. Plain data and function pointers only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/context.h"
#include "ops/attr.h"
#include "tensor/view.h"

namespace unspool::kernels {

// Why a kernel could not do its work: the first element that is out of range. Reported by the kernel, raised
// by the executor; the outputs are then discarded.
struct Fault {
  const char* what = nullptr;  // e.g. "index", "target"; null when all went well
  std::int64_t value = 0;
  // Valid are 0 <= value < limit; 0 means a division by zero, -1 that `what` says it all about place `value`.
  std::int64_t limit = 0;
  // Of an index that may be negative: the dimension, of size `limit`, that it indexes.
  std::int32_t dim = -1;
};

// Absent optional tensors are views with null data and ndim -1. Numbers written in place of tensors arrive as
// 0-d views. Outputs are allocated, contiguous unless the caller asked for an in-place change, and never
// overlap an input in another way than element for element.
struct KernelCall {
  std::span<const View> in;
  std::span<const View> out;
  std::span<const ops::Attr> attrs;  // in the order of the record
  Fault* fault = nullptr;

  bool has(int i) const {
    return i < static_cast<int>(in.size()) && in[static_cast<std::size_t>(i)].ndim >= 0;
  }
};

// An element-wise operation over memory without gaps: out[i] = body(in[0][i], .., attrs) for i < n. Inputs
// may coincide with the output. Where bit k of `repeated` is set, in[k] is one element that stands for all;
// only loops of floating dtypes take that.
using Loop = void (*)(void* out, const void* const* in, unsigned repeated, std::int64_t n,
                      const double* attrs);

struct Kernel {
  const char* name = nullptr;  // of the operation
  void (*run)(const Context&, const KernelCall&) = nullptr;
  // Bytes of scratch that `run` will use; null for none.
  std::size_t (*scratch)(const KernelCall&, int threads) = nullptr;
  // Of an element-wise operation: what `run` comes down to where the operands are of one floating dtype and
  // lie without gaps, or are one element; by the computing dtype, null where it is not defined.
  const Loop* loops = nullptr;
  // Whether `run` begins at either end of its operands, as Context::from_end says.
  bool either_way = false;
};

// Grows whenever the layout of anything that crosses the border changes.
inline constexpr std::uint32_t kAbiVersion = 3;

struct Table {
  std::uint32_t abi = kAbiVersion;
  const char* level = nullptr;
  const Kernel* kernels = nullptr;
  std::size_t count = 0;
};

}  // namespace unspool::kernels

extern "C" {
// The one symbol that a kernel library exports.
using UnspoolKernelTable = const unspool::kernels::Table* (*)();
}
