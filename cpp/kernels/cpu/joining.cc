// Kernels that place whole tensors inside another: concatenation, the transposes of slices and diagonals,
// reversal, triangles. Each is a copy into a view.
#include <array>
#include <cstring>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {
namespace {

// A view whose geometry can be changed.
struct Window {
  std::int64_t sizes[kMaxDims];
  std::int64_t strides[kMaxDims];
  View view;

  explicit Window(const View& of) : view(of) {
    for (int d = 0; d < of.ndim; ++d) sizes[d] = of.sizes[d], strides[d] = of.strides[d];
    view.sizes = sizes;
    view.strides = strides;
    view.contiguous = false;
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  void move(std::int64_t elements) {
    view.data = bytes_of(view) + elements * static_cast<std::int64_t>(size_of(view.dtype));
  }
  void remove(int d) {
    for (int e = d; e + 1 < view.ndim; ++e) sizes[e] = sizes[e + 1], strides[e] = strides[e + 1];
    --view.ndim;
  }
  void append(std::int64_t size, std::int64_t stride) {
    sizes[view.ndim] = size;
    strides[view.ndim++] = stride;
  }
};

int place_of(std::int64_t dim, int ndim) { return static_cast<int>(dim < 0 ? dim + ndim : dim); }

void clear(const Context& context, const View& out) {
  const std::int64_t bytes = out.numel() * static_cast<std::int64_t>(size_of(out.dtype));
  over_ranges(context, bytes, 8 * kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::memset(bytes_of(out) + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

void run_concat(const Context& context, const KernelCall& call) {
  const View& out = call.out[0];
  const int dim = place_of(call.attrs[0].integer(), out.ndim);
  const Dims& starts = call.attrs[1].dims();
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    Window part(out);
    part.sizes[dim] = starts[i + 1] - starts[i];
    part.move(starts[i] * out.strides[dim]);
    bool is_whole = out.contiguous;  // nothing outside of `dim`: the part lies in one piece
    for (int d = 0; d < dim; ++d) is_whole &= out.sizes[d] == 1;
    part.view.contiguous = is_whole;
    copy_view(context, part.view, call.in[i]);
  }
}

void run_slice_backward(const Context& context, const KernelCall& call) {
  const View &grad = call.in[0], &out = call.out[0];
  clear(context, out);
  if (grad.numel() == 0) return;
  const int dim = place_of(call.attrs[1].integer(), out.ndim);
  const std::int64_t first = call.attrs[2].integer();
  Window part(out);
  part.move(std::max<std::int64_t>(0, first < 0 ? first + out.sizes[dim] : first) * out.strides[dim]);
  part.strides[dim] *= call.attrs[3].integer();
  part.sizes[dim] = grad.sizes[dim];
  copy_view(context, part.view, grad);
}

void run_diagonal_backward(const Context& context, const KernelCall& call) {
  const View &grad = call.in[0], &out = call.out[0];
  clear(context, out);
  if (grad.numel() == 0) return;
  const std::int64_t offset = call.attrs[1].integer();
  const int row = place_of(call.attrs[2].integer(), out.ndim),
            column = place_of(call.attrs[3].integer(), out.ndim);
  Window part(out);
  part.move(offset >= 0 ? offset * out.strides[column] : -offset * out.strides[row]);
  part.remove(std::max(row, column));
  part.remove(std::min(row, column));
  part.append(grad.sizes[grad.ndim - 1], out.strides[row] + out.strides[column]);
  copy_view(context, part.view, grad);
}

void run_flip(const Context& context, const KernelCall& call) {
  Window reversed(call.in[0]);
  if (call.out[0].numel() == 0) return;
  for (const std::int64_t named : call.attrs[0].dims()) {
    const int d = place_of(named, reversed.view.ndim);
    if (d < 0 || d >= reversed.view.ndim) continue;  // of a 0-d tensor
    reversed.move((reversed.sizes[d] - 1) * reversed.strides[d]);
    reversed.strides[d] = -reversed.strides[d];
  }
  copy_view(context, call.out[0], reversed.view);
}

// Row i of each matrix keeps its first (lower) or last (upper) columns. The output may be the input.
template <bool kLower>
void run_triangle(const Context& context, const KernelCall& call) {
  const View &input = call.in[0], &out = call.out[0];
  const std::int64_t rows = out.sizes[out.ndim - 2], columns = out.sizes[out.ndim - 1];
  const std::int64_t diagonal = call.attrs[0].integer();
  if (out.numel() == 0) return;
  const std::int64_t item = static_cast<std::int64_t>(size_of(out.dtype)), bytes = columns * item;
  over_ranges(context, out.numel() / columns, grain_of(columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t i = r % rows;
      // The first column that is not in the lower part, or the first of the upper part.
      const std::int64_t edge = std::clamp<std::int64_t>(i + diagonal + (kLower ? 1 : 0), 0, columns) * item;
      const std::byte* from = bytes_of(input) + r * bytes;
      std::byte* to = bytes_of(out) + r * bytes;
      const auto keep = [&](std::int64_t first, std::int64_t last) {
        if (from != to) std::memcpy(to + first, from + first, static_cast<std::size_t>(last - first));
      };
      const auto zero = [&](std::int64_t first, std::int64_t last) {
        std::memset(to + first, 0, static_cast<std::size_t>(last - first));
      };
      if constexpr (kLower) {
        keep(0, edge);
        zero(edge, bytes);
      } else {
        zero(0, edge);
        keep(edge, bytes);
      }
    }
  });
}

constexpr std::array<Kernel, 6> kKernels = {{
    {"concat_at", run_concat},
    {"slice_backward", run_slice_backward},
    {"diagonal_backward", run_diagonal_backward},
    {"flip", run_flip},
    {"tril", run_triangle<true>},
    {"triu", run_triangle<false>},
}};

}  // namespace

std::span<const Kernel> joining_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
