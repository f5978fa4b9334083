// Implementation of the machine description: cpuid for instruction sets, sysfs for cores and caches, with
// defaults where a system does not tell.
#include "base/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <set>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace unspool {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames = {"baseline", "x86-64-v2", "x86-64-v3", "x86-64-v4",
                                                         "armv8"};

#if defined(__x86_64__)

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
  return r;
}

constexpr bool has_all(std::uint64_t word, std::initializer_list<unsigned> bits) {
  return std::all_of(bits.begin(), bits.end(), [word](unsigned bit) { return (word >> bit & 1) != 0; });
}

// The registers that the operating system saves at a context switch (XCR0).
std::uint64_t saved_state() {
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

IsaLevel detect_level() {
  const Registers basic = cpuid(1), structured = cpuid(7), extended = cpuid(0x80000001);
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF in long mode
  const bool v2 = has_all(basic.c, {0, 9, 13, 19, 20, 23}) && has_all(extended.c, {0});
  if (!v2) return IsaLevel::kBaseline;
  // FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT
  const bool v3 =
      has_all(basic.c, {12, 22, 27, 28, 29}) && has_all(structured.b, {3, 5, 8}) && has_all(extended.c, {5});
  if (!v3 || !has_all(saved_state(), {1, 2})) return IsaLevel::kX86_64_v2;
  // AVX-512 F, DQ, CD, BW, VL, with mask registers and both halves of the wide ones saved
  const bool v4 = has_all(structured.b, {16, 17, 28, 30, 31}) && has_all(saved_state(), {5, 6, 7});
  return v4 ? IsaLevel::kX86_64_v4 : IsaLevel::kX86_64_v3;
}

std::string brand_string() {
  if (__get_cpuid_max(0x80000000, nullptr) < 0x80000004) return {};
  std::array<Registers, 3> parts;
  for (unsigned i = 0; i < 3; ++i) parts[i] = cpuid(0x80000002 + i);
  char text[sizeof(parts) + 1] = {};
  std::memcpy(text, parts.data(), sizeof(parts));
  return text;
}

#elif defined(__aarch64__)

IsaLevel detect_level() { return IsaLevel::kArmv8; }
std::string brand_string() { return {}; }

#else

IsaLevel detect_level() { return IsaLevel::kBaseline; }
std::string brand_string() { return {}; }

#endif

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string model_name() {
  if (std::string brand = trimmed(brand_string()); !brand.empty()) return brand;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    const std::string key = trimmed(line.substr(0, colon));
    if (colon != std::string::npos && (key == "model name" || key == "Model" || key == "cpu model")) {
      return trimmed(line.substr(colon + 1));
    }
  }
  return "unknown";
}

std::string cpu_directory(int cpu) { return "/sys/devices/system/cpu/cpu" + std::to_string(cpu); }

// The logical processors of the affinity mask; empty where the system does not tell.
std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  // A machine with more processors than the mask holds refuses it, so the mask grows until it is taken.
  for (int capacity = 1024; capacity <= (1 << 18); capacity *= 4) {
    cpu_set_t* mask = CPU_ALLOC(capacity);
    if (mask == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(capacity);
    const bool taken = sched_getaffinity(0, bytes, mask) == 0;
    for (int cpu = 0; taken && cpu < capacity; ++cpu) {
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, mask)) cpus.push_back(cpu);
    }
    CPU_FREE(mask);
    if (taken) break;
  }
#endif
  return cpus;
}

int count_physical_cores(const std::vector<int>& cpus) {
  std::set<std::string> cores;
  for (int cpu : cpus) {
    std::string siblings = first_line(cpu_directory(cpu) + "/topology/thread_siblings_list");
    cores.insert(siblings.empty() ? "cpu" + std::to_string(cpu) : siblings);
  }
  return static_cast<int>(cores.size());
}

int logical_core_count(const std::vector<int>& cpus) {
  const int count =
      cpus.empty() ? static_cast<int>(std::thread::hardware_concurrency()) : static_cast<int>(cpus.size());
  return std::max(count, 1);
}

int physical_core_count(const std::vector<int>& cpus) {
  return cpus.empty() ? logical_core_count(cpus) : count_physical_cores(cpus);
}

// Whole processors that the quota of the control group amounts to, rounded up; 0 without a quota.
int quota_cores() {
  double quota = 0, period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
    if (!(v2 >> quota >> period)) return 0;  // "max": no limit
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0) || !(period > 0)) return 0;
  return static_cast<int>(std::clamp((quota + period - 1) / period, 1.0, 1e6));
}

std::size_t parse_size(const std::string& text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return 0;
  std::size_t end = 0;
  const std::size_t value = std::stoul(text, &end);
  const char unit = end < text.size() ? text[end] : ' ';
  return unit == 'K' ? value << 10 : unit == 'M' ? value << 20 : value;
}

std::size_t cache_from_sysfs(int cpu, int level) {
  for (int index = 0; index < 8; ++index) {
    const std::string directory = cpu_directory(cpu) + "/cache/index" + std::to_string(index);
    const std::string type = first_line(directory + "/type");
    if (type.empty()) break;
    if (type != "Instruction" && first_line(directory + "/level") == std::to_string(level)) {
      return parse_size(first_line(directory + "/size"));
    }
  }
  return 0;
}

std::size_t cache_from_sysconf([[maybe_unused]] int level) {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  constexpr int kNames[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
  return static_cast<std::size_t>(std::max(sysconf(kNames[level - 1]), 0L));
#else
  return 0;
#endif
}

std::size_t cache_bytes(int cpu, int level, std::size_t otherwise) {
  if (const std::size_t bytes = cache_from_sysfs(cpu, level)) return bytes;
  if (const std::size_t bytes = cache_from_sysconf(level)) return bytes;
  return otherwise;
}

CpuInfo detect() {
  const std::vector<int> cpus = allowed_cpus();
  const int cpu = cpus.empty() ? 0 : cpus.front();
  CpuInfo info;
  info.level = detect_level();
  info.model = model_name();
  info.logical_cores = logical_core_count(cpus);
  info.physical_cores = physical_core_count(cpus);
  info.l1d_bytes = cache_bytes(cpu, 1, std::size_t{32} << 10);
  info.l2_bytes = cache_bytes(cpu, 2, std::size_t{512} << 10);
  info.l3_bytes = cache_bytes(cpu, 3, std::max(info.l2_bytes, std::size_t{1} << 20));
  return info;
}

}  // namespace

std::string_view name(IsaLevel level) noexcept { return kLevelNames[static_cast<std::size_t>(level)]; }

std::optional<IsaLevel> isa_level_from_name(std::string_view name) noexcept {
  const auto found = std::find(kLevelNames.begin(), kLevelNames.end(), name);
  if (found == kLevelNames.end()) return std::nullopt;
  return static_cast<IsaLevel>(found - kLevelNames.begin());
}

bool runs_on(IsaLevel code, IsaLevel machine) noexcept {
  if (code == IsaLevel::kArmv8 || machine == IsaLevel::kArmv8) return code == machine;
  return code <= machine;
}

const CpuInfo& cpu_info() {
  static const CpuInfo& info = *new CpuInfo(detect());
  return info;
}

int usable_cores() {
  const int physical = physical_core_count(allowed_cpus());
  const int quota = quota_cores();
  return std::max(quota > 0 ? std::min(physical, quota) : physical, 1);
}

}  // namespace unspool
