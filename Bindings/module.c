// The module `seriatim._core`: the gathered methods, the level, the threads.
#define _GNU_SOURCE
#define SRT_IMPORTS_NUMPY
#include "binding.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// ---- Threads

// CPUs that a cgroup (version 2, then 1) lets this process use, rounded up; 0 without a limit.
static long cgroup_cpus(void) {
  long long quota = -1, period = 0;
  FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file) {
    if (fscanf(file, "%lld %lld", &quota, &period) != 2) quota = -1;
    fclose(file);
  } else {
    if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r"))) {
      if (fscanf(file, "%lld", &quota) != 1) quota = -1;
      fclose(file);
    }
    if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r"))) {
      if (fscanf(file, "%lld", &period) != 1) period = 0;
      fclose(file);
    }
  }
  return quota > 0 && period > 0 ? (long)((quota + period - 1) / period) : 0;
}

// The smallest of what the scheduler, the cgroup and the environment allow.
static long initial_threads(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
  const long cgroup = cgroup_cpus();
  if (cgroup > 0 && cgroup < count) count = cgroup;
  const char *names[] = {"OMP_NUM_THREADS", "SERIATIM_NUM_THREADS"};
  for (int i = 0; i < 2; i++) {
    const char *text = getenv(names[i]);
    const long wanted = text ? strtol(text, NULL, 10) : 0;
    // SERIATIM_NUM_THREADS is meant for us: it may also raise the number.
    if (wanted > 0 && (wanted < count || i == 1)) count = wanted;
  }
  return count > 0 ? count : 1;
}

SRT_FUNCTION(set_num_threads) {
  SRT_TAKES(set_num_threads, 1);
  ptrdiff_t wanted;
  if (!srt_size(args[0], "num_threads", &wanted)) return NULL;
  srt->set_thread_limit(wanted);
  Py_RETURN_NONE;
}

SRT_FUNCTION(get_num_threads) {
  (void)args;
  SRT_TAKES(get_num_threads, 0);
  return PyLong_FromSsize_t(srt->thread_limit());
}

SRT_FUNCTION(set_runs_alone) {
  SRT_TAKES(set_runs_alone, 1);
  int32_t alone;
  if (!srt_flag(args[0], "alone", &alone)) return NULL;
  srt->set_runs_alone(alone);
  Py_RETURN_NONE;
}

// ---- Levels

SRT_FUNCTION(level) {
  (void)args;
  SRT_TAKES(level, 0);
  return PyUnicode_FromString(srt->level);
}

SRT_FUNCTION(levels) {
  (void)args;
  SRT_TAKES(levels, 0);
  PyObject *names = PyList_New(0);
  for (int i = 0; names && srt_level_name(i); i++) {
    PyObject *name = PyUnicode_FromString(srt_level_name(i));
    if (!name || PyList_Append(names, name) < 0) Py_CLEAR(names);
    Py_XDECREF(name);
  }
  return names;
}

static int choose_level(void) {
  const char *wanted = getenv("SERIATIM_LEVEL");
  if (wanted && !*wanted) wanted = NULL;
  if (srt_choose_level(wanted) == 0) return 0;
  char known[64] = "";
  for (int i = 0; srt_level_name(i); i++) {
    snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", srt_level_name(i));
  }
  PyErr_Format(PyExc_ImportError, "SERIATIM_LEVEL: expected one of the levels that this CPU can run (%s), got '%s'", known,
               wanted ? wanted : "");
  return -1;
}

// ---- Arrays

// x, name -> x if it is C-contiguous native float32, else a converted copy
SRT_FUNCTION(as_floats) {
  SRT_TAKES(as_floats, 2);
  srt_call call = {0};
  const float *data;
  ptrdiff_t size;
  PyObject *array;
  const char *name = PyUnicode_AsUTF8AndSize(args[1], NULL);
  if (!name || !srt_flat(&call, args[0], name, &data, &size, &array)) return srt_fail(&call);
  return srt_finish(&call, SRT_OK, Py_NewRef(array));
}

