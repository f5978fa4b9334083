// A bounded list of programs, the latest used first. A call tries them in order; what none of them fits goes
// to the method _capture, which is Python.
#include "bind/compiled_step.h"

#include <deque>
#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "bind/convert.h"
#include "bind/errors.h"
#include "bind/hyperparameters.h"
#include "bind/program_report.h"
#include "bind/scalar.h"
#include "bind/step_constants.h"
#include "bind/step_guards.h"
#include "bind/step_signature.h"
#include "bind/tensor_object.h"
#include "exec/program/differentiable.h"
#include "exec/program/program.h"
#include "exec/program/rematerialise.h"
#include "ops/api.h"
#include "tensor/allocator.h"

namespace unspool::bind {
namespace {

// What decides about an operation besides its arguments.
struct Mode {
  bool grad_enabled = ops::thread_state().grad_enabled;
  bool inference = ops::thread_state().inference;
  int threads = thread_count();
  bool operator==(const Mode&) const = default;
};

// A float that is read at each call and reaches the program through a tensor of one element.
struct LiveNumber {
  Py_ssize_t argument = -1;  // among the positional ones, or
  StepGuards::Source source;
  Tensor place;
  PyObject* object = nullptr;  // what it was, for comparison during the capture

  void write(PyObject* args) const {
    const double value = argument >= 0 ? PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(args, argument)) : source.read();
    write_scalar(place, value, "a compiled step");
  }
};

// What is in use now stays in use, and so do new results; the rest is for temporaries.
std::unique_ptr<exec::Program> within_budget(const exec::Trace::Result& recorded, bool needs_derivative,
                                             const exec::Passes& passes, std::size_t budget) {
  if (needs_derivative) {
    fail(ErrorKind::kNotImplemented,
         "compile: memory_budget is for whole steps: the results of this call still need gradients; put the "
         "backward pass into the compiled function, or use unspool.memory_budget around both");
  }
  constexpr std::size_t kBesides = 4096;  // headers of new results
  std::size_t outside = static_cast<std::size_t>(allocator_stats().allocated_bytes) + kBesides;
  for (const exec::Buffer& buffer : recorded.recording.buffers) {
    if (buffer.kind == exec::Buffer::Kind::kOutput) outside += buffer.bytes;
  }
  return exec::program_within(recorded, passes, budget > outside ? budget - outside : 0, outside);
}

struct Entry {
  Entry(PyObject* args, PyObject* kwargs, std::vector<Tensor>& tensors) : signature(args, kwargs, tensors) {}

  StepSignature signature;
  Mode mode;
  StepGuards guards;
  StepConstants made;
  bool is_first_run = false;  // there is no program yet: the next run must make the same constants
  // One of them, or none: this signature runs eagerly.
  std::unique_ptr<exec::Program> program;
  std::unique_ptr<exec::DifferentiableProgram> differentiable;
  Shape result;
  std::vector<LiveNumber> numbers;
  std::vector<Tensor> constants;                            // places of numbers that are not live after all
  std::vector<std::pair<std::size_t, const void*>> pinned;  // inputs, and where they must lie

