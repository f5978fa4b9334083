// Values that can be computed again: what a storage held at one moment, the kernel call that made it, and the
// values which that call read. The tape keeps such values instead of memory; this is where they are dropped
// and brought back. Who records them is in replay_recorder.h, when they are dropped is decided elsewhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "ops/call.h"
#include "tensor/tensor.h"

namespace unspool::exec {

struct Replay;

class Value;

// A part of a computation whose values are dropped together. Recomputing a value brings back everything on
// the way that belongs to its own region or to one around it; what lies in other regions is computed and let
// go.
struct Region : RefCounted<Region> {
  explicit Region(Ref<Region> around) : parent(std::move(around)) {}
  bool is_within(const Region* other) const {
    for (const Region* each = this; each; each = each->parent.get()) {
      if (each == other) return true;
    }
    return !other;
  }
  Ref<Region> parent;
  bool keeps = false;          // what the tape holds stays in memory, until it is dropped
  std::vector<Value*> values;  // those that are alive
};

class Value : public RefCounted<Value> {
 public:
  // `maker` is null for a value from outside, which is never dropped.
  Value(Ref<Storage> storage, std::uint32_t version, Ref<Replay> maker, std::uint32_t output);
  ~Value();

  bool is_source() const { return !maker_; }
  // Whether the memory is held and nobody has overwritten it.
  bool is_here() const { return storage_ && storage_->version() == version_; }
  std::uint32_t version() const { return version_; }
  std::size_t bytes() const { return bytes_; }
  const Ref<Storage>& storage() const { return storage_; }
  Replay* maker() const { return maker_.get(); }
  const Ref<Region>& region() const { return region_; }
  void set_region(const Ref<Region>& region);

  // The tape reads the value: it is dropped when all who do have let go, if not before.
  void hold(const Ref<Storage>& storage);
  void let_go() noexcept;
  bool is_held() const { return holders_.load(std::memory_order_relaxed) > 0; }

  // Gives the memory back. It can be computed again.
  void drop() noexcept;
  // From now on the value is in this memory.
  void put(Ref<Storage> storage);
  // From now on this memory is the value, whatever is written to it, and it is never dropped.
  void pin(const Ref<Storage>& storage);
  // The memory, computed again where it was dropped.
  Ref<Storage> get();

 private:
  Ref<Storage> storage_;
  std::uint32_t version_;
  std::uint32_t output_;
  std::atomic<std::uint32_t> holders_{0};
  std::size_t bytes_;
  Ref<Replay> maker_;
  Ref<Region> region_;
  std::size_t place_ = 0;  // among the region's values
};

// Brings values back by one pass over the calls that lead to them.
void bring_back(std::span<Value* const> values);

// An operand or a target: a tensor over a value's memory.
struct ValuePlace {
  Ref<Value> value;  // null: the memory that the call writes
  Dims sizes, strides;
  std::int64_t offset = 0;
  Dtype dtype = Dtype::kFloat32;
};

struct ReplayOperand {
  ops::Operand number;  // or nothing
  ValuePlace place;
  bool is_tensor = false;
};

// A kernel call that can be made again, with the same bits.
struct Replay : RefCounted<Replay> {
  explicit Replay(const ops::Op& operation) : op(operation) {}
  static void destroy(Replay* replay) noexcept;
  // Makes the outputs anew; in `own`, if given, which holds what the call changes.
  std::vector<Ref<Storage>> run(Ref<Storage> own) const;
  template <class F>
  void visit_sources(F&& f) const {
    if (before) f(before);
    for (const ReplayOperand& operand : operands) {
      if (operand.is_tensor && operand.place.value) f(operand.place.value);
    }
  }

  const ops::Op& op;
  std::vector<ReplayOperand> operands;
  std::vector<ops::Attr> attrs;
  std::unique_ptr<MersenneState> random;  // where the generator stood
  std::uint64_t sequence = 0;             // in order of execution
  double work = 0;                        // an estimate, in seconds
  // A call that writes into existing memory: what that held before, where it matters, and which part is
  // written.
  Ref<Value> before;
  ValuePlace target;
  bool is_in_place = false;
  std::size_t bytes = 0;        // of that memory
  std::vector<Value*> outputs;  // those that are still of use to somebody
};

// Where in the order of recorded calls the computation is: the call that was recorded last, or whose result
// was last brought back.
std::uint64_t latest_call() noexcept;
// Numbers a call that is recorded.
std::uint64_t number_call() noexcept;

// How many kernel calls were made again since the start, for tests and measurements.
std::uint64_t replayed_calls();

// Alone with all values for its lifetime; waits without the host's lock.
[[nodiscard]] std::unique_lock<std::recursive_mutex> alone_with_values();

}  // namespace unspool::exec