// rows, columns -> an array that is not initialised
SRT_FUNCTION(empty) {
  SRT_TAKES(empty, 2);
  srt_call call = {0};
  ptrdiff_t rows, columns;
  float *data;
  if (!(srt_size(args[0], "rows", &rows) && srt_size(args[1], "columns", &columns))) return srt_fail(&call);
  PyObject *array = srt_new_floats(&call, &data, 2, rows, columns);
  return array ? srt_finish(&call, SRT_OK, Py_NewRef(array)) : srt_fail(&call);
}

// ---- The module

// Every operator's functions.
static const srt_operator *const operators[] = {srt_attention_operators, srt_linear_operators, srt_pooling_operators,
                                                 srt_recurrent_operators};
enum { OPERATORS = sizeof operators / sizeof *operators, MOST_FUNCTIONS = 128 };

SRT_FUNCTION(signatures) {
  (void)args;
  SRT_TAKES(signatures, 0);
  PyObject *all = PyList_New(0);
  for (int i = 0; all && i < OPERATORS; i++) {
    PyObject *some = srt_describe(operators[i]);
    if (!some || PyList_SetSlice(all, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, some) < 0) Py_CLEAR(all);
    Py_XDECREF(some);
  }
  return all;
}

static PyMethodDef module_methods[] = {
    SRT_METHOD(as_floats, "An array as the kernels read it: itself if it is right, else converted once."),
    SRT_METHOD(empty, "A matrix for results, not initialised."),
    SRT_METHOD(signatures, "What every function takes and gives, as data."),
    SRT_METHOD(level, "The instruction-set level in use."),
    SRT_METHOD(levels, "The instruction-set levels that this CPU can run, best first."),
    SRT_METHOD(set_num_threads, "Sets the number of threads a call may use."),
    SRT_METHOD(get_num_threads, "The number of threads a call may use."),
    SRT_METHOD(set_runs_alone, "Whether calls of this thread run on it alone."),
    {NULL, NULL, 0, NULL},
};

// Python's table of functions, made of ours.
static int add_operators(PyObject *module) {
  static PyMethodDef methods[MOST_FUNCTIONS + 1];
  int count = 0;
  for (int i = 0; i < OPERATORS; i++) {
    for (const srt_operator *o = operators[i]; o->signature && count < MOST_FUNCTIONS; o++) {
      methods[count++] = (PyMethodDef){o->signature->name, (PyCFunction)(void (*)(void))o->function, METH_FASTCALL,
                                       o->signature->doc};
    }
  }
  return PyModule_AddFunctions(module, methods);
}

static int import_numpy(void) {
#if NPY_ABI_VERSION >= 0x02000000
  return PyArray_ImportNumPyAPI();
#else
  return _import_array();
#endif
}

static int execute(PyObject *module) {
  if (import_numpy() < 0) return -1;
  if (choose_level() < 0) return -1;
  srt->set_thread_limit(initial_threads());
  srt_memory_setup();
  if (add_operators(module) < 0) return -1;
  PyMethodDef *tables[] = {
      module_methods,      srt_activation_methods, srt_batch_norm_methods, srt_collate_methods, srt_conv_gru_methods, srt_conv_lstm_methods, srt_conv_rnn_methods, srt_convolution_methods,
      srt_dropout_methods,         srt_loss_methods, 
      srt_memory_methods,  srt_optimizer_methods, srt_ragged_methods,  srt_sequence_pooling_methods,
  };
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (PyModule_AddFunctions(module, tables[i]) < 0) return -1;
  }
  return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
#if defined(Py_mod_multiple_interpreters)
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if defined(Py_mod_gil)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "seriatim._core",
    .m_doc = PyDoc_STR("Seriatim's kernels. Private: use seriatim.functional."),
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
