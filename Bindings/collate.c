// Collation: see Collation in include/seriatim.h. Sequences stay where they are until the one pass that writes the batch.
#include "binding.h"

enum { BATCH = 1, OUTER, INNER, FEATURES, ROWS, STEPS, LENGTH };

static const char *const symbols[] = {
    [BATCH] = "batch", [OUTER] = "batch or steps", [INNER] = "steps or batch", [FEATURES] = "features",
    [ROWS] = "rows",   [STEPS] = "steps",          [LENGTH] = "total_length",
};

typedef struct {
  srt_frame frame;
  PyObject *sequences, *X;
  const int64_t *order, *starts, *lengths, *batch_sizes;
  const float *input, *data;
  ptrdiff_t packed, batch_first;
  double padding_value;
  float *padded;
  // Sequences in the order of a batch: where their first rows are, and how many rows they have.
  const void **sources;
  int64_t *counts;
  ptrdiff_t batch, features, row_stride;
  int32_t is_double;
  // What is written: a packed batch with its batch sizes, or a padded one.
  float *written;
  int64_t *sizes;
  ptrdiff_t steps;
  PyObject *result, *result_sizes;
} arguments;

static bool make_room(arguments *a, ptrdiff_t batch) {
  float *sources, *counts;
  a->batch = batch;
  if (!srt_scratch(&a->frame.call, &sources, 2 * batch) || !srt_scratch(&a->frame.call, &counts, 2 * batch))
    return false;
  a->sources = (const void **)sources;
  a->counts = (int64_t *)counts;
  return true;
}

// Room for the packed batch: `result` (rows, features) and `result_sizes`.
static bool make_packed(arguments *a) {
  for (ptrdiff_t i = 1; i < a->batch; i++) {
    if (a->counts[i] <= a->counts[i - 1]) continue;
    PyErr_Format(PyExc_ValueError, "order: expected lengths in descending order, got %lld before %lld at position %zd",
                 (long long)a->counts[i - 1], (long long)a->counts[i], (Py_ssize_t)i);
    return false;
  }
  void *sizes, *data;
  a->steps = (ptrdiff_t)a->counts[0];
  a->result_sizes = srt_new_array(&a->frame.call, "batch_sizes", &sizes, NPY_INT64, 1, &a->steps);
  if (!a->result_sizes) return false;
  a->sizes = sizes;
  ptrdiff_t rows = 0, alive = a->batch;
  for (ptrdiff_t step = 0; step < a->steps; step++) {
    while (a->counts[alive - 1] <= step) alive--;
    a->sizes[step] = alive;
    rows += alive;
  }
  const npy_intp shape[2] = {rows, a->features};
  a->result = srt_new_array(&a->frame.call, "sequences", &data, NPY_FLOAT32, 2, shape);
  a->written = data;
  return a->result != NULL;
}

// Room for the padded batch: `result` (batch, longest, features).
static bool make_padded(arguments *a) {
  void *data;
  a->steps = 0;
  for (ptrdiff_t i = 0; i < a->batch; i++) {
    if (a->counts[i] > a->steps) a->steps = (ptrdiff_t)a->counts[i];
  }
  const npy_intp shape[3] = {a->batch, a->steps, a->features};
  a->result = srt_new_array(&a->frame.call, "sequences", &data, NPY_FLOAT32, 3, shape);
  a->written = data;
  return a->result != NULL;
}

// Room for either; the packed one and its sizes are one result.
static bool make_either(arguments *a) {
  if (!a->packed) return make_padded(a);
  return make_packed(a) && srt_keep(&a->frame.call, a->result = PyTuple_Pack(2, a->result, a->result_sizes));
}

static int32_t write_batch(const arguments *a) {
  if (a->packed) {
    return srt->collate_packed(a->written, a->sources, a->row_stride, a->is_double, a->features, a->sizes, a->steps);
  }
  return srt->collate_padded(a->written, a->steps * a->features, a->features, a->steps, 0, a->sources, a->row_stride,
                             a->is_double, a->features, a->counts, a->batch);
}

// A C-contiguous native float array as the kernel reads it, or one converted to float32. New reference.
static PyArrayObject *readable(PyObject *object, const char *name) {
  PyArrayObject *array = srt_numbers(object, name);
  if (!array) return NULL;
  const int type = PyArray_TYPE(array);
  if ((type == NPY_FLOAT32 || type == NPY_FLOAT64) && PyArray_ISCARRAY_RO(array)) return array;
  PyObject *converted = srt_as_floats((PyObject *)array, name);
  Py_DECREF(array);
  return (PyArrayObject *)converted;
}

