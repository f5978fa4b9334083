// A number written in place of a tensor, as the kernel sees it: one element in the computing dtype.
#pragma once

#include <cstddef>
#include <cstring>

#include "ops/operand.h"
#include "tensor/view.h"

namespace unspool::exec {

struct Number {
  alignas(8) std::byte bytes[8];

  View set(const ops::Operand& value, Dtype dtype) {
    visit_dtype(dtype, [&]<class T>(T) {
      const T converted = value.kind() == ops::Operand::Kind::kFloat ? static_cast<T>(value.number())
                                                                     : static_cast<T>(value.integer());
      std::memcpy(bytes, &converted, sizeof(T));
    });
    return {.data = bytes, .dtype = dtype, .contiguous = true};
  }
};

}  // namespace unspool::exec
