// The one door: every operation, from Python, from a vjp or from an optimizer, passes through the current
// thread's Emitter. Eager execution, tracing and verification are Emitters.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "ops/call.h"
#include "ops/record.h"

namespace unspool::ops {

class Emitter {
 public:
  virtual ~Emitter() = default;
  // Fills `out`, which has one place per output of the operation.
  virtual void emit(const Call& call, std::span<Tensor> out) = 0;
  // The same, with the result written into `target`, an existing tensor (name_ and out= forms).
  virtual void emit_into(const Call& call, const Tensor& target) = 0;
  // The cotangents of `inputs`, from which `outputs` were computed, recorded so that they can be
  // differentiated again. Looks at nothing that the inputs themselves were computed from.
  virtual std::vector<Tensor> derive(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                                     std::span<const Tensor> inputs);
  // The host is about to look at the tensor's values, for `who`: an operation or method.
  virtual void read_on_host(const Tensor& /*tensor*/, std::string_view /*who*/) {}
};

// A module that is running: the path from the root is read by following `parent`. Lives as long as the
// process, interned, so that tape nodes can keep a pointer.
class Scope {
 public:
  Scope(const Scope* parent, std::string name) : parent_(parent), name_(std::move(name)) {}
  // The scope of the submodule `name`, made on first use. Thread safe.
  static const Scope* child(const Scope* parent, std::string_view name);
  std::string path() const;  // "encoder.0.linear"
  const Scope* parent() const { return parent_; }

 private:
  const Scope* parent_;
  std::string name_;
};

struct ThreadState {
  Emitter* emitter = nullptr;  // the process-wide default when null
  bool grad_enabled = true;
  bool inference = false;
  const Scope* scope = nullptr;
};

namespace internal {
// The default TLS model would call into the loader on every access.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local ThreadState state;
extern Emitter* default_emitter;
}  // namespace internal

inline ThreadState& thread_state() noexcept { return internal::state; }
inline Emitter& emitter() {
  return internal::state.emitter ? *internal::state.emitter : *internal::default_emitter;
}
void set_default_emitter(Emitter* emitter);

// To be called before values of a tensor decide what the host does next.
inline void before_host_read(const Tensor& tensor, std::string_view who) {
  if (Emitter* own = thread_state().emitter) own->read_on_host(tensor, who);
}

// Operations of the scope go to the default emitter.
class WithDefaultEmitter {
 public:
  WithDefaultEmitter() : before_(std::exchange(thread_state().emitter, nullptr)) {}
  ~WithDefaultEmitter() { thread_state().emitter = before_; }
  WithDefaultEmitter(const WithDefaultEmitter&) = delete;
  WithDefaultEmitter& operator=(const WithDefaultEmitter&) = delete;

 private:
  Emitter* before_;
};

class GradMode {
 public:
  explicit GradMode(bool enabled) : before_(std::exchange(thread_state().grad_enabled, enabled)) {}
  ~GradMode() { thread_state().grad_enabled = before_; }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

// Calls the operation declared by T and returns its first output.
inline Tensor call_op(const Op& op, std::span<const Operand> operands, std::span<const Attr> attrs) {
  Tensor out[kMaxOutputs];
  emitter().emit({op, operands, attrs},
                 std::span<Tensor>(out, static_cast<std::size_t>(op.record.outputs.size())));
  return std::move(out[0]);
}

// All outputs of the operation declared by T.
template <class T>
std::array<Tensor, static_cast<std::size_t>(T::record.outputs.size())> call_all(
    std::initializer_list<Borrowed> operands, std::initializer_list<Attr> attrs = {}) {
  std::array<Tensor, static_cast<std::size_t>(T::record.outputs.size())> out;
  const Operand* const first = operands.begin();
  emitter().emit({op_of<T>, {first, operands.size()}, {attrs.begin(), attrs.size()}}, out);
  return out;
}

template <class T>
Tensor call(std::initializer_list<Borrowed> operands, std::initializer_list<Attr> attrs = {}) {
  const Operand* const first = operands.begin();
  Tensor out[static_cast<std::size_t>(T::record.outputs.size())];
  emitter().emit({op_of<T>, {first, operands.size()}, {attrs.begin(), attrs.size()}}, out);
  return std::move(out[0]);
}

}  // namespace unspool::ops
