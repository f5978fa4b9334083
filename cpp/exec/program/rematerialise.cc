// From instructions to abstract work, and from a schedule back to instructions.
#include "exec/program/rematerialise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "exec/recompute/schedule.h"

namespace unspool::exec {
namespace {

using Kind = Buffer::Kind;

double elements(const Place& place) { return static_cast<double>(numel(place.sizes)); }

// Multiply-adds of the kernels that hold several products, by what is in their place; none for others.
double inner_products(const Instruction& instruction) {
  const std::string_view name = instruction.op->record.name;
  const auto count = [&](std::size_t i) {
    const bool is_there = i < instruction.in.size() && instruction.in[i].is_tensor();
    return is_there ? elements(instruction.in[i].place) : 0;
  };
  const auto last = [](const Place& place) {
    return static_cast<double>(std::max<std::int64_t>(place.sizes.back(), 1));
  };
  if (name == "recurrent") return count(0) / last(instruction.in[0].place) * (count(3) + count(4) + count(7));
  if (name == "recurrent_backward")
    return elements(instruction.out[0]) / last(instruction.out[0]) * (count(4) + count(5));
  // Of queries (..., L, E) with keys (..., S, E), forward twice and back five times.
  const auto of_keys = [&](std::size_t query) {
    const Place& key = instruction.in[query + 1].place;
    return count(query) * static_cast<double>(key.sizes[key.sizes.size() - 2]);
  };
  if (name == "attention") return 2 * of_keys(0);
  if (name == "attention_backward") return 5 * of_keys(1);
  return 0;
}

// Seconds, roughly: what memory is gone through, and for products the multiplications, as flops per element
// written: the square root of |a| |b| / |out|.
double time_of(const Instruction& instruction) {
  double bytes = 0, operands = 1, results = 0;
  int tensors = 0;
  for (const Argument& argument : instruction.in) {
    if (!argument.is_tensor()) continue;
    bytes += elements(argument.place) * static_cast<double>(size_of(argument.place.dtype));
    if (tensors++ < 2) operands *= std::max(elements(argument.place), 1.0);
  }
  for (const Place& place : instruction.out) {
    results += elements(place);
    bytes += elements(place) * static_cast<double>(size_of(place.dtype));
  }
  const std::string_view name = instruction.op->record.name;
  const bool is_product = name.find("mm") != name.npos || name.find("matmul") != name.npos ||
                          name.find("linear") != name.npos || name.find("conv") != name.npos;
  const double flops = is_product && tensors > 1 ? 2 * results * std::sqrt(operands / std::max(results, 1.0))
                                                 : 2 * inner_products(instruction);
  return 2e-7 + bytes / 1e10 + flops / 5e10;
}

WorkGraph graph_of(const Recording& recording) {
  const std::size_t buffers = recording.buffers.size();
  const auto end = static_cast<std::uint32_t>(recording.instructions.size());
  WorkGraph graph{std::vector<Work>(end), std::vector<std::size_t>(buffers)};
  std::vector<std::uint32_t> writes(buffers);
  for (const Instruction& instruction : recording.instructions)
    visit_buffers(instruction, [](BufferId) {}, [&](BufferId id) { ++writes[id]; });
  for (std::size_t id = 0; id < buffers; ++id) {
    if (recording.buffers[id].kind == Kind::kTemporary)
      graph.blocks[id] = std::max<std::size_t>(
          (recording.buffers[id].bytes + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment,
          kPlanAlignment);
  }
  std::vector<std::uint32_t> next_write(buffers, end + 1);  // seen from the back
  for (std::uint32_t i = end; i-- > 0;) {
    const Instruction& instruction = recording.instructions[i];
    Work& work = graph.work[i];
    work.time = time_of(instruction);
    bool repeats = !instruction.out.empty() && !draws(instruction.op->record);
    std::uint32_t until = end + 1;
    visit_buffers(
        instruction,
        [&](BufferId id) {
          work.reads.push_back(id);
          until = std::min(until, next_write[id]);
        },
        [&](BufferId id) {
          work.writes.push_back(id);
          repeats = repeats && writes[id] == 1 && recording.buffers[id].kind == Kind::kTemporary;
        });
    work.repeats_until = repeats ? until : 0;
    visit_buffers(instruction, [](BufferId) {}, [&](BufferId id) { next_write[id] = i; });
  }
  return graph;
}

// The instructions in the order of the schedule; what is computed again has memory of its own.
Recording rewritten(const Recording& recording, const Schedule& schedule) {
  Recording result{recording.buffers, {}};
  std::vector<BufferId> now(recording.buffers.size());
  for (std::size_t id = 0; id < now.size(); ++id) now[id] = static_cast<BufferId>(id);
  std::vector<bool> is_done(recording.instructions.size());
  for (const std::uint32_t i : schedule.order) {
    Instruction instruction = recording.instructions[i];
    for (Argument& argument : instruction.in) {
      if (argument.is_tensor()) argument.place.buffer = now[argument.place.buffer];
    }
    for (Place& place : instruction.out) {
      if (is_done[i]) {
        now[place.buffer] = static_cast<BufferId>(result.buffers.size());
        result.buffers.push_back(recording.buffers[place.buffer]);
      }
      place.buffer = now[place.buffer];
    }
    is_done[i] = true;
    result.instructions.push_back(std::move(instruction));
  }
  return result;
}

}  // namespace

std::unique_ptr<Program> program_within(const Trace::Result& traced, const Passes& passes, std::size_t limit,
                                        std::size_t outside) {
  Recording recording = traced.recording;
  if (passes.common_subexpressions) merge_common_subexpressions(recording);
  if (passes.dead_code) drop_dead_code(recording);
  Passes rest = passes;
  rest.common_subexpressions = false;  // it would undo what follows
  const auto made = [&](Recording candidate) {
    Trace::Result result = traced;
    result.recording = std::move(candidate);
    return std::make_unique<Program>(std::move(result), rest);
  };
  const auto bytes_of = [](const Program& program) {
    return program.arena_bytes() + program.scratch_bytes();
  };
  Recording smallest;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const Schedule& schedule : schedules(graph_of(recording))) {
    Recording candidate = rewritten(recording, schedule);
    const std::size_t bytes = arena_bytes_of(candidate, rest);
    if (bytes <= limit) {
      auto program = made(candidate);
      if (bytes_of(*program) <= limit) return program;
    }
    if (bytes < least) smallest = std::move(candidate);
    least = std::min(least, bytes);
  }
  least = bytes_of(*made(std::move(smallest)));  // with the scratch memory of kernels
  fail(ErrorKind::kValue, "compile: memory_budget is too small: ", outside,
       " bytes are in use besides the step's temporaries, for which ", least,
       " are needed at least; the smallest budget for this step is ", outside + least, " bytes");
}

}  // namespace unspool::exec
