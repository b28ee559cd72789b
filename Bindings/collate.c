// Collation: see Collation in include/seriatim.h. Sequences stay where they are until the one pass that writes the batch.
#include "binding.h"

// Sequences in the order of a batch.
typedef struct {
  const void **sources;
  int64_t *lengths;
  ptrdiff_t batch, features, row_stride;
  int32_t is_double;
} sequences;

static void free_sequences(sequences *s) {
  PyMem_Free(s->sources);
  PyMem_Free(s->lengths);
}

static bool make_room(sequences *s, ptrdiff_t batch) {
  s->batch = batch;
  s->sources = PyMem_Calloc((size_t)batch + 1, sizeof *s->sources);
  s->lengths = PyMem_Calloc((size_t)batch + 1, sizeof *s->lengths);
  if (s->sources && s->lengths) return true;
  PyErr_NoMemory();
  return false;
}

// The packed batch of `s`: data (N, features), and batch_sizes.
static PyObject *collate_to_packed(srt_call *call, sequences *s) {
  for (ptrdiff_t i = 1; i < s->batch; i++) {
    if (s->lengths[i] <= s->lengths[i - 1]) continue;
    PyErr_Format(PyExc_ValueError, "order: expected lengths in descending order, got %lld before %lld at position %zd",
                 (long long)s->lengths[i - 1], (long long)s->lengths[i], (Py_ssize_t)i);
    return NULL;
  }
  npy_intp steps = (npy_intp)s->lengths[0];
  PyObject *sizes = PyArray_SimpleNew(1, &steps, NPY_INT64);
  if (!srt_keep(call, sizes)) return NULL;
  int64_t *batch_sizes = PyArray_DATA((PyArrayObject *)sizes);
  ptrdiff_t rows = 0, alive = s->batch;
  for (npy_intp step = 0; step < steps; step++) {
    while (s->lengths[alive - 1] <= step) alive--;
    batch_sizes[step] = alive;
    rows += alive;
  }
  float *packed;
  PyObject *data = srt_new_floats(call, &packed, 2, rows, s->features);
  if (!data) return NULL;
  SRT_RUN(status, srt->collate_packed(packed, s->sources, s->row_stride, s->is_double, s->features, batch_sizes, steps));
  if (status != SRT_OK) return srt_finish(call, status, NULL);
  return PyTuple_Pack(2, data, sizes);
}

// The padded batch of `s`: (batch, longest, features), zeros behind each sequence.
static PyObject *collate_to_padded(srt_call *call, sequences *s) {
  ptrdiff_t longest = 0;
  for (ptrdiff_t i = 0; i < s->batch; i++) {
    if (s->lengths[i] > longest) longest = (ptrdiff_t)s->lengths[i];
  }
  float *padded;
  PyObject *data = srt_new_floats(call, &padded, 3, s->batch, longest, s->features);
  if (!data) return NULL;
  SRT_RUN(status, srt->collate_padded(padded, longest * s->features, s->features, longest, 0, s->sources, s->row_stride,
                                      s->is_double, s->features, s->lengths, s->batch));
  if (status != SRT_OK) return srt_finish(call, status, NULL);
  return Py_NewRef(data);
}

// A C-contiguous native float array as the kernel reads it, or one converted to float32. New reference.
static PyArrayObject *readable(PyObject *object, Py_ssize_t index) {
  PyArrayObject *array = (PyArrayObject *)PyArray_FROM_O(object);
  if (!array) return NULL;
  const char kind = PyArray_DESCR(array)->kind;
  if (kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b') {
    PyErr_Format(PyExc_TypeError, "sequence %zd: expected an array of numbers, got %S", index, PyArray_DESCR(array));
    Py_DECREF(array);
    return NULL;
  }
  const int type = PyArray_TYPE(array);
  if ((type == NPY_FLOAT32 || type == NPY_FLOAT64) && PyArray_ISCARRAY_RO(array)) return array;
  PyArrayObject *copy = (PyArrayObject *)PyArray_FROM_OTF((PyObject *)array, NPY_FLOAT32,
                                                          NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST);
  Py_DECREF(array);
  return copy;
}

