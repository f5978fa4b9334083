// Construction of tensor headers.
#include "tensor/tensor.h"

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

Tensor Tensor::empty(Dims sizes, Dtype dtype) {
  const std::int64_t count = checked_numel(sizes, "empty");
  auto storage = Storage::allocate(static_cast<std::size_t>(count) * size_of(dtype));
  return Tensor(Ref<TensorImpl>(new TensorImpl(dtype, std::move(sizes), std::move(storage))));
}

Tensor Tensor::empty_like(const TensorImpl& like, Dtype dtype) {
  auto storage = Storage::allocate(static_cast<std::size_t>(like.numel) * size_of(dtype));
  return Tensor(Ref<TensorImpl>(new TensorImpl(dtype, like.sizes, std::move(storage))));
}

Tensor Tensor::alias(Dims sizes, Dims strides, std::int64_t offset) const {
  return Tensor(
      Ref<TensorImpl>(new TensorImpl(dtype(), std::move(sizes), std::move(strides), impl_->storage, offset)));
}

}  // namespace unspool
