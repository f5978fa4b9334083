// A value that a derivative rule reads, as a node of the tape keeps it: a tensor, its memory alone, memory
// that may be dropped and made again, or a number. Whether it is still what was saved is for the reader to
// check.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
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
    switch (value.kind()) {
      case ops::Operand::Kind::kNone:
        return;
      case ops::Operand::Kind::kTensor:
        set(Form::kTensor, Ref<TensorImpl>(&value.impl()).release());
        set_version(*value.impl().storage);
        return;
      case ops::Operand::Kind::kBool:
        return set(Form::kBool, value.integer());
      case ops::Operand::Kind::kInt:
        return set(Form::kInt, value.integer());
      case ops::Operand::Kind::kFloat:
        return set(Form::kFloat, value.number());
    }
  }
  void keep(const Ref<Storage>& storage) {
    set(Form::kStorage, Ref<Storage>(storage).release());
    set_version(*storage);
  }
  void keep(std::unique_ptr<Droppable> droppable) { set(Form::kDroppable, droppable.release()); }
  void clear() noexcept {
    if (form() == Form::kStorage) Ref<Storage>::adopt(get<Storage*>());
    if (form() == Form::kDroppable) delete get<Droppable*>();
    if (form() == Form::kTensor) Ref<TensorImpl>::adopt(get<TensorImpl*>());
    form_ = 0;
  }

  bool is_plain() const { return form() == Form::kStorage; }
  const Droppable* droppable() const { return form() == Form::kDroppable ? get<Droppable*>() : nullptr; }
  ops::Operand value() const {
    switch (form()) {
      case Form::kTensor:
        return Tensor(Ref<TensorImpl>(get<TensorImpl*>()));
      case Form::kBool:
        return get<std::int64_t>() != 0;
      case Form::kInt:
        return get<std::int64_t>();
      case Form::kFloat:
        return get<double>();
      default:
        return {};
    }
  }
  Ref<Storage> plain() const { return Ref<Storage>(get<Storage*>()); }
  // Whose version counts; null for numbers, absent operands, and values that can be made again.
  const Storage* storage() const {
    if (is_plain()) return get<Storage*>();
    return form() == Form::kTensor ? get<TensorImpl*>()->storage.get() : nullptr;
  }
  // What is in memory now.
  const Storage* memory() const {
    if (const Droppable* dropped = droppable())
      return dropped->value->is_here() ? dropped->value->storage().get() : nullptr;
    return storage();
  }
  // The version of that storage when it was saved, as far as it is kept.
  std::uint32_t version() const { return version_; }
  bool is_unchanged(const Storage& storage) const { return (storage.version() & kVersions) == version_; }

 private:
  enum class Form : std::uint8_t { kNothing, kTensor, kBool, kInt, kFloat, kStorage, kDroppable };
  using Bytes = std::array<std::byte, 8>;
  static constexpr std::uint32_t kVersions = (1u << 29) - 1;

  Form form() const { return static_cast<Form>(form_); }
  template <class T>
  T get() const {
    return std::bit_cast<T>(value_);
  }
  template <class T>
  void set(Form form, T value) {
    form_ = static_cast<std::uint32_t>(form) & 7u;
    value_ = std::bit_cast<Bytes>(value);
  }
  void set_version(const Storage& storage) { version_ = storage.version() & kVersions; }

  // Twelve bytes: nodes keep several of these.
  std::uint32_t form_ : 3 = 0;
  std::uint32_t version_ : 29 = 0;
  alignas(4) Bytes value_{};
};
static_assert(sizeof(Saved) == 12);

}  // namespace unspool::exec
