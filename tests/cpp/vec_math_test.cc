// What the SIMD value type and its elementary functions promise: accuracy in units in the last place over the
// whole range of float and on samples of double, C's special values, the same bits for scalars and in every
// lane.
#include "kernels/cpu/vec_math.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace unspool::kernels::cpu {
namespace {

using Real = long double;

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

// The distance of two results in units in the last place of the exact one; a wrong kind of value is
// infinitely far.
template <class T>
double ulps(T got, Real exact) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  using Limits = std::numeric_limits<T>;
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : kWrong;
  if (std::signbit(got) != std::signbit(exact)) return kWrong;
  // What would round to infinity may also come out as the largest number, and the reverse.
  const Real bounded = std::clamp(exact, -static_cast<Real>(Limits::max()), static_cast<Real>(Limits::max()));
  const Real value =
      std::isinf(got) ? std::copysign(static_cast<Real>(Limits::max()), static_cast<Real>(got)) : got;
  int exponent = 0;
  std::frexp(bounded, &exponent);
  exponent = std::max(exponent, Limits::min_exponent) - Limits::digits;
  return static_cast<double>(std::ldexp(std::abs(value - bounded), -exponent));
}

struct Function {
  const char* name;
  Vec<float> (*of_floats)(Vec<float>);
  Vec<double> (*of_doubles)(Vec<double>);
  float (*of_float)(float);
  double (*of_double)(double);
  Real (*exact)(Real);
  double float_limit, double_limit;  // ulps
};

Real exact_sigmoid(Real x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

#define UNSPOOL_FUNCTION(name, exact, float_limit, double_limit)                        \
  Function {                                                                            \
    #name, [](Vec<float> x) { return name(x); }, [](Vec<double> x) { return name(x); }, \
        [](float x) { return name(x); }, [](double x) { return name(x); },              \
        [](Real x) -> Real { return exact; }, float_limit, double_limit                 \
  }

const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
      UNSPOOL_FUNCTION(exp, std::exp(x), 2, 2),          UNSPOOL_FUNCTION(exp2, std::exp2(x), 2, 2),
      UNSPOOL_FUNCTION(expm1, std::expm1(x), 2, 2),      UNSPOOL_FUNCTION(log, std::log(x), 2, 2),
      UNSPOOL_FUNCTION(log2, std::log2(x), 2, 2),        UNSPOOL_FUNCTION(log10, std::log10(x), 2, 2),
      UNSPOOL_FUNCTION(log1p, std::log1p(x), 2, 2),      UNSPOOL_FUNCTION(tanh, std::tanh(x), 2, 2),
      UNSPOOL_FUNCTION(sigmoid, exact_sigmoid(x), 2, 2), UNSPOOL_FUNCTION(erf, std::erf(x), 2, 2),
      UNSPOOL_FUNCTION(erfc, std::erfc(x), 4, 4),        UNSPOOL_FUNCTION(sin, std::sin(x), 2, 2),
      UNSPOOL_FUNCTION(cos, std::cos(x), 2, 2),          UNSPOOL_FUNCTION(tan, std::tan(x), 4, 4),
      UNSPOOL_FUNCTION(asin, std::asin(x), 4, 4),        UNSPOOL_FUNCTION(acos, std::acos(x), 4, 4),
      UNSPOOL_FUNCTION(atan, std::atan(x), 4, 4),        UNSPOOL_FUNCTION(sinh, std::sinh(x), 4, 4),
      UNSPOOL_FUNCTION(cosh, std::cosh(x), 4, 4),        UNSPOOL_FUNCTION(asinh, std::asinh(x), 4, 4),
      UNSPOOL_FUNCTION(acosh, std::acosh(x), 4, 4),      UNSPOOL_FUNCTION(atanh, std::atanh(x), 4, 4),
      UNSPOOL_FUNCTION(sqrt, std::sqrt(x), 0.5, 0.5),    UNSPOOL_FUNCTION(rsqrt, 1 / std::sqrt(x), 2, 2),
      UNSPOOL_FUNCTION(reciprocal, 1 / x, 0.5, 0.5),
  };
  return all;
}
#undef UNSPOOL_FUNCTION

template <class T>
Vec<T> apply(const Function& f, Vec<T> x) {
  if constexpr (std::is_same_v<T, float>)
    return f.of_floats(x);
  else
    return f.of_doubles(x);
}
template <class T>
T apply(const Function& f, T x) {
  if constexpr (std::is_same_v<T, float>)
    return f.of_float(x);
  else
    return f.of_double(x);
}

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}
template <class T>
bool same(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || same_bits(a, b);
}

