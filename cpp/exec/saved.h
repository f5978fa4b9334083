// A value that a derivative rule reads, as a node of the tape keeps it: a tensor, its memory alone, memory
// that may be dropped and made again, or a number. Whether it is still what was saved is for the reader to
// check.
#pragma once

#include <memory>

#include "exec/recompute/value.h"
#include "ops/operand.h"

namespace unspool::exec {

// A tensor whose memory may be dropped, because a recorder knows how its value was made.
struct Droppable {
  Droppable(const Tensor& tensor, Ref<Value> made)
      : value(std::move(made)),
        sizes(tensor.sizes()),
        strides(tensor.strides()),
        offset(tensor->offset),
        dtype(tensor.dtype()),
        requires_grad(tensor->requires_grad),
        output_nr(tensor->output_nr),
        node(tensor->node) {
    value->hold(tensor->storage);
  }
  ~Droppable() { value->let_go(); }
  Droppable(const Droppable&) = delete;
  Droppable& operator=(const Droppable&) = delete;

  // Without history.
  Tensor plain() const {
    return Tensor(Ref<TensorImpl>(new TensorImpl(dtype, sizes, strides, value->get(), offset)));
  }
  Tensor tensor() const {
    Tensor result = plain();
    result->node = node;
    result->output_nr = output_nr;
    result->requires_grad = requires_grad;
    return result;
  }

  Ref<Value> value;
  Dims sizes, strides;
  std::int64_t offset;
  Dtype dtype;
  bool requires_grad;
  std::uint32_t output_nr;
  Ref<GraphNode> node;
};

// A value that a rule reads. A contiguous output is kept as its storage alone: the node knows its geometry,
// and keeping the tensor itself would be a cycle.
class Saved {
 public:
  Saved() noexcept = default;
  ~Saved() { clear(); }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

  void keep(const ops::Operand& value) {
    kind_ = value.kind();
    if (value.is_tensor()) {
      value_.tensor = Ref<TensorImpl>(&value.impl()).release();
      version_ = value_.tensor->storage->version();
    } else if (kind_ == ops::Operand::Kind::kFloat) {
      value_.f = value.number();
    } else {
      value_.i = value.integer();
    }
  }
  void keep(const Ref<Storage>& storage) {
    form_ = Form::kStorage;
    value_.storage = Ref<Storage>(storage).release();
    version_ = storage->version();
  }
  void keep(std::unique_ptr<Droppable> droppable) {
    form_ = Form::kDroppable;
    value_.droppable = droppable.release();
  }
  void clear() noexcept {
    if (is_plain()) Ref<Storage>::adopt(value_.storage);
    if (form_ == Form::kDroppable) delete value_.droppable;
    if (kind_ == ops::Operand::Kind::kTensor) Ref<TensorImpl>::adopt(value_.tensor);
    form_ = Form::kValue;
    kind_ = ops::Operand::Kind::kNone;
  }

  bool is_plain() const { return form_ == Form::kStorage; }
  const Droppable* droppable() const { return form_ == Form::kDroppable ? value_.droppable : nullptr; }
  ops::Operand value() const {
    switch (kind_) {
      case ops::Operand::Kind::kTensor:
        return Tensor(Ref<TensorImpl>(value_.tensor));
      case ops::Operand::Kind::kBool:
        return value_.i != 0;
      case ops::Operand::Kind::kInt:
        return value_.i;
      case ops::Operand::Kind::kFloat:
        return value_.f;
      default:
        return {};
    }
  }
  Ref<Storage> plain() const { return Ref<Storage>(value_.storage); }
  // Whose version counts; null for numbers, absent operands, and values that can be made again.
  const Storage* storage() const {
    if (is_plain()) return value_.storage;
    return kind_ == ops::Operand::Kind::kTensor ? value_.tensor->storage.get() : nullptr;
  }
  // What is in memory now.
  const Storage* memory() const {
    if (const Droppable* dropped = droppable())
      return dropped->value->is_here() ? dropped->value->storage().get() : nullptr;
    return storage();
  }
  std::uint32_t version() const { return version_; }

 private:
  enum class Form : std::uint8_t { kValue, kStorage, kDroppable };
  ops::Operand::Kind kind_ = ops::Operand::Kind::kNone;
  Form form_ = Form::kValue;
  std::uint32_t version_ = 0;
  union {
    TensorImpl* tensor;
    Storage* storage;
    Droppable* droppable;
    std::int64_t i;
    double f;
  } value_{};
};
static_assert(sizeof(Saved) == 16);

}  // namespace unspool::exec
