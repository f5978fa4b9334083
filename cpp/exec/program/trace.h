// An emitter that executes eagerly and writes down every kernel call. Storages are told apart by the tags it
// gives them, so that addresses may be used again while the trace runs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/eager.h"
#include "exec/memory_watch.h"
#include "exec/node.h"
#include "exec/program/recording.h"
#include "exec/tagged.h"

namespace unspool::exec {

// Work of the host that a program repeats at the start of each call: reading hyperparameters, counting steps.
class HostStep {
 public:
  using Attributes = std::vector<std::vector<ops::Attr>>;
  virtual ~HostStep() = default;
  // The attributes of the step's updates, in order. False when what was captured is no longer what there is:
  // nothing has then been changed.
  virtual bool begin(Attributes& attributes) = 0;
  // An update that was made: its number, and the memory of the parameter; null for all parameters of it.
  struct Made {
    std::size_t number;
    const void* parameter;
  };
  // Takes back what `begin` changed for other updates than these, because they were not made.
  virtual void undo(std::span<const Made> made) noexcept = 0;
};

// A tensor outside of the program that it reads or writes in place.
struct External {
  Tensor tensor;
  Storage* storage = nullptr;  // the one it had
  bool requires_grad = false;
};

// A leaf whose gradient the step touched.
struct TracedLeaf {
  Tensor leaf;
  bool is_entry_read = false;  // the gradient from before the step counts
  Tensor entry;                // what it was
  bool is_spent = false;       // it was used up in the step
};

class Trace final : public Eager, private StorageFollower {
 public:
  // A tolerant trace goes on eagerly, without recording, where another raises.
  explicit Trace(std::vector<Tensor> inputs, bool is_tolerant = false);
  ~Trace() override { stop_following(); }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // The trace that records on this thread; null if none does.
  static Trace* current() noexcept;

  void read_on_host(const Tensor& tensor, std::string_view who) override;

  // From now on updates belong to this host step, which may have had others before, and take the attributes
  // of the given number in it.
  void begin_updates(std::shared_ptr<HostStep> step);
  void next_updates(std::size_t number) { updates_ = static_cast<std::int32_t>(number); }
  void end_updates();
  // What follows computes anew what was computed before, so that it need not be kept until now.
  void begin_section() { ++section_; }
  // Where not null: reading memory that was changed raises.
  void watch_reads(const MemoryWatch* watch) { read_watch_ = watch; }
  // The leaf's gradient is about to be replaced (by nothing, or from outside), or to be added to.
  void replacing_gradient(const Tensor& leaf) { touch(leaf, false); }
  void accumulating_gradient(const Tensor& leaf) {
    is_unwound_ = true;
    touch(leaf, true);
  }
  // The tape behind the tensor has been unwound and is gone.
  void unwound(const Tensor& output) {
    if (!is_leaf(output.impl())) unwound_.push_back(sequence_of(output));
  }
  // Something that cannot be repeated by a program happened: raises CaptureError, or ends the recording.
  void refuse(const std::string& why);
  // Why a tolerant trace has ended; empty while all is well.
  const std::string& failure() const { return failure_; }

  // Whether the tensor's memory is new since the trace began, and whether any kernel has used memory from
  // before.
  bool has_made(const Tensor& tensor) const;
  bool has_read(const Tensor& tensor) const { return external_of_.contains(tensor->storage.get()); }

  // Whether an instruction so far was given this number itself; a bound of 1, as clipping has one, does not
  // count.
  bool mentions(double number) const;
  // A tensor with new memory that no kernel has written: whatever is in it.
  void made_empty(const Tensor& tensor) { buffer_of(tensor, true); }
  // A tensor with new memory that the host has filled: each replay starts with these values. Returns the
  // memory that the program reads them from.
  Tensor made_by_host(const Tensor& tensor);
  // `apart` is memory of the tensor under a count of its own, as x.data is.
  void counted_apart(const Tensor& tensor, const Ref<Storage>& apart) {
    apart_.emplace(apart.get(), Apart{apart, buffer_of(tensor, false)});
  }
  // The step has ended: lets go of what only the trace still holds. To be called before what follows.
  void let_go();
  // Somebody looks at this tensor after the step: it stays where it is, and each replay writes it again.
  void keep(const Tensor& tensor);
  // Whether results need gradients that the step has not computed itself.
  bool needs_derivative(std::span<const Tensor> outputs) const;
  // Records the unwinding from the results, with cotangents that are further inputs, to what they were
  // computed from. To be called while this trace is the emitter.
  void differentiate(std::span<const Tensor> outputs);