  bool is_captured() const { return program || differentiable; }
  // Whether the inputs lie where the program can take them.
  bool takes(const std::vector<Tensor>& inputs) const {
    for (std::size_t i = 0, pin = 0; i < inputs.size(); ++i) {
      if (pin < pinned.size() && pinned[pin].first == i) {
        if (inputs[i].data() != pinned[pin++].second) return false;
      } else if (!(program ? program->takes(*inputs[i]->storage)
                           : differentiable->takes(*inputs[i]->storage))) {
        return false;
      }
    }
    return true;
  }
  bool finds_its_tensors() const { return program ? program->fits() : differentiable->fits(); }
  bool fits() const { return guards.hold() && made.hold() && finds_its_tensors(); }
  std::size_t output_count() const {
    return program ? program->output_count() : differentiable->output_count();
  }
  bool run(PyObject* args, std::span<const Tensor> inputs, std::span<Tensor> outputs) {
    for (const LiveNumber& number : numbers) number.write(args);
    return program ? program->run(inputs, outputs) : differentiable->run(inputs, outputs);
  }
  // A number that the program was also given as such is a part of it after all.
  void follow(const exec::Trace& trace) {
    std::erase_if(numbers, [&](const LiveNumber& number) {
      if (!trace.mentions(PyFloat_AS_DOUBLE(number.object))) return false;
      signature.hold(number.object);
      guards.hold(number.object);
      constants.push_back(number.place);
      return true;
    });
  }
  void hold(const std::vector<Tensor>& inputs, exec::Trace::Result recorded, const exec::Passes& passes,
            std::size_t memory_budget) {
    for (const std::size_t i : recorded.pinned) {
      if (i < inputs.size()) pinned.emplace_back(i, inputs[i].data());
    }
    const std::optional<exec::Trace::Derivative> derivative =
        std::exchange(recorded.derivative, std::nullopt);
    if (memory_budget) {
      program = within_budget(recorded, derivative.has_value(), passes, memory_budget);
      return;
    }
    if (derivative)
      differentiable =
          std::make_unique<exec::DifferentiableProgram>(std::move(recorded), *derivative, passes);
    else
      program = std::make_unique<exec::Program>(std::move(recorded), passes);
  }
  const exec::Program& shown() const { return program ? *program : differentiable->forward(); }
};

struct State {
  std::deque<std::shared_ptr<Entry>> entries;
  std::size_t limit = 8;
  exec::Passes passes;
  std::size_t memory_budget = 0;  // in bytes; 0 for none
  std::size_t hits = 0, misses = 0;
  int unsettled = 0;  // captures in a row after which Python's objects were not what they had been
};

struct PyCompiledStep {
  PyObject_HEAD State* state;
};

constexpr int kMostUnsettled = 3;

PyObject* capture_name = nullptr;
PyObject* eager_name = nullptr;

// What is being captured on this thread.
thread_local Entry* capturing = nullptr;

class Capturing {
 public:
  explicit Capturing(Entry& entry) : before_(std::exchange(capturing, &entry)), constants_(entry.made) {}
  ~Capturing() { capturing = before_; }
  Capturing(const Capturing&) = delete;
  Capturing& operator=(const Capturing&) = delete;

 private:
  Entry* before_;
  CollectingConstants constants_;
};

// A new place for `number`, which holds `value` now and is written before each replay.
PyObject* follow_number(LiveNumber number, PyObject* value, Dtype dtype) {
  const ops::WithDefaultEmitter beside_the_step;
  number.object = value;
  number.place = ops::full({}, PyFloat_AS_DOUBLE(value), dtype);
  capturing->numbers.push_back(number);
  return checked(wrap(number.place));
}

// live_number(value, dtype): a tensor that holds the number at each replay; None where nothing is captured or
// where the number cannot be followed, and is then part of the program.
PyObject* live_number(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    ops::Attr dtype;
    if (count != 2 || !to_attr(arguments[1], ops::ArgKind::kDtype, dtype))
      fail(ErrorKind::kType, "live_number: expected a number and a dtype");
    PyObject* value = arguments[0];
    if (!capturing || !exec::Trace::current() || !PyFloat_CheckExact(value)) Py_RETURN_NONE;
    for (const LiveNumber& known : capturing->numbers) {
      if (known.object == value && known.place.dtype() == dtype.dtype()) return checked(wrap(known.place));
    }
    LiveNumber number;
    number.argument = capturing->signature.release(value);
    if (number.argument < 0 && !capturing->guards.release(value, number.source)) Py_RETURN_NONE;
    return follow_number(number, value, dtype.dtype());
  });
}

