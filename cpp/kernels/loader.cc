// Opens one kernel library per process with local binding: libraries of two levels would define the same
// inline functions for different processors.
#include "kernels/loader.h"

#include <dlfcn.h>

#include <array>
#include <mutex>

#include "base/cpu.h"
#include "base/error.h"

namespace unspool::kernels {
namespace {

const Table* loaded = nullptr;

struct Candidate {
  IsaLevel level;
  const char* file;
};

// Best first.
constexpr std::array<Candidate, 4> kCandidates = {{{IsaLevel::kX86_64_v4, "_kernels_x86_64_v4.so"},
                                                   {IsaLevel::kX86_64_v3, "_kernels_x86_64_v3.so"},
                                                   {IsaLevel::kX86_64_v2, "_kernels_x86_64_v2.so"},
                                                   {IsaLevel::kArmv8, "_kernels_armv8_a.so"}}};

const Table* open(const std::string& path, std::string& why) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    why += std::string("\n  ") + dlerror();
    return nullptr;
  }
  auto entry = reinterpret_cast<UnspoolKernelTable>(dlsym(library, "unspool_kernel_table"));
  const Table* table = entry ? entry() : nullptr;
  if (!table || table->abi != kAbiVersion) {
    why += "\n  " + path + ": not a kernel library of this version of unspool";
    dlclose(library);
    return nullptr;
  }
  return table;
}

}  // namespace

const Table& load_table(const std::string& directory, const std::string& level) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (loaded) return *loaded;
  std::string why;
  for (const Candidate& candidate : kCandidates) {
    if (!level.empty() && level != name(candidate.level)) continue;
    if (!runs_on(candidate.level, cpu_info().level)) continue;
    loaded = open(directory + "/" + candidate.file, why);
    if (loaded) return *loaded;
  }
  fail("unspool: no kernel library for this processor (level ", name(cpu_info().level), ") in ", directory,
       level.empty() ? "" : " at the level asked for: ", level, why,
       "\nReinstall unspool, or build it from source on this machine.");
}

const Table& table() {
  if (!loaded) fail("unspool: the kernel library is not loaded; import unspool first");
  return *loaded;
}

}  // namespace unspool::kernels
