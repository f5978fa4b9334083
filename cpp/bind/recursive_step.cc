// Recording runs the step's forward part once as Python; running it needs Python for the optimizer's dicts
// alone.
#include <pybind11/stl.h>

#include <unordered_map>

#include "bind/caster.h"
#include "bind/errors.h"
#include "bind/optim.h"
#include "bind/step_guards.h"
#include "bind/step_signature.h"
#include "bind/tensor_object.h"
#include "bind/topics.h"
#include "exec/eager.h"
#include "exec/program/trace.h"
#include "exec/returning.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

class WithEmitter {
 public:
  explicit WithEmitter(ops::Emitter& emitter)
      : before_(std::exchange(ops::thread_state().emitter, &emitter)) {}
  ~WithEmitter() { ops::thread_state().emitter = before_; }
  WithEmitter(const WithEmitter&) = delete;
  WithEmitter& operator=(const WithEmitter&) = delete;

 private:
  ops::Emitter* before_;
};

// Random numbers that the scope draws will be drawn again after it.
class DrawnAgain {
 public:
  DrawnAgain() : before_(exec::default_generator()->state()) {}
  ~DrawnAgain() { exec::default_generator()->state() = before_; }
  DrawnAgain(const DrawnAgain&) = delete;
  DrawnAgain& operator=(const DrawnAgain&) = delete;

 private:
  MersenneState before_;
};

// Where a parameter stands in the optimizer.
struct Learner {
  std::size_t group = 0;
  py::object object;
};

// A group as the core's optimizer step takes it: rule, hyperparameters and state.
struct Group {
  py::object rule, group, state;
};

std::vector<Group> groups_of(const py::list& given) {
  std::vector<Group> groups;
  for (py::handle item : given) {
    const auto entry = item.cast<py::tuple>();
    groups.push_back({entry[0], entry[1], entry[2]});
  }
  return groups;
}

// Updates parameters the moment their gradients are complete, or all of them at the end.
class Updates final : public exec::GradientTaker {
 public:
  Updates(const std::vector<Learner>& learners, const std::vector<Group>& groups, bool at_once)
      : learners_(learners), waiting_(at_once ? 0 : learners.size()) {
    for (const Group& each : groups) {
      steps_.push_back(std::make_unique<GroupStep>(each.rule.ptr(), each.group.ptr(), each.state.ptr(),
                                                   at_once ? 1 : learners.size()));
    }
  }

  void take(std::size_t parameter, Tensor gradient) override {
    if (!waiting_.empty()) {
      waiting_[parameter] = std::move(gradient);
      return;
    }
    add(parameter, std::move(gradient));
    ++taken_;
  }

  void returned() override {
    if (taken_ == 0) return;
    for (const auto& step : steps_) step->run();
    done_ += std::exchange(taken_, 0);
  }

  void finish() {
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (waiting_[i]) add(i, std::move(waiting_[i]));
    }
    if (waiting_.empty()) return;
    for (const auto& step : steps_) step->run();
  }

  std::size_t done() const { return done_; }

 private:
  void add(std::size_t parameter, Tensor gradient) {
    const Learner& learner = learners_[parameter];
    steps_[learner.group]->add(learner.object.ptr(), std::move(gradient));
  }

  const std::vector<Learner>& learners_;
  std::vector<std::unique_ptr<GroupStep>> steps_;
  std::vector<Tensor> waiting_;
  std::size_t taken_ = 0, done_ = 0;  // parameters
};

