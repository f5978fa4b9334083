// Steps of a plan, as regions that are left and brought back.
#include "exec/recompute/chain_run.h"

#include "exec/node.h"

namespace unspool::exec {

using StepKind = ChainStep::Kind;

ChainRun::ChainRun(std::shared_ptr<const ChainPlan> plan, std::size_t stages, ReplayRecorder& recorder)
    : plan_(std::move(plan)), recorder_(recorder), links_(stages) {}

void ChainRun::begin_stage() {
  const ChainStep& step = plan_->steps[next_];
  links_[stage_].region = recorder_.enter(step.kind == StepKind::kRecord);
}

void ChainRun::end_stage(const Tensor& result) {
  const ChainStep& step = plan_->steps[next_];
  Link& link = links_[stage_];
  recorder_.leave({&result, 1});
  link.result = recorder_.recomputable(result);
  link.has_tape = step.kind == StepKind::kRecord;
  link.keeps_input = step.kind != StepKind::kForward;
  if (link.result) link.result->put(result->storage);
  if (!link.keeps_input) release_input(stage_);
  if (result.requires_grad() && !is_leaf(result.impl())) {
    // Not for itself: the hook lives as long as the node.
    add_hook(result, [run = shared_from_this(), stage = stage_](const Tensor&) {
      run->prepare(stage);
      return Tensor();
    });
  }
  ++next_;
  ++stage_;
}

void ChainRun::release_input(std::size_t stage) {
  if (stage == 0) return;
  Link& before = links_[stage - 1];
  if (before.result && !before.has_tape) before.result->drop();
}

void ChainRun::prepare(std::size_t stage) {
  const auto lock = alone_with_values();
  while (next_ < plan_->steps.size()) {
    const ChainStep step = plan_->steps[next_];
    if (step.kind == StepKind::kBackward && step.stage <= stage) return;
    ++next_;
    take(step);
  }
}

void ChainRun::take(const ChainStep& step) {
  Link& link = links_[step.stage];
  if (step.kind == StepKind::kBackward) {  // it is over
    link.has_tape = false;
    link.keeps_input = false;
    if (link.result) link.result->drop();
    return release_input(step.stage);
  }
  std::vector<Value*> wanted;
  if (step.kind == StepKind::kRecord) {
    link.has_tape = true;
    link.region->keeps = true;
    for (Value* value : link.region->values) {
      if (value->is_held()) wanted.push_back(value);
    }
  }
  if (link.result) wanted.push_back(link.result.get());
  link.keeps_input = link.keeps_input || step.kind != StepKind::kForward;
  bring_back(wanted);
  if (!link.keeps_input) release_input(step.stage);
}

}  // namespace unspool::exec
