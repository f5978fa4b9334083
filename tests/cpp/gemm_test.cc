// The matrix product against a sum in extended precision: random shapes and strides, what lies between the
// rows of the result, NaN that must stay in its row and column, and the same bits for every thread
// count and from whichever end it starts.
#include "kernels/cpu/gemm.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace unspool::kernels::cpu {
namespace {

using Index = std::int64_t;
using Real = long double;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  Index pick(Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(engine_); }
  bool chance(Index one_in) { return pick(1, one_in) == 1; }
  template <class T>
  T element() {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(engine_());
    else
      return static_cast<T>(std::normal_distribution<double>()(engine_));
  }

 private:
  std::mt19937_64 engine_;
};

enum class Layout { kRows, kColumns, kPaddedRows, kPaddedColumns, kStrided, kRepeatedRow, kBackward };
constexpr int kLayouts = 7;

// A matrix whose memory ends right behind its last element, so that the sanitizers see any excess.
template <class T>
struct Matrix {
  Matrix(Random& random, Index rows, Index columns, Layout layout) {
    const Index pad = random.pick(0, 5);
    switch (layout) {
      case Layout::kRows:
        row = columns, col = 1;
        break;
      case Layout::kColumns:
        row = 1, col = rows;
        break;
      case Layout::kPaddedRows:
        row = columns + pad, col = 1;
        break;
      case Layout::kPaddedColumns:
        row = 1, col = rows + pad;
        break;
      case Layout::kStrided:
        col = random.pick(2, 3), row = columns * col + pad;
        break;
      case Layout::kRepeatedRow:
        row = 0, col = 1;
        break;
      case Layout::kBackward:
        row = -(columns + pad), col = 1;
        break;
    }
    if (rows == 0 || columns == 0) return;
    const Index low = std::min<Index>(row * (rows - 1), 0);
    const Index high = std::max<Index>(row * (rows - 1), 0) + col * (columns - 1) + 1;
    offset_ = -low;
    size_ = static_cast<std::size_t>(high - low);
    memory_ = std::make_unique<T[]>(size_);
    for (std::size_t i = 0; i < size_; ++i) memory_[i] = random.element<T>();
  }

  T* data() const { return memory_ ? memory_.get() + offset_ : nullptr; }
  T& at(Index i, Index j) const { return data()[i * row + j * col]; }

  Index row = 0, col = 0;

 private:
  std::unique_ptr<T[]> memory_;
  Index offset_ = 0;
  std::size_t size_ = 0;
};

