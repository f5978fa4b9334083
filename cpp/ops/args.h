// How an operation's arguments are declared: name, kind and default, from which Python signatures, parsing,
// stubs and documentation are derived.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace unspool::ops {

enum class ArgKind : std::uint8_t {
  kTensor,          // a tensor
  kOptionalTensor,  // a tensor or None
  kOperand,         // a tensor or a number
  kOptionalOperand,
  kTensors,  // a list or tuple of tensors; the only tensor argument of its operation
  // From here on: attributes.
  kInt,
  kOptionalInt,
  kFloat,
  kOptionalFloat,
  kBool,
  kOptionalBool,
  kDims,          // an int or a list of ints; as the last positional argument also spelt out: view(2, 3)
  kOptionalDims,  // the same or None
  kDtype,         // a dtype or None
  kText,
  kOptionalText,
  kGenerator,  // a Generator or None
};

constexpr bool is_tensor_kind(ArgKind kind) { return kind <= ArgKind::kTensors; }

struct Arg {
  std::string_view name;
  ArgKind kind = ArgKind::kTensor;
  bool has_default = false;
  bool keyword_only = false;
  // The default, in the field that fits the kind; None for optional kinds.
  double number = 0;
  const char* text = nullptr;
};

constexpr Arg tensor(std::string_view name = "input") { return {.name = name}; }
constexpr Arg optional_tensor(std::string_view name) {
  return {.name = name, .kind = ArgKind::kOptionalTensor, .has_default = true};
}
constexpr Arg operand(std::string_view name = "other") { return {.name = name, .kind = ArgKind::kOperand}; }
constexpr Arg optional_operand(std::string_view name) {
  return {.name = name, .kind = ArgKind::kOptionalOperand, .has_default = true};
}
constexpr Arg tensors(std::string_view name = "tensors") { return {.name = name, .kind = ArgKind::kTensors}; }
constexpr Arg integer(std::string_view name) { return {.name = name, .kind = ArgKind::kInt}; }
constexpr Arg integer(std::string_view name, std::int64_t value) {
  return {.name = name, .kind = ArgKind::kInt, .has_default = true, .number = static_cast<double>(value)};
}
constexpr Arg optional_integer(std::string_view name) {
  return {.name = name, .kind = ArgKind::kOptionalInt, .has_default = true};
}
constexpr Arg real(std::string_view name) { return {.name = name, .kind = ArgKind::kFloat}; }
constexpr Arg real(std::string_view name, double value) {
  return {.name = name, .kind = ArgKind::kFloat, .has_default = true, .number = value};
}
constexpr Arg optional_real(std::string_view name) {
  return {.name = name, .kind = ArgKind::kOptionalFloat, .has_default = true};
}
constexpr Arg flag(std::string_view name) { return {.name = name, .kind = ArgKind::kBool}; }
constexpr Arg flag(std::string_view name, bool value) {
  return {.name = name, .kind = ArgKind::kBool, .has_default = true, .number = value ? 1.0 : 0.0};
}
constexpr Arg dims(std::string_view name) { return {.name = name, .kind = ArgKind::kDims}; }
constexpr Arg dims(std::string_view name, std::int64_t value) {
  return {.name = name, .kind = ArgKind::kDims, .has_default = true, .number = static_cast<double>(value)};
}
constexpr Arg optional_dims(std::string_view name) {
  return {.name = name, .kind = ArgKind::kOptionalDims, .has_default = true};
}
constexpr Arg dtype(std::string_view name = "dtype") {
  return {.name = name, .kind = ArgKind::kDtype, .has_default = true};
}
constexpr Arg text(std::string_view name, const char* value) {
  return {.name = name, .kind = ArgKind::kText, .has_default = true, .text = value};
}
constexpr Arg text(std::string_view name) { return {.name = name, .kind = ArgKind::kText}; }
constexpr Arg optional_text(std::string_view name) {
  return {.name = name, .kind = ArgKind::kOptionalText, .has_default = true};
}
constexpr Arg generator() { return {.name = "generator", .kind = ArgKind::kGenerator, .has_default = true}; }
constexpr Arg keyword(Arg arg) {
  arg.keyword_only = true;
  return arg;
}

// A constexpr list of at most N declarations.
template <class T, int N>
struct List {
  T items[N]{};
  int count = 0;

  constexpr List() = default;
  constexpr List(std::initializer_list<T> values) {
    for (const T& value : values) items[count++] = value;
  }
  constexpr int size() const { return count; }
  constexpr const T* begin() const { return items; }
  constexpr const T* end() const { return items + count; }
  constexpr const T& operator[](int i) const { return items[i]; }
};

using Args = List<Arg, 16>;

}  // namespace unspool::ops