class RecordedChain {
 public:
  // Runs function(*args), which gives the loss, and writes it down. `groups` are those of the optimizer,
  // `known` the tensors that the function may read besides its arguments.
  RecordedChain(const py::object& function, const py::tuple& args, const py::dict& guards,
                const py::list& groups, const std::vector<Tensor>& known)
      : signature_(args.ptr(), py::dict().ptr(), tensors_), guards_(guards.ptr()) {
    refuse_inside_capture();
    exec::ChainRecorder recorder(tensors_, known);
    py::object loss;
    {
      const ops::GradMode recording(true);
      const WithEmitter with(recorder);
      const DrawnAgain random_numbers;
      loss = py::reinterpret_steal<py::object>(checked(PyObject_CallObject(function.ptr(), args.ptr())));
    }
    if (!guards_.hold()) {
      fail(
          "recursive_step: model or loss change what Python knows of them as they run; what is recorded once "
          "could not do that again");
    }
    if (!is_tensor(loss.ptr()))
      fail(ErrorKind::kType, "recursive_step: the loss must be a Tensor, not ", Py_TYPE(loss.ptr())->tp_name);
    step_ = std::make_unique<exec::ReturningStep>(recorder.finish(tensor_of(loss.ptr())));
    tensors_.clear();
    find_learners(groups);
  }

  bool fits(const py::tuple& args) {
    tensors_.clear();
    return signature_.matches(args.ptr(), py::dict().ptr(), tensors_) && guards_.hold();
  }

  // The loss of one step; `args` fit.
  Tensor run(const py::tuple& args, const py::list& groups, bool at_once) {
    refuse_inside_capture();
    std::vector<Tensor> inputs;
    if (!signature_.matches(args.ptr(), py::dict().ptr(), inputs))
      fail("recursive_step: the arguments are not like those that were recorded");
    Updates updates(learners_, groups_of(groups), at_once);
    try {
      Tensor loss = step_->run(inputs, updates, use_);
      updates.finish();
      return loss;
    } catch (const Error& error) {
      if (updates.done() == 0) throw;
      fail(error.kind(), error.what(), "\n  (in a recursive step; ", updates.done(),
           " parameters had been updated before this)");
    }
  }

  py::dict stack_use() const {
    py::dict result;
    result["frames"] = use_.frames;
    result["frame_bytes"] = use_.frame_bytes;
    result["heap_frames"] = use_.heap_frames;
    result["heap_frame_bytes"] = use_.heap_frame_bytes;
    return result;
  }
  std::size_t size() const { return step_->depth(); }

 private:
  static void refuse_inside_capture() {
    if (!exec::Trace::current()) return;
    fail(ErrorKind::kCapture,
         "recursive_step: a step by recursion cannot be a part of a compiled one; call it outside of "
         "unspool.compile");
  }

  void find_learners(const py::list& groups) {
    std::unordered_map<const TensorImpl*, Learner> known;
    const std::vector<Group> all = groups_of(groups);
    for (std::size_t g = 0; g < all.size(); ++g) {
      for (py::handle parameter : all[g].group["params"]) {
        known[&tensor_of(parameter.ptr()).impl()] = {g, py::reinterpret_borrow<py::object>(parameter)};
      }
    }
    for (const Tensor& parameter : step_->chain().parameters) {
      const auto found = known.find(&parameter.impl());
      if (found == known.end()) {
        fail("recursive_step: a parameter of shape ", to_string(parameter.sizes()),
             " requires a gradient but is in no group of the optimizer; add it, or freeze it with "
             "requires_grad_(False)");
      }
      learners_.push_back(found->second);
    }
  }

  std::vector<Tensor> tensors_;
  StepSignature signature_;
  StepGuards guards_;
  std::unique_ptr<exec::ReturningStep> step_;
  std::vector<Learner> learners_;
  exec::StackUse use_;
};

}  // namespace

void bind_recursive_step(py::module_& core) {
  py::class_<RecordedChain>(core, "_RecordedChain", "A step's operations as a chain, and its parameters.")
      .def(py::init<const py::object&, const py::tuple&, const py::dict&, const py::list&,
                    const std::vector<Tensor>&>(),
           py::arg("function"), py::arg("args"), py::arg("guards"), py::arg("groups"), py::arg("known"))
      .def("fits", &RecordedChain::fits, py::arg("args"),
           "Whether arguments and everything that was taken for granted are as they were.")
      .def("run", &RecordedChain::run, py::arg("args"), py::arg("groups"), py::arg("at_once"),
           "One step; gives the loss.")
      .def("stack_use", &RecordedChain::stack_use, "How the frames of the last step were kept.")
      .def("__len__", &RecordedChain::size);
}

}  // namespace unspool::bind
