// One walk: each slope looks back for the function of the same argument.
#include "exec/program/pairs.h"

#include "exec/program/uses.h"
#include "ops/activation.h"

namespace unspool::exec {
namespace {

// The function that instruction `slope` is the derivative of, applied to the same unchanged elements before
// it; end() if there is none.
std::size_t function_before(const Recording& recording, const Uses& uses, std::size_t slope) {
  const Argument& argument = recording.instructions[slope].in[0];
  if (!argument.is_tensor()) return uses.end();
  const BufferId id = argument.place.buffer;
  for (std::size_t at = uses.first(id); at < slope; at = uses.next(id, at)) {
    const Instruction& function = recording.instructions[at];
    if (function.op == &ops::op_of<ops::GeluErf> && function.in[0].place == argument.place) {
      const bool is_written_over = function.out[0].buffer == id || uses.any_write(id, at, slope);
      return is_written_over ? uses.end() : at;
    }
  }
  return uses.end();
}

}  // namespace

void pair_slopes(Recording& recording) {
  const Uses uses(recording);
  std::vector<bool> is_dropped(recording.instructions.size());
  for (std::size_t at = 0; at < recording.instructions.size(); ++at) {
    const Instruction& slope = recording.instructions[at];
    if (slope.op != &ops::op_of<ops::GeluSlope>) continue;
    const std::size_t before = function_before(recording, uses, at);
    if (before == uses.end()) continue;
    Instruction& function = recording.instructions[before];
    const Place& out = slope.out[0];
    const bool is_fresh =
        recording.buffers[out.buffer].kind == Buffer::Kind::kTemporary && uses.first(out.buffer) == at;
    if (!is_fresh || !out.is_contiguous() || !function.in[0].place.is_contiguous() ||
        !function.out[0].is_contiguous())
      continue;
    function.op = &ops::op_of<ops::GeluErfWithSlope>;
    function.out.push_back(out);
    is_dropped[at] = true;
  }
  std::size_t next = 0;
  std::erase_if(recording.instructions, [&](const Instruction&) { return is_dropped[next++]; });
}

}  // namespace unspool::exec
