// Element types: their sizes, names and categories, and promotion between them. Header-only, so that kernels
// can use it too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace unspool {

enum class Dtype : std::uint8_t { kBool, kUInt8, kInt32, kInt64, kFloat32, kFloat64 };
inline constexpr int kDtypeCount = 6;

// Bool < integer < floating: a Python scalar changes a tensor's dtype only when its category is higher.
enum class Category : std::uint8_t { kBool, kInteger, kFloating };

struct DtypeInfo {
  std::string_view name;
  std::uint8_t size;
  Category category;
};

inline constexpr DtypeInfo kDtypeInfo[kDtypeCount] = {
    {"bool", 1, Category::kBool},        {"uint8", 1, Category::kInteger},
    {"int32", 4, Category::kInteger},    {"int64", 8, Category::kInteger},
    {"float32", 4, Category::kFloating}, {"float64", 8, Category::kFloating},
};

constexpr const DtypeInfo& info(Dtype dtype) { return kDtypeInfo[static_cast<int>(dtype)]; }
constexpr std::string_view name(Dtype dtype) { return info(dtype).name; }
constexpr std::size_t size_of(Dtype dtype) { return info(dtype).size; }
constexpr Category category(Dtype dtype) { return info(dtype).category; }
constexpr bool is_floating(Dtype dtype) { return category(dtype) == Category::kFloating; }

// The smallest listed type that holds both: the enumerators stand in promotion order, and no pair of the six
// needs a third type.
constexpr Dtype promote(Dtype a, Dtype b) { return a < b ? b : a; }

template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return Dtype::kBool;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return Dtype::kUInt8;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return Dtype::kInt32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return Dtype::kInt64;
  else if constexpr (std::is_same_v<T, float>)
    return Dtype::kFloat32;
  else {
    static_assert(std::is_same_v<T, double>);
    return Dtype::kFloat64;
  }
}

// Calls `visit(T{})` with the C++ type of `dtype`.
template <class F>
constexpr decltype(auto) visit_dtype(Dtype dtype, F&& visit) {
  switch (dtype) {
    case Dtype::kBool:
      return visit(bool{});
    case Dtype::kUInt8:
      return visit(std::uint8_t{});
    case Dtype::kInt32:
      return visit(std::int32_t{});
    case Dtype::kInt64:
      return visit(std::int64_t{});
    case Dtype::kFloat32:
      return visit(float{});
    default:
      return visit(double{});
  }
}

}  // namespace unspool
