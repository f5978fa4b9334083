// Borders around tensors: of one value around any number of dimensions, and of the tensor's own elements
// around the last one to three.
#include <array>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/remap.h"

namespace unspool::kernels::cpu {
namespace {

// The last padded dimension and everything inside of it is one row; the dimensions outside are counted up.
struct Frame {
  int outer = 0;                       // dimensions outside of the row
  std::int64_t inner = 1;              // elements of one step along the last padded dimension
  std::int64_t before[kMaxDims] = {};  // by dimension of the tensor
  std::int64_t from_row = 1, to_row = 1;

  Frame(const View& in, const View& out, const Dims& pads) {
    const auto dims_padded = static_cast<int>(pads.size() / 2);
    for (int i = 0; i < dims_padded; ++i) before[in.ndim - 1 - i] = pads[static_cast<std::size_t>(2 * i)];
    int last = in.ndim - 1;
    while (last > 0 && before[last] == 0 && in.sizes[last] == out.sizes[last]) inner *= in.sizes[last--];
    outer = std::max(last, 0);
    if (in.ndim == 0) return;
    from_row = in.sizes[last] * inner;
    to_row = out.sizes[last] * inner;
  }
};

// Where output row `row` comes from: the row of the input, or -1 when it lies in the border.
std::int64_t source_row(const Frame& f, const View& in, const View& out, std::int64_t row) {
  std::int64_t source = 0, step = 1;
  for (int d = f.outer - 1; d >= 0; --d) {
    const std::int64_t at = row % out.sizes[d] - f.before[d];
    row /= out.sizes[d];
    if (at < 0 || at >= in.sizes[d]) return -1;
    source += at * step;
    step *= in.sizes[d];
  }
  return source;
}

template <class W>
void pad_rows(const Context& context, const KernelCall& call, W value) {
  const View &in = call.in[0], &out = call.out[0];
  if (out.numel() == 0) return;
  const Frame f(in, out, call.attrs[0].dims());
  const std::int64_t rows = out.numel() / f.to_row;
  const std::int64_t shift = f.before[f.outer] * f.inner;
  const std::int64_t begin = std::clamp<std::int64_t>(shift, 0, f.to_row);
  const std::int64_t end = std::clamp<std::int64_t>(shift + f.from_row, begin, f.to_row);
  over_ranges(context, rows, grain_of(f.to_row), [&](std::int64_t first, std::int64_t last) {
    W* to = out.as<W>() + first * f.to_row;
    for (std::int64_t r = first; r < last; ++r, to += f.to_row) {
      const std::int64_t source = source_row(f, in, out, r);
      if (source < 0) {
        std::fill_n(to, f.to_row, value);
        continue;
      }
      const W* from = in.as<const W>() + source * f.from_row;
      std::fill_n(to, begin, value);
      copy_row(to + begin, 1, from + begin - shift, 1, end - begin);
      std::fill_n(to + end, f.to_row - end, value);
    }
  });
}

void run_constant(const Context& context, const KernelCall& call) {
  visit_dtype(call.out[0].dtype, [&]<class T>(T) {
    const double number = call.attrs[1].number();
    const T value = std::is_same_v<T, bool>       ? static_cast<T>(number != 0)
                    : std::is_floating_point_v<T> ? static_cast<T>(number)
                                                  : static_cast<T>(static_cast<std::int64_t>(number));
    visit_size(sizeof(T), [&](auto word) {
      using W = decltype(word);
      if constexpr (sizeof(W) == sizeof(T)) {
        std::memcpy(&word, &value, sizeof(W));
        pad_rows<W>(context, call, word);
      }
    });
  });
}

std::int64_t reflected(std::int64_t i, std::int64_t n) { return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i; }
std::int64_t replicated(std::int64_t i, std::int64_t n) { return std::clamp<std::int64_t>(i, 0, n - 1); }
std::int64_t wrapped(std::int64_t i, std::int64_t n) { return i < 0 ? i + n : i >= n ? i - n : i; }

// Attributes: pad, mode. `inner` is the tensor without, `outer` the one with the border.
IndexMap border_map(const Context& context, const KernelCall& call, const View& inner, const View& outer) {
  const Dims& pads = call.attrs[0].dims();
  const auto spatial = static_cast<int>(pads.size() / 2);
  const std::string_view mode = call.attrs[1].text();
  const auto source = mode == "reflect" ? reflected : mode == "replicate" ? replicated : wrapped;
  const Planes in(inner, spatial), out(outer, spatial);
  return IndexMap(in, out, context.scratch, [&](int d, std::int64_t* table) {
    const auto place = static_cast<std::size_t>(2 - d);
    const std::int64_t before = place < pads.size() / 2 ? pads[2 * place] : 0;
    for (std::int64_t i = 0; i < out.size[d]; ++i) table[i] = source(i - before, in.size[d]);
  });
}

void run_border(const Context& context, const KernelCall& call) {
  const View &in = call.in[0], &out = call.out[0];
  const IndexMap map = border_map(context, call, in, out);
  visit_size(size_of(out.dtype), [&](auto word) {
    using W = decltype(word);
    gather_planes(context, map, in.as<const W>(), out.as<W>());
  });
}

void run_border_backward(const Context& context, const KernelCall& call) {
  const View &grad = call.in[0], &out = call.out[0];
  const IndexMap map = border_map(context, call, out, grad);
  if (out.dtype == Dtype::kFloat32)
    scatter_planes(context, map, grad.as<const float>(), out.as<float>());
  else
    scatter_planes(context, map, grad.as<const double>(), out.as<double>());
}

std::size_t border_scratch(const KernelCall& call, int) {
  const auto spatial = static_cast<int>(call.attrs[0].dims().size() / 2);
  return IndexMap::scratch_bytes(Planes(call.out[0], spatial));
}

std::size_t border_backward_scratch(const KernelCall& call, int) {
  const auto spatial = static_cast<int>(call.attrs[0].dims().size() / 2);
  return IndexMap::scratch_bytes(Planes(call.in[0], spatial));
}

constexpr std::array<Kernel, 3> kKernels = {{
    {"constant_pad_nd", run_constant},
    {"pad_with_itself", run_border, border_scratch},
    {"pad_with_itself_backward", run_border_backward, border_backward_scratch},
}};

}  // namespace

std::span<const Kernel> padding_kernels() { return kKernels; }

}  // namespace unspool::kernels::cpu