// Fills `s` from a list of (T, D) or (T,) arrays, of which order[i] is the i-th of the batch. `arrays` holds references.
static bool read_list(PyObject *list, const int64_t *order, sequences *s, PyObject *arrays) {
  const Py_ssize_t known = PyList_Size(list);
  bool all_double = true, any_double = false;
  for (ptrdiff_t i = 0; i < s->batch; i++) {
    if (order[i] < 0 || order[i] >= known) {
      PyErr_Format(PyExc_IndexError, "order: expected indices from 0 to %zd, got %lld", known - 1, (long long)order[i]);
      return false;
    }
    PyArrayObject *array = readable(PyList_GetItem(list, (Py_ssize_t)order[i]), (Py_ssize_t)order[i]);
    if (!array || PyList_SetItem(arrays, i, (PyObject *)array) < 0) return false;
    const int dimensions = PyArray_NDIM(array);
    const ptrdiff_t features = dimensions == 2 ? PyArray_DIM(array, 1) : 1;
    if ((dimensions != 1 && dimensions != 2) || PyArray_DIM(array, 0) < 1 || features < 1 ||
        (s->features >= 0 && features != s->features)) {
      PyObject *shape = PyObject_GetAttrString((PyObject *)array, "shape");
      if (shape && s->features >= 0) {
        PyErr_Format(PyExc_ValueError, "sequence %lld: expected shape (T, %zd) with T >= 1, got %S", (long long)order[i],
                     (Py_ssize_t)s->features, shape);
      } else if (shape) {
        PyErr_Format(PyExc_ValueError, "sequence %lld: expected shape (T, D) or (T,) with T >= 1, got %S",
                     (long long)order[i], shape);
      }
      Py_XDECREF(shape);
      return false;
    }
    s->features = features;
    s->lengths[i] = PyArray_DIM(array, 0);
    const bool is_double = PyArray_TYPE(array) == NPY_FLOAT64;
    all_double &= is_double;
    any_double |= is_double;
  }
  for (ptrdiff_t i = 0; i < s->batch; i++) {
    PyArrayObject *array = (PyArrayObject *)PyList_GetItem(arrays, i);
    // A mixture is converted beforehand: one pass reads one type.
    if (any_double && !all_double && PyArray_TYPE(array) == NPY_FLOAT64) {
      PyObject *copy = PyArray_FROM_OTF((PyObject *)array, NPY_FLOAT32, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST);
      if (!copy || PyList_SetItem(arrays, i, copy) < 0) return false;
      array = (PyArrayObject *)copy;
    }
    s->sources[i] = PyArray_DATA(array);
  }
  s->is_double = all_double;
  s->row_stride = s->features;
  return true;
}

// list of arrays, order, packed -> (data, batch_sizes) or padded
SRT_FUNCTION(collate) {
  SRT_TAKES(collate, 3);
  srt_call call = {0};
  sequences s = {.features = -1};
  const int64_t *order;
  ptrdiff_t batch = -1;
  int32_t packed;
  PyObject *list = PySequence_List(args[0]), *arrays = NULL, *result = NULL;
  if (srt_keep(&call, list) && srt_flag(args[2], "packed", &packed) &&
      srt_integers(&call, args[1], "order", &order, 1, &batch, "batch")) {
    if (batch < 1) {
      PyErr_SetString(PyExc_ValueError, "sequences: expected at least one, got none");
    } else if (make_room(&s, batch) && srt_keep(&call, arrays = PyList_New(batch)) && read_list(list, order, &s, arrays)) {
      result = packed ? collate_to_packed(&call, &s) : collate_to_padded(&call, &s);
    }
  }
  free_sequences(&s);
  return result ? srt_finish(&call, SRT_OK, result) : srt_fail(&call);
}

// X (N, D), starts (batch,), lengths (batch,), packed -> (data, batch_sizes) or padded
SRT_FUNCTION(collate_concatenated) {
  SRT_TAKES(collate_concatenated, 4);
  srt_call call = {0};
  sequences s = {.features = -1};
  const int64_t *starts, *lengths;
  ptrdiff_t batch = -1;
  int32_t packed;
  PyObject *result = NULL;
  PyArrayObject *array = readable(args[0], 0);
  if (!srt_keep(&call, (PyObject *)array)) return srt_fail(&call);
  if (PyArray_NDIM(array) != 2 || PyArray_DIM(array, 1) < 1) {
    PyErr_SetString(PyExc_ValueError, "X: expected shape (observations, features) with at least one feature");
    return srt_fail(&call);
  }
  if (!(srt_flag(args[3], "packed", &packed) && srt_integers(&call, args[1], "starts", &starts, 1, &batch, "batch") &&
        srt_integers(&call, args[2], "lengths", &lengths, 1, &batch, "batch")))
    return srt_fail(&call);
  if (batch < 1) {
    PyErr_SetString(PyExc_ValueError, "lengths: expected at least one sequence, got none");
    return srt_fail(&call);
  }
  s.features = s.row_stride = PyArray_DIM(array, 1);
  s.is_double = PyArray_TYPE(array) == NPY_FLOAT64;
  bool right = make_room(&s, batch);
  for (ptrdiff_t i = 0; right && i < batch; i++) {
    if (starts[i] < 0 || lengths[i] < 1 || starts[i] > PyArray_DIM(array, 0) - lengths[i]) {
      PyErr_Format(PyExc_ValueError, "lengths: expected sequences of at least one of the %zd observations, got %lld from "
                   "observation %lld on", (Py_ssize_t)PyArray_DIM(array, 0), (long long)lengths[i], (long long)starts[i]);
      right = false;
    } else {
      s.lengths[i] = lengths[i];
      s.sources[i] = (const char *)PyArray_DATA(array) + starts[i] * PyArray_STRIDE(array, 0);
    }
  }
  if (right) result = packed ? collate_to_packed(&call, &s) : collate_to_padded(&call, &s);
  free_sequences(&s);
  return result ? srt_finish(&call, SRT_OK, result) : srt_fail(&call);
}