  // A tensor that the step made and that somebody still holds, though it is no result, no gradient, and not
  // kept; a replay could not give it to them. An empty text when there is none.
  std::string unexplained(std::span<const Tensor> outputs) const;

  // What was recorded. `outputs` are the results of the step.
  struct Derivative {
    std::size_t split = 0;             // the first instruction of the unwinding
    std::size_t first_cotangent = 0;   // number among the inputs
    std::vector<std::size_t> outputs;  // those that have a cotangent
    std::vector<Tensor> targets;       // tensors from outside that get one
    std::vector<std::size_t> inputs;   // inputs that get one, after the targets
    std::vector<Place> grads;          // of the targets, then of the inputs
  };
  struct Result {
    Recording recording;
    std::vector<External> externals;
    std::vector<TracedLeaf> leaves;
    std::vector<std::shared_ptr<HostStep>> host_steps;
    std::vector<Place> outputs;
    std::optional<Derivative> derivative;
    std::vector<std::size_t> pinned;  // inputs whose memory a tensor from outside also has: see finish
  };
  // An input that shares its memory with a watched tensor is pinned: the program takes both for one place,
  // and fits only calls in which that input is where it was.
  Result finish(std::span<const Tensor> outputs);
  // A tensor that the program must find unchanged at each call, whether it was seen or not.
  void watch(const Tensor& tensor);

 private:
  void died(std::uint32_t number) noexcept override { alive_[number] = nullptr; }
  void launched(const Launched& launch) override;
  BufferId buffer_of(const Tensor& tensor, bool fresh);
  BufferId add(Buffer buffer);
  BufferId add_external(const Tensor& tensor);
  bool is_orphan(const External& external) const;
  bool is_first_overwritten(BufferId buffer) const;
  Place place_of(const Tensor& tensor, bool fresh = false);
  void touch(const Tensor& leaf, bool reads);
  void settle_externals(std::span<const Tensor> outputs);
  std::vector<std::size_t> pinned_inputs() const;
  bool has_written_overlap() const;
  static std::uint64_t sequence_of(const Tensor& output);
  bool is_open(const Tensor& output) const;
  void drop_needless_copies();

  struct Apart {
    Ref<Storage> storage;
    BufferId buffer;
  };

  bool is_tolerant_;
  std::string failure_;
  std::vector<Tensor> inputs_;
  Recording recording_;
  std::vector<Storage*> alive_;  // by buffer; null once dead. Guarded by the mutex of all followers.
  std::unordered_map<const Storage*, BufferId> external_of_;
  std::vector<External> externals_;
  std::vector<TracedLeaf> leaves_;
  std::unordered_map<const TensorImpl*, std::size_t> leaf_of_;
  std::vector<std::shared_ptr<HostStep>> host_steps_;
  std::vector<BufferId> kept_;
  std::optional<Derivative> derivative_;
  std::unordered_map<const Storage*, Apart> apart_;
  std::vector<std::size_t> host_made_;  // instructions that copy what the host filled
  bool is_unwound_ = false;
  std::vector<std::uint64_t> unwound_;  // nodes, by their numbers
  std::uint32_t section_ = 0;
  std::int32_t host_step_ = -1;  // the current one
  std::int32_t updates_ = -1;    // number in it; -1 outside of one
  const MemoryWatch* read_watch_ = nullptr;
};

// Makes a trace the emitter of this thread.
class Tracing {
 public:
  explicit Tracing(Trace& trace) : before_(std::exchange(ops::thread_state().emitter, &trace)) {}
  ~Tracing() { ops::thread_state().emitter = before_; }
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;

 private:
  ops::Emitter* before_;
};

}  // namespace unspool::exec
