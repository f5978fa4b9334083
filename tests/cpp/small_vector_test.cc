// SmallVector against std::vector, with an element type that counts its lives.
#include "base/small_vector.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace unspool {
namespace {

int alive = 0;

// Owns heap memory, so that sanitizers see an element destroyed twice or not at all.
struct Counted {
  explicit Counted(int number) : value(std::make_unique<int>(number)) { ++alive; }
  Counted() : Counted(0) {}
  Counted(const Counted& other) : Counted(*other.value) {}
  Counted(Counted&& other) noexcept : value(std::move(other.value)) { ++alive; }
  Counted& operator=(const Counted& other) {
    value = std::make_unique<int>(*other.value);
    return *this;
  }
  Counted& operator=(Counted&& other) noexcept = default;
  ~Counted() { --alive; }
  friend bool operator==(const Counted& a, const Counted& b) { return *a.value == *b.value; }

  std::unique_ptr<int> value;
};

using Small = SmallVector<Counted, 3>;

bool same(const Small& a, const std::vector<Counted>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

TEST_CASE("a small vector behaves as std::vector under random changes") {
  std::mt19937 random(1);
  {
    Small small;
    std::vector<Counted> plain;
    for (int step = 0; step < 5000; ++step) {
      const int value = static_cast<int>(random() % 1000);
      const std::size_t at = plain.empty() ? 0 : random() % plain.size();
      switch (random() % 8) {
        case 0:
        case 1:
          small.push_back(Counted(value));
          plain.push_back(Counted(value));
          break;
        case 2:
          small.insert(at, Counted(value));
          plain.insert(plain.begin() + static_cast<std::ptrdiff_t>(at), Counted(value));
          break;
        case 3:
          if (!plain.empty()) {
            small.erase(at);
            plain.erase(plain.begin() + static_cast<std::ptrdiff_t>(at));
          }
          break;
        case 4:
          small.resize(random() % 8, Counted(value));
          plain.resize(small.size(), Counted(value));
          break;
        case 5: {
          Small moved(std::move(small));
          CHECK(small.empty());
          small = std::move(moved);
          break;
        }
        case 6: {
          const Small copy(small);
          small.clear();
          small = copy;
          break;
        }
        default:
          if (!plain.empty()) {
            small.pop_back();
            plain.pop_back();
          }
      }
      REQUIRE(same(small, plain));
    }
  }
  CHECK(alive == 0);
}

TEST_CASE("moving takes the heap memory along and leaves an empty vector") {
  SmallVector<int, 2> a = {1, 2, 3, 4};
  const int* data = a.data();
  SmallVector<int, 2> b(std::move(a));
  CHECK(b.data() == data);
  CHECK(a.empty());
  a.push_back(9);
  CHECK(a == SmallVector<int, 2>{9});
  b = std::move(a);
  CHECK(b == SmallVector<int, 2>{9});
}

TEST_CASE("assignment to itself changes nothing") {
  SmallVector<std::string, 1> a = {"one", "two, longer than the inline buffer of a string"};
  auto& same_object = a;
  a = same_object;
  CHECK(a.size() == 2);
  a = std::move(same_object);
  CHECK(a.back() == "two, longer than the inline buffer of a string");
}

TEST_CASE("an element of the vector itself may be appended while it grows") {
  SmallVector<std::string, 1> a = {"a string that is too long to be stored inline"};
  for (int i = 0; i < 10; ++i) a.push_back(a.front());
  for (int i = 0; i < 10; ++i) a.emplace_back(a.front());
  a.resize(40, a.front());
  for (const std::string& text : a) REQUIRE(text == "a string that is too long to be stored inline");
}

TEST_CASE("vectors of numbers keep their contents through copies, moves and assignments of any size") {
  using Numbers = SmallVector<std::int64_t, 4>;
  const auto counting = [](std::int64_t count) {
    Numbers numbers;
    for (std::int64_t i = 0; i < count; ++i) numbers.push_back(100 + i);
    return numbers;
  };
  for (std::int64_t from = 0; from <= 9; ++from) {
    for (std::int64_t to = 0; to <= 9; ++to) {
      const Numbers source = counting(from);
      Numbers copied = counting(to), moved = counting(to), given = source;
      copied = source;
      moved = std::move(given);
      CHECK(copied == source);
      CHECK(moved == source);
      CHECK(given.empty());
      given.resize(3, 5);
      CHECK(given == Numbers{5, 5, 5});
      // A vector that has shrunk still lives on the heap.
      Numbers shrunk = counting(9);
      shrunk.resize(static_cast<std::size_t>(from));
      copied.push_back(7);
      copied = shrunk;
      CHECK(copied == source);
      CHECK(Numbers(std::move(shrunk)) == source);
    }
  }
}

TEST_CASE("small vectors compare by contents and convert to spans") {
  const SmallVector<std::int64_t, 4> shape = {2, 3, 4};
  CHECK(shape == SmallVector<std::int64_t, 4>{2, 3, 4});
  CHECK_FALSE(shape == SmallVector<std::int64_t, 4>{2, 3});
  CHECK_FALSE(shape == SmallVector<std::int64_t, 4>{2, 3, 5});
  const std::span<const std::int64_t> span = shape;
  CHECK(span.size() == 3);
  CHECK(SmallVector<std::int64_t, 4>(span) == shape);
  CHECK(SmallVector<std::int64_t, 2>(3, 7).back() == 7);
  CHECK(shape.ssize() == 3);
  const std::vector<int> source = {1, 2, 3};
  SmallVector<int, 2> copy(source.begin(), source.end());
  copy.append(source.begin(), source.end());
  CHECK(copy.size() == 6);
  copy.assign(source.begin(), source.begin() + 1);
  CHECK(copy.size() == 1);
}

}  // namespace
}  // namespace unspool
