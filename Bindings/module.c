// The module `seriatim._core`: the gathered methods, the level, the threads, the caches.
#define _GNU_SOURCE
#define SRT_IMPORTS_NUMPY
#include "binding.h"
#include "cgroups.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// ---- Threads

// The smallest of what the scheduler, the cgroup and the environment allow.
static long initial_threads(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
#endif
  const long long group = srt_group_cpus("");
  if (group && group < count) count = (long)group;
  const char *names[] = {"OMP_NUM_THREADS", "SERIATIM_NUM_THREADS"};
  for (int i = 0; i < 2; i++) {
    const char *text = getenv(names[i]);
    const long wanted = text ? strtol(text, NULL, 10) : 0;
    // SERIATIM_NUM_THREADS is meant for us: it may also raise the number.
    if (wanted > 0 && (wanted < count || i == 1)) count = wanted;
  }
  return count > 0 ? count : 1;
}

// ---- Levels

static int choose_level(void) {
  const char *wanted = getenv("SERIATIM_LEVEL");
  if (wanted && !*wanted) wanted = NULL;
  if (srt_choose_level(wanted) == 0) return 0;
  char known[64] = "";
  for (int i = 0; srt_level_name(i); i++) {
    snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", srt_level_name(i));
  }
  PyErr_Format(PyExc_ImportError, "SERIATIM_LEVEL: expected one of the levels that this CPU can run (%s), got '%s'",
               known, wanted ? wanted : "");
  return -1;
}

// ---- Caches

static int choose_caches(void) {
  const char *text = getenv("SERIATIM_CACHES");
  if (srt->set_caches(text && *text ? text : NULL) == SRT_OK) return 0;
  PyErr_Format(
      PyExc_ImportError,
      "SERIATIM_CACHES: expected the sizes of the first, the second and the shared data cache, each no smaller "
      "than the one before, as in '48K,2M,300M', or with the number of cores that share one as in "
      "'128K,16M/4,0' (0: no shared cache), got '%s'",
      text);
  return -1;
}

static PyObject *cache_sizes(void) {
  ptrdiff_t c[6];
  srt->get_caches(c);
  return Py_BuildValue("{s:n,s:n,s:n,s:n,s:n,s:n}", "first", c[0], "second", c[1], "shared", c[2], "cores_per_second",
                       c[3], "cores_per_shared", c[4], "line", c[5]);
}

// ---- Functions that belong to no operator

enum { THREADS = 1, ROWS, COLUMNS };

static const char *const symbols[] = {[THREADS] = "num_threads", [ROWS] = "rows", [COLUMNS] = "columns"};

typedef struct {
  srt_frame frame;
  PyObject *x, *name, *result;
  float *y;
  ptrdiff_t alone;
} arguments;

SRT_SIGNATURE(set_num_threads, "Sets the number of threads a call may use.", TABLE(SIZE(THREADS)))
SRT_PLAIN(set_num_threads, srt->set_thread_limit(n[THREADS]))

SRT_SIGNATURE(get_num_threads, "The number of threads a call may use.", TABLE(OBJECT(RESULT_OBJECT, result, "int")))
SRT_PLAIN(get_num_threads, srt_keep(&a.frame.call, a.result = PyLong_FromSsize_t(srt->thread_limit())))

SRT_SIGNATURE(set_runs_alone, "Whether calls of this thread run on it alone.", TABLE(VALUE(FLAG, alone)))
SRT_PLAIN(set_runs_alone, srt->set_runs_alone((int32_t)a.alone))

SRT_SIGNATURE(level, "The instruction-set level in use.", TABLE(OBJECT(RESULT_OBJECT, result, "str")))
SRT_PLAIN(level, srt_keep(&a.frame.call, a.result = PyUnicode_FromString(srt->level)))

static PyObject *level_names(void) {
  PyObject *names = PyList_New(0);
  for (int i = 0; names && srt_level_name(i); i++) {
    PyObject *name = PyUnicode_FromString(srt_level_name(i));
    if (!name || PyList_Append(names, name) < 0) Py_CLEAR(names);
    Py_XDECREF(name);
  }
  return names;
}

SRT_SIGNATURE(levels, "The instruction-set levels that this CPU can run, best first.",
              TABLE(OBJECT(RESULT_OBJECT, result, "list[str]")))
SRT_PLAIN(levels, srt_keep(&a.frame.call, a.result = level_names()))

SRT_SIGNATURE(caches, "The data caches that plans are made for: bytes, and how many cores share one.",
              TABLE(OBJECT(RESULT_OBJECT, result, "dict[str, int]")))