// Reads the list of (T, D) or (T,) arrays, of which order[i] is the i-th of the batch. `arrays` holds references.
static bool read_list(arguments *a, PyObject *list, PyObject *arrays) {
  const Py_ssize_t known = PyList_Size(list);
  bool all_double = true, any_double = false;
  a->features = -1;
  for (ptrdiff_t i = 0; i < a->batch; i++) {
    const int64_t place = a->order[i];
    char name[40];
    snprintf(name, sizeof name, "sequence %lld", (long long)place);
    if (place < 0 || place >= known) {
      PyErr_Format(PyExc_IndexError, "order: expected indices from 0 to %zd, got %lld", known - 1, (long long)place);
      return false;
    }
    PyArrayObject *array = readable(PyList_GetItem(list, (Py_ssize_t)place), name);
    if (!array || PyList_SetItem(arrays, i, (PyObject *)array) < 0) return false;
    const int dimensions = PyArray_NDIM(array);
    const ptrdiff_t features = dimensions == 2 ? PyArray_DIM(array, 1) : 1;
    if ((dimensions != 1 && dimensions != 2) || PyArray_DIM(array, 0) < 1 || features < 1 ||
        (a->features >= 0 && features != a->features)) {
      PyObject *shape = PyObject_GetAttrString((PyObject *)array, "shape");
      if (shape && a->features >= 0) {
        PyErr_Format(PyExc_ValueError, "%s: expected shape (T, %zd) with T >= 1, got %S", name, (Py_ssize_t)a->features,
                     shape);
      } else if (shape) {
        PyErr_Format(PyExc_ValueError, "%s: expected shape (T, D) or (T,) with T >= 1, got %S", name, shape);
      }
      Py_XDECREF(shape);
      return false;
    }
    a->features = a->row_stride = features;
    a->counts[i] = PyArray_DIM(array, 0);
    const bool is_double = PyArray_TYPE(array) == NPY_FLOAT64;
    all_double &= is_double;
    any_double |= is_double;
  }
  for (ptrdiff_t i = 0; i < a->batch; i++) {
    PyArrayObject *array = (PyArrayObject *)PyList_GetItem(arrays, i);
    // A mixture is converted beforehand: one pass reads one type.
    if (any_double && !all_double && PyArray_TYPE(array) == NPY_FLOAT64) {
      PyObject *copy = srt_as_floats((PyObject *)array, "sequences");
      if (!copy || PyList_SetItem(arrays, i, copy) < 0) return false;
      array = (PyArrayObject *)copy;
    }
    a->sources[i] = PyArray_DATA(array);
  }
  a->is_double = all_double;
  return true;
}

static bool check_list(void *given, const ptrdiff_t *n) {
  arguments *a = given;
  PyObject *list = PySequence_Check(a->sequences) ? PySequence_List(a->sequences) : NULL, *arrays = NULL;
  if (!list && !PyErr_Occurred()) {
    PyErr_Format(PyExc_TypeError, "sequences: expected a sequence of arrays, got %S", Py_TYPE(a->sequences));
  }
  return srt_keep(&a->frame.call, list) && srt_keep(&a->frame.call, arrays = PyList_New(n[BATCH])) &&
         make_room(a, n[BATCH]) && read_list(a, list, arrays) && make_either(a);
}

#define BATCH_TYPE "Array | tuple[Array, Integers]"

SRT_SIGNATURE(
    collate, "Sequences from a list as one packed or padded batch.",
    .check = check_list,
    TABLE(OBJECT(OBJECT, sequences, "Sequence[ArrayLike]"),
          ARRAY(INTEGERS, order, OF(BATCH)),
          VALUE(FLAG, packed),
          OBJECT(RESULT_OBJECT, result, BATCH_TYPE)))
SRT_OPERATOR(collate, write_batch(&a))

static bool check_concatenated(void *given, const ptrdiff_t *n) {
  arguments *a = given;
  PyArrayObject *array = readable(a->X, "X");
  if (!srt_keep(&a->frame.call, (PyObject *)array)) return false;
  if (PyArray_NDIM(array) != 2 || PyArray_DIM(array, 1) < 1) {
    PyErr_SetString(PyExc_ValueError, "X: expected shape (observations, features) with at least one feature");
    return false;
  }
  a->features = a->row_stride = PyArray_DIM(array, 1);
  a->is_double = PyArray_TYPE(array) == NPY_FLOAT64;
  if (!make_room(a, n[BATCH])) return false;
  const ptrdiff_t rows = PyArray_DIM(array, 0);
  for (ptrdiff_t i = 0; i < n[BATCH]; i++) {
    if (a->starts[i] < 0 || a->lengths[i] < 1 || a->lengths[i] > rows || a->starts[i] > rows - a->lengths[i]) {
      PyErr_Format(PyExc_ValueError,
                   "lengths: expected sequences of at least one of the %zd observations, got %lld from "
                   "observation %lld on",
                   (Py_ssize_t)rows, (long long)a->lengths[i], (long long)a->starts[i]);
      return false;
    }
    a->counts[i] = a->lengths[i];
    a->sources[i] = (const char *)PyArray_DATA(array) + a->starts[i] * a->features * PyArray_ITEMSIZE(array);
  }
  return make_either(a);
}

