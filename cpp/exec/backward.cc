// The walk over the tape: one plain loop, or the recursion of recursion.cc. What happens at each node is in
// unwinder.cc.
#include "exec/backward.h"

#include "base/error.h"
#include "exec/observer.h"
#include "exec/recompute/replay_recorder.h"
#include "exec/recursion.h"
#include "exec/unwinder.h"

namespace unspool::exec {

std::vector<Tensor> unwind(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                           const Unwinding& how) {
  for (const Tensor& output : outputs) {
    if (!output.requires_grad()) {
      fail("backward: the output of shape ", to_string(output.sizes()),
           " does not require grad and was not computed from a tensor that does");
    }
  }
  for (const Tensor& input : how.inputs) {
    if (!input.requires_grad()) {
      fail("backward: an input of shape ", to_string(input.sizes()), " does not require grad");
    }
  }
  const ops::GradMode mode(how.create_graph);
  ObservedUnwinding observed;
  Unwinder unwinder(outputs, cotangents, how);
  if (how.by_recursion)
    unwind_recursively(unwinder);
  else
    for (std::size_t i = 0; i < unwinder.size(); ++i) unwinder.visit(i);
  observed.finish();
  // What was recorded until now is no longer a way to anything but what the tape still holds.
  ReplayRecorder* const recorder = ops::thread_state().emitter ? ReplayRecorder::current() : nullptr;
  if (recorder && !how.create_graph) recorder->forget();
  return unwinder.take_captured();
}

}  // namespace unspool::exec
