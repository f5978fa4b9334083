// Saves the thread's mode at `with`, restores it at its end; one manager may be entered again inside of
// itself.
#include "bind/recording_mode.h"

#include <structmember.h>

#include "base/small_vector.h"
#include "bind/errors.h"
#include "ops/emitter.h"

namespace unspool::bind {
namespace {

struct Mode {
  bool grad_enabled;
  bool inference;
};

Mode current() { return {ops::thread_state().grad_enabled, ops::thread_state().inference}; }

void set(const Mode& mode) {
  ops::thread_state().grad_enabled = mode.grad_enabled;
  ops::thread_state().inference = mode.inference;
}

struct PyRecordingMode {
  PyObject_HEAD char records;  // while it holds
  char infers;                 // whether it also switches inference mode
  SmallVector<Mode, 2>* before;
};

PyRecordingMode* as_mode(PyObject* self) { return reinterpret_cast<PyRecordingMode*>(self); }

// RecordingMode(records, infers)
PyObject* make(PyTypeObject* type, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    int records = 0, infers = 0;
    if (!PyArg_ParseTuple(args, "pp:RecordingMode", &records, &infers)) throw PythonError{};
    PyObject* self = checked(type->tp_alloc(type, 0));
    as_mode(self)->records = records != 0;
    as_mode(self)->infers = infers != 0;
    as_mode(self)->before = new SmallVector<Mode, 2>;
    return self;
  });
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  delete as_mode(self)->before;
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return 0;
}

PyObject* enter(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const PyRecordingMode& mode = *as_mode(self);
    mode.before->push_back(current());
    set({mode.records != 0, mode.infers ? !mode.records : ops::thread_state().inference});
    Py_RETURN_NONE;
  });
}

PyObject* leave(PyObject* self, PyObject* const*, Py_ssize_t) {
  return guarded([&]() -> PyObject* {
    SmallVector<Mode, 2>& before = *as_mode(self)->before;
    if (before.empty()) fail("__exit__: this manager has not been entered");
    set(before.back());
    before.pop_back();
    Py_RETURN_NONE;
  });
}

PyMethodDef methods[] = {
    {"__enter__", enter, METH_NOARGS, "Save the mode and set this one."},
    {"__exit__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(leave)), METH_FASTCALL,
     "Restore the mode."},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"_records", T_BOOL, offsetof(PyRecordingMode, records), READONLY,
     "Whether operations are recorded inside."},
    {nullptr, 0, 0, 0, nullptr},
};

}  // namespace

void add_recording_mode(PyObject* core) {
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(make)},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {0, nullptr},
  };
  static PyType_Spec spec = {"unspool._core.RecordingMode", sizeof(PyRecordingMode), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  const Owned type(checked(PyType_FromSpec(&spec)));
  if (PyModule_AddObjectRef(core, "RecordingMode", type.get()) < 0) throw PythonError{};
}

}  // namespace unspool::bind
