// Element types: their sizes, names and categories, and promotion between them. Header-only, so that kernels
// can use it too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace unspool {

// Kernels compute in the first six; the others are kept in memory only, and are computed with in their
// carrier: int32 for the small integers, float32 for the half-precision floats.
enum class Dtype : std::uint8_t {
  kBool,
  kUInt8,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kInt8,
  kInt16,
  kFloat16,
  kBFloat16
};
inline constexpr int kDtypeCount = 10;
inline constexpr int kComputeDtypeCount = 6;

// Bool < integer < floating: a Python scalar changes a tensor's dtype only when its category is higher.
enum class Category : std::uint8_t { kBool, kInteger, kFloating };

struct DtypeInfo {
  std::string_view name;
  std::uint8_t size;
  Category category;
  std::uint8_t rank;  // in promotion
};

inline constexpr DtypeInfo kDtypeInfo[kDtypeCount] = {
    {"bool", 1, Category::kBool, 0},        {"uint8", 1, Category::kInteger, 1},
    {"int32", 4, Category::kInteger, 4},    {"int64", 8, Category::kInteger, 5},
    {"float32", 4, Category::kFloating, 8}, {"float64", 8, Category::kFloating, 9},
    {"int8", 1, Category::kInteger, 2},     {"int16", 2, Category::kInteger, 3},
    {"float16", 2, Category::kFloating, 6}, {"bfloat16", 2, Category::kFloating, 7},
};

constexpr const DtypeInfo& info(Dtype dtype) { return kDtypeInfo[static_cast<int>(dtype)]; }
constexpr std::string_view name(Dtype dtype) { return info(dtype).name; }
constexpr std::size_t size_of(Dtype dtype) { return info(dtype).size; }
constexpr Category category(Dtype dtype) { return info(dtype).category; }
constexpr bool is_floating(Dtype dtype) { return category(dtype) == Category::kFloating; }

// Whether the dtype is kept in memory only.
constexpr bool is_narrow(Dtype dtype) { return static_cast<int>(dtype) >= kComputeDtypeCount; }
// What is computed with in its place.
constexpr Dtype carrier(Dtype dtype) {
  if (!is_narrow(dtype)) return dtype;
  return is_floating(dtype) ? Dtype::kFloat32 : Dtype::kInt32;
}

// The smallest dtype that holds both: the one of higher rank, save for two pairs that need a third.
constexpr Dtype promote(Dtype a, Dtype b) {
  const auto are = [&](Dtype x, Dtype y) { return (a == x && b == y) || (a == y && b == x); };
  if (are(Dtype::kUInt8, Dtype::kInt8)) return Dtype::kInt16;
  if (are(Dtype::kFloat16, Dtype::kBFloat16)) return Dtype::kFloat32;
  return info(a).rank < info(b).rank ? b : a;
}

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

// Calls `visit(T{})` with the C++ type of `dtype`, one that kernels compute in.
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
