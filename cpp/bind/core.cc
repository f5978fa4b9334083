// The extension module: loads the kernels, then registers each topic. Types come before the functions that
// use them.
#include <pybind11/pybind11.h>

#include <string>

#include "bind/caster.h"
#include "bind/compiled_step.h"
#include "bind/errors.h"
#include "bind/module_base.h"
#include "bind/op_function.h"
#include "bind/optim.h"
#include "bind/recording_mode.h"
#include "bind/size.h"
#include "bind/subclass.h"
#include "bind/topics.h"
#include "exec/eager.h"
#include "kernels/loader.h"

namespace py = pybind11;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Errors of the library that reach pybind11's own functions.
void translate(std::exception_ptr pending) {
  if (!pending) return;
  try {
    std::rethrow_exception(pending);
  } catch (const unspool::bind::PythonError&) {
  } catch (const unspool::Error&) {
    unspool::bind::set_python_error();
  }
}

}  // namespace

PYBIND11_MODULE(_core, core) {
  using namespace unspool;
  core.doc() = "The compiled core of unspool.";
  py::register_local_exception_translator(translate);
  bind::connect_interpreter();
  const auto directory = core.attr("__spec__").attr("origin").cast<std::string>();
  exec::start(kernels::load_table(directory.substr(0, directory.rfind('/')), environment("UNSPOOL_ISA")));

  try {
    bind::add_dtype_type(core.ptr());
    bind::add_size_type(core.ptr());
    bind::add_tensor_type(core.ptr());
    bind::add_operations(core.ptr());
    bind::add_module_base(core.ptr());
    bind::add_compiled_step(core.ptr());
    bind::add_recording_mode(core.ptr());
    bind::add_optim(core.ptr());
    bind::add_subclass_functions(core.ptr());
  } catch (const bind::PythonError&) {
    throw py::error_already_set();
  }
  bind::bind_device(core);
  bind::bind_creation(core);
  bind::bind_arrays(core);
  bind::bind_random(core);
  bind::bind_autograd(core);
  bind::bind_inspection(core);
  bind::bind_recompute(core);
  bind::bind_recursive_step(core);
  bind::bind_config(core);
  core.def(
      "registry", [] { return py::reinterpret_steal<py::list>(bind::registry_list()); },
      "Everything the operation records declare, one dict per operation.");
  bind::guard_keywords(core);
}
