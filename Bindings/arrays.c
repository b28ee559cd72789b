#include "binding.h"

#include <stdarg.h>
#include <string.h>

// ---- Messages

// A wanted dimension.
typedef struct {
  ptrdiff_t *size;
  const char *name;
} dimension;

enum { MOST_DIMENSIONS = 5 };

static void collect(dimension *wanted, int dimensions, va_list list) {
  for (int i = 0; i < dimensions; i++) {
    wanted[i].size = va_arg(list, ptrdiff_t *);
    wanted[i].name = va_arg(list, const char *);
  }
}

// "(rows, 13)": known sizes as numbers, others by name.
static void describe_wanted(char *text, size_t room, const dimension *wanted, int dimensions) {
  size_t used = (size_t)snprintf(text, room, "(");
  for (int i = 0; i < dimensions && used < room; i++) {
    const char *comma = i + 1 < dimensions ? ", " : dimensions == 1 ? "," : "";
    if (*wanted[i].size >= 0) {
      used += (size_t)snprintf(text + used, room - used, "%td%s", *wanted[i].size, comma);
    } else {
      used += (size_t)snprintf(text + used, room - used, "%s%s", wanted[i].name, comma);
    }
  }
  if (used < room) snprintf(text + used, room - used, ")");
}

static bool wrong(PyObject *kind, PyArrayObject *array, const char *name, const char *type, const dimension *wanted,
                  int dimensions, const char *also) {
  char text[256];
  describe_wanted(text, sizeof text, wanted, dimensions);
  PyObject *shape = PyObject_GetAttrString((PyObject *)array, "shape");
  if (!shape) return false;
  PyErr_Format(kind, "%s: expected a %s array of shape %s%s, got %S of shape %S", name, type, text, also,
               PyArray_DESCR(array), shape);
  Py_DECREF(shape);
  return false;
}

// Learns or checks the dimensions; nothing is learned unless all fit.
static bool fits(PyArrayObject *array, const char *name, const char *type, const dimension *wanted, int dimensions) {
  bool right = PyArray_NDIM(array) == dimensions;
  for (int i = 0; right && i < dimensions; i++) {
    right = *wanted[i].size < 0 || *wanted[i].size == PyArray_DIM(array, i);
  }
  if (!right) return wrong(PyExc_ValueError, array, name, type, wanted, dimensions, "");
  for (int i = 0; i < dimensions; i++) *wanted[i].size = PyArray_DIM(array, i);
  return true;
}

// ---- Inputs

static bool is_right(PyArrayObject *array, int type) {
  return PyArray_TYPE(array) == type && PyArray_ISCARRAY_RO(array);
}

// A new reference to an array of the wanted type, or NULL with TypeError.
static PyArrayObject *as_array(PyObject *object, const char *name, int type) {
  const char *type_name = type == NPY_FLOAT32 ? "float32" : "int64";
  PyArrayObject *array;
  if (PyArray_Check(object)) {
    array = (PyArrayObject *)object;
    Py_INCREF(array);
  } else {
    array = (PyArrayObject *)PyArray_FROM_O(object);
    if (!array) return NULL;
  }
  char kind = PyArray_DESCR(array)->kind;
  bool numbers = kind == 'b' || kind == 'i' || kind == 'u' || (kind == 'f' && type == NPY_FLOAT32);
  if (!numbers) {
    PyErr_Format(PyExc_TypeError, "%s: expected an array of numbers that fit %s, got %S", name, type_name,
                 PyArray_DESCR(array));
    Py_DECREF(array);
    return NULL;
  }
  return array;
}

// The array itself if it is right, else a converted copy; takes the reference.
static PyArrayObject *converted(PyArrayObject *array, int type) {
  if (is_right(array, type)) return array;
  PyArrayObject *copy =
      (PyArrayObject *)PyArray_FROM_OTF((PyObject *)array, type, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST);
  Py_DECREF(array);
  return copy;
}

static PyArrayObject *input(srt_call *call, PyObject *object, const char *name, int type, const dimension *wanted,
                            int dimensions) {
  PyArrayObject *array = as_array(object, name, type);
  if (!array) return NULL;
  // Shapes before conversion: a wrong array is not worth converting.
  if (!fits(array, name, type == NPY_FLOAT32 ? "float32" : "int64", wanted, dimensions)) {
    Py_DECREF(array);
    return NULL;
  }
  array = converted(array, type);
  return srt_keep(call, (PyObject *)array) ? array : NULL;
}

bool srt_floats(srt_call *call, PyObject *object, const char *name, const float **data, int dimensions, ...) {
  dimension wanted[MOST_DIMENSIONS];
  va_list list;
  va_start(list, dimensions);
  collect(wanted, dimensions, list);
  va_end(list);
  PyArrayObject *array = input(call, object, name, NPY_FLOAT32, wanted, dimensions);
  if (!array) return false;
  *data = (const float *)PyArray_DATA(array);
  return true;
}

