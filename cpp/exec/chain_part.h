// A layer, as far as recursion is concerned: a few neighbouring links of a chain that one call of the
// recursive function computes, and one return unwinds. Run by two captured programs where that is possible,
// and parts that look alike share them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/chain.h"
#include "exec/program/program.h"

namespace unspool::exec {

// Tensors that one call computes and its return reads, and the cotangents of a return.
using Values = SmallVector<Tensor, 8>;

// What a tensor has to look like to be an input of a program.
struct Geometry {
  Dtype dtype;
  Dims sizes, strides;
  explicit Geometry(const Tensor& tensor)
      : dtype(tensor.dtype()), sizes(tensor.sizes()), strides(tensor.strides()) {}
  bool fits(const Tensor& tensor) const {
    return tensor.dtype() == dtype && tensor.sizes() == sizes && tensor.strides() == strides;
  }
};

// The programs of all parts that look alike.
struct PartPrograms {
  std::unique_ptr<Program> forward, backward;
  std::vector<Geometry> arguments;
  std::optional<Geometry> cotangent;
};

struct PartOperand {
  const ChainOperand* in_chain;
  Tensor fixed;  // what it always is, or undefined
};

class ChainPart {
 public:
  using Arguments = Program::Inputs;

  // The links [first, last) of the chain.
  ChainPart(const RecordedChain& chain, std::uint32_t first, std::uint32_t last);

  std::uint32_t first() const { return first_; }
  // Operands besides the result of the part before, in the order in which they are passed as arguments.
  const std::vector<PartOperand>& operands() const { return operands_; }
  bool reads_current() const { return reads_current_; }
  // Whether the part before wants a cotangent.
  bool passes_on() const;
  // Numbers among the parameters, in the order of the gradients that `unwind` gives.
  const std::vector<std::uint32_t>& parameters() const { return parameters_; }

  // `arguments`: the result of the part before, where it is read, and the operands. Gives the result, then
  // what `unwind` will read.
  Values compute(Arguments arguments) const;
  // The cotangent of the first argument, when it is passed on, then the parameters' gradients. `kept`: what
  // `compute` gave; what is not marked in keeps() may be undefined.
  Values unwind(const Tensor& cotangent, std::span<const Tensor> kept, Arguments arguments) const;
  // Which results of `compute` the unwinding reads, and whether it reads the first argument.
  bool keeps(std::size_t i) const { return i > 0 || keeps_result_; }
  bool keeps_current() const { return keeps_current_; }

  // The same by programs, which are captured when they are missing, or found among those of parts that look
  // alike; as they are where a program does not fit.
  using Known = std::unordered_map<std::string, std::shared_ptr<PartPrograms>>;
  Values compute_fast(Arguments arguments, Known& known);
  Values unwind_fast(const Tensor& cotangent, std::span<const Tensor> kept, Arguments arguments) const;

 private:
  friend class PartVjp;
  // Where a value is, seen from the links of the part.
  static constexpr int kNumber = -1, kCurrent = -2;
  struct Place {
    std::vector<int> in;  // of each operand: an argument, kCurrent or kNumber
    int input = -1;       // in the results of `compute`: its operand kCurrent; -1 when nobody reads it
    SmallVector<int, 4> results;  // the same of its results
  };

  ops::Operand operand(std::size_t link, std::size_t i, const Tensor& current, Arguments arguments) const;
  void plan_kept();
  std::string looks(Arguments arguments) const;
  void find_programs(Arguments arguments, Known& known);
  bool have_fitting_programs(Arguments arguments) const;
  void capture_unwinding(const Tensor& cotangent, std::span<const Tensor> kept, Arguments arguments) const;
  const Link& link(std::size_t k) const { return chain_.links[first_ + k]; }
  std::size_t size() const { return last_ - first_; }

  const RecordedChain& chain_;
  std::uint32_t first_, last_;
  std::vector<Place> places_;
  std::vector<PartOperand> operands_;
  std::vector<std::uint32_t> parameters_;
  std::size_t kept_ = 1;
  bool reads_current_ = false, keeps_result_ = false, keeps_current_ = false, is_prepared_ = false;
  std::shared_ptr<PartPrograms> programs_;
};

// The parts of a chain: a new one begins with each operation that has many parameters, or work beside it, and
// after a few links at most.
std::vector<ChainPart> parts_of(const RecordedChain& chain);

}  // namespace unspool::exec
