// What a traced step is made of, as plain data: memory, the places in it that kernels read and write, and the
// kernel calls in order. Made by the trace, changed by the passes, run by the program.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/small_vector.h"
#include "ops/call.h"
#include "ops/emitter.h"
#include "tensor/tensor.h"

namespace unspool::exec {

using BufferId = std::uint32_t;
inline constexpr BufferId kNoBuffer = std::numeric_limits<BufferId>::max();

struct Buffer {
  enum class Kind : std::uint8_t {
    kInput,     // given with each call
    kExternal,  // lives outside of the program and keeps its address
    kOutput,    // new with each call
    kTemporary  // lives within one call
  };
  Kind kind = Kind::kTemporary;
  std::size_t bytes = 0;
  Ref<Storage> storage;    // of an external one
  std::size_t number = 0;  // which input it is the memory of, or which of the kind kOutput
};

// A tensor inside a buffer.
struct Place {
  BufferId buffer = kNoBuffer;
  std::int64_t offset = 0;  // in elements; in an input's buffer from where the input begins
  Dims sizes;
  Dims strides;
  Dtype dtype = Dtype::kFloat32;
  bool is_contiguous() const { return unspool::is_contiguous(sizes, strides); }
  bool operator==(const Place&) const = default;
};

// An operand: a place, a number, or nothing.
struct Argument {
  Place place;
  ops::Operand number;
  bool is_tensor() const { return place.buffer != kNoBuffer; }
  bool is_none() const { return !is_tensor() && number.is_none(); }
};

// Where the attributes of an update come from at each call.
struct UpdateSource {
  std::int32_t host_step = -1;
  std::int32_t number = 0;  // among the updates of that step
};

struct Instruction {
  const ops::Op* op = nullptr;
  std::vector<Argument> in;
  std::vector<Place> out;  // of updates: nothing, they change their operands
  std::vector<ops::Attr> attrs;
  Dtype compute = Dtype::kFloat32;
  const ops::Scope* scope = nullptr;
  // What is computed in one section is not kept to be used in another, where it is computed anew.
  std::uint32_t section = 0;
  UpdateSource update;
  // Of a product: the element-wise operation with which it ends; its other operand is the last one, and the
  // attributes are its place in ops::FinishingOps and its parameter.
  const ops::Op* then = nullptr;

  bool is_update() const { return op->record.kind == ops::Kind::kUpdate; }
  // Whether operand i of an update is changed by it.
  bool changes(std::size_t i) const {
    return is_update() && i % static_cast<std::size_t>(op->record.arity) != 1;
  }
};

struct Recording {
  std::vector<Buffer> buffers;
  std::vector<Instruction> instructions;
};

// Calls f(buffer) for each buffer that the instruction reads, and then g(buffer) for each that it writes.
template <class F, class G>
void visit_buffers(const Instruction& instruction, F&& f, G&& g) {
  for (const Argument& argument : instruction.in) {
    if (argument.is_tensor()) f(argument.place.buffer);
  }
  for (std::size_t i = 0; i < instruction.in.size(); ++i) {
    if (instruction.changes(i)) g(instruction.in[i].place.buffer);
  }
  for (const Place& place : instruction.out) g(place.buffer);
}

// Which buffers an instruction writes.
inline std::vector<bool> written_buffers(const Recording& recording) {
  std::vector<bool> is_written(recording.buffers.size());
  for (const Instruction& instruction : recording.instructions)
    visit_buffers(instruction, [](BufferId) {}, [&](BufferId id) { is_written[id] = true; });
  return is_written;
}

}  // namespace unspool::exec