bool srt_maybe_floats(srt_call *call, PyObject *object, const char *name, const float **data, int dimensions, ...) {
  *data = NULL;
  if (object == Py_None) return true;
  dimension wanted[MOST_DIMENSIONS];
  va_list list;
  va_start(list, dimensions);
  collect(wanted, dimensions, list);
  va_end(list);
  PyArrayObject *array = input(call, object, name, NPY_FLOAT32, wanted, dimensions);
  if (!array) return false;
  *data = (const float *)PyArray_DATA(array);
  return true;
}

bool srt_integers(srt_call *call, PyObject *object, const char *name, const int64_t **data, int dimensions, ...) {
  dimension wanted[MOST_DIMENSIONS];
  va_list list;
  va_start(list, dimensions);
  collect(wanted, dimensions, list);
  va_end(list);
  PyArrayObject *array = input(call, object, name, NPY_INT64, wanted, dimensions);
  if (!array) return false;
  *data = (const int64_t *)PyArray_DATA(array);
  return true;
}

bool srt_flat(srt_call *call, PyObject *object, const char *name, const float **data, ptrdiff_t *size,
              PyObject **array) {
  PyArrayObject *found = as_array(object, name, NPY_FLOAT32);
  if (!found) return false;
  found = converted(found, NPY_FLOAT32);
  if (!srt_keep(call, (PyObject *)found)) return false;
  *data = (const float *)PyArray_DATA(found);
  *size = PyArray_SIZE(found);
  if (array) *array = (PyObject *)found;
  return true;
}

// True when only the distance between rows keeps the matrix from being C-contiguous.
static bool has_rows(PyArrayObject *array) {
  return PyArray_TYPE(array) == NPY_FLOAT32 && PyArray_ISALIGNED(array) && PyArray_ISNOTSWAPPED(array) &&
         PyArray_STRIDE(array, 1) == (npy_intp)sizeof(float) && PyArray_STRIDE(array, 0) % (npy_intp)sizeof(float) == 0 &&
         PyArray_STRIDE(array, 0) >= PyArray_DIM(array, 1) * (npy_intp)sizeof(float);
}

bool srt_rows(srt_call *call, PyObject *object, const char *name, const float **data, ptrdiff_t *stride,
              ptrdiff_t *rows, ptrdiff_t *columns) {
  const dimension wanted[2] = {{rows, "rows"}, {columns, "columns"}};
  PyArrayObject *array = as_array(object, name, NPY_FLOAT32);
  if (!array) return false;
  if (!fits(array, name, "float32", wanted, 2)) {
    Py_DECREF(array);
    return false;
  }
  if (!has_rows(array)) array = converted(array, NPY_FLOAT32);
  if (!srt_keep(call, (PyObject *)array)) return false;
  *data = (const float *)PyArray_DATA(array);
  *stride = is_right(array, NPY_FLOAT32) ? *columns : PyArray_STRIDE(array, 0) / (npy_intp)sizeof(float);
  return true;
}

// ---- Outputs

static bool output(srt_call *call, PyObject *object, const char *name, const dimension *wanted, int dimensions,
                   bool rows_may_lie_apart) {
  if (!PyArray_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s: expected a NumPy array to write to, got %S", name, Py_TYPE(object));
    return false;
  }
  PyArrayObject *array = (PyArrayObject *)object;
  bool right = PyArray_TYPE(array) == NPY_FLOAT32 && PyArray_ISWRITEABLE(array) && PyArray_ISBEHAVED(array) &&
               (PyArray_IS_C_CONTIGUOUS(array) || (rows_may_lie_apart && PyArray_NDIM(array) == 2 && has_rows(array)));
  if (!right) {
    return wrong(PyExc_ValueError, array, name, "writeable float32", wanted, dimensions,
                 rows_may_lie_apart ? " with contiguous rows" : " that is C-contiguous");
  }
  if (!fits(array, name, "writeable float32", wanted, dimensions)) return false;
  Py_INCREF(object);
  return srt_keep(call, object);
}

bool srt_output(srt_call *call, PyObject *object, const char *name, float **data, int dimensions, ...) {
  dimension wanted[MOST_DIMENSIONS];
  va_list list;
  va_start(list, dimensions);
  collect(wanted, dimensions, list);
  va_end(list);
  if (!output(call, object, name, wanted, dimensions, false)) return false;
  *data = (float *)PyArray_DATA((PyArrayObject *)object);
  return true;
}

