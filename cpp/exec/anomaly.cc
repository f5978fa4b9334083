// The mode itself, and the search for NaN.
#include "exec/anomaly.h"

#include "base/error.h"
#include "ops/api.h"

namespace unspool::exec {
namespace {

bool has_nan(const Tensor& x) {
  if (!x || x.numel() == 0 || !is_floating(x.dtype())) return false;
  const ops::GradMode no_grad(false);
  const Tensor any = ops::amax(ops::ne(x, x));
  return *static_cast<const bool*>(any.data());
}

}  // namespace

std::string origin_of(const Node& node) {
  return node.hooks && !node.hooks->origin.empty() ? "\nRecorded by the call:\n" + node.hooks->origin : "";
}

void check_gradients(const Node& node, std::span<const Tensor> grads) {
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (!has_nan(grads[i])) continue;
    const std::string path = node.scope ? node.scope->path() : "";
    fail("backward: ", node.name(), path.empty() ? "" : " in module '" + path + "'",
         " returned NaN as the gradient of its input ", i);
  }
}

}  // namespace unspool::exec
