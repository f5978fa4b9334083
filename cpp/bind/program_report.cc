// Plain dicts; what they mean to a reader is said in Python.
#include "bind/program_report.h"

#include <pybind11/pybind11.h>

#include "bind/convert.h"
#include "ops/record.h"

namespace unspool::bind {
namespace {

namespace py = pybind11;

py::str text(std::string_view value) { return {value.data(), value.size()}; }

py::tuple sizes_of(const Dims& sizes) {
  py::tuple result(sizes.size());
  for (std::size_t d = 0; d < sizes.size(); ++d) result[d] = sizes[d];
  return result;
}

py::object place(const exec::Place& place) {
  return py::make_tuple(place.buffer, sizes_of(place.sizes), text(name(place.dtype)));
}

py::object number(const ops::Operand& operand) {
  switch (operand.kind()) {
    case ops::Operand::Kind::kFloat:
      return py::float_(operand.number());
    case ops::Operand::Kind::kInt:
      return py::int_(operand.integer());
    case ops::Operand::Kind::kBool:
      return py::bool_(operand.integer() != 0);
    default:
      return py::none();
  }
}

py::dict describe(const exec::Instruction& instruction) {
  py::dict result;
  result["op"] = text(instruction.op->record.name);
  result["formula"] = text(instruction.op->record.formula);
  result["then"] = instruction.then ? text(instruction.then->record.name) : text({});
  result["scope"] = instruction.scope ? instruction.scope->path() : std::string();
  result["is_update"] = instruction.is_update();
  result["arity"] = instruction.op->record.arity;
  py::list in, out;
  for (const exec::Argument& argument : instruction.in)
    in.append(argument.is_tensor() ? place(argument.place) : number(argument.number));
  for (const exec::Place& each : instruction.out) out.append(place(each));
  result["in"] = in;
  result["out"] = out;
  return result;
}

const char* kind_name(exec::Buffer::Kind kind) {
  switch (kind) {
    case exec::Buffer::Kind::kInput:
      return "input";
    case exec::Buffer::Kind::kExternal:
      return "kept";
    case exec::Buffer::Kind::kOutput:
      return "result";
    default:
      return "temporary";
  }
}

}  // namespace

PyObject* report(const exec::Program& program) {
  py::list instructions, buffers;
  for (const exec::Instruction& each : program.recording().instructions) instructions.append(describe(each));
  for (const exec::Buffer& each : program.recording().buffers)
    buffers.append(py::make_tuple(kind_name(each.kind), each.bytes));
  py::dict result;
  result["instructions"] = instructions;
  result["buffers"] = buffers;
  py::list launches;
  for (const exec::Range& range : program.ranges()) launches.append(py::make_tuple(range.first, range.count));
  result["launches"] = launches;
  result["arena_bytes"] = program.arena_bytes();
  result["scratch_bytes"] = program.scratch_bytes();
  result["unplanned_bytes"] = program.unplanned_bytes();
  return result.release().ptr();
}

}  // namespace unspool::bind