void run_on_threads(void*, int threads, Index chunks, Context::ChunkBody body, void* task) {
  std::atomic<Index> next{0};
  const auto work = [&] {
    for (Index chunk; (chunk = next++) < chunks;) body(task, chunk);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

// Runs `product(context)` with exactly the scratch it asked for, filled with NaN.
template <class F>
void with_scratch(std::size_t bytes, int threads, F&& product) {
  constexpr std::align_val_t kAlignment{64};
  auto* memory = static_cast<std::byte*>(operator new[](bytes, kAlignment));
  std::memset(memory, 0xff, bytes);
  product(Context{threads, nullptr, run_on_threads, memory});
  operator delete[](memory, kAlignment);
}

template <class T>
void run(const Gemm<T>& product, int threads, bool from_end = false) {
  with_scratch(gemm_scratch(product, threads), threads, [&](Context c) {
    c.from_end = from_end;
    gemm(c, product);
  });
}

struct Case {
  Index m, n, k;
  Layout a, b;
  bool accumulate = false, bias = false;
};

Case random_case(Random& random) {
  const Index largest[] = {9, 9, 9, 9, 40, 40, 40, 130, 130, 400};
  const Index high = largest[random.pick(0, 9)];
  Case c{random.pick(0, high), random.pick(0, high), random.pick(0, 2 * high), Layout::kRows, Layout::kRows};
  if (random.chance(10)) c.m = 1;
  if (random.chance(10)) c.n = 1;
  if (random.chance(6)) c.n = random.pick(1, 16);
  const Index layouts = random.chance(3) ? 2 : kLayouts;
  c.a = static_cast<Layout>(random.pick(0, layouts - 1));
  c.b = static_cast<Layout>(random.pick(0, layouts - 1));
  c.accumulate = random.chance(3);
  c.bias = random.chance(3);
  return c;
}

// k products of rounded numbers, summed: half a unit for each of up to sqrt(k) roundings that do not cancel,
// and four units for the blocks, the bias and what was there before.
template <class T>
Real bound(Real magnitude, Index k) {
  return (magnitude + Real(1e-30)) * std::numeric_limits<T>::epsilon() / 2 * (4 + std::sqrt(Real(k)) / 2);
}

template <class T>
class Check {
 public:
  Check(Random& random, const Case& shape)
      : s_(shape),
        a_(random, s_.m, s_.k, s_.a),
        b_(random, s_.k, s_.n, s_.b),
        row_(s_.n + random.pick(0, 3)),
        before_(static_cast<std::size_t>(s_.m && s_.n ? (s_.m - 1) * row_ + s_.n : 0)),
        bias_(static_cast<std::size_t>(s_.n)) {
    for (T& x : before_) x = random.element<T>();
    for (T& x : bias_) x = random.element<T>();
  }

  std::vector<T> result(int threads, bool from_end = false) const {
    std::vector<T> c = before_;
    run(Gemm<T>{s_.m, s_.n, s_.k, a_.data(), a_.row, a_.col, b_.data(), b_.row, b_.col, c.data(), row_,
                s_.bias ? bias_.data() : nullptr, s_.accumulate},
        threads, from_end);
    return c;
  }

  void compare_with_sum(const std::vector<T>& c) const {
    Real worst = 0;
    for (Index i = 0; i < s_.m; ++i) {
      for (Index j = 0; j < s_.n; ++j) {
        Real sum = 0, magnitude = 0;
        const auto add = [&](Real term) {
          sum += term;
          magnitude += std::fabs(term);
        };
        if (s_.accumulate) add(before_[at(i, j)]);
        if (s_.bias) add(bias_[static_cast<std::size_t>(j)]);
        for (Index p = 0; p < s_.k; ++p) add(static_cast<Real>(a_.at(i, p)) * static_cast<Real>(b_.at(p, j)));
        worst = std::max(worst, std::fabs(c[at(i, j)] - sum) / bound<T>(magnitude, s_.k));
      }
    }
    CHECK(worst <= 1);
  }

  void compare_gaps(const std::vector<T>& c) const {
    bool untouched = true;
    for (Index i = 0; i + 1 < s_.m; ++i) {
      for (Index j = s_.n; j < row_ && s_.n; ++j) untouched = untouched && c[at(i, j)] == before_[at(i, j)];
    }
    CHECK(untouched);
  }

  // A NaN in a row of a and one in a column of b: all other elements keep their bits.
  void compare_with_nan(Random& random, const std::vector<T>& c) {
    const bool repeats = s_.a == Layout::kRepeatedRow || s_.b == Layout::kRepeatedRow;
    if (repeats || s_.m == 0 || s_.n == 0 || s_.k == 0) return;
    const Index row = random.pick(0, s_.m - 1), column = random.pick(0, s_.n - 1),
                p = random.pick(0, s_.k - 1);
    a_.at(row, p) = b_.at(p, column) = std::numeric_limits<T>::quiet_NaN();
    const std::vector<T> d = result(1);
    bool as_expected = true;
    for (Index i = 0; i < s_.m; ++i) {
      for (Index j = 0; j < s_.n; ++j) {
        const bool hit = i == row || j == column;
        as_expected = as_expected && (hit ? std::isnan(d[at(i, j)]) : d[at(i, j)] == c[at(i, j)]);
      }
    }
    CHECK(as_expected);
  }

 private:
  std::size_t at(Index i, Index j) const { return static_cast<std::size_t>(i * row_ + j); }

  Case s_;
  Matrix<T> a_, b_;
  Index row_;
  std::vector<T> before_, bias_;
};

template <class T>
void check(Random& random, const Case& shape, int threads) {
  CAPTURE(shape.m, shape.n, shape.k, static_cast<int>(shape.a), static_cast<int>(shape.b), shape.accumulate,
          shape.bias, threads);
  Check<T> checked(random, shape);
  const std::vector<T> c = checked.result(1);
  checked.compare_with_sum(c);
  checked.compare_gaps(c);
  CHECK(checked.result(threads) == c);
  CHECK(checked.result(threads, true) == c);
  checked.compare_with_nan(random, c);
}

TEMPLATE_TEST_CASE("gemm on random shapes and layouts", "", float, double) {
  Random random(1);
  for (int i = 0; i < 400; ++i)
    check<TestType>(random, random_case(random), static_cast<int>(random.pick(2, 4)));
}

TEST_CASE("gemm on products that are blocked in every direction") {
  Random random(2);
  const Index shapes[][3] = {{150, 2000, 600}, {300, 1100, 700}, {1000, 33, 900},  {20, 2048, 700},
                             {1, 1500, 1300},  {1300, 1, 1100},  {1500, 7, 800},   {3000, 20, 20},
                             {14, 1003, 520},  {40, 784, 1030},  {100, 1040, 330}, {1400, 200, 3},
                             {520, 777, 16},   {256, 300, 1200}, {270, 1610, 1000}};
  for (const auto& [m, n, k] : shapes) {
    for (Layout b : {Layout::kRows, Layout::kColumns})
      check<float>(random, {m, n, k, Layout::kRows, b, b == Layout::kRows, b == Layout::kColumns}, 3);
  }
}

TEST_CASE("gemm on a right operand too large to be packed at once has the bits of its rows alone") {
  Random random(5);
  const Index m = 520, n = 4400, k = 2100;
  const Matrix<float> a(random, m, k, Layout::kRows), b(random, k, n, Layout::kRows);
  const auto rows = [&](Index first, Index count, int threads) {
    std::vector<float> c(static_cast<std::size_t>(count * n));
    run(Gemm<float>{count, n, k, &a.at(first, 0), k, 1, b.data(), n, 1, c.data(), n}, threads);
    return c;
  };
  const std::vector<float> whole = rows(0, m, 1);
  CHECK(rows(0, m, 3) == whole);
  for (Index row : {0, 255, 519}) {
    const auto begin = whole.begin() + row * n;
    CHECK(rows(row, 1, 1) == std::vector<float>(begin, begin + n));
  }
}

TEST_CASE("every entry of a batch has the bits of its own product") {
  Random random(3);
  for (int round = 0; round < 40; ++round) {
    const Index count = random.pick(0, 9), m = random.pick(0, 40), n = random.pick(0, 40),
                k = random.pick(0, 60);
    const Matrix<float> a(random, count * m, k, Layout::kRows), b(random, count * n, k, Layout::kRows);
    const auto size = static_cast<std::size_t>(count * m * n);
    std::vector<float> single(size), batched(size);
    Gemm<float> product{m, n, k, a.data(), k, 1, b.data(), 1, k, nullptr, n};
    for (Index e = 0; e < count && size; ++e) {
      Gemm<float> entry = product;
      entry.a += e * m * k;
      entry.b += e * n * k;
      entry.c = single.data() + e * m * n;
      run(entry, 1);
    }
    product.c = batched.data();
    const GemmBatch<float> batch{count, m * k, n * k, m * n};
    for (int threads : {1, 3}) {
      with_scratch(gemm_batch_scratch(product, batch, threads), threads,
                   [&](const Context& c) { gemm_batch(c, product, batch); });
      CHECK(batched == single);
    }
  }
}

TEMPLATE_TEST_CASE("integer products wrap", "", std::int32_t, std::int64_t) {
  Random random(4);
  for (int round = 0; round < 100; ++round) {
    const Case s = random_case(random);
    if (s.m * s.n * s.k > 100'000) continue;
    const Matrix<TestType> a(random, s.m, s.k, s.a), b(random, s.k, s.n, s.b);
    std::vector<TestType> c(static_cast<std::size_t>(s.m * s.n), 3), expected;
    integer_gemm(Context{3, nullptr, run_on_threads, nullptr},
                 Gemm<TestType>{s.m, s.n, s.k, a.data(), a.row, a.col, b.data(), b.row, b.col, c.data(), s.n,
                                nullptr, s.accumulate});
    for (Index i = 0; i < s.m; ++i) {
      for (Index j = 0; j < s.n; ++j) {
        std::uint64_t sum = s.accumulate ? 3 : 0;
        for (Index p = 0; p < s.k; ++p)
          sum += static_cast<std::uint64_t>(a.at(i, p)) * static_cast<std::uint64_t>(b.at(p, j));
        expected.push_back(static_cast<TestType>(sum));
      }
    }
    CHECK(c == expected);
  }
}

}  // namespace
}  // namespace unspool::kernels::cpu