SRT_PLAIN(caches, srt_keep(&a.frame.call, a.result = cache_sizes()))

SRT_SIGNATURE(as_floats, "An array as the kernels read it: itself if it is right, else converted once.",
              TABLE(OBJECT(OBJECT, x, "ArrayLike"), OBJECT(OBJECT, name, "str"), OBJECT(RESULT_OBJECT, result, "Array")))
// Without srt_read: most calls of seriatim.functional begin with it.
static PyObject *as_floats(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)self;
  if (count != 2) return PyErr_Format(PyExc_TypeError, "as_floats takes 2 arguments, got %zd", count);
  const char *name = PyUnicode_Check(args[1]) ? PyUnicode_AsUTF8AndSize(args[1], NULL) : NULL;
  if (name) return srt_as_floats(args[0], name);
  return PyErr_Format(PyExc_TypeError, "name: expected a string, got %S", Py_TYPE(args[1]));
}

SRT_SIGNATURE(empty, "A matrix for results, not initialised.",
              TABLE(SIZE(ROWS), SIZE(COLUMNS), ARRAY(RESULT, y, OF(ROWS, COLUMNS))))
SRT_PLAIN(empty, (void)0)

static PyObject *all_signatures(void);

SRT_SIGNATURE(signatures, "What every function takes and gives, as data.",
              TABLE(OBJECT(RESULT_OBJECT, result, "list[dict[str, Any]]")))
SRT_PLAIN(signatures, srt_keep(&a.frame.call, a.result = all_signatures()))

// ---- The module

static const srt_operator module_operators[] = {SRT_ENTRY(level),           SRT_ENTRY(levels),
                                                SRT_ENTRY(set_num_threads), SRT_ENTRY(get_num_threads),
                                                SRT_ENTRY(set_runs_alone),  SRT_ENTRY(caches),
                                                SRT_ENTRY(as_floats),       SRT_ENTRY(empty),
                                                SRT_ENTRY(signatures),      {0}};

// Every operator's functions.
static const srt_operator *const operators[] = {
    module_operators,
    srt_memory_operators,
    srt_linear_operators,
    srt_attention_operators,
    srt_sequence_pooling_operators,
    srt_batch_norm_operators,
    srt_dropout_operators,
    srt_activation_operators,
    srt_loss_operators,
    srt_optimizer_operators,
    srt_collate_operators,
    srt_convolution_operators,
    srt_conv_recurrent_operators,
    srt_pooling_operators,
    srt_upsample_operators,
    srt_ragged_operators,
    srt_recurrent_operators,
    srt_stream_operators,
};
enum { OPERATORS = sizeof operators / sizeof *operators, MOST_FUNCTIONS = 128 };

static PyObject *all_signatures(void) {
  PyObject *all = PyList_New(0);
  for (int i = 0; all && i < OPERATORS; i++) {
    PyObject *some = srt_describe(operators[i]);
    if (!some || PyList_SetSlice(all, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, some) < 0) Py_CLEAR(all);
    Py_XDECREF(some);
  }
  return all;
}

// Python's table of functions, made of ours.
static int add_operators(PyObject *module) {
  static PyMethodDef methods[MOST_FUNCTIONS + 1];
  int count = 0;
  for (int i = 0; i < OPERATORS; i++) {
    for (const srt_operator *o = operators[i]; o->signature; o++) {
      if (count == MOST_FUNCTIONS) {
        PyErr_SetString(PyExc_SystemError, "seriatim: more functions than MOST_FUNCTIONS");
        return -1;
      }
      methods[count++] =
          (PyMethodDef){o->signature->name, (PyCFunction)(void (*)(void))o->function, METH_FASTCALL, o->signature->doc};
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

// Threads, kept memory and NumPy's C API are one for a process; with a second interpreter they would be another one's.
static int refuse_other_interpreters(void) {
  if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0) return 0;
  PyErr_SetString(PyExc_ImportError,
                  "seriatim: expected to be imported in the main interpreter of a process, got a sub-interpreter; use "
                  "threads, which run kernels side by side, or processes");
  return -1;
}

static int execute(PyObject *module) {
  if (refuse_other_interpreters() < 0) return -1;
  if (import_numpy() < 0) return -1;
  if (choose_level() < 0) return -1;
  srt->set_thread_limit(initial_threads());
  if (choose_caches() < 0) return -1;
  srt_memory_setup();
  if (!srt_running_setup()) return -1;
  if (add_operators(module) < 0) return -1;
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
