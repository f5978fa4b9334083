// The one exception type of the library. Every message names the operation and says how to mend the call; the
// kind decides which Python exception the binding raises. No floor throws anything else on purpose.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace unspool {

enum class ErrorKind {
  kRuntime,         // RuntimeError: shapes that do not fit, a freed graph, a changed saved tensor
  kIndex,           // IndexError: a dimension or an index out of range
  kType,            // TypeError: an argument of the wrong kind
  kValue,           // ValueError: an argument of the right kind with an impossible value
  kNotImplemented,  // NotImplementedError: a combination that is named in the docs as missing
  kMemory,          // MemoryError: the allocator could not provide the bytes
  kCapture,         // CaptureError: a program cannot hold what was asked for
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

// Builds the message from parts with operator<< and throws. Kept out of line from callers' fast paths.
template <class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(kind, message.str());
}

template <class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  fail(ErrorKind::kRuntime, parts...);
}

}  // namespace unspool
