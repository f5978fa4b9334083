// Which calls are kept: the outermost ones, or those that run.
#include "exec/recorder.h"

namespace unspool::exec {
namespace {

class Deeper {
 public:
  explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

}  // namespace

RecordedCall::RecordedCall(const ops::Call& call, std::span<const Tensor> outputs)
    : op(&call.op),
      in(call.in.begin(), call.in.end()),
      attrs(call.attrs.begin(), call.attrs.end()),
      out(outputs.begin(), outputs.end()),
      scope(ops::thread_state().scope) {}

void Recorder::emit(const ops::Call& call, std::span<Tensor> out) {
  {
    const Deeper inside(depth_);
    Eager::emit(call, out);
  }
  const ops::Kind kind = call.op.record.kind;
  const bool runs = kind != ops::Kind::kComposite && kind != ops::Kind::kUpdate;
  if (whole_ ? depth_ == 0 : runs) calls_.emplace_back(call, out);
}

void Recorder::emit_into(const ops::Call& call, const Tensor& target) {
  {
    const Deeper inside(depth_);
    Eager::emit_into(call, target);
  }
  if (whole_ && depth_ == 0) calls_.emplace_back(call, std::span(&target, 1));
}

void Recorder::launched(const Launched& launch) {
  if (!whole_ && !launch.fresh) calls_.emplace_back(launch.call, launch.out);
}

}  // namespace unspool::exec
