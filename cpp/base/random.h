// The random stream of the CPU: a Mersenne twister (MT19937, Matsumoto and Nishimura 1998) seeded and read so
// that the numbers are PyTorch's, and the Generator that owns one. Header-only, because the separately loaded
// kernel libraries draw from the same state. Distributions over whole blocks live with the kernels, not here.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <type_traits>

#include "base/error.h"
#include "base/ref.h"

namespace unspool {

// Plain data, so that a kernel can take it by reference across a library border. Whoever draws must be alone
// with the state for the whole fill: the order of the draws is the result.
struct MersenneState {
  static constexpr int kWords = 624;
  static constexpr int kShift = 397;

  alignas(64) std::uint32_t words[kWords];
  // Index of the word that the next draw tempers. 0 (just seeded) and kWords both mean that the block is
  // spent.
  std::int32_t position;
  bool has_second_normal;
  double second_normal;  // the sine half of the last pair of normals that were drawn one at a time
};

namespace mersenne {

inline std::uint32_t mix(std::uint32_t word, std::uint32_t next) {
  const std::uint32_t joined = (word & 0x80000000U) | (next & 0x7fffffffU);
  return (joined >> 1) ^ (0x9908b0dfU & (0U - (next & 1U)));
}

// Word is std::uint32_t or a vector of them (by reference: how a vector is passed by value depends on the ISA
// level).
template <class Word>
inline void temper_in_place(Word& word) {
  word ^= word >> 11;
  word ^= (word << 7) & 0x9d2c5680U;
  word ^= (word << 15) & 0xefc60000U;
  word ^= word >> 18;
}

inline std::uint32_t temper(std::uint32_t word) {
  temper_in_place(word);
  return word;
}

// Replaces a spent block by the next one. Split where the shifted index wraps: within each range a word only
// reads words at least 227 places behind or any number ahead, so both loops vectorise.
[[gnu::noinline]] inline void twist(std::uint32_t* words) {
  constexpr int kWrap = MersenneState::kWords - MersenneState::kShift;
  for (int i = 0; i < kWrap; ++i) words[i] = words[i + MersenneState::kShift] ^ mix(words[i], words[i + 1]);
  for (int i = kWrap; i < MersenneState::kWords - 1; ++i) {
    words[i] = words[i - kWrap] ^ mix(words[i], words[i + 1]);
  }
  constexpr int kLast = MersenneState::kWords - 1;
  words[kLast] = words[kLast - kWrap] ^ mix(words[kLast], words[0]);
}

}  // namespace mersenne

// Only the low 32 bits of the seed enter the stream.
inline void seed_state(MersenneState& state, std::uint64_t seed) {
  std::uint32_t word = static_cast<std::uint32_t>(seed);
  state.words[0] = word;
  for (std::uint32_t i = 1; i < MersenneState::kWords; ++i) {
    word = 1812433253U * (word ^ (word >> 30)) + i;
    state.words[i] = word;
  }
  state.position = 0;
  state.has_second_normal = false;
  state.second_normal = 0.0;
}

// How many untempered words wait at `state.words + state.position`; a spent block is replaced first, so the
// caller must consume at least one.
inline int ready_words(MersenneState& state) {
  if (state.position == 0 || state.position == MersenneState::kWords) {
    mersenne::twist(state.words);
    state.position = 0;
  }
  return MersenneState::kWords - state.position;
}

inline std::uint32_t random32(MersenneState& state) {
  ready_words(state);
  return mersenne::temper(state.words[state.position++]);
}

// The first draw is the high half.
inline std::uint64_t random64(MersenneState& state) {
  const std::uint64_t high = random32(state);
  return high << 32 | random32(state);
}

// Uniform in [0, 1): 24 bits of one draw, and 53 bits of two.
inline constexpr std::uint32_t kMask24 = (1U << 24) - 1;
inline constexpr std::uint64_t kMask53 = (std::uint64_t{1} << 53) - 1;

// Through signed integers, for which the conversion is one vector instruction.
inline float to_uniform24(std::uint32_t bits) {
  return static_cast<float>(static_cast<std::int32_t>(bits & kMask24)) * 0x1p-24F;
}
inline double to_uniform53(std::uint64_t bits) {
  return static_cast<double>(static_cast<std::int64_t>(bits & kMask53)) * 0x1p-53;
}
inline double uniform53(MersenneState& state) { return to_uniform53(random64(state)); }

// One standard normal by Box and Muller (1958), in double; the second of each pair waits in the state. Fills
// of fewer than 16 elements, fills of gapped views and log-normals draw in this way.
inline double standard_normal(MersenneState& state) {
  if (state.has_second_normal) {
    state.has_second_normal = false;
    return state.second_normal;
  }
  const double angle = 2.0 * 3.14159265358979323846 * uniform53(state);
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform53(state)));
  state.second_normal = radius * std::sin(angle);
  state.has_second_normal = true;
  return radius * std::cos(angle);
}

// The values base, base + 1, ..., base + size - 1, each chosen by one draw modulo size; `wide` says that a
// draw has 64 bits. Size 0 stands for 2^64, and then base is 0. No bounds are checked here.
struct IntegerRange {
  std::int64_t base = 0;
  std::uint64_t size = 0;
  bool wide = true;

  // The largest value of T up to which all integers are values of T.
  template <class T>
  static constexpr std::int64_t last() {
    if constexpr (std::is_floating_point_v<T>)
      return std::int64_t{1} << std::numeric_limits<T>::digits;
    else
      return static_cast<std::int64_t>(std::numeric_limits<T>::max());
  }

  // random_() without bounds: 0 <= x <= last<T>().
  template <class T>
  static IntegerRange whole() {
    return {0, static_cast<std::uint64_t>(last<T>()) + 1, sizeof(T) == 8};
  }