// padded (batch, T, D) or (T, batch, D), lengths in the order of the batch, order, batch_first -> (data, batch_sizes)
SRT_FUNCTION(pack_rows) {
  SRT_TAKES(pack_rows, 4);
  srt_call call = {0};
  sequences s = {.features = -1};
  const int64_t *lengths, *order;
  const float *padded;
  ptrdiff_t batch = -1, first = -1, second = -1;
  int32_t batch_first;
  PyObject *result = NULL;
  if (!(srt_flag(args[3], "batch_first", &batch_first) &&
        srt_floats(&call, args[0], "input", &padded, 3, &first, batch_first ? "batch" : "steps", &second,
                   batch_first ? "steps" : "batch", &s.features, "features") &&
        srt_integers(&call, args[1], "lengths", &lengths, 1, &batch, "batch") &&
        srt_integers(&call, args[2], "order", &order, 1, &batch, "batch")))
    return srt_fail(&call);
  const ptrdiff_t sequences_given = batch_first ? first : second, steps = batch_first ? second : first;
  s.row_stride = batch_first ? s.features : sequences_given * s.features;
  bool right = make_room(&s, batch);
  for (ptrdiff_t i = 0; right && i < batch; i++) {
    if (order[i] < 0 || order[i] >= sequences_given || lengths[i] < 1 || lengths[i] > steps) {
      PyErr_Format(PyExc_ValueError, "lengths: expected lengths from 1 to %zd of %zd sequences, got length %lld of sequence "
                   "%lld", (Py_ssize_t)steps, (Py_ssize_t)sequences_given, (long long)lengths[i], (long long)order[i]);
      right = false;
    } else {
      s.lengths[i] = lengths[i];
      s.sources[i] = padded + order[i] * (batch_first ? steps * s.features : s.features);
    }
  }
  if (right) result = collate_to_packed(&call, &s);
  free_sequences(&s);
  return result ? srt_finish(&call, SRT_OK, result) : srt_fail(&call);
}

// data (N, D), batch_sizes, order, length, padding_value, batch_first -> padded
SRT_FUNCTION(unpack_rows) {
  SRT_TAKES(unpack_rows, 6);
  srt_call call = {0};
  const float *data;
  const int64_t *batch_sizes, *order;
  float *padded;
  ptrdiff_t rows = -1, features = -1, steps, length;
  double padding;
  int32_t batch_first;
  if (!(srt_size(args[3], "total_length", &length) && srt_number(args[4], "padding_value", &padding) &&
        srt_flag(args[5], "batch_first", &batch_first) &&
        srt_floats(&call, args[0], "data", &data, 2, &rows, "rows", &features, "features") &&
        srt_batch_sizes(&call, args[1], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0];
  if (!srt_integers(&call, args[2], "order", &order, 1, &batch, "batch")) return srt_fail(&call);
  for (ptrdiff_t i = 0; i < batch; i++) {
    if (order[i] >= 0 && order[i] < batch) continue;
    PyErr_Format(PyExc_IndexError, "order: expected indices from 0 to %zd, got %lld", (Py_ssize_t)batch - 1,
                 (long long)order[i]);
    return srt_fail(&call);
  }
  if (length < steps) {
    PyErr_Format(PyExc_ValueError, "total_length: expected at least %zd, the longest sequence's length, got %zd",
                 (Py_ssize_t)steps, (Py_ssize_t)length);
    return srt_fail(&call);
  }
  PyObject *result = batch_first ? srt_new_floats(&call, &padded, 3, batch, length, features)
                                 : srt_new_floats(&call, &padded, 3, length, batch, features);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->unpack(padded, batch_first ? length * features : features, batch_first ? features : batch * features,
                              length, (float)padding, data, batch_sizes, steps, order, features));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_collate_methods[] = {
    SRT_METHOD(collate, "Sequences from a list as one packed or padded batch."),
    SRT_METHOD(collate_concatenated, "Sequences that lie behind each other as one packed or padded batch."),
    SRT_METHOD(pack_rows, "A padded batch as a packed one."),
    SRT_METHOD(unpack_rows, "A packed batch as a padded one."),
    {NULL, NULL, 0, NULL},
};