bool srt_maybe_output(srt_call *call, PyObject *object, const char *name, float **data, int dimensions, ...) {
  *data = NULL;
  if (object == Py_None) return true;
  dimension wanted[MOST_DIMENSIONS];
  va_list list;
  va_start(list, dimensions);
  collect(wanted, dimensions, list);
  va_end(list);
  if (!output(call, object, name, wanted, dimensions, false)) return false;
  *data = (float *)PyArray_DATA((PyArrayObject *)object);
  return true;
}

PyObject *srt_output_or_new(srt_call *call, PyObject *object, const char *name, float **data, ptrdiff_t rows,
                            const char *rows_name, ptrdiff_t columns, const char *columns_name) {
  if (object == Py_None) return srt_new_floats(call, data, 2, rows, columns);
  return srt_output(call, object, name, data, 2, &rows, rows_name, &columns, columns_name) ? object : NULL;
}

bool srt_output_rows(srt_call *call, PyObject *object, const char *name, float **data, ptrdiff_t *stride,
                     ptrdiff_t *rows, ptrdiff_t *columns) {
  const dimension wanted[2] = {{rows, "rows"}, {columns, "columns"}};
  if (!output(call, object, name, wanted, 2, true)) return false;
  PyArrayObject *array = (PyArrayObject *)object;
  *data = (float *)PyArray_DATA(array);
  *stride = PyArray_IS_C_CONTIGUOUS(array) ? *columns : PyArray_STRIDE(array, 0) / (npy_intp)sizeof(float);
  return true;
}

// ---- Numbers

static bool integer(PyObject *object, const char *name, ptrdiff_t least, const char *wanted, ptrdiff_t *value) {
  Py_ssize_t number = PyNumber_AsSsize_t(object, PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred()) return false;
  if (number < least) {
    PyErr_Format(PyExc_ValueError, "%s: expected %s, got %zd", name, wanted, number);
    return false;
  }
  *value = number;
  return true;
}

bool srt_size(PyObject *object, const char *name, ptrdiff_t *value) {
  return integer(object, name, 1, "a positive integer", value);
}

bool srt_count(PyObject *object, const char *name, ptrdiff_t *value) {
  return integer(object, name, 0, "zero or a positive integer", value);
}

bool srt_sizes(PyObject *object, const char *name, ptrdiff_t *values, int count) {
  if (!PyTuple_Check(object) || PyTuple_Size(object) != count) {
    PyErr_Format(PyExc_TypeError, "%s: expected a tuple of %d integers, got %R", name, count, object);
    return false;
  }
  for (int i = 0; i < count; i++) {
    if (!srt_count(PyTuple_GetItem(object, i), name, &values[i])) return false;
  }
  return true;
}

bool srt_flag(PyObject *object, const char *name, int32_t *value) {
  (void)name;
  int truth = PyObject_IsTrue(object);
  if (truth < 0) return false;
  *value = truth;
  return true;
}

bool srt_number(PyObject *object, const char *name, double *value) {
  *value = PyFloat_AsDouble(object);
  if (*value == -1.0 && PyErr_Occurred()) {
    PyErr_Format(PyExc_TypeError, "%s: expected a number, got %S", name, Py_TYPE(object));
    return false;
  }
  return true;
}

bool srt_word(PyObject *object, const char *name, uint64_t *value) {
  *value = PyLong_AsUnsignedLongLong(object);
  if (*value == (uint64_t)-1 && PyErr_Occurred()) {
    PyErr_Format(PyExc_ValueError, "%s: expected an integer from 0 to 2**64 - 1, got %R", name, object);
    return false;
  }
  return true;
}

bool srt_batch_sizes(srt_call *call, PyObject *object, const int64_t **data, ptrdiff_t *steps, ptrdiff_t *rows) {
  *steps = -1;
  if (!srt_integers(call, object, "batch_sizes", data, 1, steps, "steps")) return false;
  if (*steps == 0) {
    PyErr_SetString(PyExc_ValueError, "batch_sizes: expected at least one step, got none");
    return false;
  }
  int64_t total = 0;
  for (ptrdiff_t step = 0; step < *steps; step++) {
    int64_t size = (*data)[step];
    if (size < 1 || (step > 0 && size > (*data)[step - 1])) {
      PyErr_Format(PyExc_ValueError, "batch_sizes: expected positive sizes that never grow, got %lld at step %zd",
                   (long long)size, (Py_ssize_t)step);
      return false;
    }
    // Row numbers are kept as 32-bit integers by backward.
    if (size > INT32_MAX || (total += size) > INT32_MAX) {
      PyErr_SetString(PyExc_ValueError, "batch_sizes: expected fewer than 2**31 rows in all");
      return false;
    }
  }
  if (*rows >= 0 && total != *rows) {
    PyErr_Format(PyExc_ValueError, "batch_sizes: expected sizes that sum up to the %zd rows of the data, got a sum of %lld",
                 (Py_ssize_t)*rows, (long long)total);
    return false;
  }
  *rows = (ptrdiff_t)total;
  return true;
}