  // random_(from, None): from <= x <= last<T>(); from the lowest number on, any 64-bit draw as a signed
  // number.
  template <class T>
  static IntegerRange starting_at(std::int64_t from) {
    if (from == std::numeric_limits<std::int64_t>::min()) return {};
    const std::uint64_t size = static_cast<std::uint64_t>(last<T>()) - static_cast<std::uint64_t>(from) + 1;
    return {from, size, is_wide(size)};
  }

  // randint and random_(from, to): from <= x < to.
  static IntegerRange between(std::int64_t from, std::int64_t to) {
    const std::uint64_t size = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
    return {from, size, is_wide(size)};
  }

  // The same for results that are stored as T = float or double: bounds that T would round out of the
  // interval are moved to the next value of T inside.
  template <class T>
  static IntegerRange between_rounded(std::int64_t from, std::int64_t to) {
    constexpr T kTooLarge = 0x1p63;
    T low = static_cast<T>(from);
    if (low < kTooLarge && static_cast<std::int64_t>(low) < from) {
      low = std::nextafter(low, kTooLarge);
      from = static_cast<std::int64_t>(low);
    }
    T high = static_cast<T>(to - 1);
    if (high < kTooLarge && static_cast<std::int64_t>(high) >= to) {
      to = static_cast<std::int64_t>(std::nextafter(high, -kTooLarge));
    }
    return between(from, to);
  }

 private:
  // With 2^28 values and more, the remainder of a 32-bit draw would be visibly uneven.
  static constexpr bool is_wide(std::uint64_t size) { return size == 0 || size >= std::uint64_t{1} << 28; }
};

// Random numbers for one stream. Not synchronised: the code that draws from a generator shared by threads
// (the default one above all) holds a lock of its own around the whole fill.
class Generator : public RefCounted<Generator> {
 public:
  static constexpr std::uint64_t kDefaultSeed = 67280421310721U;
  static constexpr std::size_t kStateBytes = 5056;

  explicit Generator(std::uint64_t seed = kDefaultSeed) { manual_seed(seed); }

  void manual_seed(std::uint64_t seed) {
    seed_state(state_, seed);
    initial_seed_ = seed;
  }
  std::uint64_t initial_seed() const { return initial_seed_; }
  // Seeds from the operating system's entropy; returns the seed.
  std::uint64_t seed() {
    std::random_device device;
    const std::uint64_t high = device();
    manual_seed(high << 32 | device());
    return initial_seed_;
  }

  MersenneState& state() { return state_; }
  std::uint32_t random32() { return unspool::random32(state_); }
  std::uint64_t random64() { return unspool::random64(state_); }

  // Copies the state out and in, in the layout that torch.Generator.get_state() has on a little-endian
  // machine.
  void get_state(std::span<std::byte, kStateBytes> bytes) const;
  void set_state(std::span<const std::byte> bytes);

 private:
  // Quantities the layout holds, as indices of its 632 eight-byte fields; the fields not named are zero.
  enum Field : std::size_t { kSeed = 0, kLeft = 1, kNext = 2, kWords = 3, kSecond = 628, kHasSecond = 630 };
  static constexpr std::size_t kFields = kStateBytes / sizeof(std::uint64_t);

  MersenneState state_;
  std::uint64_t initial_seed_ = 0;
};

inline void Generator::get_state(std::span<std::byte, kStateBytes> bytes) const {
  std::uint64_t fields[kFields] = {};
  const int left = state_.position == 0 ? 1 : MersenneState::kWords + 1 - state_.position;
  constexpr std::uint64_t kIsSeeded = std::uint64_t{1} << 32;
  fields[kSeed] = initial_seed_;
  fields[kLeft] = kIsSeeded | static_cast<std::uint64_t>(left);
  fields[kNext] = static_cast<std::uint64_t>(state_.position);
  for (std::size_t i = 0; i < MersenneState::kWords; ++i) fields[kWords + i] = state_.words[i];
  if (state_.has_second_normal) {
    std::memcpy(&fields[kSecond], &state_.second_normal, sizeof(double));
    fields[kHasSecond] = 1;
  }
  std::memcpy(bytes.data(), fields, kStateBytes);
}

inline void Generator::set_state(std::span<const std::byte> bytes) {
  if (bytes.size() != kStateBytes) {
    fail("Generator.set_state: expected ", kStateBytes, " bytes as get_state() returns them, got ",
         bytes.size());
  }
  std::uint64_t fields[kFields];
  std::memcpy(fields, bytes.data(), kStateBytes);
  const std::uint64_t left = fields[kLeft] & std::numeric_limits<std::uint32_t>::max();
  const std::uint64_t next = fields[kNext];
  bool valid = fields[kLeft] >> 32 == 1 &&
               (next == 0 ? left == 1 : next <= MersenneState::kWords && left + next == 625);
  for (std::size_t i = 0; i < MersenneState::kWords; ++i) valid = valid && fields[kWords + i] >> 32 == 0;
  if (!valid)
    fail(
        "Generator.set_state: the bytes are not the state of a CPU generator; pass what get_state() "
        "returned");

  for (std::size_t i = 0; i < MersenneState::kWords; ++i) {
    state_.words[i] = static_cast<std::uint32_t>(fields[kWords + i]);
  }
  state_.position = static_cast<std::int32_t>(next);
  state_.has_second_normal = (fields[kHasSecond] & std::numeric_limits<std::uint32_t>::max()) != 0;
  std::memcpy(&state_.second_normal, &fields[kSecond], sizeof(double));
  if (!state_.has_second_normal) state_.second_normal = 0.0;
  initial_seed_ = fields[kSeed];
}

}  // namespace unspool