// live_entry(dict, key): the same, in float64, for a number that is read from this entry of a dict alone.
PyObject* live_entry(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 2 || !PyDict_Check(arguments[0])) {
      fail(ErrorKind::kType, "live_entry: expected a dict and a key");
    }
    PyObject* value = find(arguments[0], arguments[1]);
    if (!value || !capturing || !exec::Trace::current() || !PyFloat_CheckExact(value)) Py_RETURN_NONE;
    LiveNumber number;
    if (!capturing->guards.release(arguments[0], arguments[1], number.source)) Py_RETURN_NONE;
    for (const LiveNumber& known : capturing->numbers) {
      if (known.source.dict == number.source.dict && known.source.key == number.source.key)
        return checked(wrap(known.place));
    }
    return follow_number(number, value, Dtype::kFloat64);
  });
}

PyObject* check_rebinding(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 2 || !is_tensor(args[0]) || !PyUnicode_Check(args[1]))
      fail(ErrorKind::kType, "before_rebinding: expected a Tensor and a str");
    before_rebinding(tensor_of(args[0]), text_of(args[1]));
    return Py_NewRef(Py_None);
  });
}

// refuse_capture(why): what follows cannot be captured; nothing happens where nothing is.
PyObject* refuse_capture(PyObject*, PyObject* why) {
  return guarded([&]() -> PyObject* {
    if (!PyUnicode_Check(why)) fail(ErrorKind::kType, "refuse_capture: expected a str");
    if (exec::Trace* trace = exec::Trace::current()) trace->refuse(text_of(why));
    return Py_NewRef(Py_None);
  });
}

PyObject* is_capturing(PyObject*, PyObject*) { return PyBool_FromLong(exec::Trace::current() != nullptr); }

State& state_of(PyObject* self) { return *reinterpret_cast<PyCompiledStep*>(self)->state; }

// The entry for these arguments, moved to the front; null when there is none. `tensors` are its inputs.
std::shared_ptr<Entry> find_entry(State& state, PyObject* args, PyObject* kwargs,
                                  std::vector<Tensor>& tensors) {
  const Mode mode;
  bool has_other = false;
  for (std::size_t i = 0; i < state.entries.size(); ++i) {
    const std::shared_ptr<Entry>& entry = state.entries[i];
    if (entry->is_first_run || !(entry->mode == mode) || !entry->signature.matches(args, kwargs, tensors))
      continue;
    if (entry->is_captured() && !entry->fits()) {
      // The tensors are there, so it will fit again when Python's objects are what they were: after train()
      // comes eval(), and then train() again. One such program is kept.
      if (!std::exchange(has_other, true) && entry->finds_its_tensors()) continue;
      state.entries.erase(state.entries.begin() + static_cast<std::ptrdiff_t>(i--));
      continue;
    }
    if (entry->is_captured() && !entry->takes(tensors)) continue;
    const std::shared_ptr<Entry> found = entry;
    if (i > 0) {
      state.entries.erase(state.entries.begin() + static_cast<std::ptrdiff_t>(i));
      state.entries.push_front(found);
    }
    return found;
  }
  return nullptr;
}

PyObject* call_method(PyObject* self, PyObject* name, PyObject* args, PyObject* kwargs) {
  const Owned method(checked(PyObject_GetAttr(self, name)));
  return checked(PyObject_Call(method.get(), args, kwargs));
}

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    // Inside of another step's capture this one is a part of it.
    if (exec::Trace::current()) return call_method(self, eager_name, args, kwargs);
    State& state = state_of(self);
    std::vector<Tensor> tensors;
    if (const std::shared_ptr<Entry> entry = find_entry(state, args, kwargs, tensors)) {
      if (!entry->is_captured()) {
        ++state.hits;
        return call_method(self, eager_name, args, kwargs);
      }
      std::vector<Tensor> results(entry->output_count());
      if (entry->run(args, tensors, results)) {
        ++state.hits;
        return build_result(entry->result, results);
      }
      std::erase(state.entries, entry);
    }
    ++state.misses;
    return call_method(self, capture_name, args, kwargs);
  });
}

// Asks what else Python knows against a program: `guards[when]` returns a text, empty where all is well.
void refuse_if(exec::Trace& trace, PyObject* guards, const char* when) {
  const Owned reason(checked(PyObject_CallNoArgs(checked(PyDict_GetItemString(guards, when)))));
  if (const std::string text = text_of(reason.get()); !text.empty()) trace.refuse(text);
}

