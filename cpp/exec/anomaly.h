// Anomaly mode: every recorded node remembers where it was called from, and the first gradient that is NaN
// stops the unwinding with that place in the message.
#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "exec/anomaly_mode.h"
#include "exec/node.h"

namespace unspool::exec {

// Raises when a gradient that `node` gave is NaN.
void check_gradients(const Node& node, std::span<const Tensor> grads);

// "\nRecorded by the call:\n..." for messages; empty when the node was recorded outside of anomaly mode.
std::string origin_of(const Node& node);

// Runs a step of the unwinding; what it raises is raised with the place of the node's forward call.
template <class F>
void with_origin(const Node& node, const F& step) {
  try {
    step();
  } catch (const Error& error) {
    throw Error(error.kind(), error.what() + origin_of(node));
  }
}

}  // namespace unspool::exec