// Arguments where functions change their formula, overflow, or are special.
template <class T>
std::vector<T> special_arguments() {
  using Limits = std::numeric_limits<T>;
  const std::vector<double> plain = {0,
                                     0.25,
                                     0.5,
                                     0.625,
                                     0.75,
                                     1,
                                     1.125,
                                     1.4616,
                                     1.5,
                                     2,
                                     3,
                                     4,
                                     9.01,
                                     9.1,
                                     10.1,
                                     16,
                                     16.6,
                                     17.5,
                                     19.1,
                                     27.25,
                                     36,
                                     37,
                                     88.7,
                                     88.73,
                                     89.41,
                                     89.42,
                                     103.9,
                                     104.1,
                                     127.9,
                                     128,
                                     149,
                                     150,
                                     709.7,
                                     709.8,
                                     710.4,
                                     710.5,
                                     745.1,
                                     745.2,
                                     1023.9,
                                     1024,
                                     1074,
                                     1e4,
                                     32768,
                                     33000,
                                     1e6,
                                     1e7,
                                     1e18,
                                     1.5707963267948966,
                                     3.141592653589793};
  std::vector<T> all = {
      kInfinity<T>,      kNan<T>,           Limits::min(),         Limits::denorm_min(),     Limits::max(),
      Limits::min() / 3, Limits::epsilon(), 1 + Limits::epsilon(), 1 - Limits::epsilon() / 2};
  for (double x : plain) all.push_back(static_cast<T>(x));
  const std::size_t positive = all.size();
  for (std::size_t i = 0; i < positive; ++i) all.push_back(-all[i]);
  return all;
}

// Any bit pattern, and many numbers of moderate size.
std::vector<double> random_doubles(int count) {
  std::mt19937_64 bits(7);
  std::vector<double> all;
  for (int i = 0; i < count; ++i) {
    double x = 0;
    const std::uint64_t u = bits();
    std::memcpy(&x, &u, sizeof x);
    const double unit = static_cast<double>(u >> 11) * 0x1p-53;
    if (i % 4 == 1) x = std::ldexp(unit + 1, static_cast<int>(bits() % 24) - 14);
    if (i % 4 == 2) x = 0.5 + unit;
    if (i % 4 == 3) x = (unit - 0.5) * 12;
    all.push_back(i % 8 < 4 ? x : -x);
  }
  return all;
}

template <class T>
struct Worst {
  double ulps = 0;
  T at{};
};

template <class T>
Worst<T> worst_of(const Function& f, const std::vector<T>& arguments) {
  Worst<T> worst;
  for (std::size_t i = 0; i < arguments.size(); i += Vec<T>::kLanes) {
    const int n = static_cast<int>(std::min<std::size_t>(arguments.size() - i, Vec<T>::kLanes));
    const Vec<T> y = apply(f, Vec<T>::load_partial(&arguments[i], n));
    for (int k = 0; k < n; ++k) {
      const T x = arguments[i + static_cast<std::size_t>(k)];
      const double distance = ulps(y[k], f.exact(x));
      if (distance > worst.ulps) worst = {distance, x};
    }
  }
  return worst;
}

TEST_CASE("float functions keep their accuracy over every exponent") {
  std::vector<float> arguments;
  for (std::uint64_t u = 0; u < (std::uint64_t{1} << 32); u += 4099) {
    const auto bits = static_cast<std::uint32_t>(u);
    float x = 0;
    std::memcpy(&x, &bits, sizeof x);
    arguments.push_back(x);
  }
  for (const Function& f : functions()) {
    const Worst<float> worst = worst_of(f, arguments);
    CAPTURE(f.name, worst.ulps, worst.at);
    CHECK(worst.ulps <= f.float_limit);
  }
}

