// The module `srt_fuzz`: executions of `_core` from bytes, by random numbers or by libFuzzer.
#define SRT_FUZZ_MAIN
#include "fuzz.h"

static function *find(const char *name) {
  for (int i = 0; i < function_count; i++) {
    if (!strcmp(functions[i].name, name)) return &functions[i];
  }
  PyErr_Format(PyExc_ValueError, "no function %s", name);
  return NULL;
}

// setup(core, system, verbose): reads the tables; memory of arrays between guards, or malloc's under a sanitizer.
static PyObject *setup(PyObject *self, PyObject *args) {
  (void)self;
  PyObject *core, *tables;
  int system, loud;
  if (!PyArg_ParseTuple(args, "Opp", &core, &system, &loud)) return NULL;
  verbose = loud;
  describe_cell = PyObject_GetAttrString(core, "recurrent_describe");
  tables = PyObject_CallMethod(core, "signatures", NULL);
  if (!tables || !describe_cell) return NULL;
  function_count = 0;
  for (Py_ssize_t i = 0; i < PyList_Size(tables); i++) {
    if (!read_table(core, PyList_GetItem(tables, i))) return NULL;
  }
  Py_DECREF(tables);
  if (!use_guards(system)) return PyErr_NoMemory();
  if (!system) watch_signals();  // a sanitizer has its own
  Py_RETURN_NONE;
}

// execute(name, bytes): one execution; whether the function gave a result at the end.
static PyObject *execute(PyObject *self, PyObject *args) {
  (void)self;
  const char *name;
  Py_buffer data;
  if (!PyArg_ParseTuple(args, "sy*", &name, &data)) return NULL;
  function *f = find(name);
  const int returned = f ? run_bytes(f, data.buf, (size_t)data.len) : 0;
  PyBuffer_Release(&data);
  return f ? PyBool_FromLong(returned) : NULL;
}

// at_random(name, seed, count): executions of random bytes.
static PyObject *at_random(PyObject *self, PyObject *args) {
  (void)self;
  const char *name;
  unsigned long long state;
  long long count;
  uint8_t bytes[MOST_SYMBOLS + 2 * MOST_ROWS + 4];
  if (!PyArg_ParseTuple(args, "sKL", &name, &state, &count)) return NULL;
  function *f = find(name);
  for (state |= 1; f && count > 0; count--) {
    for (size_t i = 0; i < sizeof bytes; i++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes[i] = (uint8_t)(state >> 56);
    }
    run_bytes(f, bytes, sizeof bytes);
    if (count % 4096 == 0 && PyErr_CheckSignals()) return NULL;
  }
  if (!f) return NULL;
  Py_RETURN_NONE;
}

// counts(): by name (executions, calls, executions that ended in a result).
static PyObject *counts(PyObject *self, PyObject *args) {
  (void)self;
  (void)args;
  PyObject *all = PyDict_New();
  for (int i = 0; all && i < function_count; i++) {
    const function *f = &functions[i];
    PyObject *three = Py_BuildValue("KKK", (unsigned long long)f->executions, (unsigned long long)f->calls,
                                    (unsigned long long)f->returned);
    if (!three || PyDict_SetItemString(all, f->name, three) < 0) Py_CLEAR(all);
    Py_XDECREF(three);
  }
  return all;
}

#ifdef SRT_WITH_LIBFUZZER
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*one)(const uint8_t *data, size_t size));

// libFuzzer's, not the sanitizer's of the same name.
void __sanitizer_cov_8bit_counters_init(char *begin, char *end);
void __sanitizer_cov_pcs_init(const uintptr_t *begin, const uintptr_t *end);
void srt_fuzz_counters(char *begin, char *end);
void srt_fuzz_places(const uintptr_t *begin, const uintptr_t *end);

void srt_fuzz_counters(char *begin, char *end) { __sanitizer_cov_8bit_counters_init(begin, end); }
void srt_fuzz_places(const uintptr_t *begin, const uintptr_t *end) { __sanitizer_cov_pcs_init(begin, end); }

static function *fuzzed;

static int one_input(const uint8_t *data, size_t size) {
  run_bytes(fuzzed, data, size);
  return 0;
}

static void report(void) {
  printf("[%llu, %llu, %llu]\n", (unsigned long long)fuzzed->executions, (unsigned long long)fuzzed->calls,
         (unsigned long long)fuzzed->returned);
  fflush(stdout);
}

// fuzz(name, [arguments of libFuzzer]): never returns: libFuzzer ends the process, after the counts.
static PyObject *fuzz(PyObject *self, PyObject *args) {
  (void)self;
  const char *name;
  PyObject *list;
  static char *values[64];
  if (!PyArg_ParseTuple(args, "sO!", &name, &PyList_Type, &list) || !(fuzzed = find(name))) return NULL;
  int count = 0;
  for (; count < 63 && count < PyList_Size(list); count++) {
    values[count] = (char *)PyUnicode_AsUTF8(PyList_GetItem(list, count));
  }
  char **all = values;
  atexit(report);
  return PyLong_FromLong(LLVMFuzzerRunDriver(&count, &all, one_input));
}
#endif

static PyMethodDef methods[] = {
    {"setup", setup, METH_VARARGS, NULL},
    {"execute", execute, METH_VARARGS, NULL},
    {"at_random", at_random, METH_VARARGS, NULL},
    {"counts", counts, METH_NOARGS, NULL},
#ifdef SRT_WITH_LIBFUZZER
    {"fuzz", fuzz, METH_VARARGS, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "srt_fuzz", .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC PyInit_srt_fuzz(void) {
  if (PyArray_ImportNumPyAPI() < 0) return NULL;
  return PyModule_Create(&definition);
}