// Takes out what a run before this one left behind, which had no program because it made constants. Raises
// where this one made others.
bool has_run_before(State& state, const Entry& entry, PyObject* args, PyObject* kwargs, exec::Trace& trace) {
  std::vector<Tensor> tensors;
  for (auto it = state.entries.begin(); it != state.entries.end(); ++it) {
    const Entry& earlier = **it;
    if (!earlier.is_first_run || !(earlier.mode == entry.mode) ||
        !earlier.signature.matches(args, kwargs, tensors))
      continue;
    const bool is_same_step = earlier.guards.hold() && earlier.made.hold();
    const bool has_same_values = earlier.made == entry.made;
    state.entries.erase(it);
    if (is_same_step && !has_same_values) {
      trace.refuse(
          "a tensor that is made from Python data inside of the step had other values when the step was run "
          "a second time, and a replay would repeat those of one run. Give the data to the step as an "
          "argument");
    }
    return is_same_step;
  }
  return false;
}

// _trace(function, args, kwargs, guards, tolerant): runs the function, records it, and keeps the program.
// Returns (result, reason): the reason why there is no program, or None.
PyObject* trace(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 5) fail(ErrorKind::kType, "_trace: expected function, args, kwargs, guards and tolerant");
    PyObject *function = arguments[0], *args = arguments[1], *kwargs = arguments[2];
    const bool is_tolerant = arguments[4] == Py_True;
    State& state = state_of(self);
    std::vector<Tensor> tensors;
    const auto entry = std::make_shared<Entry>(args, kwargs, tensors);
    entry->guards = StepGuards(arguments[3]);
    const Capturing capture(*entry);
    exec::Trace trace(tensors, is_tolerant);
    refuse_if(trace, arguments[3], "before");
    Owned result;
    {
      const exec::Tracing tracing(trace);
      result = Owned(checked(PyObject_Call(function, args, kwargs)));
    }
    refuse_if(trace, arguments[3], "after");
    if (trace.failure().empty()) {
      std::vector<Tensor> outputs;
      try {
        trace.let_go();
        for (const Tensor& watched : entry->guards.tensors()) trace.watch(watched);
        entry->follow(trace);
        const StepGuards::Change change = entry->guards.settle(trace);
        // Not a program yet, and nothing to complain of either: the next call is captured.
        if (change.may_settle && ++state.unsettled < kMostUnsettled)
          return checked(PyTuple_Pack(2, result.get(), Py_None));
        if (!change.label.empty()) {
          trace.refuse(
              change.label +
              " was changed by the step itself, which a replay, running without Python, would not do; "
              "move it out of the step, or make it a tensor that is changed in place");
        }
        entry->result = shape_of_result(result.get(), outputs);
        if (trace.needs_derivative(outputs)) {
          const exec::Tracing tracing(trace);
          trace.differentiate(outputs);
        }
        if (!trace.unexplained(outputs).empty())
          PyGC_Collect();  // it may be held by a cycle that nobody reaches
        if (const std::string held = trace.unexplained(outputs); !held.empty()) {
          trace.refuse(
              "the result of " + held +
              ", computed in the step, is still held by somebody after it, whom a replay could not hand a "
              "new one; return it instead, or copy it into a tensor that is there before the step");
        }
        if (const std::string shape = entry->made.settle(); !shape.empty()) {
          trace.refuse("a tensor of shape " + shape +
                       " was made inside of the step over the memory of an array that others have as well "
                       "(from_numpy, as_tensor): make it once outside of the step, give it to the step as an "
                       "argument, or copy the array with tensor()");
        }
        if (const std::string array = entry->made.watch(arguments[3]); !array.empty()) {
          trace.refuse(
              array +
              ", a large NumPy array, is there for a step that makes tensors from Python data, so that "
              "each replay would have to look through it for changes. Make the tensors outside of the "
              "step, or give them to it as arguments");
        }
        if (!entry->made.empty() && trace.failure().empty())
          entry->is_first_run = !has_run_before(state, *entry, args, kwargs, trace);
        exec::Trace::Result recorded = trace.finish(outputs);
        state.unsettled = 0;
        if (trace.failure().empty() && !entry->is_first_run) {
          entry->hold(tensors, std::move(recorded), state.passes, state.memory_budget);
        }
      } catch (const Error& error) {
        if (!is_tolerant || error.kind() != ErrorKind::kCapture) throw;
        trace.refuse(error.what());
      }
    }
    state.entries.push_front(entry);
    while (state.entries.size() > state.limit) state.entries.pop_back();
    const std::string& failure = trace.failure();
    Owned reason(failure.empty() ? Py_NewRef(Py_None) : checked(PyUnicode_FromString(failure.c_str())));
    return checked(PyTuple_Pack(2, result.get(), reason.get()));
  });
}

