// Between C++ and Python exceptions, and between C++ and the interpreter's lock.
#pragma once

#include <Python.h>

#include "base/error.h"

namespace unspool::bind {

// unspool.CaptureError; set when the module is made.
extern PyObject* capture_error;

// Thrown when a Python exception is already set.
struct PythonError {};

// Sets the Python exception for the C++ exception being handled. The path of the running module is added to
// messages of the library.
void set_python_error() noexcept;

// Runs `body`, turning C++ exceptions into Python ones; returns `failure` then.
template <class F, class R>
R guarded(R failure, F&& body) noexcept {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return failure;
  }
}

// The same for a call of the operation `name`: an error raised by one it is composed of also names it.
void set_python_error(const char* name) noexcept;

template <class F>
PyObject* guarded(F&& body) noexcept {
  return guarded<F, PyObject*>(nullptr, static_cast<F&&>(body));
}

// A reference that is dropped at the end of its scope.
class Owned {
 public:
  explicit Owned(PyObject* object = nullptr) : object_(object) {}
  Owned(Owned&& other) noexcept : object_(other.release()) {}
  Owned& operator=(Owned&& other) noexcept {
    Py_XDECREF(object_);
    object_ = other.release();
    return *this;
  }
  ~Owned() { Py_XDECREF(object_); }
  PyObject* get() const { return object_; }
  PyObject* release() {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_;
};

// The object, or a throw of PythonError when it is null.
inline PyObject* checked(PyObject* object) {
  if (!object) throw PythonError{};
  return object;
}

// A str's text, for comparisons and messages; "?" for one that UTF-8 cannot hold (a lone surrogate), which is
// the name of nothing.
inline const char* text_of(PyObject* text) {
  const char* utf8 = PyUnicode_AsUTF8(text);
  if (utf8) return utf8;
  PyErr_Clear();
  return "?";
}

// Whether the interpreter is shutting down: objects can then no longer be touched.
inline bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// Takes the interpreter's lock, from any thread; does not return while the interpreter shuts down.
PyGILState_STATE lock_interpreter();

// Holds the interpreter's lock, from any thread.
class WithGil {
 public:
  WithGil() : state_(lock_interpreter()) {}
  ~WithGil() { PyGILState_Release(state_); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;

 private:
  PyGILState_STATE state_;
};

// Issues a UserWarning that points at the line outside of this package that made the call. Throws PythonError
// where warnings are errors.
void issue_warning(const std::string& message);

// Registers the host lock and the warning sink with the lower floors.
void connect_interpreter();

}  // namespace unspool::bind
