// One execution: calls whose arguments fit ever better, one that is spoiled, and what must hold of each.
#include "fuzz.h"

#include <signal.h>

static const char *const kind_names[KINDS] = {
    "floats",  "doubles",         "integers", "strided", "elements", "places", "batch_sizes", "offsets",
    "written", "written_strided", "size",     "sizes",   "choice",   "flag",   "number",      "numbers",
    "word",    "object",          "group",
};

function functions[MOST_FUNCTIONS];
int function_count;
bool verbose;
PyObject *describe_cell;

static void __attribute__((noreturn)) fault(const execution *e, const char *what) {
  fprintf(stderr, "%s: %s\n", e->f->name, what);
  if (PyErr_Occurred()) PyErr_Print();
  fflush(stderr);
  abort();
}

// What runs, for the line that a crash leaves.
static const uint8_t *current;
static size_t current_size;
static const char *current_name;

static void on_crash(int number) {
  static const char digits[] = "0123456789abcdef";
  static char line[2 * 1024];
  size_t used = 0;
  for (; used < current_size && used < sizeof line / 2; used++) {
    line[2 * used] = digits[current[used] >> 4];
    line[2 * used + 1] = digits[current[used] & 15];
  }
  while (used && line[2 * used - 1] == '0' && line[2 * used - 2] == '0') used--;
  fprintf(stderr, "crash by signal %d: %s %.*s\n", number, current_name, (int)(2 * used), line);
  fflush(stderr);
  signal(number, SIG_DFL);
  raise(number);
}

void watch_signals(void) {
  for (size_t i = 0; i < 5; i++) signal((int[]){SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGABRT}[i], on_crash);
}

// ---- Tables

static int symbol_of(function *f, const char *name) {
  if (*name >= '0' && *name <= '9' && strspn(name, "0123456789") == strlen(name)) return -atoi(name);
  for (int i = 0; i < f->symbols; i++) {
    if (!strcmp(f->symbol[i], name)) return i;
  }
  snprintf(f->symbol[f->symbols], sizeof *f->symbol, "%s", name);
  return f->symbols++;
}

static const char *text(PyObject *dict, const char *key) { return PyUnicode_AsUTF8(PyDict_GetItemString(dict, key)); }

bool read_table(PyObject *core, PyObject *table) {
  function *f = &functions[function_count];
  memset(f, 0, sizeof *f);
  snprintf(f->name, sizeof f->name, "%s", text(table, "name"));
  f->call = PyObject_GetAttrString(core, f->name);
  PyObject *rows = PyDict_GetItemString(table, "parameters");
  f->rows = (int)PyList_Size(rows);
  for (int i = 0; i < f->rows; i++) {
    PyObject *from = PyList_GetItem(rows, i), *dimensions = PyDict_GetItemString(from, "dimensions");
    row *r = &f->row[i];
    snprintf(r->name, sizeof r->name, "%s", text(from, "name"));
    const char *kind = text(from, "kind");
    for (r->kind = 0; r->kind < KINDS && strcmp(kind_names[r->kind], kind);) r->kind++;
    r->axes = (int)PyList_Size(dimensions);
    for (int a = 0; a < r->axes; a++) {
      r->dimensions[a] = symbol_of(f, PyUnicode_AsUTF8(PyList_GetItem(dimensions, a)));
    }
    r->limit = (int)PyLong_AsLong(PyDict_GetItemString(from, "limit"));
    r->optional = PyDict_GetItemString(from, "optional") == Py_True;
  }
  function_count++;
  return f->call && !PyErr_Occurred();
}

// ---- Arguments of a call

static bool make_arguments(const execution *e, PyObject **all, bool spoil) {
  for (int i = 0; i < e->f->rows; i++) {
    all[i] = NULL;
    if (e->f->row[i].kind == GROUP) continue;
    all[i] = make_argument(e, i);
    if (spoil) all[i] = spoiled(e, i, all[i], all);
    if (all[i]) continue;
    if (!PyErr_Occurred()) PyErr_NoMemory();
    for (; i >= 0; i--) Py_CLEAR(all[i]);
    return false;
  }
  return true;
}

