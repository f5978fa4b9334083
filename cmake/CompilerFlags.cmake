# Flags that every compiled file of the project shares: warnings, sanitizers, clang-tidy. Optimisation levels and
# instruction sets belong to Floor.cmake and KernelLibrary.cmake.

add_library(unspool_flags INTERFACE)
if(UNSPOOL_STRICT)
  # Records are written with designated initialisers exactly because most fields keep their defaults.
  target_compile_options(unspool_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
                                                 -Wno-missing-field-initializers)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # What g++ 12's own std::stable_sort calls is deprecated, and clang says so at every use. g++ still checks.
    target_compile_options(unspool_flags INTERFACE -Wno-deprecated-declarations)
  endif()
endif()
if(UNSPOOL_SANITIZE)
  target_compile_options(unspool_flags INTERFACE -fsanitize=${UNSPOOL_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
  target_link_options(unspool_flags INTERFACE -fsanitize=${UNSPOOL_SANITIZE})
  if(UNSPOOL_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With these, g++ no longer takes the address of a function for a constant that is not null, and the records are
    # constants that hold functions. The address sanitizer still catches null.
    target_compile_options(unspool_flags INTERFACE
                           -fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The checks inserted into the standard library's headers make g++ lose sight of what is initialised.
    target_compile_options(unspool_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(UNSPOOL_TIDY)
  find_program(UNSPOOL_CLANG_TIDY NAMES clang-tidy REQUIRED)
  set(CMAKE_CXX_CLANG_TIDY "${UNSPOOL_CLANG_TIDY};--quiet;--warnings-as-errors=*")
endif()
