// The tape as Python sees it.
#include "bind/autograd.h"

#include <pybind11/stl.h>

#include <string>

#include "bind/caster.h"
#include "bind/topics.h"
#include "bind/unwinding_step.h"
#include "exec/anomaly.h"
#include "exec/backward.h"
#include "exec/node.h"
#include "exec/program/trace.h"
#include "exec/tape.h"
#include "ops/api.h"

namespace py = pybind11;

namespace unspool::bind {
namespace {

struct NodeHandle {
  Ref<GraphNode> ref;
  exec::Node& node() const { return static_cast<exec::Node&>(*ref); }
};

// A hook that a Python callable implements. The callable is dropped under the interpreter's lock, whoever
// drops it.
exec::TensorHook python_hook(py::function function) {
  auto held = std::shared_ptr<py::function>(new py::function(std::move(function)), [](py::function* f) {
    const WithGil gil;
    delete f;
  });
  return [held](const Tensor& cotangent) -> Tensor {
    const WithGil gil;
    const py::object result = (*held)(cotangent);
    if (result.is_none()) return {};
    if (!is_tensor(result.ptr())) {
      fail(ErrorKind::kType, "backward: a hook must return a Tensor or None, not ",
           Py_TYPE(result.ptr())->tp_name);
    }
    return tensor_of(result.ptr());
  };
}

}  // namespace

std::vector<Tensor> tensors_of(PyObject* source, const char* what) {
  const py::handle object = source;
  std::vector<Tensor> result;
  const auto take = [&](py::handle item) {
    if (item.is_none())
      result.emplace_back();
    else if (is_tensor(item.ptr()))
      result.push_back(tensor_of(item.ptr()));
    else
      fail(ErrorKind::kType, what, " must be a Tensor or a sequence of Tensors, not ",
           Py_TYPE(item.ptr())->tp_name);
  };
  if (object.is_none() || is_tensor(object.ptr())) {
    if (!object.is_none()) take(object);
    return result;
  }
  if (!PySequence_Check(object.ptr()) && !Py_TYPE(object.ptr())->tp_iter) take(object);
  for (py::handle item : object) take(item);
  return result;
}

void check_roots(const std::vector<Tensor>& roots, const std::vector<Tensor>& seeds) {
  if (roots.empty()) fail(ErrorKind::kType, "backward: expected a Tensor or a sequence of Tensors, not None");
  if (!seeds.empty() && seeds.size() != roots.size()) {
    fail("backward: ", roots.size(), " tensors but ", seeds.size(), " gradients");
  }
}

bool is_recursive(const std::string& engine, const char* who) {
  if (engine != "loop" && engine != "recursive")
    fail(ErrorKind::kValue, who, ": engine must be 'loop' or 'recursive', got '", engine, "'");
  return engine == "recursive";
}

namespace {

void backward(py::handle outputs, py::handle gradients, const std::optional<bool>& retain_graph,
              bool create_graph, py::handle inputs, const std::string& engine) {
  const std::vector<Tensor> roots = tensors_of(outputs.ptr(), "backward: tensors");
  const std::vector<Tensor> seeds = tensors_of(gradients.ptr(), "backward: gradient");
  const std::vector<Tensor> wanted = tensors_of(inputs.ptr(), "backward: inputs");
  check_roots(roots, seeds);
  if (!inputs.is_none() && wanted.empty()) fail("backward: inputs must not be empty");
  exec::unwind(roots, seeds,
               {.retain_graph = retain_graph.value_or(create_graph),
                .create_graph = create_graph,
                .inputs = wanted,
                .accumulate = true,
                .by_recursion = is_recursive(engine, "backward")});
}

py::tuple gradients(py::handle outputs, py::handle inputs, py::handle grad_outputs,
                    const std::optional<bool>& retain_graph, bool create_graph, bool allow_unused,
                    bool materialize_grads, const std::string& engine) {
  const std::vector<Tensor> roots = tensors_of(outputs.ptr(), "grad: outputs");
  const std::vector<Tensor> wanted = tensors_of(inputs.ptr(), "grad: inputs");
  const std::vector<Tensor> seeds = tensors_of(grad_outputs.ptr(), "grad: grad_outputs");
  if (wanted.empty()) fail("grad: inputs must not be empty");
  if (!seeds.empty() && seeds.size() != roots.size()) {
    fail("grad: ", roots.size(), " outputs but ", seeds.size(), " grad_outputs");
  }
  const std::vector<Tensor> found = exec::unwind(roots, seeds,
                                                 {.retain_graph = retain_graph.value_or(create_graph),
                                                  .create_graph = create_graph,
                                                  .inputs = wanted,
                                                  .by_recursion = is_recursive(engine, "grad")});
  if (exec::Trace* trace = exec::Trace::current(); trace && !retain_graph.value_or(create_graph)) {
    for (const Tensor& root : roots) trace->unwound(root);
  }
  py::tuple result(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Tensor gradient = i < found.size() ? found[i] : Tensor();
    if (!gradient && materialize_grads) gradient = ops::zeros_like(wanted[i]);
    if (!gradient && !allow_unused) {
      fail("grad: input ", i, " of shape ", to_string(wanted[i].sizes()),
           " was not used to compute the outputs; pass allow_unused=True to get None for it");
    }
    result[i] = gradient;
  }
  return result;
}

py::object python_name(const exec::Node& node) { return py::str(node.name()); }

void bind_node(py::module_& core) {
  py::class_<NodeHandle>(core, "Node", "A recorded operation on the tape.")
      .def(
          "name", [](const NodeHandle& self) { return python_name(self.node()); }, "The operation's name.")
      .def_property_readonly(
          "scope", [](const NodeHandle& self) { return exec::report(self.node()).scope; },
          "Dotted path of the module that was running when the operation was recorded.")
      .def_property_readonly(
          "saved_bytes", [](const NodeHandle& self) { return exec::report(self.node()).saved_bytes; },
          "Bytes of the values kept for the gradient.")
      .def_property_readonly(
          "node_bytes", [](const NodeHandle& self) { return self.node().bytes(); },
          "Bytes of the node itself, without saved values.")
      .def_property_readonly(
          "sequence", [](const NodeHandle& self) { return self.node().sequence; },
          "Position in forward order; 0 for leaves.")
      .def_property_readonly(
          "variable",
          [](const NodeHandle& self) -> Tensor {
            if (!self.node().is_leaf()) return {};
            TensorImpl* leaf = static_cast<exec::LeafNode&>(self.node()).leaf();
            return leaf ? Tensor(Ref<TensorImpl>(leaf)) : Tensor();
          },
          "The tensor whose gradient this node accumulates, for leaves.")
      .def_property_readonly(
          "next_functions",
          [](const NodeHandle& self) {
            py::list edges;
            for (std::uint32_t i = 0; i < self.node().input_count(); ++i) {
              const exec::Edge& edge = self.node().edge(i);
              edges.append(
                  py::make_tuple(py::reinterpret_steal<py::object>(node_object(edge.node())), edge.output()));
            }
            return py::tuple(edges);
          },
          "The nodes that cotangents flow on to, as (node, output index).")
      .def("__eq__",
           [](const NodeHandle& a, py::handle b) {
             return py::isinstance<NodeHandle>(b) && a.ref == b.cast<const NodeHandle&>().ref;
           })
      .def("__hash__",
           [](const NodeHandle& self) { return reinterpret_cast<std::intptr_t>(self.ref.get()) >> 4; })
      .def("__repr__", [](const NodeHandle& self) { return "<" + self.node().name() + ">"; });
}

void bind_tensor_methods() {
  const py::handle type(reinterpret_cast<PyObject*>(tensor_type));
  const auto method = [&](const char* name, auto&& function, auto&&... extra) {
    py::setattr(type, name, py::cpp_function(function, py::name(name), py::is_method(type), extra...));
  };
  method("_backward", &backward, py::arg("gradient") = py::none(), py::arg("retain_graph") = py::none(),
         py::arg("create_graph") = false, py::arg("inputs") = py::none(), py::arg("engine") = "loop");
  method("_add_hook", [](const Tensor& self, py::function hook) {
    const std::uint64_t id = exec::add_hook(self, python_hook(std::move(hook)));
    return py::make_tuple(NodeHandle{exec::edge_of(self.impl()).node()}, id);
  });
  method("_add_post_hook", [](const Tensor& self, py::function hook) {
    if (!self.requires_grad() || !exec::is_leaf(self.impl())) {
      fail("register_post_accumulate_grad_hook: only leaves that require grad accumulate");
    }
    const std::uint64_t id = exec::add_hook(self, [](const Tensor&) { return Tensor(); });
    exec::LeafNode& leaf = exec::accumulator_of(self.impl());
    leaf.post_hooks.emplace_back(id, [call = python_hook(std::move(hook))](const Tensor& t) { call(t); });
    return py::make_tuple(NodeHandle{exec::edge_of(self.impl()).node()}, id);
  });
}

// The callable that tells where the program is; lives as long as the process.
PyObject* where_callable = nullptr;

std::string place_in_program() {
  const WithGil gil;
  Owned text(checked(PyObject_CallNoArgs(where_callable)));
  const char* utf8 = PyUnicode_AsUTF8(text.get());
  if (!utf8) throw PythonError{};
  return utf8;
}

void set_anomaly_mode(bool enabled, bool checks_nan, py::function where) {
  Py_XDECREF(where_callable);
  where_callable = where.release().ptr();
  exec::anomaly_mode() = {enabled, checks_nan, place_in_program};
}

}  // namespace

PyObject* node_object(const Ref<GraphNode>& node) {
  if (!node) Py_RETURN_NONE;
  return py::cast(NodeHandle{node}).release().ptr();
}

Ref<GraphNode> node_of_object(PyObject* object) { return py::handle(object).cast<const NodeHandle&>().ref; }

void bind_autograd(py::module_& core) {
  bind_node(core);
  bind_tensor_methods();
  bind_function_node(core);
  bind_unwinding_step(core);
  core.def("_backward", &backward, py::arg("tensors"), py::arg("gradient"), py::arg("retain_graph"),
           py::arg("create_graph"), py::arg("inputs"), py::arg("engine") = "loop");
  core.def("_grad", &gradients, py::arg("outputs"), py::arg("inputs"), py::arg("grad_outputs"),
           py::arg("retain_graph"), py::arg("create_graph"), py::arg("allow_unused"),
           py::arg("materialize_grads"), py::arg("engine") = "loop");
  core.def("_set_anomaly_mode", &set_anomaly_mode);
  core.def("is_anomaly_enabled", [] { return exec::anomaly_mode().enabled; }, "Whether anomaly mode is on.");
  core.def(
      "is_anomaly_check_nan_enabled", [] { return exec::anomaly_mode().checks_nan; },
      "Whether anomaly mode searches gradients for NaN.");
  core.def("_remove_hook",
           [](const NodeHandle& node, std::uint64_t id) { exec::remove_hook(*node.ref, id); });
  core.def(
      "is_grad_enabled", [] { return ops::thread_state().grad_enabled; }, "Whether operations are recorded.");
  core.def(
      "is_inference_mode_enabled", [] { return ops::thread_state().inference; },
      "Whether inference_mode is on.");
}

}  // namespace unspool::bind
