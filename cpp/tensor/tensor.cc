// Construction of tensor headers.
#include "tensor/tensor.h"

#include <algorithm>

namespace unspool {

TensorImpl::TensorImpl(Dtype dtype_, Dims sizes_, Dims strides_, Ref<Storage> storage_, std::int64_t offset_)
    : storage(std::move(storage_)),
      offset(offset_),
      numel(unspool::numel(sizes_)),
      dtype(dtype_),
      contiguous(unspool::is_contiguous(sizes_, strides_)),
      sizes(std::move(sizes_)),
      strides(std::move(strides_)) {}

TensorImpl::TensorImpl(Dtype dtype_, Dims sizes_, Ref<Storage> storage_)
    : storage(std::move(storage_)),
      numel(unspool::numel(sizes_)),
      dtype(dtype_),
      sizes(std::move(sizes_)),
      strides(contiguous_strides(sizes)) {}

TensorImpl::TensorImpl(const TensorImpl& like, Dtype dtype_, Ref<Storage> storage_)
    : storage(std::move(storage_)), numel(like.numel), dtype(dtype_), sizes(like.sizes), strides(like.sizes) {
  std::int64_t step = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<std::int64_t>(sizes[i], 1);
  }
}

TensorImpl::TensorImpl(const TensorImpl& like, Ref<Storage> storage_, std::int64_t offset_)
    : storage(std::move(storage_)),
      offset(offset_),
      numel(like.numel),
      dtype(like.dtype),
      contiguous(like.contiguous),
      sizes(like.sizes),
      strides(like.strides) {}

Tensor Tensor::empty(Dims sizes, Dtype dtype) {
  const std::int64_t count = checked_numel(sizes, "empty");
  auto storage = Storage::allocate(static_cast<std::size_t>(count) * size_of(dtype));
  return Tensor(Ref<TensorImpl>::of_new(new TensorImpl(dtype, std::move(sizes), std::move(storage))));
}

Tensor Tensor::empty_like(const TensorImpl& like, Dtype dtype) {
  auto storage = Storage::allocate(static_cast<std::size_t>(like.numel) * size_of(dtype));
  return Tensor(Ref<TensorImpl>::of_new(new TensorImpl(like, dtype, std::move(storage))));
}

Tensor Tensor::alias(Dims sizes, Dims strides, std::int64_t offset) const {
  return Tensor(Ref<TensorImpl>::of_new(
      new TensorImpl(dtype(), std::move(sizes), std::move(strides), impl_->storage, offset)));
}

}  // namespace unspool
