// Whether the process is in anomaly mode; what that means is in anomaly.h.
#pragma once

#include <string>

namespace unspool::exec {

struct AnomalyMode {
  bool enabled = false;
  bool checks_nan = true;
  std::string (*where)() = nullptr;  // the calling program's place, as text; set by the binding
};

namespace internal {
inline constinit AnomalyMode anomaly_mode;
}

// Of the process.
inline AnomalyMode& anomaly_mode() noexcept { return internal::anomaly_mode; }

}  // namespace unspool::exec
