// An emitter that executes eagerly and keeps a list of the calls, for reports: which operations a derivative
// rule is made of, how much work a model does.
#pragma once

#include <vector>

#include "exec/eager.h"

namespace unspool::exec {

struct RecordedCall {
  const ops::Op* op = nullptr;
  std::vector<ops::Operand> in;
  std::vector<ops::Attr> attrs;
  std::vector<Tensor> out;
  const ops::Scope* scope = nullptr;

  RecordedCall() = default;
  RecordedCall(const ops::Call& call, std::span<const Tensor> outputs);
};

class Recorder final : public Eager {
 public:
  // `whole`: calls as they were made, with what they are composed of left out; else the calls of kernels and
  // views that remain when compositions have fallen apart.
  explicit Recorder(bool whole) : whole_(whole) {}
  void emit(const ops::Call& call, std::span<Tensor> out) override;
  void emit_into(const ops::Call& call, const Tensor& target) override;
  std::vector<RecordedCall> take() { return std::move(calls_); }

 private:
  void launched(const Launched& launch) override;

  bool whole_;
  int depth_ = 0;
  std::vector<RecordedCall> calls_;
};

}  // namespace unspool::exec
