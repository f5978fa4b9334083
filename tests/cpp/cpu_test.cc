// What the description of the machine promises, checked against the compiler's and the system's own answers.
#include "base/cpu.h"

#include <sched.h>

#include <catch2/catch.hpp>
#include <thread>

#include "base/host_lock.h"

namespace unspool {
namespace {

TEST_CASE("the level agrees with the compiler's own detection") {
  const IsaLevel level = cpu_info().level;
#if defined(__x86_64__)
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd");
  CHECK(runs_on(IsaLevel::kX86_64_v2, level) == (__builtin_cpu_supports("sse4.2") != 0));
  CHECK(runs_on(IsaLevel::kX86_64_v3, level) == avx2);
  CHECK(runs_on(IsaLevel::kX86_64_v4, level) == avx512);
#elif defined(__aarch64__)
  CHECK(level == IsaLevel::kArmv8);
#endif
  CHECK(runs_on(level, level));
}

TEST_CASE("levels have names and names have levels") {
  CHECK(name(IsaLevel::kX86_64_v3) == "x86-64-v3");
  for (IsaLevel level : {IsaLevel::kBaseline, IsaLevel::kX86_64_v2, IsaLevel::kX86_64_v3,
                         IsaLevel::kX86_64_v4, IsaLevel::kArmv8}) {
    CHECK(isa_level_from_name(name(level)) == level);
  }
  CHECK_FALSE(isa_level_from_name("x86-64-v9").has_value());
  CHECK_FALSE(isa_level_from_name("").has_value());
}

TEST_CASE("code runs on machines of its level and above, within one architecture") {
  CHECK(runs_on(IsaLevel::kX86_64_v2, IsaLevel::kX86_64_v4));
  CHECK_FALSE(runs_on(IsaLevel::kX86_64_v4, IsaLevel::kX86_64_v3));
  CHECK_FALSE(runs_on(IsaLevel::kX86_64_v2, IsaLevel::kArmv8));
  CHECK_FALSE(runs_on(IsaLevel::kArmv8, IsaLevel::kX86_64_v4));
}

TEST_CASE("cores and caches have believable sizes") {
  const CpuInfo& info = cpu_info();
  CHECK(info.physical_cores >= 1);
  CHECK(info.physical_cores <= info.logical_cores);
  CHECK(usable_cores() >= 1);
  CHECK(usable_cores() <= info.physical_cores);
  CHECK(info.l1d_bytes >= 4096);
  CHECK(info.l1d_bytes <= info.l2_bytes);
  CHECK(info.l2_bytes <= info.l3_bytes);
  CHECK_FALSE(info.model.empty());
  CHECK(&info == &cpu_info());
}

#if defined(__linux__)
TEST_CASE("cores outside the affinity mask are not counted") {
  int cores = 0;
  // A thread of its own, because the mask is the thread's.
  std::thread([&cores] {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &mask);
    if (sched_setaffinity(0, sizeof(mask), &mask) == 0) cores = usable_cores();
  }).join();
  CHECK(cores == 1);
}
#endif

int held = 0;
int acquisitions = 0;

void* release_counted() { return held > 0 ? (--held, &held) : nullptr; }
void acquire_counted(void* state) {
  ++*static_cast<int*>(state);
  ++acquisitions;
}

TEST_CASE("the host's lock is given back for a scope, and only if it was held") {
  {
    const Unlocked nothing_registered;
  }
  static constexpr HostLock lock{release_counted, acquire_counted};
  register_host_lock(&lock);
  held = 1;
  {
    const Unlocked unlocked;
    CHECK(held == 0);
    {
      const Unlocked nested;
    }
    CHECK(held == 0);
  }
  CHECK(held == 1);
  CHECK(acquisitions == 1);
  {
    const Unlocked not_wanted(false);
    CHECK(held == 1);
  }
  register_host_lock(nullptr);
}

}  // namespace
}  // namespace unspool
