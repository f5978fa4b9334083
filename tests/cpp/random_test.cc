// The random stream: the twister against the standard library's, the generator's state, and what the block
// fills promise (element order, indifference to how a fill is split, edges of intervals). The values of every
// distribution are compared with recorded ones from Python.
#include "kernels/cpu/random.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "base/random.h"
#include "kernels/cpu/random_normal.h"

namespace unspool::kernels::cpu {
namespace {

using StateBytes = std::array<std::byte, Generator::kStateBytes>;

StateBytes bytes_of(const Generator& generator) {
  StateBytes bytes;
  generator.get_state(bytes);
  return bytes;
}

MersenneState seeded(std::uint64_t seed) {
  MersenneState state;
  seed_state(state, seed);
  return state;
}

// The raw word that tempers to `draw`.
std::uint32_t untemper(std::uint32_t draw) {
  std::uint32_t x = draw ^ (draw >> 18);
  x ^= (x << 15) & 0xefc60000U;
  std::uint32_t y = x;
  for (int i = 0; i < 4; ++i) y = x ^ ((y << 7) & 0x9d2c5680U);
  std::uint32_t z = y;
  for (int i = 0; i < 2; ++i) z = y ^ (z >> 11);
  return z;
}

// A state whose next draws are all `draw`.
MersenneState repeating(std::uint32_t draw) {
  MersenneState state = seeded(1);
  ready_words(state);
  state.position = 1;
  std::fill(std::begin(state.words), std::end(state.words), untemper(draw));
  return state;
}

// Whether filling at once equals filling in pieces of odd lengths, in values and in the state left behind.
template <class T, class Fill>
bool splits(Fill fill) {
  constexpr std::int64_t kCount = 3001;
  std::vector<T> whole(kCount), pieces(kCount);
  MersenneState a = seeded(7), b = seeded(7);
  random32(a);  // pairs of draws straddle blocks
  random32(b);
  fill(a, whole.data(), kCount);
  std::int64_t done = 0;
  for (std::int64_t piece = 1; done < kCount; piece = piece * 2 + 1) {
    const std::int64_t count = std::min(piece, kCount - done);
    fill(b, pieces.data() + done, count);
    done += count;
  }
  return whole == pieces && random64(a) == random64(b);
}

TEST_CASE("the twister is the standard one for every seed") {
  for (std::uint32_t seed : {0U, 1U, 5489U, 0xffffffffU}) {
    std::mt19937 standard(seed);
    MersenneState one = seeded(seed), block = seeded(seed);
    std::vector<std::uint32_t> bits(5000);
    fill_bits(block, bits.data(), 5000);
    for (std::uint32_t expected : bits) {
      REQUIRE(standard() == expected);
      REQUIRE(random32(one) == expected);
    }
  }
}

TEST_CASE("only the low half of a seed enters the stream, but all of it is remembered") {
  Generator a(3), b((std::uint64_t{9} << 32) + 3);
  CHECK(a.random64() == b.random64());
  CHECK(b.initial_seed() == (std::uint64_t{9} << 32) + 3);
  CHECK(Generator().initial_seed() == 67280421310721U);
  const std::uint64_t drawn = a.seed();
  CHECK(a.initial_seed() == drawn);
}

TEST_CASE("a state goes out and in at every position") {
  for (int draws : {0, 1, 2, 623, 624, 625, 1000}) {
    Generator a(11);
    for (int i = 0; i < draws; ++i) a.random32();
    if (draws % 2 != 0) standard_normal(a.state());
    Generator b(12);
    b.set_state(bytes_of(a));
    CHECK(bytes_of(b) == bytes_of(a));
    CHECK(b.initial_seed() == 11);
    CHECK(standard_normal(b.state()) == standard_normal(a.state()));
    CHECK(b.random64() == a.random64());
  }
}

TEST_CASE("bytes that are no state are refused and change nothing") {
  Generator generator(5);
  const StateBytes good = bytes_of(generator);
  CHECK_THROWS_AS(generator.set_state({}), Error);
  CHECK_THROWS_AS(generator.set_state(std::span(good).first(good.size() - 1)), Error);
  for (const std::size_t broken : {8U, 12U, 16U, 28U}) {  // left, seeded, next, the high half of a word
    StateBytes bytes = good;
    bytes[broken] ^= std::byte{0x47};
    CHECK_THROWS_AS(generator.set_state(bytes), Error);
  }
  CHECK(bytes_of(generator) == good);
}

TEST_CASE("seeding forgets the second normal") {
  Generator generator(5);
  const double first = standard_normal(generator.state());
  generator.manual_seed(5);
  CHECK(standard_normal(generator.state()) == first);
}

TEST_CASE("a fill equals the same fill in pieces") {
  CHECK(splits<std::uint32_t>([](auto& s, auto* out, auto n) { fill_bits(s, out, n); }));
  CHECK(splits<float>([](auto& s, auto* out, auto n) { fill_uniform(s, out, n, -1.0, 2.0); }));
  CHECK(splits<double>([](auto& s, auto* out, auto n) { fill_uniform(s, out, n, -1.0, 2.0); }));
  CHECK(splits<float>([](auto& s, auto* out, auto n) { fill_normal_pairwise(s, out, n, 1.0, 2.0); }));
  CHECK(splits<std::uint8_t>([](auto& s, auto* out, auto n) { fill_bernoulli(s, out, n, 0.3); }));
  CHECK(splits<float>([](auto& s, auto* out, auto n) { fill_bernoulli(s, out, n, 0.3, 1.5F); }));
  CHECK(splits<std::int64_t>(
      [](auto& s, auto* out, auto n) { fill_integers(s, out, n, IntegerRange::between(-5, 1000)); }));
  CHECK(splits<std::int64_t>([](auto& s, auto* out, auto n) {
    fill_integers(s, out, n, IntegerRange::between(-5, std::int64_t{1} << 40));
  }));
  CHECK(splits<double>([](auto& s, auto* out, auto n) { fill_exponential(s, out, n, 2.0); }));
}

TEST_CASE("normals do not depend on where a block stands or on how chunks are run") {
  constexpr std::int64_t kCount = 100'000;
  std::vector<float> plain(kCount), backwards(kCount), single(16);
  MersenneState a = seeded(3), b = seeded(3), c = seeded(3);
  fill_normal(Context{}, a, plain.data(), kCount, 0.5, 2.0);
  Context context;
  context.threads = 2;
  context.run_chunks = [](void*, int, std::int64_t chunks, Context::ChunkBody body, void* task) {
    for (std::int64_t chunk = chunks; chunk-- > 0;) body(task, chunk);
  };
  fill_normal(context, b, backwards.data(), kCount, 0.5, 2.0);
  CHECK(plain == backwards);
  for (std::int64_t start = 0; start + 16 <= 1000; start += 16) {
    fill_normal(Context{}, c, single.data(), 16, 0.5, 2.0);
    REQUIRE(std::equal(single.begin(), single.end(), plain.begin() + start));
  }
}

TEST_CASE("normals of a ragged fill end with a block drawn anew") {
  std::vector<double> ragged(37), whole(48);
  MersenneState a = seeded(3), b = seeded(3);
  fill_normal(Context{}, a, ragged.data(), 37, 0.0, 1.0);
  fill_normal(Context{}, b, whole.data(), 32, 0.0, 1.0);
  double skipped[5];
  fill_uniform(b, skipped, 5, 0.0, 1.0);
  fill_normal(Context{}, b, whole.data() + 32, 16, 0.0, 1.0);
  CHECK(std::equal(ragged.begin(), ragged.begin() + 21, whole.begin()));
  CHECK(std::equal(ragged.begin() + 21, ragged.end(), whole.begin() + 32));
  CHECK(random32(a) == random32(b));
}

TEST_CASE("sine and cosine of a turn are right to the last places") {
  double worst = 0;
  for (int i = 0; i <= 1 << 16; ++i) {
    const float angle = static_cast<float>(2 * 3.14159265358979323846 * i / (1 << 16));
    Vec<float> sine, cosine;
    sine_cosine_of_turn(Vec<float>(angle), sine, cosine);
    worst = std::max({worst, std::abs(sine[0] - std::sin(static_cast<double>(angle))),
                      std::abs(cosine[0] - std::cos(static_cast<double>(angle)))});
  }
  CHECK(worst < 0x1.8p-24);
}

TEST_CASE("the largest draw stays below the open end and the smallest is the closed one") {
  float x;
  MersenneState top = repeating(0xffffffffU), bottom = repeating(0);
  fill_uniform(top, &x, 1, 3.0, 4.0);  // rounds to 4, so it starts again
  CHECK(x == 3.0F);
  fill_uniform(top, &x, 1, 0.0, 1.0);
  CHECK(x == 1.0F - 0x1p-24F);
  fill_uniform(bottom, &x, 1, 3.0, 4.0);
  CHECK(x == 3.0F);
}

TEST_CASE("bernoulli compares 53 bits strictly, also where the first draw is a tie") {
  const std::uint32_t draw = 0x12345678U;
  MersenneState state = repeating(draw);
  const double u = to_uniform53(random64(state));
  std::vector<bool> expected;
  for (const double p : {0.0, u, std::nextafter(u, 1.0), 1.0}) {
    std::vector<std::int32_t> kept(20);
    fill_bernoulli(state, kept.data(), 20, p);
    CHECK(std::accumulate(kept.begin(), kept.end(), 0) == (u < p ? 20 : 0));
  }
}

TEST_CASE("integer ranges cover the type and no more") {
  CHECK(IntegerRange::whole<bool>().size == 2);
  CHECK(IntegerRange::whole<std::int32_t>().size == std::uint64_t{1} << 31);
  CHECK_FALSE(IntegerRange::whole<std::int32_t>().wide);
  CHECK(IntegerRange::starting_at<std::int32_t>(0).wide);
  CHECK(IntegerRange::starting_at<std::int64_t>(std::numeric_limits<std::int64_t>::min()).size == 0);
  CHECK_FALSE(IntegerRange::between(0, (1 << 28) - 1).wide);
  CHECK(IntegerRange::between(0, 1 << 28).wide);
  CHECK(IntegerRange::between_rounded<float>(0, 1 << 28).size == (1U << 28) - 16);
  CHECK(IntegerRange::between_rounded<double>(-(std::int64_t{1} << 53), 8).size ==
        (std::uint64_t{1} << 53) + 8);
}

TEST_CASE("remainders by multiplication are exact") {
  for (const std::uint64_t size : {1U, 2U, 3U, 10U, 641U, 1'000'003U, (1U << 28) - 1}) {
    MersenneState a = seeded(size), b = a;
    std::vector<std::int64_t> values(2000);
    fill_integers(a, values.data(), 2000, IntegerRange{0, size, false});
    for (const std::int64_t value : values) REQUIRE(value == static_cast<std::int64_t>(random32(b) % size));
  }
}

TEST_CASE("a permutation holds every number once") {
  for (const std::int64_t n : {0, 1, 2, 16, 1000}) {
    MersenneState state = seeded(4);
    std::vector<std::int64_t> values(static_cast<std::size_t>(n));
    fill_permutation(state, values.data(), n);
    std::sort(values.begin(), values.end());
    for (std::int64_t i = 0; i < n; ++i) REQUIRE(values[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("trials that an integer type cannot hold saturate") {
  MersenneState bottom = repeating(0);
  std::uint8_t small;
  std::int64_t large;
  double exact;
  fill_geometric(bottom, &small, 1, 0.5);
  fill_geometric(bottom, &large, 1, 0.5);
  fill_geometric(bottom, &exact, 1, 0.5);
  CHECK(small == 255);
  CHECK(large == std::numeric_limits<std::int64_t>::max());
  CHECK(std::isinf(exact));
}

TEST_CASE("categories without weight are not drawn") {
  const double weights[] = {0.0, 1.0, 0.0, 3.0, 0.0};
  double scratch[5];
  Ranked ranked[5];
  std::vector<std::int64_t> out(1000);
  for (MersenneState state : {seeded(6), repeating(0), repeating(0xffffffffU)}) {
    multinomial_with_replacement(state, out.data(), 1, 600, weights, 5, scratch);
    CHECK(std::all_of(out.begin(), out.begin() + 600, [&](std::int64_t c) { return weights[c] > 0; }));
    multinomial_without_replacement(state, out.data(), 1, 2, weights, 5, ranked);
    CHECK(std::min(out[0], out[1]) == 1);
    CHECK(std::max(out[0], out[1]) == 3);
  }
}

}  // namespace
}  // namespace unspool::kernels::cpu
