// One tensor argument of a call: a tensor, a number written in its place, or nothing. Numbers stay numbers,
// so that `x * 2` neither allocates a tensor nor keeps one on the tape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "tensor/tensor.h"

namespace unspool::ops {

class Borrowed;

class Operand {
 public:
  enum class Kind : std::uint8_t { kNone, kTensor, kBool, kInt, kFloat };

  Operand() = default;
  Operand(const Tensor& tensor) : kind_(tensor ? Kind::kTensor : Kind::kNone) {
    value_.tensor = Ref<TensorImpl>(tensor.ref()).release();
  }
  Operand(Tensor&& tensor) : kind_(tensor ? Kind::kTensor : Kind::kNone) { value_.tensor = tensor.release(); }
  Operand(bool value) : kind_(Kind::kBool) { value_.i = value; }
  Operand(int value) : Operand(static_cast<std::int64_t>(value)) {}
  Operand(std::int64_t value) : kind_(Kind::kInt) { value_.i = value; }
  Operand(double value) : kind_(Kind::kFloat) { value_.f = value; }
  Operand(const Operand& other) noexcept : kind_(other.kind_), value_(other.value_) {
    if (is_tensor()) value_.tensor->add_ref();
  }
  Operand(Operand&& other) noexcept : kind_(std::exchange(other.kind_, Kind::kNone)), value_(other.value_) {}
  Operand(Borrowed&& other) noexcept;  // counts: there is nothing to take over
  Operand& operator=(Operand other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~Operand() {
    if (is_tensor()) value_.tensor->drop_ref();
  }

  Kind kind() const { return kind_; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_tensor() const { return kind_ == Kind::kTensor; }
  bool is_number() const { return kind_ > Kind::kTensor; }
  TensorImpl& impl() const { return *value_.tensor; }
  Tensor tensor() const { return is_tensor() ? Tensor(Ref<TensorImpl>(value_.tensor)) : Tensor(); }
  double number() const { return kind_ == Kind::kFloat ? value_.f : static_cast<double>(value_.i); }
  std::int64_t integer() const { return value_.i; }

  int ndim() const { return is_tensor() ? static_cast<int>(value_.tensor->sizes.size()) : 0; }
  Category category() const {
    if (is_tensor()) return unspool::category(value_.tensor->dtype);
    return kind_ == Kind::kFloat ? Category::kFloating
           : kind_ == Kind::kInt ? Category::kInteger
                                 : Category::kBool;
  }

 private:
  friend class Borrowed;
  Kind kind_ = Kind::kNone;
  union {
    TensorImpl* tensor;
    std::int64_t i;
    double f;
  } value_{};
};

// An operand that lives only as long as the expression it is written in. What it stands for is the caller's
// for all that time, so the tensor is not counted once more; copies are operands like any other.
class Borrowed : public Operand {
 public:
  Borrowed() = default;
  Borrowed(const Operand& operand) noexcept {
    kind_ = operand.kind_;
    value_ = operand.value_;
  }
  Borrowed(const Tensor& tensor) noexcept {
    kind_ = tensor ? Kind::kTensor : Kind::kNone;
    value_.tensor = tensor.ref().get();
  }
  Borrowed(bool value) : Operand(value) {}
  Borrowed(int value) : Operand(value) {}
  Borrowed(std::int64_t value) : Operand(value) {}
  Borrowed(double value) : Operand(value) {}
  Borrowed(const Borrowed& other) noexcept : Borrowed(static_cast<const Operand&>(other)) {}
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() { kind_ = Kind::kNone; }
};
static_assert(sizeof(Borrowed) == sizeof(Operand));

inline Operand::Operand(Borrowed&& other) noexcept : Operand(static_cast<const Operand&>(other)) {}

// As the operands of a call.
template <std::size_t N>
std::span<const Operand> operands_of(const Borrowed (&borrowed)[N]) {
  const Operand* const first = borrowed;
  return {first, N};
}

}  // namespace unspool::ops
