// Which Python exception an error becomes, and how the lower floors reach the interpreter.
#include "bind/errors.h"

#include <cxxabi.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <new>
#include <string>

#include "base/host_lock.h"
#include "base/warning.h"
#include "ops/emitter.h"

namespace unspool::bind {

PyObject* capture_error = nullptr;

namespace {

PyObject* python_type(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kIndex:
      return PyExc_IndexError;
    case ErrorKind::kType:
      return PyExc_TypeError;
    case ErrorKind::kValue:
      return PyExc_ValueError;
    case ErrorKind::kNotImplemented:
      return PyExc_NotImplementedError;
    case ErrorKind::kCapture:
      return capture_error;
    case ErrorKind::kMemory:
      return PyExc_MemoryError;
    default:
      return PyExc_RuntimeError;
  }
}

// An interpreter that shuts down ends the daemon threads that ask for its lock, by unwinding their stacks,
// which C++ destructors do not survive. They wait for the end of the process instead, as they do from
// Python 3.14 on.
[[noreturn]] void park() noexcept {
  for (;;) pause();
}

void* release_gil() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }
void acquire_gil(void* state) {
  try {
    PyEval_RestoreThread(static_cast<PyThreadState*>(state));
  } catch (const abi::__forced_unwind&) {
    park();
  }
}
constexpr HostLock kGil{release_gil, acquire_gil};

bool is_of_package(PyFrameObject* frame) {
  const Owned globals(PyFrame_GetGlobals(frame));
  PyObject* name = PyDict_GetItemString(globals.get(), "__name__");
  if (!name || !PyUnicode_Check(name)) return false;
  const std::string_view text = text_of(name);
  return text == "unspool" || text.starts_with("unspool.");
}

// How many Python frames up the innermost call from outside of this package was made; 1 is the present one.
Py_ssize_t level_of_user() {
  Py_ssize_t level = 1;
  PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
  while (frame && is_of_package(frame)) {
    PyFrameObject* caller = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = caller;
    ++level;
  }
  Py_XDECREF(frame);
  return level;
}

}  // namespace

PyGILState_STATE lock_interpreter() {
  try {
    return PyGILState_Ensure();
  } catch (const abi::__forced_unwind&) {
    park();
  }
}

void issue_warning(const std::string& message) {
  const WithGil gil;
  if (PyErr_WarnEx(PyExc_UserWarning, message.c_str(), level_of_user()) < 0) throw PythonError{};
}

void set_python_error() noexcept { set_python_error(nullptr); }

void set_python_error(const char* name) noexcept {
  try {
    throw;
  } catch (const abi::__forced_unwind&) {
    park();
  } catch (const PythonError&) {
  } catch (const Error& error) {
    std::string message = error.what();
    if (name && !message.starts_with(name)) message = std::string(name) + ": " + message;
    const ops::Scope* scope = ops::thread_state().scope;
    // The outermost module has no name.
    const std::string path = scope ? scope->path() : "";
    if (!path.empty()) message += "\n  (in module '" + path + "')";
    PyErr_SetString(python_type(error.kind()), message.c_str());
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const pybind11::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_SystemError, "unspool: an unknown C++ exception reached Python");
  }
}

void connect_interpreter() {
  register_host_lock(&kGil);
  warning_sink = issue_warning;
}

}  // namespace unspool::bind
