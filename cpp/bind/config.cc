// What this build is and how it runs: version, compiler, instruction-set level, threads, memory statistics.
#include <pybind11/stl.h>

#include <string>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "bind/topics.h"
#include "kernels/loader.h"
#include "tensor/allocator.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

py::dict configuration() {
  py::dict result;
  result["version"] = UNSPOOL_VERSION;
  result["compiler"] = kCompiler;
  result["cpu"] = cpu_info().model;
  result["cpu_level"] = std::string(name(cpu_info().level));
  result["isa_level"] = kernels::table().level;
  result["threads"] = thread_count();
  result["cuda"] = false;
  return result;
}

py::dict memory_stats() {
  const AllocatorStats stats = allocator_stats();
  py::dict result;
  result["allocated_bytes"] = stats.allocated_bytes;
  result["peak_allocated_bytes"] = stats.peak_allocated_bytes;
  result["reserved_bytes"] = stats.reserved_bytes;
  result["peak_reserved_bytes"] = stats.peak_reserved_bytes;
  result["allocations"] = stats.allocations;
  result["system_allocations"] = stats.system_allocations;
  return result;
}

}  // namespace

void bind_config(py::module_& core) {
  core.attr("__version__") = UNSPOOL_VERSION;
  core.def("_configuration", &configuration);
  core.def("memory_stats", &memory_stats,
           "Bytes in use and reserved, now and at their peak, and allocation counts.");
  core.def("reset_peak_memory_stats", &reset_peak_stats, "Peaks restart at the present values.");
  core.def("empty_cache", &empty_cache, "Gives cached memory back to the system.");
  core.def("get_num_threads", &thread_count, "How many threads parallel work may use.");
  core.def("set_num_threads", &set_thread_count, py::arg("int"),
           "Sets how many threads parallel work may use.");
}

}  // namespace unspool::bind
