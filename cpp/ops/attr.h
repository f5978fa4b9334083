// Arguments of an operation that are not tensors: plain data, 16 bytes each, so that a call can be kept on
// the tape, captured, printed and exported. Header-only, because kernels read them too.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "base/ref.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace unspool::ops {

// An immutable list of integers (dims, sizes, strides).
struct DimList : RefCounted<DimList> {
  explicit DimList(DimSpan values) : dims(values) {}
  Dims dims;
};

class Attr {
 public:
  enum class Kind : std::uint8_t { kNone, kBool, kInt, kFloat, kDtype, kText, kDims, kGenerator };

  Attr() = default;
  Attr(bool value) : kind_(Kind::kBool) { value_.i = value; }
  Attr(int value) : Attr(static_cast<std::int64_t>(value)) {}
  Attr(std::int64_t value) : kind_(Kind::kInt) { value_.i = value; }
  Attr(double value) : kind_(Kind::kFloat) { value_.f = value; }
  Attr(Dtype value) : kind_(Kind::kDtype) { value_.i = static_cast<std::int64_t>(value); }
  // The text must outlive the attribute: a literal, or a string interned by `intern`.
  Attr(const char* text) : kind_(Kind::kText) { value_.text = text; }
  Attr(DimSpan dims) : kind_(Kind::kDims) {
    value_.dims = new DimList(dims);
    value_.dims->add_ref();
  }
  Attr(const Dims& dims) : Attr(DimSpan(dims)) {}
  Attr(const Ref<Generator>& generator) : kind_(generator ? Kind::kGenerator : Kind::kNone) {
    value_.generator = generator.get();
    if (generator) generator->add_ref();
  }
  Attr(const Attr& other) noexcept : kind_(other.kind_), value_(other.value_) { retain(); }
  Attr(Attr&& other) noexcept : kind_(std::exchange(other.kind_, Kind::kNone)), value_(other.value_) {}
  Attr& operator=(Attr other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~Attr() {
    if (kind_ == Kind::kDims) value_.dims->drop_ref();
    if (kind_ == Kind::kGenerator) value_.generator->drop_ref();
  }

  Kind kind() const { return kind_; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool flag() const { return value_.i != 0; }
  std::int64_t integer() const { return value_.i; }
  double number() const { return kind_ == Kind::kFloat ? value_.f : static_cast<double>(value_.i); }
  Dtype dtype() const { return static_cast<Dtype>(value_.i); }
  std::string_view text() const { return value_.text; }
  const Dims& dims() const { return value_.dims->dims; }
  Generator* generator() const { return value_.generator; }

 private:
  void retain() const noexcept {
    if (kind_ == Kind::kDims) value_.dims->add_ref();
    if (kind_ == Kind::kGenerator) value_.generator->add_ref();
  }

  Kind kind_ = Kind::kNone;
  union {
    std::int64_t i;
    double f;
    const char* text;
    DimList* dims;
    Generator* generator;
  } value_{};
};

}  // namespace unspool::ops
