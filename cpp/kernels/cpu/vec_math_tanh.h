// The hyperbolic tangent of vec.h values. Coefficients are minimax fits made for these intervals. The
// accuracy is listed in vec_math.h.
#pragma once

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_exp.h"

namespace unspool::kernels::cpu {
namespace math {

struct TanhDouble {
  static constexpr double kSmall = 0.625, kOne = 19.1;
  static constexpr double kNumerator[] = {-0x1.5555555555554p-2, -0x1.4fd2032627f2dp-6,
                                          -0x1.a186850113275p-13};
  static constexpr double kDenominator[] = {1.0, 0x1.d890fa30c106ap-2, 0x1.7d90045fdf7acp-6,
                                            0x1.b0f049dbcf0aep-13};
};

#if defined(__AVX512F__) && defined(__AVX512DQ__)

// Sixteen polynomials, because a register of sixteen coefficients is a table that every lane can look into:
// no exponential and no division. Interval k is what rounds to k / kPerUnit; its polynomial is in x -
// center[k], where the centers are numbers next to the middle whose tangent is nearly a float.
struct TanhFloat {
  static constexpr float kOne = 9.004f, kPerUnit = 0x1.b7e94cp+0f;
  alignas(64) static constexpr float kCenter[16] = {
      0.0f,           0x1.29f9ep-1f,  0x1.29ef4cp+0f, 0x1.bedec8p+0f, 0x1.29ff1p+1f,  0x1.7463d6p+1f,
      0x1.bef98ap+1f, 0x1.04ae06p+2f, 0x1.29e5d4p+2f, 0x1.4f3616p+2f, 0x1.746d0cp+2f, 0x1.99be5ep+2f,
      0x1.bedd8cp+2f, 0x1.e434ep+2f,  0x1.04a564p+3f, 0x1.17449cp+3f};
  alignas(64) static constexpr float kPower[8][16] = {
      {0.0f, 0x1.0c57aap-1f, 0x1.a5017ap-1f, 0x1.e1b9dep-1f, 0x1.f65c68p-1f, 0x1.fcf746p-1f, 0x1.ff0d52p-1f,
       0x1.ffb40cp-1f, 0x1.ffe842p-1f, 0x1.fff89ap-1f, 0x1.fffdbp-1f, 0x1.ffff48p-1f, 0x1.ffffc6p-1f,
       0x1.ffffeep-1f, 0x1.fffffap-1f, 0x1.fffffep-1f},
      {0x1p+0f, 0x1.735c2cp-1f, 0x1.4ba216p-2f, 0x1.d60feap-4f, 0x1.318bb4p-5f, 0x1.83367ap-7f,
       0x1.e4e912p-9f, 0x1.2fb988p-10f, 0x1.7bd74cp-12f, 0x1.d97cbap-14f, 0x1.27e6ap-15f, 0x1.70b7d6p-17f,
       0x1.ce42e2p-19f, 0x1.1fe786p-20f, 0x1.65930cp-22f, 0x1.b941a4p-24f},
      {0.0f, -0x1.8543a6p-2f, -0x1.10b1cep-2f, -0x1.ba44cp-4f, -0x1.2bcb1ep-5f, -0x1.80eafcp-7f,
       -0x1.e40326p-9f, -0x1.2f8c6cp-10f, -0x1.7bc50ep-12f, -0x1.d97478p-14f, -0x1.27fb96p-15f,
       -0x1.c7caeep-17f, -0x1.3e953ep-19f, -0x1.1fff62p-20f, 0x1.362fcap-21f, 0x1.117ea4p-21f},
      {-0x1.5554bcp-2f, -0x1.5c7c92p-5f, 0x1.c6d4dep-4f, 0x1.037c8p-4f, 0x1.809b04p-6f, 0x1.fb1768p-8f,
       0x1.41718cp-9f, 0x1.9436acp-11f, 0x1.fa1b3ap-13f, 0x1.3b8e32p-14f, 0x1.936328p-16f, 0x1.ff0ef2p-18f,
       0x1.4449eap-19f, 0x1.889612p-21f, 0x1.4986d2p-22f, 0x1.08aabp-23f},
      {0.0f, 0x1.312afap-3f, -0x1.490f5ap-9f, -0x1.82b302p-6f, -0x1.6303d6p-7f, -0x1.ef08d8p-9f,
       -0x1.3f1554p-10f, -0x1.934ef2p-12f, -0x1.fa1474p-14f, -0x1.3bd974p-15f, -0x1.8e4808p-17f,
       0x1.2d05eep-14f, -0x1.0fa7aep-15f, -0x1.832a2cp-22f, -0x1.52fac4p-17f, -0x1.c4e158p-18f},
      {0x1.10bae8p-3f, -0x1.86855p-5f, -0x1.ceab0ep-6f, 0x1.b50cep-9f, 0x1.dbc442p-9f, 0x1.7ca5f6p-10f,
       0x1.fd900ep-12f, 0x1.45aacp-13f, 0x1.9a3fb2p-15f, 0x1.005172p-16f, 0.0f, -0x1.bb6ec6p-20f,
       -0x1.bf9c2ap-21f, 0.0f, 0.0f, 0.0f},
      {0.0f, -0x1.0f5b12p-5f, 0x1.1d0656p-6f, 0x1.16da0ep-9f, -0x1.8aa4c2p-11f, -0x1.c4b5fep-12f,
       -0x1.478014p-13f, -0x1.abc1f8p-15f, -0x1.054b66p-16f, -0x1.3dccfcp-18f, 0.0f, -0x1.2037d2p-11f,
       0x1.dc9f0ap-13f, 0.0f, 0.0f, 0.0f},
      {-0x1.9e458cp-5f, 0x1.d8059p-6f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
       0.0f, 0.0f},
  };
};

inline Vec<float> look_up(const float (&table)[16], Vec<float>::Uint index) {
  return native::look_up(native::F(Vec<float>::load(table).v), index);
}

inline Vec<float> tanh_any(Vec<float> x) {
  using C = TanhFloat;
  using V = Vec<float>;
  const V a = at_most(abs(x), C::kOne);
  const auto interval = unsigned_bits(fma(a, V(C::kPerUnit), V(Format<float>::kRounder)));
  const V h = a - look_up(C::kCenter, interval);
  V y = look_up(C::kPower[7], interval);
  for (int k = 6; k >= 0; --k) y = fma(y, h, look_up(C::kPower[k], interval));
  return copysign(y, x);
}

#else

struct TanhFloat {
  static constexpr float kSmall = 0.625f, kOne = 9.1f;
  static constexpr float kOdd[] = {-0x1.555534p-2f, 0x1.11075ep-3f, -0x1.b842fep-5f, 0x1.524f76p-6f,
                                   -0x1.768fd4p-8f};
};

// An odd polynomial near 0, 1 - 2 / (2^t + 1) with t = 2 |x| log2(e) elsewhere: what t loses by rounding is
// invisible behind the 1.
inline Vec<float> tanh_any(Vec<float> x) {
  using C = TanhFloat;
  using V = Vec<float>;
  const V a = at_most(abs(x), C::kOne), two_log2e = 2 * ExpConstants<float>::kLog2E;
  const V rounder = Format<float>::kRounder + static_cast<float>(Format<float>::kBias);
  const V shifted = fma(a, two_log2e, rounder);
  const V power = polynomial(fma(a, two_log2e, rounder - shifted), ExpConstants<float>::kExp2);
  const V far =
      fma(V(-2.0f), inverse(fma(power, power_of_two<float>(unsigned_bits(shifted)), V(1.0f))), V(1.0f));
  const V z = a * a;
  const V near = fma(a * z, polynomial(z, C::kOdd), a);
  return copysign(select(a < C::kSmall, near, far), x);
}

#endif

// An odd rational function near 0, the same formula elsewhere; the two share one division.
inline Vec<double> tanh_any(Vec<double> x) {
  using C = TanhDouble;
  using V = Vec<double>;
  const V a = at_most(abs(x), C::kOne);
  const Mask<double> small = a < C::kSmall;
  const V z = a * a;
  const V top = select(small, a * z * polynomial(z, C::kNumerator), V(-2.0));
  const V bottom = select(small, polynomial(z, C::kDenominator), exp_moderate(a + a) + 1.0);
  return copysign(select(small, a, V(1.0)) + top * inverse(bottom), x);
}

}  // namespace math

inline Vec<float> tanh(Vec<float> x) { return math::tanh_any(x); }
inline Vec<double> tanh(Vec<double> x) { return math::tanh_any(x); }

}  // namespace unspool::kernels::cpu
