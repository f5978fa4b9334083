// One walk over the updates, then one that puts their parts where they go.
#include "exec/program/updates.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "exec/program/passes.h"
#include "exec/program/uses.h"
#include "ops/loss.h"
#include "ops/record.h"

namespace unspool::exec {
namespace {

constexpr std::size_t kWorthMoving = 16384;  // bytes of a gradient; a launch of its own costs something

using Group = std::span<const Argument>;

// The last instruction before `update` behind which the group's tensors may be
// changed.
std::size_t ready_after(const Uses& uses, Group group, std::size_t update) {
  std::size_t last = 0;
  for (std::size_t k = 0; k < group.size(); ++k) {
    const BufferId id = group[k].place.buffer;
    last = std::max(last, k == 1 ? uses.last_write(id, update) : uses.last(id, update));
  }
  return last;
}

// Whether the kernel may report an error: an index out of range, a matrix
// without an inverse, probabilities that are none. What comes back is checked
// on the way there.
bool may_fail(const Instruction& instruction) {
  const std::string_view name = instruction.op->record.name;
  if (name.ends_with("_backward")) return false;
  const bool reads_integers =
      std::any_of(instruction.in.begin(), instruction.in.end(), [](const Argument& argument) {
        return argument.is_tensor() && !is_floating(argument.place.dtype) &&
               argument.place.dtype != Dtype::kBool;
      });
  return reads_integers || draws(instruction.op->record) || name.starts_with("linalg") ||
         instruction.op == &ops::op_of<ops::CheckProbabilities>;
}

std::size_t gradient_bytes(Group group) {
  const Place& place = group[1].place;
  return static_cast<std::size_t>(numel(place.sizes)) * size_of(place.dtype);
}

}  // namespace

void place_updates(Recording& recording) {
  const Uses uses(recording);
  std::map<std::size_t, std::vector<Instruction>> behind;  // by the instruction that they follow
  std::size_t sure = 0;  // the last one that may fail: no parameter is changed before it
  for (std::size_t at = 0; at < recording.instructions.size(); ++at) {
    Instruction& update = recording.instructions[at];
    if (may_fail(update)) sure = at;
    if (update.update.host_step < 0) continue;
    const auto arity = static_cast<std::size_t>(update.op->record.arity);
    std::map<std::size_t, Instruction> parts;
    std::vector<Argument> stays;
    for (std::size_t i = 0; i < update.in.size(); i += arity) {
      const Group group(update.in.data() + i, arity);
      const std::size_t after = std::max(sure, ready_after(uses, group, at));
      const bool moves = after + 1 < at && gradient_bytes(group) >= kWorthMoving;
      if (moves && parts[after].in.empty()) {
        Instruction& part = parts[after];
        part = update;
        part.in.clear();
      }
      std::vector<Argument>& to = moves ? parts[after].in : stays;
      to.insert(to.end(), group.begin(), group.end());
    }
    update.in = std::move(stays);
    for (auto& [after, part] : parts) behind[after].push_back(std::move(part));
  }
  if (behind.empty()) return;
  std::vector<Instruction> all;
  for (std::size_t at = 0; at < recording.instructions.size(); ++at) {
    Instruction& instruction = recording.instructions[at];
    if (!instruction.is_update() || !instruction.in.empty()) all.push_back(std::move(instruction));
    if (const auto found = behind.find(at); found != behind.end())
      std::move(found->second.begin(), found->second.end(), std::back_inserter(all));
  }
  recording.instructions = std::move(all);
}

}  // namespace unspool::exec
