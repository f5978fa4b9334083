// A computation in which every operation that gradients flow through reads the result of the one before: a
// stack of layers and the loss on top. Plain data, written down by a ChainRecorder and run by
// exec/returning.h.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "exec/eager.h"
#include "ops/record.h"

namespace unspool::exec {

struct ChainOperand {
  enum class Kind : std::uint8_t {
    kFixed,    // a parameter, a constant, a number, or nothing: `fixed`
    kCurrent,  // the result of the link before
    kInput,    // an argument of the step
    kSide,     // a side value
  };
  Kind kind = Kind::kFixed;
  std::uint32_t number = 0;     // of the input or side value
  std::int32_t parameter = -1;  // number among the parameters, where it is one that learns
  ops::Operand fixed;
};

struct ChainCall {
  const ops::Op* op = nullptr;
  std::vector<ChainOperand> in;
  std::vector<ops::Attr> attrs;
  const ops::Scope* scope = nullptr;
};

// Work beside the chain, through which no gradient flows: masks, shapes, targets.
struct SideCall : ChainCall {
  std::uint32_t first_value = 0;  // its results are side values from this number on
};

struct Link : ChainCall {
  std::vector<ops::OutputSpec> operands;  // geometry of the operands that are tensors
  std::vector<ops::OutputSpec> results;
  ops::Reads reads = 0;         // what its rules read
  bool passes_on = false;       // the link before wants a cotangent
  std::uint32_t sides_end = 0;  // the side calls up to here come before it
};

struct RecordedChain {
  std::vector<Link> links;
  std::vector<SideCall> sides;
  std::size_t side_values = 0;
  std::vector<Tensor> parameters;  // in the order of their use
};

// An emitter that executes eagerly and writes the chain down. Raises, naming operation and module, when what
// runs is no chain, or does what a chain cannot repeat.
class ChainRecorder final : public Eager {
 public:
  // `known`: tensors from outside that the step may read; parameters, buffers.
  ChainRecorder(std::vector<Tensor> inputs, const std::vector<Tensor>& known);

  void emit(const ops::Call& call, std::span<Tensor> out) override;
  void emit_into(const ops::Call& call, const Tensor& target) override;
  void read_on_host(const Tensor& tensor, std::string_view who) override;

  // The chain that ends with this loss.
  RecordedChain finish(const Tensor& loss);

 private:
  using Kind = ChainOperand::Kind;

  void launched(const Launched& launch) override;
  void note(const ops::Call& call, std::span<const Tensor> out);
  ChainOperand operand_of(const ops::Call& call, const ops::Operand& operand, bool flows);
  ChainOperand outside(const ops::Call& call, const Tensor& tensor, bool flows);
  void add_link(ChainCall&& common, const ops::Call& call, std::span<const Tensor> out);
  void add_side(ChainCall&& common, std::span<const Tensor> out);
  [[noreturn]] void refuse(std::string_view op, const std::string& why) const;

  RecordedChain chain_;
  std::vector<Tensor> inputs_;
  Tensor current_;
  std::unordered_map<const TensorImpl*, ChainOperand> values_;
  std::unordered_set<const Storage*> made_;  // memory of inputs and results
  std::unordered_set<const TensorImpl*> known_;
  std::unordered_set<const TensorImpl*> used_;  // parameters of the chain
  std::vector<Tensor> alive_;                   // so that addresses stay what they are
};

}  // namespace unspool::exec
