// Sizes, strides and offsets are counted in elements, so that they change with the size of one.
#include "bind/bits.h"

#include <string>
#include <string_view>

#include "bind/convert.h"
#include "bind/tensor_object.h"
#include "exec/program/trace.h"

namespace unspool::bind {
namespace {

std::string between(const Tensor& x, Dtype dtype) {
  return "to view " + std::string(name(x.dtype())) + " as " + std::string(name(dtype));
}

// Several small elements in the place of each large one.
void split(const Tensor& x, Dtype dtype, Dims& sizes, Dims& strides, std::int64_t& offset) {
  const auto ratio = static_cast<std::int64_t>(size_of(x.dtype()) / size_of(dtype));
  for (std::size_t d = 0; d + 1 < strides.size(); ++d) strides[d] *= ratio;
  sizes.back() *= ratio;
  offset *= ratio;
}

// One large element in the place of several small ones.
void join(const Tensor& x, Dtype dtype, Dims& sizes, Dims& strides, std::int64_t& offset) {
  const auto ratio = static_cast<std::int64_t>(size_of(dtype) / size_of(x.dtype()));
  if (sizes.back() % ratio) {
    fail(ErrorKind::kRuntime, "view: the last size must be divisible by ", ratio, " ", between(x, dtype),
         ", got ", sizes.back());
  }
  if (offset % ratio) {
    fail(ErrorKind::kRuntime, "view: the storage offset must be divisible by ", ratio, " ", between(x, dtype),
         ", got ", offset);
  }
  for (std::size_t d = 0; d + 1 < strides.size(); ++d) {
    if (strides[d] % ratio) {
      fail(ErrorKind::kRuntime, "view: the stride of dimension ", d, " must be divisible by ", ratio, " ",
           between(x, dtype), ", got ", strides[d]);
    }
    strides[d] /= ratio;
  }
  sizes.back() /= ratio;
  offset /= ratio;
}

// The bytes of elements from `first` on, or'ed together; with strides in bytes, as elements are.
unsigned all_bits(const std::byte* first, DimSpan sizes, DimSpan strides) {
  unsigned bits = 0;
  if (sizes.empty()) return std::to_integer<unsigned>(*first);
  for (std::int64_t i = 0; i < sizes[0]; ++i) {
    const std::byte* at = first + i * strides[0];
    bits |= sizes.size() == 1 ? std::to_integer<unsigned>(*at)
                              : all_bits(at, sizes.subspan(1), strides.subspan(1));
  }
  return bits;
}

}  // namespace

void expect_truth_values(const Tensor& x, const char* who) {
  if (x.dtype() != Dtype::kBool || x.numel() == 0) return;
  const auto* first = static_cast<const std::byte*>(x.data());
  const std::int64_t count[1] = {x.numel()}, step[1] = {1};
  const unsigned bits =
      x.is_contiguous() ? all_bits(first, count, step) : all_bits(first, x.sizes(), x.strides());
  if (bits > 1) {
    fail(ErrorKind::kRuntime, who,
         ": bytes other than 0 and 1 are no bool elements; compare the numbers, e.g. x != 0");
  }
}

std::optional<Dtype> dtype_to_view_as(const Signature& signature, const RawArguments& raw) {
  const Py_ssize_t named = raw.keywords ? PyTuple_GET_SIZE(raw.keywords) : 0;
  if (signature.op->record.name != std::string_view("view") || raw.count + named != 2 || raw.count < 1 ||
      !is_tensor(raw.values[0]) || !is_dtype(raw.values[1])) {
    return std::nullopt;
  }
  if (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(raw.keywords, 0), "dtype") != 0) {
    return std::nullopt;
  }
  return dtype_of_object(raw.values[1], "view");
}

Tensor view_bits(const Tensor& x, Dtype dtype) {
  if (exec::Trace* trace = exec::Trace::current()) {
    trace->refuse(
        "view: the bits of a tensor under another dtype are looked at, which a replayed step does not "
        "repeat; do this outside of the step");
  }
  Dims sizes = x.sizes();
  Dims strides = x.strides();
  std::int64_t offset = x->offset;
  if (size_of(dtype) != size_of(x.dtype())) {
    if (sizes.empty()) {
      fail(ErrorKind::kRuntime, "view: a tensor with dimensions is needed ", between(x, dtype),
           ", whose elements differ in size");
    }
    if (strides.back() != 1) {
      fail(ErrorKind::kRuntime, "view: the last stride must be 1 ", between(x, dtype),
           ", whose elements differ in size; got ", strides.back());
    }
    const bool is_smaller = size_of(dtype) < size_of(x.dtype());
    (is_smaller ? split : join)(x, dtype, sizes, strides, offset);
  }
  Tensor view(Ref<TensorImpl>::of_new(
      new TensorImpl(dtype, std::move(sizes), std::move(strides), x->storage, offset)));
  if (x.dtype() != Dtype::kBool) expect_truth_values(view, "view");
  return view;
}

}  // namespace unspool::bind