TEST_CASE("double functions keep their accuracy on random arguments") {
  const std::vector<double> arguments = random_doubles(100'000);
  for (const Function& f : functions()) {
    const Worst<double> worst = worst_of(f, arguments);
    CAPTURE(f.name, worst.ulps, worst.at);
    CHECK(worst.ulps <= f.double_limit);
  }
}

TEST_CASE("square roots of floats are the correctly rounded ones, and inverses nearly are") {
  using V = Vec<float>;
  for (std::uint64_t u = 0; u < (std::uint64_t{1} << 31); u += 509) {
    const auto bits = static_cast<std::uint32_t>(u);
    float x = 0;
    std::memcpy(&x, &bits, sizeof x);
    if (!same(sqrt(V(x))[0], std::sqrt(x))) FAIL("sqrt of " << x);
  }
  for (int exponent : {-120, -1, 0, 1, 120}) {
    for (int k = 0; k < 1 << 23; k += 17) {
      const float x = std::ldexp(1.0f + static_cast<float>(k) * 0x1p-23f, exponent);
      if (ulps(inverse(V(x))[0], 1 / static_cast<Real>(x)) > 0.53) FAIL("inverse of " << x);
    }
  }
}

// The doubles whose square roots are nearest to the middle of two doubles: a 2^s = m^2 - c for m of 54 bits
// and small c, by way of the square roots of c modulo 2^s, which are found bit by bit.
std::vector<double> hard_to_root() {
  __extension__ using Wide128 = unsigned __int128;
  std::vector<double> all;
  for (const int s : {54, 55}) {
    const std::uint64_t modulus = std::uint64_t{1} << s;
    for (std::int64_t c = -4095; c < 4096; c += 8) {  // 1 modulo 8: the odd numbers that have roots
      std::uint64_t m = 1;
      for (int k = 3; k < s; ++k) {
        if ((m * m - static_cast<std::uint64_t>(c)) >> k & 1) m += std::uint64_t{1} << (k - 1);
      }
      for (const std::uint64_t root : {m, modulus - m, m + modulus / 2, modulus + modulus / 2 - m}) {
        const std::uint64_t r = root % modulus;
        if (r >> 53 != 1) continue;
        const Wide128 square = Wide128{r} * r - static_cast<Wide128>(c);
        const auto a = static_cast<std::uint64_t>(square >> s);
        if (a >> 52 == 1) all.push_back(static_cast<double>(a) * (s == 54 ? 1 : 2));
      }
    }
  }
  return all;
}

TEST_CASE("square roots of doubles are the correctly rounded ones, and inverses nearly are") {
  const std::vector<double> hard = hard_to_root();
  CHECK(hard.size() > 1000);
  for (const double x : hard) CHECK(same(sqrt(Vec<double>(x))[0], std::sqrt(x)));
  for (const double x : random_doubles(200'000)) {
    CHECK(same(sqrt(Vec<double>(x))[0], std::sqrt(x)));
    const double size = std::abs(x);
    if (size > 0x1p-1000 && size < 0x1p1000) CHECK(ulps(inverse(Vec<double>(x))[0], 1 / Real{x}) <= 0.53);
  }
}

TEMPLATE_TEST_CASE("infinities, NaN, zeros of either sign, subnormal numbers and edges are C's", "", float,
                   double) {
  for (const Function& f : functions()) {
    for (const TestType x : special_arguments<TestType>()) {
      const TestType y = apply(f, x);
      const double distance = ulps(y, f.exact(x));
      CAPTURE(f.name, x, y);
      CHECK(distance <= (sizeof(TestType) == 4 ? f.float_limit : f.double_limit));
    }
  }
}

TEMPLATE_TEST_CASE("a scalar, any lane and a partial register give the same bits", "", float, double) {
  using V = Vec<TestType>;
  std::vector<TestType> arguments = special_arguments<TestType>();
  for (double x : random_doubles(200)) arguments.push_back(static_cast<TestType>(x));
  for (const Function& f : functions()) {
    for (std::size_t i = 0; i + V::kLanes < arguments.size(); ++i) {
      const V y = apply(f, V::load(&arguments[i]));
      CAPTURE(f.name, arguments[i]);
      CHECK(same(y[0], apply(f, arguments[i])));
      CHECK(same(y[0], apply(f, V::load_partial(&arguments[i], 1))[0]));
      CHECK(same(y[V::kLanes - 1], apply(f, V(arguments[i + V::kLanes - 1]))[0]));
    }
  }
}

TEMPLATE_TEST_CASE("erfinv undoes erf, and is infinite at one", "", float, double) {
  using T = TestType;
  for (double p = -0.9995; p < 1; p += 0.00103) {
    const T x = static_cast<T>(p);
    const T y = erfinv(x);
    // The slope turns the error of y into one of erf(y); 4 ulps of y are allowed.
    const Real slope = std::exp(-static_cast<Real>(y) * y) * 1.1283791670955126L;
    const Real allowed = slope * std::abs(y) * std::numeric_limits<T>::epsilon() * 4;
    CAPTURE(x, y);
    CHECK(std::abs(std::erf(static_cast<Real>(y)) - x) <= allowed + 1e-19L);
  }
  CHECK(erfinv(T(1)) == kInfinity<T>);
  CHECK(erfinv(T(-1)) == -kInfinity<T>);
  CHECK(std::isnan(erfinv(T(1.5))));
  CHECK(std::isnan(erfinv(kNan<T>)));
  CHECK(same_bits(erfinv(T(-0.0)), T(-0.0)));
  CHECK(std::abs(erfinv(T(1e-30)) - T(8.862269254527581e-31)) <=
        T(1e-30) * 4 * std::numeric_limits<T>::epsilon());
}

TEMPLATE_TEST_CASE("gamma functions have their known values and poles", "", float, double) {
  using T = TestType;
  const auto close = [](T got, Real exact) { return ulps(got, exact) <= 4; };
  CHECK(close(digamma(T(1)), -0.577215664901532860606512L));
  CHECK(close(digamma(T(0.5)), -1.963510026021423479440976L));
  CHECK(close(digamma(T(3.25)), 1.016990911068179036355L));
  CHECK(close(digamma(T(100)), 4.600161852738087400416L));
  CHECK(close(digamma(T(-0.5)), 0.03648997397857652055902367L));
  CHECK(digamma(T(0)) == -kInfinity<T>);
  CHECK(digamma(T(-0.0)) == kInfinity<T>);
  CHECK(std::isnan(digamma(T(-3))));
  CHECK(digamma(kInfinity<T>) == kInfinity<T>);
  CHECK(std::isnan(digamma(-kInfinity<T>)));
  CHECK(close(lgamma(T(0.5)), 0.572364942924700087071713675677L));
  CHECK(close(lgamma(T(10)), 12.801827480081469611207717874567L));
  CHECK(lgamma(T(-2)) == kInfinity<T>);
  CHECK(lgamma(T(1)) == T(0));
}

template <class T>
void check_binary(T x, T y) {
  CAPTURE(x, y);
  CHECK(same(fmod(x, y), std::fmod(x, y)));
  CHECK(ulps(atan2(x, y), std::atan2(static_cast<Real>(x), static_cast<Real>(y))) <= 4);
  CHECK(ulps(pow(x, y), std::pow(static_cast<Real>(x), static_cast<Real>(y))) <= 1);
}

TEMPLATE_TEST_CASE("pow, fmod and atan2 follow C, special values included; fmod is exact", "", float,
                   double) {
  using T = TestType;
  const std::vector<T> corners = {0,
                                  1,
                                  2,
                                  3,
                                  T(0.5),
                                  T(1.5),
                                  kInfinity<T>,
                                  kNan<T>,
                                  std::numeric_limits<T>::min(),
                                  std::numeric_limits<T>::denorm_min(),
                                  std::numeric_limits<T>::max(),
                                  T(1e9),
                                  T(16777217.0),
                                  T(1e-30)};
  for (T x : corners) {
    for (T y : corners) {
      check_binary(x, y);
      check_binary(-x, y);
      check_binary(x, -y);
      check_binary(-x, -y);
    }
  }
  const std::vector<double> random = random_doubles(4000);
  for (std::size_t i = 0; i + 1 < random.size(); ++i) {
    check_binary(static_cast<T>(random[i]), static_cast<T>(random[i + 1]));
    check_binary(static_cast<T>(std::abs(random[i])), static_cast<T>(std::rint(random[i + 1])));
  }
}

TEMPLATE_TEST_CASE("loads and stores of part of a register leave the rest of memory alone", "", float,
                   double) {
  using V = Vec<TestType>;
  for (int n = 0; n <= V::kLanes; ++n) {
    std::vector<TestType> in(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) in[static_cast<std::size_t>(i)] = static_cast<TestType>(i + 1);
    const V v = V::load_partial(in.data(), n);
    std::vector<TestType> out(V::kLanes + 1, TestType(-1));
    v.store_partial(out.data(), n);
    for (int i = 0; i < V::kLanes; ++i) {
      CHECK(v[i] == (i < n ? static_cast<TestType>(i + 1) : TestType(0)));
      CHECK(out[static_cast<std::size_t>(i)] == (i < n ? static_cast<TestType>(i + 1) : TestType(-1)));
    }
  }
}

TEMPLATE_TEST_CASE("masks combine, select, and travel through bool arrays", "", float, double) {
  using V = Vec<TestType>;
  using M = Mask<TestType>;
  TestType x[V::kLanes];
  bool expected[V::kLanes], stored[V::kLanes];
  for (int i = 0; i < V::kLanes; ++i) {
    x[i] = static_cast<TestType>(i % 3) - 1;
    expected[i] = i % 3 == 2;
  }
  const V v = V::load(x);
  (v > 0).store(stored);
  CHECK(std::equal(stored, stored + V::kLanes, expected));
  mask_to_bools(mask_from_bools<TestType>(expected), stored);
  CHECK(std::equal(stored, stored + V::kLanes, expected));
  CHECK(any(v < 0));
  CHECK_FALSE(any(v > 1));
  CHECK(all((v > 0) | (v <= 0)));
  CHECK_FALSE(any((v > 0) & !(v > 0)));
  CHECK(all((v > 0) ^ ~(v > 0)));
  CHECK(all(M(true)));
  CHECK_FALSE(any(M(false)));
  const V chosen = select(v > 0, v, -1);
  for (int i = 0; i < V::kLanes; ++i) CHECK(chosen[i] == (expected[i] ? TestType(1) : TestType(-1)));
}

template <class P>
P example_body(P x) {
  return select(x > 0, x * P(0.5), max(abs(x), 2)) + fma(x, 2, 1) - min(x, round(x));
}

TEMPLATE_TEST_CASE("one body serves registers and scalars with the same bits", "", float, double) {
  for (double d : random_doubles(1000)) {
    const auto x = static_cast<TestType>(d);
    CHECK(same(example_body(x), example_body(Vec<TestType>(x))[0]));
  }
}

TEMPLATE_TEST_CASE("minimum and maximum give NaN when either operand is NaN", "", float, double) {
  using T = TestType;
  using V = Vec<T>;
  CHECK(std::isnan(max(V(kNan<T>), V(1))[0]));
  CHECK(std::isnan(max(V(1), V(kNan<T>))[0]));
  CHECK(std::isnan(min(V(kNan<T>), V(1))[0]));
  CHECK(std::isnan(min(T(1), kNan<T>)));
  CHECK(std::isnan(max(kNan<T>, T(1))));
  CHECK(max(V(-3), V(2))[0] == T(2));
  CHECK(min(-3, 2) == -3);
}

TEMPLATE_TEST_CASE("rounding goes to even on halves and keeps the sign of zero", "", float, double) {
  using T = TestType;
  for (T x : {T(0.5), T(1.5), T(2.5), T(-0.5), T(-1.5), T(3.2), T(-3.7), T(-0.0), T(1e10), kInfinity<T>}) {
    CHECK(same_bits(round(x), std::nearbyint(x)));
    CHECK(same_bits(floor(x), std::floor(x)));
    CHECK(same_bits(ceil(x), std::ceil(x)));
    CHECK(same_bits(trunc(x), std::trunc(x)));
    CHECK(same_bits(copysign(T(2), x), std::copysign(T(2), x)));
  }
  CHECK(round(7) == 7);
  CHECK(abs(std::int64_t{-5}) == 5);
  CHECK(same_bits(Vec<T>(T(-0.0))[0], T(-0.0)));
}

TEMPLATE_TEST_CASE("lanes are reduced in a fixed tree", "", float, double) {
  using V = Vec<TestType>;
  TestType x[V::kLanes], tree[V::kLanes];
  for (int i = 0; i < V::kLanes; ++i) tree[i] = x[i] = TestType(1) / static_cast<TestType>(i + 3);
  for (int half = V::kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) tree[i] += tree[i + half];
  }
  CHECK(same_bits(reduce_add(V::load(x)), tree[0]));
  CHECK(reduce_max(V::load(x)) == x[0]);
  CHECK(reduce_min(V::load(x)) == x[V::kLanes - 1]);
  x[V::kLanes / 2] = kNan<TestType>;
  CHECK(std::isnan(reduce_max(V::load(x))));
  CHECK(std::isnan(reduce_min(V::load(x))));
}

TEST_CASE("float registers widen to double and back") {
  float x[Vec<float>::kLanes];
  for (int i = 0; i < Vec<float>::kLanes; ++i) x[i] = static_cast<float>(i) + 0.25f;
  const Wide wide = widen(Vec<float>::load(x));
  const Vec<float> back = narrow(wide);
  for (int i = 0; i < Vec<float>::kLanes; ++i) {
    CHECK(back[i] == x[i]);
    CHECK((i < Vec<double>::kLanes ? wide.low[i] : wide.high[i - Vec<double>::kLanes]) == double{x[i]});
  }
}

}  // namespace
}  // namespace unspool::kernels::cpu
