// The entry point of the C++ unit tests. Holds Catch2's implementation, so that it is compiled once; no tests
// here.
#define CATCH_CONFIG_MAIN
#define CATCH_CONFIG_NO_POSIX_SIGNALS
#include <catch2/catch.hpp>
