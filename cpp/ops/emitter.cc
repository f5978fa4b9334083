// The thread's state and the interned tree of module scopes.
#include "ops/emitter.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace unspool::ops {
namespace internal {

constinit thread_local ThreadState state;
Emitter* default_emitter = nullptr;

}  // namespace internal

std::vector<Tensor> Emitter::derive(std::span<const Tensor>, std::span<const Tensor>,
                                    std::span<const Tensor>) {
  fail(ErrorKind::kNotImplemented, "derive: this emitter keeps no tape");
}

void set_default_emitter(Emitter* emitter) { internal::default_emitter = emitter; }

const Scope* Scope::child(const Scope* parent, std::string_view name) {
  // Interned for the life of the process, and leaked on purpose: tape nodes may outlive every static.
  static auto& mutex = *new std::mutex;
  static auto& scopes =
      *new std::map<std::pair<const Scope*, std::string>, std::unique_ptr<Scope>, std::less<>>;
  const std::lock_guard lock(mutex);
  auto& place = scopes[{parent, std::string(name)}];
  if (!place) place = std::make_unique<Scope>(parent, std::string(name));
  return place.get();
}

std::string Scope::path() const {
  std::string text = parent_ ? parent_->path() : "";
  if (!text.empty() && !name_.empty()) text += '.';
  return text + name_;
}

}  // namespace unspool::ops
