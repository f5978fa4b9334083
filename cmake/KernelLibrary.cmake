# The kernel libraries: cpp/kernels/cpu compiled once per instruction-set level, each into a shared object of its own
# that exports one function. docs/decisions/0001-kernel-libraries.md says why they may never be linked together.

# Sets <out> to the highest level this machine runs, from what the compiler itself defines for -march=native. Without
# warnings: nothing is compiled with what it says, and clang 19 warns of its own reading of processors with AVX10.
function(unspool_native_level out)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(${out} "armv8-a" PARENT_SCOPE)
    return()
  endif()
  execute_process(
    COMMAND ${CMAKE_CXX_COMPILER} -march=native -w -dM -E -x c++ /dev/null
    OUTPUT_VARIABLE macros COMMAND_ERROR_IS_FATAL ANY)
  set(v2 SSE3 SSSE3 SSE4_1 SSE4_2 POPCNT)
  set(v3 ${v2} AVX AVX2 BMI BMI2 F16C FMA LZCNT MOVBE)
  set(v4 ${v3} AVX512F AVX512BW AVX512CD AVX512DQ AVX512VL)
  foreach(level IN ITEMS v4 v3 v2)
    set(missing "")
    foreach(feature IN LISTS ${level})
      if(NOT macros MATCHES "#define __${feature}__ 1")
        list(APPEND missing ${feature})
      endif()
    endforeach()
    if(NOT missing)
      set(${out} "x86-64-${level}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "unspool needs a processor of level x86-64-v2 or higher; this one lacks ${missing}.")
endfunction()

# Sets <out> to the levels that UNSPOOL_ISA asks for.
function(unspool_isa_levels out)
  unspool_native_level(native)
  if(UNSPOOL_ISA STREQUAL "native")
    set(levels ${native})
  elseif(UNSPOOL_ISA STREQUAL "all" AND native MATCHES "^x86")
    set(levels x86-64-v2 x86-64-v3 x86-64-v4)
  elseif(UNSPOOL_ISA STREQUAL "all")
    set(levels ${native})
  else()
    string(REPLACE "," ";" levels "${UNSPOOL_ISA}")
  endif()
  set(${out} ${levels} PARENT_SCOPE)
endfunction()

# Eigen is headers only and reaches only the kernels. A version that the user points to (Eigen3_DIR, CMAKE_PREFIX_PATH)
# wins; otherwise the headers inside the build requirement `eigency` are used, found without importing it.
function(unspool_find_eigen out)
  find_package(Eigen3 5 CONFIG QUIET)
  if(TARGET Eigen3::Eigen)
    get_target_property(directory Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
  else()
    execute_process(
      COMMAND ${Python_EXECUTABLE} -c
              "import importlib.util as u; print(u.find_spec('eigency').submodule_search_locations[0] + '/eigen')"
      OUTPUT_VARIABLE directory OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(NOT EXISTS "${directory}/Eigen/Core")
    message(FATAL_ERROR "Eigen 5 was not found: install the Python package eigency (pip install eigency) for "
                        "${Python_EXECUTABLE}, or name an installed Eigen with -DEigen3_DIR=...")
  endif()
  message(STATUS "Eigen headers: ${directory}")
  set(${out} "${directory}" PARENT_SCOPE)
endfunction()

# The flags of one level, also for the tests and benchmarks that include kernel headers. -fno-math-errno and
# -fno-trapping-math change no result; -ffast-math would, and is never used.
function(unspool_kernel_flags target level)
  # Flags that clang-tidy, which reads the same command lines, would not know. g++ 12 warns of uninitialised values
  # inside its own AVX-512 intrinsics.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT UNSPOOL_TIDY)
    set(gnu_flags -fno-gnu-unique -Wno-maybe-uninitialized)
  endif()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
  target_include_directories(${target} SYSTEM PRIVATE "${UNSPOOL_EIGEN_DIR}")
  # Under sanitizers the level of the whole build stays, and Eigen takes no vectors: -O3, or Eigen's packets, on top
  # of their checks compile for minutes per file.
  if(UNSPOOL_SANITIZE)
    target_compile_definitions(${target} PRIVATE EIGEN_DONT_VECTORIZE)
  else()
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O3>)
  endif()
  target_compile_options(
    ${target} PRIVATE -march=${level} -ffp-contract=off -fno-math-errno -fno-trapping-math ${gnu_flags})
  target_link_libraries(${target} PRIVATE unspool_flags Threads::Threads)
endfunction()

# unspool_kernel_objects(<out> <level>): the compiled kernels of one level as an object library, named by <out>.
# Benchmarks link these objects directly.
function(unspool_kernel_objects out level)
  string(REPLACE "-" "_" suffix ${level})
  set(target unspool_kernels_${suffix})
  set(${out} ${target} PARENT_SCOPE)
  if(TARGET ${target})
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cpp/kernels/cpu/*.cc")
  add_library(${target} OBJECT ${sources})
  unspool_kernel_flags(${target} ${level})
  if(UNSPOOL_UNITY)
    # The decompositions instantiate the same products and triangular solvers of Eigen: together, once.
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    set(decompositions ${sources})
    list(FILTER decompositions INCLUDE REGEX "/linalg_[a-z]+[.]cc$")
    set_source_files_properties(${decompositions} PROPERTIES UNITY_GROUP decompositions)
  endif()
  target_precompile_headers(
    ${target} PRIVATE <algorithm> <array> <cmath> <cstring> <kernels/cpu/elements.h> <kernels/cpu/families.h>
    <kernels/cpu/layout.h> <kernels/cpu/ranges.h> <kernels/cpu/vec.h>)
endfunction()

# unspool_kernel_library(<level>): the same objects as the shared object that the extension opens at run time.
function(unspool_kernel_library level)
  unspool_kernel_objects(objects ${level})
  string(REPLACE "-" "_" suffix ${level})
  set(library _kernels_${suffix})
  set(exports "${PROJECT_SOURCE_DIR}/cmake/kernels.map")
  add_library(${library} MODULE $<TARGET_OBJECTS:${objects}>)
  set_target_properties(${library} PROPERTIES PREFIX "" LINKER_LANGUAGE CXX LINK_DEPENDS "${exports}"
                                              LIBRARY_OUTPUT_DIRECTORY "${UNSPOOL_PACKAGE_DIR}")
  target_link_options(${library} PRIVATE "-Wl,--version-script=${exports}" -Wl,-z,defs)
  target_link_libraries(${library} PRIVATE unspool_flags Threads::Threads)
  install(TARGETS ${library} LIBRARY DESTINATION unspool)
endfunction()
