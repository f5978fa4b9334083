// A recorded step made ready to run: memory planned, views laid out, kernels looked up.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "exec/program/passes.h"
#include "exec/program/plan.h"
#include "exec/program/tiles.h"
#include "exec/program/trace.h"
#include "kernels/kernel.h"

namespace unspool::exec {

// Where the temporaries lie.
struct ArenaLayout {
  Plan plan;
  std::vector<std::size_t> offsets;  // of each buffer that is a temporary
  std::size_t unplanned_bytes = 0;   // what the temporaries take together
};

// The bytes of the arena that a program of the recording would have.
std::size_t arena_bytes_of(Recording recording, const Passes& passes);

class Program {
 public:
  using Inputs = std::span<const Tensor* const>;

  explicit Program(Trace::Result traced, const Passes& passes = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Whether everything outside that the program reads by address is still what was captured.
  bool fits() const;
  // Whether an input that was not pinned may have this memory: that of tensors from outside, where either is
  // written, is another one's.
  bool takes(const Storage& input) const;
  // Runs the step, one call at a time. False, with nothing done, when a host step no longer fits. Raises what
  // a kernel reports, and says which tensors had been changed by then.
  bool run(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  bool run(Inputs inputs, std::span<Tensor> outputs) { return run(inputs, outputs, nullptr); }

  std::size_t output_count() const { return outputs_.size(); }
  // The instructions of each launch.
  std::span<const Range> ranges() const { return ranges_; }
  const Recording& recording() const { return recording_; }
  std::size_t arena_bytes() const { return plan_.bytes; }
  std::size_t scratch_bytes() const { return scratch_bytes_; }
  // What the temporaries take together.
  std::size_t unplanned_bytes() const { return unplanned_bytes_; }
  // Seconds per launch of one run, which is a step like any other.
  std::vector<double> profile(std::span<const Tensor> inputs, std::span<Tensor> outputs);

 private:
  // One kernel, or a group that goes tile by tile.
  struct Launch {
    void (*run)(const kernels::Context&, const kernels::KernelCall&) = nullptr;
    kernels::KernelCall call;
    std::unique_ptr<TileGroup> group;
    std::size_t first_view = 0;
    int threads = 1;
    bool is_long = false;
    bool either_way = false;
  };
  // A view whose address is known only when the program is called.
  struct Relocation {
    std::size_t view;
    std::ptrdiff_t offset;  // in bytes
    std::size_t number;     // of the input, or among fresh_
  };
  // Memory that is new with each call.
  struct Fresh {
    std::size_t bytes;
    Ref<Storage> storage;
  };
  // A result, and the tensor without memory that is like it.
  struct Output {
    Buffer::Kind kind;
    bool is_last;        // of those in its memory
    std::size_t number;  // of the input, or among fresh_
    Ref<Storage> external;
    Ref<TensorImpl> like;
  };

  void prepare();
  void add_view(const Place& place);
  void add_number(const ops::Operand& number, Dtype dtype);
  void choose_scratch();
  void add_launch(Range range);
  void add_outputs(std::span<const Place> places);
  void relocate(Inputs inputs);
  bool begin_host_steps();
  const void* address_of(const Place& place) const;
  void launch_all(double* seconds);
  [[noreturn]] void fail_at(std::size_t instruction);
  void finish(Inputs inputs, std::span<Tensor> outputs);
  bool run(Inputs inputs, std::span<Tensor> outputs, double* seconds);

  std::mutex running_;
  Recording recording_;
  std::vector<External> externals_;
  std::vector<TracedLeaf> leaves_;
  std::vector<Tensor> leaf_grads_;  // what each leaf holds after the step
  std::vector<std::shared_ptr<HostStep>> host_steps_;
  std::vector<Output> outputs_;

  std::vector<Range> ranges_;
  std::vector<bool> tile_locals_;
  Plan plan_;
  std::vector<std::size_t> offset_of_;  // of temporaries in the arena
  std::size_t unplanned_bytes_ = 0;
  std::size_t scratch_bytes_ = 0;
  std::byte* arena_ = nullptr;  // the temporaries, then the scratch

  std::vector<View> views_;
  std::vector<std::byte> numbers_;
  std::vector<Relocation> in_inputs_, in_fresh_;
  std::vector<Launch> launches_;
  kernels::Fault fault_;
  std::size_t done_ = 0;  // launches made in the present call
  bool is_long_ = false;
  bool is_odd_run_ = false;
  std::vector<HostStep::Attributes> attributes_;
  std::vector<Fresh> fresh_;
  std::vector<Storage*> written_;  // external storages that the program writes
  std::vector<Storage*> apart_;    // those that no input may overlap
};

}  // namespace unspool::exec
