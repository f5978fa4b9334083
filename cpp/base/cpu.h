// What the machine can do: instruction set level, cores, caches. Read once from the processor and the system;
// decides nothing itself. Loading kernels and choosing block sizes belong to their callers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace unspool {

// The levels of the x86-64 psABI, in rising order within one architecture. kBaseline: a machine below all of
// them.
enum class IsaLevel { kBaseline, kX86_64_v2, kX86_64_v3, kX86_64_v4, kArmv8 };

// "baseline", "x86-64-v2", "x86-64-v3", "x86-64-v4", "armv8".
std::string_view name(IsaLevel level) noexcept;
std::optional<IsaLevel> isa_level_from_name(std::string_view name) noexcept;

// True when code compiled for `code` runs on a machine of level `machine`.
bool runs_on(IsaLevel code, IsaLevel machine) noexcept;

struct CpuInfo {
  IsaLevel level;         // what processor and operating system support together
  std::string model;      // the maker's name of the processor, "unknown" where it cannot be read
  int logical_cores;      // that the process may run on
  int physical_cores;     // that the process may run on: hardware threads of one core count once
  std::size_t l1d_bytes;  // per core
  std::size_t l2_bytes;   // per core, or per cluster that shares it
  std::size_t l3_bytes;   // shared; 0 is never reported, a machine without L3 gets its L2
};

// Read at the first call, the same object ever after.
const CpuInfo& cpu_info();

// Cores worth one computing thread each: the physical cores of the affinity mask, limited by the
// processor-time quota of the control group (rounded up), at least 1. Read afresh at each call.
int usable_cores();

}  // namespace unspool