static PyObject *call(const execution *e, PyObject **all) {
  PyObject *flat[MOST_ROWS] = {NULL};
  int count = 0;
  for (int i = 0; i < e->f->rows; i++) {
    if (e->f->row[i].kind != GROUP) {
      flat[count++] = Py_NewRef(all[i]);
      continue;
    }
    const int members = e->f->row[i].limit;
    PyObject *tuple = PyTuple_New(members);
    for (int k = 0; tuple && k < members; k++) PyTuple_SET_ITEM(tuple, k, Py_NewRef(all[i + 1 + k]));
    flat[count++] = tuple;
    i += members;
  }
  if (verbose) {
    fprintf(stderr, "%s\n", e->f->name);
    for (int i = 0; i < e->f->rows; i++) {
      if (!all[i]) continue;
      PyObject *shape = PyArray_Check(all[i]) ? PyObject_GetAttrString(all[i], "shape") : NULL;
      PyObject *shown = PyObject_Repr(all[i]), *of = shape ? PyObject_Repr(shape) : NULL;
      fprintf(stderr, "  %s = %.300s %s\n", e->f->row[i].name, shown ? PyUnicode_AsUTF8(shown) : "?",
              of ? PyUnicode_AsUTF8(of) : "");
      Py_XDECREF(shape);
      Py_XDECREF(shown);
      Py_XDECREF(of);
      PyErr_Clear();
    }
  }
  PyObject *result = PyObject_Vectorcall(e->f->call, flat, (size_t)count, NULL);
  for (int i = 0; i < count; i++) Py_XDECREF(flat[i]);
  if (verbose && !result) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_Restore(Py_XNewRef(type), Py_XNewRef(value), Py_XNewRef(trace));
    PyErr_Print();
    PyErr_Restore(type, value, trace);
  }
  return result;
}

static void drop(const execution *e, PyObject **all) {
  for (int i = 0; i < e->f->rows; i++) Py_CLEAR(all[i]);
}

// ---- What must hold of each call

static uint64_t mixed(uint64_t hash, const void *data, size_t bytes) {
  const uint8_t *at = data;
  for (; bytes >= 4; bytes -= 4, at += 4) {
    uint32_t four;
    memcpy(&four, at, 4);
    hash = (hash ^ four) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  for (; bytes; bytes--) hash = (hash ^ *at++) * 0x100000001B3u;
  return hash;
}

static bool is_read_only(row_kind kind) { return kind < WRITTEN; }

static uint64_t digest(PyObject *object) {
  if (PyTuple_Check(object)) {
    uint64_t hash = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); i++) hash = hash * 31 + digest(PyTuple_GET_ITEM(object, i));
    return hash;
  }
  if (!PyArray_Check(object)) return 7;
  PyArrayObject *array = (PyArrayObject *)object;
  const bool is_huge = PyArray_NBYTES(array) > 1 << 20;
  if (is_huge || !PyArray_IS_C_CONTIGUOUS(array) || PyArray_TYPE(array) == NPY_OBJECT) return 9;
  return mixed(0xCBF29CE484222325u, PyArray_DATA(array), (size_t)PyArray_NBYTES(array));
}

static uint64_t digest_of_inputs(const execution *e, PyObject **all) {
  uint64_t hash = 3;
  for (int i = 0; i < e->f->rows; i++) {
    if (all[i] && is_read_only(e->f->row[i].kind)) hash = hash * 31 + digest(all[i]);
  }
  return hash;
}

// A call that leaves alone what it only reads.
static PyObject *checked_call(const execution *e, PyObject **all) {
  const uint64_t before = digest_of_inputs(e, all);
  PyObject *result = call(e, all);
  if (digest_of_inputs(e, all) != before) fault(e, "wrote to what is only read");
  return result;
}

// ---- Sizes that follow from others: the messages say which are expected

// Takes "(3, 17)" of a message as the sizes of the row that it names. False when nothing is new.
static bool learn(execution *e) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyObject *said = type == PyExc_ValueError && value ? PyObject_Str(value) : NULL;
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  const char *message = said ? PyUnicode_AsUTF8(said) : "", *shape = strstr(message, " array of ");
  bool is_new = false;
  const size_t length = strcspn(message, ":");
  for (int i = 0; shape && i < e->f->rows; i++) {
    const row *r = &e->f->row[i];
    if (strlen(r->name) != length || strncmp(r->name, message, length) || r->kind > WRITTEN_STRIDED) continue;
    shape += strlen(" array of ");
    if (!strncmp(shape, "shape (", 7)) shape += 7;
    for (int a = 0; a < r->axes; a++) {
      char *end;
      const long long wanted = strtoll(shape, &end, 10);
      const int symbol = r->dimensions[a];
      if (end != shape && symbol >= 0 && e->size[symbol] != wanted && wanted >= 0 && wanted <= 1 << 16) {
        e->size[symbol] = wanted;
        is_new = true;
      }
      const char *comma = strstr(shape, ", ");
      if (!comma) break;
      shape = comma + 2;
    }
    break;
  }
  Py_XDECREF(said);
  PyErr_Clear();
  return is_new;
}

// What was learned for the same bytes before.
enum { REMEMBERED = 1 << 14 };
static struct {
  uint64_t key;
  int64_t size[MOST_SYMBOLS];
} memory[REMEMBERED];

static int32_t cell_parameters(const execution *e) {
  if (strncmp(e->f->name, "recurrent_", 10) || e->f->row[0].kind != SIZES) return -1;
  PyObject *cell = make_argument(e, 0), *sizes = cell ? PyObject_CallOneArg(describe_cell, cell) : NULL;
  int32_t has = sizes ? (int32_t)PyLong_AsLong(PyTuple_GetItem(sizes, 4)) : -1;
  for (int i = 0; has >= 0 && i < e->f->symbols; i++) {
    if (!strcmp(e->f->symbol[i], "options") && e->size[i] & 32) has |= 1 << 8;
  }
  Py_XDECREF(cell);
  Py_XDECREF(sizes);
  PyErr_Clear();
  return has;
}

