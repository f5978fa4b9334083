// An emitter that executes eagerly and remembers, for each tensor it makes while gradients are recorded, how
// it was made, so that the tape may keep values that can be dropped and computed again.
#pragma once

#include <unordered_map>
#include <vector>

#include "exec/eager.h"
#include "exec/recompute/value.h"
#include "exec/tagged.h"

namespace unspool::exec {

class ReplayRecorder : public Eager, private StorageFollower {
 public:
  ReplayRecorder() = default;
  ~ReplayRecorder() override { stop_following(); }
  ReplayRecorder(const ReplayRecorder&) = delete;
  ReplayRecorder& operator=(const ReplayRecorder&) = delete;

  // The one that records on this thread; null if none does.
  static ReplayRecorder* current() noexcept {
    return dynamic_cast<ReplayRecorder*>(ops::thread_state().emitter);
  }

  // The value that the tensor's memory holds now, if it can be computed again; null otherwise.
  Ref<Value> recomputable(const Tensor& tensor) const;

  // Values made from now on belong to a new region, until it is left. If it does not keep them they are gone
  // as soon as the computation itself no longer needs them.
  Ref<Region> enter(bool keeps = false);
  // Whether the tape reads the tensor's value, if it can be computed again.
  bool holds(const Tensor& tensor) const {
    const Ref<Value> value = recomputable(tensor);
    return value && value->is_held();
  }
  // The results then belong to the region around; they stay in memory.
  void leave(std::span<const Tensor> results);
  // Forgets how everything so far was made, but for what the tape holds.
  void forget();

  void emit(const ops::Call& call, std::span<Tensor> out) override;
  void emit_into(const ops::Call& call, const Tensor& target) override;
  void read_on_host(const Tensor& tensor, std::string_view who) override;

 private:
  void died(std::uint32_t number) noexcept override;
  void launched(const Launched& launch) override;
  Ref<Value> value_of(const Tensor& tensor);
  Ref<Value> source_of(const Tensor& tensor);
  Ref<Replay> replay_of(const Launched& launch);
  ValuePlace place_of(const Tensor& tensor);
  void made(const Tensor& tensor, const Ref<Replay>& replay, std::size_t output);
  void written(const Tensor& tensor, const Ref<Replay>& replay);
  void before_write(const Storage& storage);
  void save_random_state(const ops::Call& call);
  void bury();

  std::vector<Ref<Value>> values_;  // by the number of their storage; null once that has died
  std::vector<Ref<Value>> dead_;    // taken out when storages died; guarded by the mutex of all followers
  std::unordered_map<const Storage*, Ref<Value>> sources_;
  std::size_t most_sources_ = 64;
  std::vector<Ref<Region>> regions_;
  std::unique_ptr<MersenneState> random_;  // of the call that is about to draw
};

// Makes a recorder the emitter of this thread.
class WithRecorder {
 public:
  explicit WithRecorder(ReplayRecorder& recorder)
      : before_(std::exchange(ops::thread_state().emitter, &recorder)) {}
  ~WithRecorder() { ops::thread_state().emitter = before_; }
  WithRecorder(const WithRecorder&) = delete;
  WithRecorder& operator=(const WithRecorder&) = delete;

 private:
  ops::Emitter* before_;
};

}  // namespace unspool::exec
