// A chain of stages that is run and unwound by a plan: the first pass as the stages are called, the rest when
// the cotangent of a stage's result is complete.
#pragma once

#include <memory>
#include <vector>

#include "exec/recompute/chain.h"
#include "exec/recompute/replay_recorder.h"

namespace unspool::exec {

class ChainRun : public std::enable_shared_from_this<ChainRun> {
 public:
  // The plan of a chain of so many stages; the recorder must be the thread's while the stages are called.
  ChainRun(std::shared_ptr<const ChainPlan> plan, std::size_t stages, ReplayRecorder& recorder);

  // Around the call of the next stage.
  void begin_stage();
  void end_stage(const Tensor& result);

 private:
  struct Link {
    Ref<Region> region;
    Ref<Value> result;  // null where it cannot be computed again
    bool keeps_input = false, has_tape = false;
  };

  // Makes all steps that come before the stage's backward.
  void prepare(std::size_t stage);
  void take(const ChainStep& step);
  // The stage's input is no longer of use as such.
  void release_input(std::size_t stage);

  std::shared_ptr<const ChainPlan> plan_;
  ReplayRecorder& recorder_;
  std::vector<Link> links_;
  std::size_t next_ = 0;  // step
  std::size_t stage_ = 0;
};

}  // namespace unspool::exec
