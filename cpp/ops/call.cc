// Attribute lookup, descriptions for messages, and type promotion over operands.
#include "ops/call.h"

#include "ops/record.h"
#include "tensor/default_dtype.h"

namespace unspool::ops {

std::string_view Call::name() const { return op.record.public_name(); }

const Attr& Call::attr(std::string_view wanted) const {
  std::size_t place = 0;
  for (const Arg& arg : op.record.args) {
    if (is_tensor_kind(arg.kind)) continue;
    // Of names of one length few begin alike, and those are not compared with a call.
    if (arg.name.size() == wanted.size() && arg.name[0] == wanted[0] && arg.name == wanted)
      return attrs[place];
    ++place;
  }
  unspool::fail(name(), ": the record has no attribute '", wanted, "'");
}

namespace {

void describe_operand(std::ostringstream& text, const Operand& operand) {
  if (operand.is_none()) {
    text << "None";
  } else if (operand.kind() == Operand::Kind::kBool) {
    text << (operand.integer() ? "True" : "False");
  } else if (operand.is_number()) {
    text << operand.number();
  } else {
    text << unspool::name(operand.impl().dtype) << " " << to_string(operand.impl().sizes);
  }
}

}  // namespace

std::string Call::describe() const {
  std::ostringstream text;
  text << name() << "(";
  std::size_t tensor = 0;
  for (const Arg& arg : op.record.args) {
    if (!is_tensor_kind(arg.kind)) continue;
    if (tensor) text << ", ";
    text << arg.name << ": ";
    if (arg.kind == ArgKind::kTensors) {
      text << "[";
      for (; tensor < in.size(); ++tensor) {
        describe_operand(text, in[tensor]);
        if (tensor + 1 < in.size()) text << ", ";
      }
      text << "]";
    } else if (tensor < in.size()) {
      describe_operand(text, in[tensor++]);
    }
  }
  text << ")";
  return text.str();
}

Dtype result_type(std::span<const Operand> operands) {
  // The promoted dtype of each rank: numbers, 0-d tensors, tensors with dimensions.
  std::optional<Dtype> best[3];
  for (const Operand& operand : operands) {
    if (operand.is_none()) continue;
    const int rank = operand.is_number() ? 0 : operand.ndim() == 0 ? 1 : 2;
    Dtype dtype;
    if (operand.is_tensor()) {
      dtype = operand.impl().dtype;
    } else {
      dtype = operand.category() == Category::kFloating  ? default_compute_dtype()
              : operand.category() == Category::kInteger ? Dtype::kInt64
                                                         : Dtype::kBool;
    }
    best[rank] = promote(best[rank].value_or(dtype), dtype);
  }
  std::optional<Dtype> result = best[2];
  for (int rank : {1, 0}) {
    const std::optional<Dtype> other = best[rank];
    if (other && (!result || category(*other) > category(*result))) result = other;
  }
  return result.value_or(Dtype::kFloat32);
}

}  // namespace unspool::ops