PyObject* counts(PyObject* self, PyObject*) {
  const State& state = state_of(self);
  return Py_BuildValue("nnnn", static_cast<Py_ssize_t>(state.hits), static_cast<Py_ssize_t>(state.misses),
                       static_cast<Py_ssize_t>(state.limit), static_cast<Py_ssize_t>(state.entries.size()));
}

PyObject* clear(PyObject* self, PyObject*) {
  State& state = state_of(self);
  state.entries.clear();
  state.hits = state.misses = 0;
  Py_RETURN_NONE;
}

// The latest used program, described for printing; None when there is none.
PyObject* describe(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    for (const std::shared_ptr<Entry>& entry : state_of(self).entries) {
      if (entry->is_captured()) return report(entry->shown());
    }
    Py_RETURN_NONE;
  });
}

// _measure(args, kwargs): runs the step once; seconds per instruction, or None where it must be captured
// first.
PyObject* measure(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 2) fail(ErrorKind::kType, "_measure: expected args and kwargs");
    State& state = state_of(self);
    std::vector<Tensor> tensors;
    const std::shared_ptr<Entry> entry = find_entry(state, arguments[0], arguments[1], tensors);
    if (!entry || !entry->is_captured()) Py_RETURN_NONE;
    if (!entry->program) {
      fail(ErrorKind::kNotImplemented,
           "profile: the results of this call need gradients; profile it under no_grad(), or compile the "
           "whole step");
    }
    for (const LiveNumber& number : entry->numbers) number.write(arguments[0]);
    std::vector<Tensor> results(entry->program->output_count());
    const std::vector<double> seconds = entry->program->profile(tensors, results);
    Owned list(checked(PyList_New(static_cast<Py_ssize_t>(seconds.size()))));
    for (std::size_t i = 0; i < seconds.size(); ++i)
      PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), checked(PyFloat_FromDouble(seconds[i])));
    return list.release();
  });
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    const bool is_itself = type->tp_base == &PyBaseObject_Type;  // not the class of compiled functions
    if (is_itself && (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs))))
      fail(ErrorKind::kType, "CompiledStep(): takes no arguments; unspool.compile makes these");
    PyObject* self = checked(type->tp_alloc(type, 0));
    reinterpret_cast<PyCompiledStep*>(self)->state = new State;
    return self;
  });
}

// _set_passes(*flags), in the order of exec::kPasses
PyObject* set_passes(PyObject* self, PyObject* args) {
  if (PyTuple_GET_SIZE(args) != static_cast<Py_ssize_t>(exec::kPasses.size())) {
    PyErr_SetString(PyExc_TypeError, "_set_passes: expected one flag for each pass");
    return nullptr;
  }
  for (std::size_t i = 0; i < exec::kPasses.size(); ++i)
    state_of(self).passes.*exec::kPasses[i] = PyTuple_GET_ITEM(args, static_cast<Py_ssize_t>(i)) == Py_True;
  Py_RETURN_NONE;
}

