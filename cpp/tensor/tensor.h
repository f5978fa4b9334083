// The Tensor handle and what it points to: data and metadata only. A tensor knows of operations and gradients
// just this much: an opaque reference to the tape node that made it. It has no operator methods; those are
// attached at the binding, from the registry.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/blocks.h"
#include "base/ref.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"
#include "tensor/view.h"

namespace unspool {

class Tensor;

// The tape's view of a tensor, implemented by the executor floor.
class GraphNode : public RefCounted<GraphNode> {
 public:
  static void destroy(GraphNode* node) noexcept { node->dispose(); }

 protected:
  ~GraphNode() = default;
  virtual void dispose() noexcept = 0;
};

// What only leaves that collect gradients, hooked and retained tensors need; implemented by the executor
// floor.
struct GradientSlot {
  virtual ~GradientSlot() = default;
};

class TensorImpl : public RefCounted<TensorImpl> {
 public:
  TensorImpl(Dtype dtype, Dims sizes, Dims strides, Ref<Storage> storage, std::int64_t offset);
  // Row-major without gaps, from the beginning of the storage.
  TensorImpl(Dtype dtype, Dims sizes, Ref<Storage> storage);
  // The same in the shape of an existing tensor.
  TensorImpl(const TensorImpl& like, Dtype dtype, Ref<Storage> storage);
  // The same geometry in other memory.
  TensorImpl(const TensorImpl& like, Ref<Storage> storage, std::int64_t offset);
  static void destroy(TensorImpl* impl) noexcept { delete impl; }
  static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
  static void operator delete(void* impl) noexcept { deallocate_block(impl, sizeof(TensorImpl)); }

  void* data() const {
    return static_cast<std::byte*>(storage->data()) + offset * static_cast<std::int64_t>(size_of(dtype));
  }
  View view() const {
    return {data(), sizes.data(), strides.data(), static_cast<std::int32_t>(sizes.size()), dtype, contiguous};
  }

  // A view whose base has since got another history; exec/views.h brings it up to date.
  bool is_stale() const { return base && history != base->history; }
  bool needs_gradient() const {
    return requires_grad || (is_stale() && base->requires_grad && !made_without_grad);
  }

  Ref<Storage> storage;
  std::int64_t offset = 0;  // in elements
  std::int64_t numel = 0;
  Dtype dtype = Dtype::kFloat32;
  bool contiguous = true;
  bool requires_grad = false;      // set on leaves by the user, on results by the tape
  bool made_without_grad = false;  // a view that was taken while gradients were off
  std::uint32_t output_nr = 0;     // which output of `node` this tensor is
  Dims sizes;
  Dims strides;
  Ref<GraphNode> node;                 // empty for leaves
  std::unique_ptr<GradientSlot> slot;  // empty unless needed
  Ref<TensorImpl> base;                // for a view: the tensor whose storage it shows, itself no view
  // Of a base: how often its history was replaced by an in-place change. Of a view: what that count was when
  // the view's own node was made.
  std::uint32_t history = 0;
  void* python = nullptr;  // the living Python wrapper, if any; not owned

 private:
  friend class RefCounted<TensorImpl>;
  ~TensorImpl() = default;
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  // Uninitialised, contiguous.
  static Tensor empty(Dims sizes, Dtype dtype);
  // The same in the shape of an existing tensor.
  static Tensor empty_like(const TensorImpl& like, Dtype dtype);
  // Another geometry over this tensor's storage; without history.
  Tensor alias(Dims sizes, Dims strides, std::int64_t offset) const;
  Tensor alias() const { return alias(impl_->sizes, impl_->strides, impl_->offset); }

  bool defined() const { return static_cast<bool>(impl_); }
  explicit operator bool() const { return defined(); }
  TensorImpl* operator->() const { return impl_.get(); }
  TensorImpl& impl() const { return *impl_; }
  const Ref<TensorImpl>& ref() const { return impl_; }
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }
  TensorImpl* release() { return impl_.release(); }

  int ndim() const { return static_cast<int>(impl_->sizes.size()); }
  std::int64_t numel() const { return impl_->numel; }
  Dtype dtype() const { return impl_->dtype; }
  Device device() const { return impl_->storage->device(); }
  const Dims& sizes() const { return impl_->sizes; }
  const Dims& strides() const { return impl_->strides; }
  std::int64_t size(int d) const { return impl_->sizes[static_cast<std::size_t>(d)]; }
  bool is_contiguous() const { return impl_->contiguous; }
  bool requires_grad() const { return impl_->needs_gradient(); }

  void* data() const { return impl_->data(); }
  View view() const { return impl_->view(); }

 private:
  Ref<TensorImpl> impl_;
};

}  // namespace unspool
