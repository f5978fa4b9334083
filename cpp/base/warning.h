// Warnings: the library words them, the binding decides where they go (Python's warnings module).
#pragma once

#include <sstream>
#include <string>

namespace unspool {

using WarningSink = void (*)(const std::string& message);

// Set once by the binding; warnings are dropped while it is null.
inline WarningSink warning_sink = nullptr;

template <class... Parts>
[[gnu::noinline, gnu::cold]] void warn(const Parts&... parts) {
  if (!warning_sink) return;
  std::ostringstream message;
  (message << ... << parts);
  warning_sink(message.str());
}

}  // namespace unspool
