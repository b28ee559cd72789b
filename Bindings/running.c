// What is around every kernel's call: the GIL, denormal numbers, and signals, which must not wait for a long call.
//
// Python runs handlers in its main thread, between two instructions of Python. So a call of that thread takes the GIL some
// forty times a second and lets them run; what a handler raises ends the call. Calls of other threads are never cancelled.
#include "binding.h"

#include <pthread.h>

static unsigned long main_thread;

static void after_fork(void) { main_thread = PyThread_get_thread_ident(); }

bool srt_running_setup(void) {
  PyObject *threading = PyImport_ImportModule("threading");
  PyObject *thread = threading ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
  PyObject *ident = thread ? PyObject_GetAttrString(thread, "ident") : NULL;
  if (ident) main_thread = PyLong_AsUnsignedLong(ident);
  Py_XDECREF(ident);
  Py_XDECREF(thread);
  Py_XDECREF(threading);
  if (PyErr_Occurred()) return false;
  pthread_atfork(NULL, NULL, after_fork);
  return true;
}

// A handler is Python code as any other: denormal numbers are as it expects, and it may call kernels.
static bool goes_on(struct srt_watch *watch) {
  srt_running *running = (srt_running *)watch;
  srt_restore_denormals(running->floats);
  PyEval_RestoreThread(running->thread);
  const bool raised = PyErr_CheckSignals() != 0;
  running->thread = PyEval_SaveThread();
  running->floats = srt_flush_denormals();
  return !raised;
}

void srt_start(srt_running *running, bool can_end) {
  running->watch = (struct srt_watch){.goes_on = goes_on};
  running->is_watched = PyThread_get_thread_ident() == main_thread;
  // A handler that runs in the middle of a call may make others.
  if (running->is_watched) running->watch_before = srt_set_watch(can_end ? &running->watch : NULL);
  running->thread = PyEval_SaveThread();
  running->floats = srt_flush_denormals();
}

int32_t srt_end(srt_running *running, int32_t status) {
  srt_restore_denormals(running->floats);
  PyEval_RestoreThread(running->thread);
  if (running->is_watched) srt_set_watch(running->watch_before);
  if (status == SRT_TOO_LARGE) {
    PyErr_SetString(PyExc_ValueError,
                    "x: expected values whose variance float32 can hold, below about 1e18, got larger ones: scale them "
                    "first, by preprocessing.Standardize or a larger unit of measurement");
  }
  if (!running->is_watched) return status;
  if (!running->watch.cancelled) return status;
  if (!PyErr_Occurred()) {
    PyErr_SetString(PyExc_RuntimeError,
                    "a signal's handler forked in the middle of a call of seriatim: the child has no result of it");
  }
  return SRT_INTERRUPTED;
}