PyObject* set_memory_budget(PyObject* self, PyObject* value) {
  const std::size_t bytes = PyLong_AsSize_t(value);
  if (bytes == static_cast<std::size_t>(-1) && PyErr_Occurred()) return nullptr;
  state_of(self).memory_budget = bytes;
  Py_RETURN_NONE;
}

PyObject* set_limit(PyObject* self, PyObject* value) {
  const Py_ssize_t limit = PyLong_AsSsize_t(value);
  if (limit < 0 && PyErr_Occurred()) return nullptr;
  state_of(self).limit = static_cast<std::size_t>(limit);
  Py_RETURN_NONE;
}

int visit_shape(const Shape& shape, visitproc visit, void* arg) {
  Py_VISIT(shape.object.get());
  for (const Shape& item : shape.items) {
    if (const int stop = visit_shape(item, visit, arg)) return stop;
  }
  return 0;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  for (const std::shared_ptr<Entry>& entry : state_of(self).entries) {
    if (const int stop = entry->guards.traverse(visit, arg)) return stop;
    if (const int stop = entry->made.traverse(visit, arg)) return stop;
    if (const int stop = visit_shape(entry->result, visit, arg)) return stop;
  }
  return 0;
}

int drop(PyObject* self) {
  state_of(self).entries.clear();
  return 0;
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  delete &state_of(self);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

template <class F>
PyCFunction method(F* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"_trace", method(trace), METH_FASTCALL, "Run and record a step."},
    {"_counts", counts, METH_NOARGS, "Hits, misses, most programs kept, programs kept."},
    {"_clear", clear, METH_NOARGS, "Forget all programs."},
    {"_describe", describe, METH_NOARGS, "The latest program as a dict."},
    {"_measure", method(measure), METH_FASTCALL, "Run the step and time each instruction."},
    {"_set_passes", set_passes, METH_VARARGS, "Which passes new programs go through."},
    {"_set_memory_budget", set_memory_budget, METH_O, "The bytes that new programs leave room for; 0: any."},
    {"_set_limit", set_limit, METH_O, "How many programs are kept."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void before_rebinding(const Tensor& tensor, const char* who) {
  exec::Trace* trace = exec::Trace::current();
  if (!trace || trace->has_made(tensor)) return;
  trace->refuse(std::string(who) +
                ": a tensor from outside of the step would stand for other memory or another shape after it, "
                "which a replayed step does not repeat; go on with a view of it, or do this outside of the "
                "step");
}

void add_compiled_step(PyObject* core) {
  static PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(call)},
      {Py_tp_new, reinterpret_cast<void*>(make)},
      {Py_tp_methods, methods},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(drop)},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {0, nullptr},
  };
  static PyType_Spec spec = {"unspool._core.CompiledStep", sizeof(PyCompiledStep), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  capture_name = checked(PyUnicode_InternFromString("_capture"));
  eager_name = checked(PyUnicode_InternFromString("_eager"));
  const Owned type(checked(PyType_FromSpec(&spec)));
  if (PyModule_AddObjectRef(core, "CompiledStep", type.get()) < 0) throw PythonError{};
  static PyMethodDef functions[] = {
      {"live_number", method(live_number), METH_FASTCALL, "A number that a program reads anew at each call."},
      {"live_entry", method(live_entry), METH_FASTCALL, "The same for an entry of a dict."},
      {"before_rebinding", method(check_rebinding), METH_FASTCALL,
       "Refuses a capture when a tensor from outside is about to stand for something else."},
      {"refuse_capture", refuse_capture, METH_O, "Says why what follows cannot be captured."},
      {"is_capturing", is_capturing, METH_NOARGS, "Whether this thread records a program now."},
      {nullptr, nullptr, 0, nullptr},
  };
  if (PyModule_AddFunctions(core, functions) < 0) throw PythonError{};
  capture_error = checked(PyErr_NewExceptionWithDoc(
      "unspool.CaptureError", "A step cannot be captured, or not any more: the message says why.",
      PyExc_RuntimeError, nullptr));
  if (PyModule_AddObjectRef(core, "CaptureError", capture_error) < 0) throw PythonError{};
}

}  // namespace unspool::bind
