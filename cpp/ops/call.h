// One call of an operation: its record, operands and attributes, with access to attributes by their declared
// name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "ops/attr.h"
#include "ops/operand.h"

namespace unspool::ops {

struct Record;

// A registered operation. The id is its place in the registry and in every kernel table.
struct Op {
  const Record& record;
  std::uint32_t id;
};

struct Call {
  const Op& op;
  std::span<const Operand> in;
  std::span<const Attr> attrs;

  std::string_view name() const;

  bool has(int i) const {
    return i < static_cast<int>(in.size()) && !in[static_cast<std::size_t>(i)].is_none();
  }
  const Operand& operator[](int i) const { return in[static_cast<std::size_t>(i)]; }
  Tensor tensor(int i) const { return in[static_cast<std::size_t>(i)].tensor(); }
  DimSpan sizes(int i) const {
    const Operand& operand = in[static_cast<std::size_t>(i)];
    return operand.is_tensor() ? DimSpan(operand.impl().sizes) : DimSpan();
  }
  int ndim(int i) const { return in[static_cast<std::size_t>(i)].ndim(); }

  const Attr& attr(std::string_view name) const;
  bool given(std::string_view name) const { return !attr(name).is_none(); }
  bool flag(std::string_view name) const { return attr(name).flag(); }
  std::int64_t integer(std::string_view name) const { return attr(name).integer(); }
  double number(std::string_view name) const { return attr(name).number(); }
  std::string_view text(std::string_view name) const { return attr(name).text(); }
  const Dims& dims(std::string_view name) const { return attr(name).dims(); }

  // "name(input: float32 (2, 3), other: 2.0, alpha=1)" for messages.
  std::string describe() const;

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    unspool::fail(ErrorKind::kRuntime, name(), ": ", parts...);
  }
  template <class... Parts>
  [[noreturn]] void fail_as(ErrorKind kind, const Parts&... parts) const {
    unspool::fail(kind, name(), ": ", parts...);
  }
};

// The dtype that the operands promote to: tensors with dimensions decide, then 0-d tensors, then numbers,
// where a weaker one counts only when its category is higher.
Dtype result_type(std::span<const Operand> operands);

}  // namespace unspool::ops
