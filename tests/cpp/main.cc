// The entry point of the C++ unit tests. Holds Catch2's implementation, so that it is compiled once; no tests
// here.
#define CATCH_CONFIG_MAIN
#define CATCH_CONFIG_NO_POSIX_SIGNALS
#include <catch2/catch.hpp>

#if defined(__SANITIZE_ADDRESS__)
// The tests ask for impossible sizes on purpose; the allocator must see the failure instead of an abort.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#endif