// Calls with arguments that fit ever better. Gives the last result, or NULL without an error that can be learned from.
static PyObject *fitting_call(execution *e, PyObject **all) {
  function *f = &functions[e->f - functions];
  const uint64_t key = mixed(mixed(mixed(0xCBF29CE484222325u, &f, sizeof f), e->size, sizeof e->size), e->mode,
                             sizeof e->mode + sizeof e->value);
  if (memory[key % REMEMBERED].key == key) memcpy(e->size, memory[key % REMEMBERED].size, sizeof e->size);
  PyObject *result = NULL;
  for (int tries = 0; tries < 12; tries++) {
    if (!make_arguments(e, all, false)) fault(e, "no memory for arguments");
    f->calls++;
    result = checked_call(e, all);
    if (result || !PyErr_ExceptionMatches(PyExc_ValueError)) break;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_Restore(Py_XNewRef(type), Py_XNewRef(value), Py_XNewRef(trace));
    const bool is_new = learn(e);
    PyErr_Restore(type, value, trace);
    if (!is_new || tries == 11) break;
    PyErr_Clear();
    drop(e, all);
  }
  memory[key % REMEMBERED].key = key;
  memcpy(memory[key % REMEMBERED].size, e->size, sizeof e->size);
  return result;
}

static uint64_t digest_of_results(const execution *e, PyObject **all, PyObject *result) {
  // A cache's rows have padding, which nobody writes.
  const bool has_cache = !strcmp(e->f->name, "recurrent_forward") && PyTuple_Check(result);
  uint64_t hash =
      has_cache ? digest(PyTuple_GET_ITEM(result, 0)) + digest(PyTuple_GET_ITEM(result, 1)) : digest(result);
  for (int i = 0; i < e->f->rows; i++) {
    const bool counts = all[i] && !is_read_only(e->f->row[i].kind) && strcmp(e->f->row[i].name, "cache");
    if (counts) hash = hash * 31 + digest(all[i]);
  }
  return hash;
}

static void check_error(const execution *e) {
  PyObject *const allowed[] = {PyExc_ValueError, PyExc_TypeError, PyExc_IndexError, PyExc_MemoryError,
                               PyExc_OverflowError};
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
    if (PyErr_ExceptionMatches(allowed[i])) return PyErr_Clear();
  }
  fault(e, PyErr_Occurred() ? "an error that must not be" : "neither a result nor an error");
}

// The same call in memory that held other bytes gives the same.
static void call_again(const execution *e, uint64_t before, bool spoil) {
  PyObject *all[MOST_ROWS];
  fill_byte ^= 0xFF;
  if (!make_arguments(e, all, spoil)) fault(e, "no memory for arguments");
  PyObject *result = call(e, all);
  fill_byte ^= 0xFF;
  if (!result) fault(e, "an error at the second time");
  if (digest_of_results(e, all, result) != before) fault(e, "results depend on what was in memory");
  Py_DECREF(result);
  drop(e, all);
}

static bool is_sound(const execution *e) {
  // Overlapping arguments may be inputs alone; then nothing is written.
  return e->fault < 176;
}

int run_bytes(function *f, const uint8_t *data, size_t size) {
  PyObject *all[MOST_ROWS];
  input from = {data, data + size};
  execution e;
  current = data;
  current_size = size;
  current_name = f->name;
  read_execution(&e, f, &from);
  f->executions++;
  const int64_t before = live_blocks;
  e.has = cell_parameters(&e);
  PyObject *result = fitting_call(&e, all);
  if (!is_sound(&e)) {
    if (!result) check_error(&e);
    Py_XDECREF(result);
    drop(&e, all);
    if (!make_arguments(&e, all, true)) {
      PyErr_Clear();
      return 0;
    }
    f->calls++;
    if (e.twice >= 240) fail_in = e.twice - 240;
    result = call(&e, all);
    fail_in = -1;
  }
  const bool returned = result != NULL;
  if (result) {
    f->returned++;
    const uint64_t bits = digest_of_results(&e, all, result);
    Py_DECREF(result);
    drop(&e, all);
    // Nobody writes nor reads the padding of packed kernels.
    const bool has_padding = strstr(f->name, "conv") && strstr(f->name, "_pack");
    const bool is_repeated = e.twice % 4 == 1 && strcmp(f->name, "empty") && !has_padding && is_sound(&e);
    if (is_repeated) call_again(&e, bits, false);
  } else {
    check_error(&e);
    drop(&e, all);
  }
  if (live_blocks != before) {
    fprintf(stderr, "%lld arrays are left\n", (long long)(live_blocks - before));
    fault(&e, "memory was lost");
  }
  return returned;
}
