// Regions as Python enters and leaves them.
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bind/caster.h"
#include "bind/topics.h"
#include "exec/recompute/chain_run.h"
#include "exec/recompute/memory_limit.h"
#include "exec/recompute/schedule.h"
#include "ops/emitter.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

// One region that is being recorded on this thread, and the recorder if there was none around it.
class OpenRegion {
 public:
  explicit OpenRegion(bool keeps) {
    exec::ReplayRecorder* recorder = exec::ReplayRecorder::current();
    if (!recorder) {
      own_ = std::make_unique<exec::ReplayRecorder>();
      emitting_.emplace(*own_);
      recorder = own_.get();
    }
    recorder_ = recorder;
    recorder_->enter(keeps);
  }
  ~OpenRegion() { leave({}); }
  OpenRegion(const OpenRegion&) = delete;
  OpenRegion& operator=(const OpenRegion&) = delete;

  bool holds(const Tensor& tensor) const { return recorder_ && recorder_->holds(tensor); }
  void leave(const std::vector<Tensor>& results) {
    exec::ReplayRecorder* const recorder = std::exchange(recorder_, nullptr);
    if (!recorder) return;
    recorder->leave(results);
    emitting_.reset();
    own_.reset();
  }

 private:
  std::unique_ptr<exec::ReplayRecorder> own_;
  std::optional<exec::WithRecorder> emitting_;
  exec::ReplayRecorder* recorder_ = nullptr;
};

class OpenLimit {
 public:
  explicit OpenLimit(std::size_t bytes) : limit_(std::make_unique<exec::MemoryLimit>(bytes)) {}
  void close() { limit_.reset(); }

 private:
  std::unique_ptr<exec::MemoryLimit> limit_;
};

using exec::ChainPlan;
using Sizes = std::tuple<double, double, std::size_t, std::size_t, std::size_t, std::size_t, std::size_t>;

exec::Chain chain_of(const std::vector<Sizes>& stages, std::size_t input_cotangent, bool counts_cotangents) {
  exec::Chain chain{{}, input_cotangent, counts_cotangents};
  for (const auto& [forward, backward, output, tape, run, record, unwind] : stages)
    chain.stages.push_back({forward, backward, output, tape, run, record, unwind});
  return chain;
}

std::vector<std::pair<std::string, std::uint32_t>> steps_of(const ChainPlan& plan) {
  static constexpr const char* kNames[] = {"forward", "keep", "record", "backward"};
  std::vector<std::pair<std::string, std::uint32_t>> result;
  for (const exec::ChainStep& step : plan.steps)
    result.emplace_back(kNames[static_cast<std::size_t>(step.kind)], step.stage);
  return result;
}

// The stages of a chain as Python calls them.
class OpenChain {
 public:
  OpenChain(std::shared_ptr<ChainPlan> plan, std::size_t stages) {
    if (exec::ReplayRecorder* around = exec::ReplayRecorder::current()) {
      run_ = std::make_shared<exec::ChainRun>(std::move(plan), stages, *around);
      return;
    }
    own_ = std::make_unique<exec::ReplayRecorder>();
    emitting_.emplace(*own_);
    run_ = std::make_shared<exec::ChainRun>(std::move(plan), stages, *own_);
  }
  void begin() { run_->begin_stage(); }
  void end(const Tensor& result) { run_->end_stage(result); }
  void close() {
    emitting_.reset();
    own_.reset();
    run_.reset();
  }

 private:
  std::unique_ptr<exec::ReplayRecorder> own_;
  std::optional<exec::WithRecorder> emitting_;
  std::shared_ptr<exec::ChainRun> run_;
};

void bind_chain(py::module_& core) {
  py::class_<ChainPlan, std::shared_ptr<ChainPlan>>(core, "_ChainPlan", "What a chain of stages does when.")
      .def_readonly("time", &ChainPlan::time, "Of all steps, in the unit of the stages' times.")
      .def_readonly("bytes", &ChainPlan::bytes, "The most that is in use at any time, beyond the input.")
      .def_property_readonly("steps", &steps_of, "Kind and stage of each.");
  core.def(
      "_plan_chain",
      [](const std::vector<Sizes>& stages, std::size_t limit, std::size_t input_cotangent,
         bool counts_cotangents) -> std::shared_ptr<ChainPlan> {
        std::optional<ChainPlan> plan =
            exec::plan_chain(chain_of(stages, input_cotangent, counts_cotangents), limit);
        return plan ? std::make_shared<ChainPlan>(std::move(*plan)) : nullptr;
      },
      py::arg("stages"), py::arg("limit"), py::arg("input_cotangent") = 0,
      py::arg("counts_cotangents") = true);
  core.def(
      "_least_chain_memory",
      [](const std::vector<Sizes>& stages, std::size_t input_cotangent) {
        return exec::least_memory(chain_of(stages, input_cotangent, true));
      },
      py::arg("stages"), py::arg("input_cotangent") = 0);
  py::class_<OpenChain>(core, "_ChainRun", "A chain of stages that is run by a plan.")
      .def(py::init<std::shared_ptr<ChainPlan>, std::size_t>(), py::arg("plan"), py::arg("stages"))
      .def("begin", &OpenChain::begin, "Before the next stage is called.")
      .def("end", &OpenChain::end, py::arg("result"), "After it.")
      .def("close", &OpenChain::close, "After the last one.");
}

using Piece = std::tuple<double, std::vector<std::uint32_t>, std::vector<std::uint32_t>, std::uint32_t>;

// Time, bytes and order of each schedule.
std::vector<std::tuple<double, std::size_t, std::vector<std::uint32_t>>> schedules(
    const std::vector<Piece>& pieces, const std::vector<std::size_t>& blocks) {
  exec::WorkGraph graph{{}, blocks};
  for (const auto& [time, reads, writes, repeats_until] : pieces)
    graph.work.push_back({time, reads, writes, repeats_until});
  std::vector<std::tuple<double, std::size_t, std::vector<std::uint32_t>>> result;
  for (exec::Schedule& schedule : exec::schedules(graph))
    result.emplace_back(schedule.time, schedule.bytes, std::move(schedule.order));
  return result;
}

// Where operations go somewhere else, into a program that is being captured, nothing is dropped.
bool can_recompute() {
  const ops::ThreadState& state = ops::thread_state();
  return state.grad_enabled && (!state.emitter || exec::ReplayRecorder::current());
}

}  // namespace

void bind_recompute(py::module_& core) {
  py::class_<OpenRegion>(core, "_Region", "A part of a network whose values are dropped when it is left.")
      .def(py::init<bool>(), py::arg("keeps") = false)
      .def("holds", &OpenRegion::holds, py::arg("tensor"))
      .def("leave", &OpenRegion::leave, py::arg("results"));
  py::class_<OpenLimit>(core, "_MemoryLimit", "A limit for the bytes that are allocated on this thread.")
      .def(py::init<std::size_t>(), py::arg("bytes"))
      .def("close", &OpenLimit::close, "Takes the limit away.");
  bind_chain(core);
  core.def("_schedules", &schedules, py::arg("work"), py::arg("blocks"));
  core.def("_can_recompute", &can_recompute);
  core.def("_replayed_calls", &exec::replayed_calls);
}

}  // namespace unspool::bind
