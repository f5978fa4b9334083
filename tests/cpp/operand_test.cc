// Operands: who counts the tensor that one stands for.
#include "ops/operand.h"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

namespace unspool::ops {
namespace {

TEST_CASE("a borrowed operand and its copies do not count the tensor") {
  const Tensor x = Tensor::empty(Dims{2}, Dtype::kFloat32);
  {
    const Borrowed first = x;
    const Borrowed copy = first;
    const Borrowed again = static_cast<const Operand&>(copy);
    CHECK(&again.impl() == &x.impl());
    CHECK(x->ref_count() == 1);
  }
  CHECK(x->ref_count() == 1);
}

TEST_CASE("an operand made of a borrowed one counts it, also where that dies at once") {
  const Tensor x = Tensor::empty(Dims{2}, Dtype::kFloat32);
  {
    const Borrowed borrowed = x;
    const Operand kept = borrowed;
    Operand of_temporary = Borrowed(x);
    CHECK(x->ref_count() == 3);
    of_temporary = Borrowed(2.0);
    CHECK(x->ref_count() == 2);
    of_temporary = Borrowed(x);
    const std::vector<Operand> several{Borrowed(x), borrowed};
    CHECK(x->ref_count() == 5);
    const Operand moved = std::move(of_temporary);
    CHECK(x->ref_count() == 5);
  }
  CHECK(x->ref_count() == 1);
}

TEST_CASE("numbers and absent operands are borrowed as they are") {
  const Borrowed number = 1.5, integer = 3, flag = true, none = Tensor();
  const Operand kept = Borrowed(number);
  CHECK(kept.number() == 1.5);
  CHECK(integer.integer() == 3);
  CHECK(flag.kind() == Operand::Kind::kBool);
  CHECK(none.is_none());
}

TEST_CASE("borrowed operands are the operands of a call") {
  const Tensor x = Tensor::empty(Dims{2}, Dtype::kFloat32);
  const Borrowed operands[2] = {x, 2.0};
  const std::span<const Operand> all = operands_of(operands);
  CHECK(all.size() == 2);
  CHECK(&all[0].impl() == &x.impl());
  CHECK(all[1].number() == 2.0);
  CHECK(x->ref_count() == 1);
}

}  // namespace
}  // namespace unspool::ops
