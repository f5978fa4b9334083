// Somebody who looks on, on one thread, while operations are recorded and unwound: debugging tools compare
// what they see with other ways to get it. An observer changes nothing, and costs a comparison when there is
// none.
#pragma once

#include <span>

#include "exec/node.h"
#include "ops/record.h"

namespace unspool::exec {

class Observer {
 public:
  virtual ~Observer() = default;
  // A node was made for the call, which has run. `overwritten`: what its target held before, when that is one
  // of its operands.
  virtual void recorded(const ops::Call& call, const Node& node, const Tensor& target,
                        const Tensor& overwritten) = 0;
  // The node's rules have made the operands' cotangents; those that are not wanted are undefined.
  virtual void unwound(const Node& node, std::span<const Tensor> cotangents,
                       std::span<const Tensor> grads) = 0;
  // Hooks have seen the complete cotangent `before` of an output, and left `after`.
  virtual void hooked(const Node& node, std::uint32_t output, const Tensor& before, const Tensor& after) = 0;
  virtual void dying(const Node& node) noexcept = 0;
  // An unwinding, maybe inside of another, begins; has passed all nodes; ends, after that or with an error.
  virtual void begun() = 0;
  virtual void finished() = 0;
  virtual void ended() noexcept = 0;
};

namespace internal {
[[gnu::tls_model("initial-exec")]] inline constinit thread_local Observer* observer = nullptr;
}

// This thread's; null when nobody looks on.
inline Observer*& observer() noexcept { return internal::observer; }

// Tells this thread's observer of an unwinding.
class ObservedUnwinding {
 public:
  ObservedUnwinding() : watching_(observer()) {
    if (watching_) watching_->begun();
  }
  ~ObservedUnwinding() {
    if (watching_) watching_->ended();
  }
  ObservedUnwinding(const ObservedUnwinding&) = delete;
  ObservedUnwinding& operator=(const ObservedUnwinding&) = delete;
  void finish() {
    if (watching_) watching_->finished();
  }

 private:
  Observer* watching_;
};

// Nobody looks on in the scope.
class Unobserved {
 public:
  Unobserved() : before_(std::exchange(observer(), nullptr)) {}
  ~Unobserved() { observer() = before_; }
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;

 private:
  Observer* before_;
};

}  // namespace unspool::exec