SRT_SIGNATURE(
    collate_concatenated, "Sequences that lie behind each other as one packed or padded batch.",
    .check = check_concatenated,
    TABLE(OBJECT(OBJECT, X, "ArrayLike"),
          ARRAY(INTEGERS, starts, OF(BATCH)),
          ARRAY(INTEGERS, lengths, OF(BATCH)),
          VALUE(FLAG, packed),
          OBJECT(RESULT_OBJECT, result, BATCH_TYPE)))
SRT_OPERATOR(collate_concatenated, write_batch(&a))

static bool check_padded(void *given, const ptrdiff_t *n) {
  arguments *a = given;
  const ptrdiff_t sequences = a->batch_first ? n[OUTER] : n[INNER], steps = a->batch_first ? n[INNER] : n[OUTER];
  a->features = n[FEATURES];
  a->row_stride = a->batch_first ? n[FEATURES] : sequences * n[FEATURES];
  a->is_double = 0;
  a->packed = 1;
  if (!make_room(a, n[BATCH])) return false;
  for (ptrdiff_t i = 0; i < n[BATCH]; i++) {
    if (a->order[i] < 0 || a->order[i] >= sequences || a->lengths[i] < 1 || a->lengths[i] > steps) {
      PyErr_Format(PyExc_ValueError,
                   "lengths: expected lengths from 1 to %zd of %zd sequences, got length %lld of sequence "
                   "%lld",
                   (Py_ssize_t)steps, (Py_ssize_t)sequences, (long long)a->lengths[i], (long long)a->order[i]);
      return false;
    }
    a->counts[i] = a->lengths[i];
    a->sources[i] = a->input + a->order[i] * (a->batch_first ? steps * n[FEATURES] : n[FEATURES]);
  }
  return make_packed(a);
}

SRT_SIGNATURE(
    pack_rows, "A padded batch as a packed one.",
    .check = check_padded,
    TABLE(ARRAY(FLOATS, input, OF(OUTER, INNER, FEATURES)),
          ARRAY(INTEGERS, lengths, OF(BATCH)),
          ARRAY(INTEGERS, order, OF(BATCH)),
          VALUE(FLAG, batch_first),
          OBJECT(RESULT_OBJECT, result, "Array"),
          OBJECT(RESULT_OBJECT, result_sizes, "Integers")))
SRT_OPERATOR(pack_rows, write_batch(&a))

static bool derive_unpack(void *given, ptrdiff_t *n) {
  const arguments *a = given;
  n[OUTER] = a->batch_first ? n[BATCH] : n[LENGTH];
  n[INNER] = a->batch_first ? n[LENGTH] : n[BATCH];
  return true;
}

// Every sequence of the padded batch is written once.
static bool check_unpack(void *given, const ptrdiff_t *n) {
  arguments *a = given;
  if (n[LENGTH] < n[STEPS]) {
    PyErr_Format(PyExc_ValueError, "total_length: expected at least %zd, the longest sequence's length, got %zd",
                 (Py_ssize_t)n[STEPS], (Py_ssize_t)n[LENGTH]);
    return false;
  }
  if (!make_room(a, n[BATCH])) return false;
  for (ptrdiff_t i = 0; i < n[BATCH]; i++) a->counts[i] = 0;
  for (ptrdiff_t i = 0; i < n[BATCH]; i++) {
    if (a->order[i] >= 0 && a->order[i] < n[BATCH] && !a->counts[a->order[i]]++) continue;
    PyErr_Format(PyExc_IndexError, "order: expected indices from 0 to %zd, each once, got %lld at %zd",
                 (Py_ssize_t)n[BATCH] - 1, (long long)a->order[i], (Py_ssize_t)i);
    return false;
  }
  return true;
}

SRT_SIGNATURE(
    unpack_rows, "A packed batch as a padded one.",
    .derived = SRT_BIT(BATCH) | SRT_BIT(OUTER) | SRT_BIT(INNER), .derive = derive_unpack, .check = check_unpack,
    TABLE(ARRAY(FLOATS, data, OF(ROWS, FEATURES)),
          ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH)),
          ARRAY(INTEGERS, order, OF(BATCH)),
          SIZE(LENGTH),
          VALUE(NUMBER, padding_value),
          VALUE(FLAG, batch_first),
          ARRAY(RESULT, padded, OF(OUTER, INNER, FEATURES))))
SRT_OPERATOR(unpack_rows, srt->unpack(a.padded, a.batch_first ? n[LENGTH] * n[FEATURES] : n[FEATURES],
                                      a.batch_first ? n[FEATURES] : n[BATCH] * n[FEATURES], n[LENGTH],
                                      (float)a.padding_value, a.data, a.batch_sizes, n[STEPS], a.order, n[FEATURES]))

const srt_operator srt_collate_operators[] = {
    SRT_ENTRY(collate), SRT_ENTRY(collate_concatenated), SRT_ENTRY(pack_rows), SRT_ENTRY(unpack_rows), {0}};
