// Each pass is one walk over the instructions.
#include "exec/program/passes.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "exec/program/epilogues.h"
#include "exec/program/joins.h"
#include "exec/program/pairs.h"
#include "exec/program/updates.h"
#include "ops/loss.h"
#include "ops/record.h"

namespace unspool::exec {
namespace {

using Kind = Buffer::Kind;

bool is_temporary(const Recording& recording, BufferId id) {
  return recording.buffers[id].kind == Kind::kTemporary;
}

template <class F>
void visit_writes(const Instruction& instruction, F&& f) {
  visit_buffers(instruction, [](BufferId) {}, f);
}

template <class F>
void visit_reads(const Instruction& instruction, F&& f) {
  visit_buffers(instruction, f, [](BufferId) {});
}

// Puts `target[id]` in the place of each buffer id.
void rename(Instruction& instruction, const std::vector<BufferId>& target) {
  for (Argument& argument : instruction.in) {
    if (argument.is_tensor()) argument.place.buffer = target[argument.place.buffer];
  }
  for (Place& place : instruction.out) place.buffer = target[place.buffer];
}

std::vector<BufferId> identity(const Recording& recording) {
  std::vector<BufferId> target(recording.buffers.size());
  for (std::size_t id = 0; id < target.size(); ++id) target[id] = static_cast<BufferId>(id);
  return target;
}

// --- what an instruction computes, as text that is equal where the results are

void append(std::string& key, const void* bytes, std::size_t count) {
  key.append(static_cast<const char*>(bytes), count);
}
template <class T>
void append(std::string& key, T value) {
  append(key, &value, sizeof(value));
}

void append(std::string& key, const Dims& dims) {
  append(key, dims.size());
  append(key, dims.data(), dims.size() * sizeof(dims[0]));
}

void append_attr(std::string& key, const ops::Attr& attr) {
  append(key, attr.kind());
  switch (attr.kind()) {
    case ops::Attr::Kind::kNone:
      return;
    case ops::Attr::Kind::kText:
      key += attr.text();
      return append(key, '\0');
    case ops::Attr::Kind::kDims:
      return append(key, attr.dims());
    default:
      return append(key, attr.integer());  // the bits, whatever they mean; operations that draw have no key
  }
}

void append_argument(std::string& key, const Argument& argument, const std::vector<std::uint32_t>& versions) {
  append(key, argument.place.buffer);
  if (!argument.is_tensor()) {
    append(key, argument.number.kind());
    if (argument.number.is_number()) append(key, argument.number.integer());
    return;
  }
  append(key, versions[argument.place.buffer]);
  append(key, argument.place.offset);
  append(key, argument.place.sizes);
  append(key, argument.place.strides);
  append(key, argument.place.dtype);
}

std::string key_of(const Instruction& instruction, const std::vector<std::uint32_t>& versions) {
  std::string key;
  append(key, instruction.op->id);
  append(key, instruction.compute);
  append(key, instruction.section);
  for (const Argument& argument : instruction.in) append_argument(key, argument, versions);
  for (const ops::Attr& attr : instruction.attrs) append_attr(key, attr);
  return key;
}

// --- what may be written over

// The operand that the result may take the place of, or null.
const Place* replaceable(const Instruction& instruction, const Recording& recording, std::size_t at,
                         const std::vector<std::size_t>& last_use) {
  const Place& out = instruction.out[0];
  const auto other_geometry = [&](const Place& place) {
    return std::any_of(instruction.in.begin(), instruction.in.end(), [&](const Argument& argument) {
      return argument.is_tensor() && argument.place.buffer == place.buffer && !(argument.place == place);
    });
  };
  for (const Argument& argument : instruction.in) {
    const Place& place = argument.place;
    if (!argument.is_tensor() || !is_temporary(recording, place.buffer) || last_use[place.buffer] != at)
      continue;
    const bool is_like = place.offset == out.offset && place.sizes == out.sizes &&
                         place.strides == out.strides && place.dtype == out.dtype &&
                         recording.buffers[place.buffer].bytes == recording.buffers[out.buffer].bytes;
    if (is_like && !other_geometry(place)) return &place;
  }
  return nullptr;
}

}  // namespace

bool draws(const ops::Record& record) {
  return std::any_of(record.args.begin(), record.args.end(),
                     [](const ops::Arg& arg) { return arg.kind == ops::ArgKind::kGenerator; });
}

void drop_dead_code(Recording& recording) {
  std::vector<bool> is_read(recording.buffers.size());
  std::vector<bool> is_live(recording.instructions.size());
  for (std::size_t i = recording.instructions.size(); i-- > 0;) {
    const Instruction& instruction = recording.instructions[i];
    bool live = draws(instruction.op->record) || instruction.op == &ops::op_of<ops::CheckProbabilities>;
    visit_writes(instruction,
                 [&](BufferId id) { live = live || is_read[id] || !is_temporary(recording, id); });
    if (live) visit_reads(instruction, [&](BufferId id) { is_read[id] = true; });
    is_live[i] = live;
  }
  std::size_t next = 0;
  std::erase_if(recording.instructions, [&](const Instruction&) { return !is_live[next++]; });
}

void merge_common_subexpressions(Recording& recording) {
  std::vector<std::uint32_t> writes(recording.buffers.size()), versions(recording.buffers.size());
  for (const Instruction& instruction : recording.instructions)
    visit_writes(instruction, [&](BufferId id) { ++writes[id]; });
  std::vector<BufferId> target = identity(recording);
  std::map<std::string, std::vector<Place>> known;
  std::vector<Instruction> kept;
  for (Instruction& instruction : recording.instructions) {
    rename(instruction, target);
    bool is_pure = !instruction.out.empty() && !draws(instruction.op->record);
    visit_writes(instruction,
                 [&](BufferId id) { is_pure = is_pure && is_temporary(recording, id) && writes[id] == 1; });
    visit_writes(instruction, [&](BufferId id) { ++versions[id]; });
    if (is_pure) {
      const auto [found, is_new] = known.emplace(key_of(instruction, versions), instruction.out);
      if (!is_new) {
        for (std::size_t i = 0; i < instruction.out.size(); ++i)
          target[instruction.out[i].buffer] = found->second[i].buffer;
        continue;
      }
    }
    kept.push_back(std::move(instruction));
  }
  recording.instructions = std::move(kept);
}

void work_in_place(Recording& recording) {
  std::vector<std::size_t> first_use(recording.buffers.size(), recording.instructions.size());
  std::vector<std::size_t> last_use(recording.buffers.size());
  for (std::size_t i = 0; i < recording.instructions.size(); ++i) {
    const auto use = [&](BufferId id) {
      first_use[id] = std::min(first_use[id], i);
      last_use[id] = i;
    };
    visit_buffers(recording.instructions[i], use, use);
  }
  std::vector<BufferId> target = identity(recording);
  for (std::size_t i = 0; i < recording.instructions.size(); ++i) {
    Instruction& instruction = recording.instructions[i];
    rename(instruction, target);
    if (instruction.op->record.kind != ops::Kind::kElementwise) continue;
    const BufferId out = instruction.out[0].buffer;
    if (!is_temporary(recording, out) || first_use[out] != i) continue;
    const Place* place = replaceable(instruction, recording, i, last_use);
    if (!place) continue;
    const BufferId taken = place->buffer;
    target[out] = taken;
    last_use[taken] = last_use[out];
    instruction.out[0].buffer = taken;
  }
}

void apply(const Passes& passes, Recording& recording) {
  if (passes.common_subexpressions) merge_common_subexpressions(recording);
  if (passes.dead_code) drop_dead_code(recording);
  if (passes.joins) join_slices(recording);
  if (passes.pairs) pair_slopes(recording);
  if (passes.epilogues) end_products(recording);
  if (passes.updates) place_updates(recording);
  if (passes.in_place) work_in_place(recording);
}

}  // namespace unspool::exec
