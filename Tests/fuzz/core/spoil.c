// Arguments that do not fit: of another shape, type or layout, numbers out of all bounds, memory that overlaps.
#include "fuzz.h"

static PyObject *extreme_integer(uint8_t how) {
  static const char *const numbers[] = {"-1",
                                        "0",
                                        "2147483647",
                                        "2147483648",
                                        "-2147483649",
                                        "1152921504606846976",
                                        "4611686018427387904",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "9223372036854775808",
                                        "1606938044258990275541962092341162602522202993782792835301376",
                                        "65",
                                        "7",
                                        "1000"};
  return PyLong_FromString(numbers[how % (sizeof numbers / sizeof *numbers)], NULL, 10);
}

static PyObject *other_object(uint8_t how) {
  switch (how % 8) {
  case 0:
    return Py_NewRef(Py_None);
  case 1:
    return PyUnicode_FromString("text");
  case 2:
    return PyBytes_FromString("");
  case 3:
    return PyFloat_FromDouble(how & 8 ? NAN : 1.5);
  case 4:
    return how / 8 % 3 ? PyTuple_New(0) : Py_BuildValue("(i)", 1);
  case 5:
    return PyList_New(0);
  case 6:
    return PyDict_New();
  default:
    return extreme_integer(how / 8);
  }
}

// Of another shape: an axis longer, shorter, empty, missing or more.
static PyObject *other_shape(PyArrayObject *array, uint8_t how) {
  const int axes = PyArray_NDIM(array);
  if (!axes || how < 32) return PyArray_Ravel(array, NPY_CORDER);
  npy_intp shape[NPY_MAXDIMS];
  memcpy(shape, PyArray_DIMS(array), (size_t)axes * sizeof *shape);
  const int axis = how % axes;
  if (how < 96) {
    shape[axis] += 1 + how % 3;
  } else if (how < 160) {
    shape[axis] -= shape[axis] > 0;
  } else if (how < 192) {
    shape[axis] = 0;
  } else {  // as large as can be, of one element in memory
    shape[axis] = (npy_intp)1 << (32 + how % 27);
    npy_intp strides[NPY_MAXDIMS] = {0};
    PyObject *one = PyArray_ZEROS(1, (npy_intp[]){1}, PyArray_TYPE(array), 0);
    PyObject *huge = one ? PyArray_New(&PyArray_Type, axes, shape, PyArray_TYPE(array), strides,
                                       PyArray_DATA((PyArrayObject *)one), 0, 0, NULL)
                         : NULL;
    if (huge && PyArray_SetBaseObject((PyArrayObject *)huge, one) == 0) return huge;
    if (!huge) Py_XDECREF(one);
    Py_XDECREF(huge);
    return NULL;
  }
  return PyArray_ZEROS(axes, shape, PyArray_TYPE(array), 0);
}

static PyObject *other_layout(PyArrayObject *array, uint8_t how) {
  static const int types[] = {NPY_FLOAT64, NPY_FLOAT32, NPY_HALF,  NPY_INT8,      NPY_UINT64,
                              NPY_BOOL,    NPY_INT32,   NPY_INT64, NPY_COMPLEX64, NPY_OBJECT};
  const npy_intp *strides = PyArray_STRIDES(array);
  const int axes = PyArray_NDIM(array);
  npy_intp turned[NPY_MAXDIMS];
  PyObject *view;
  char *data = PyArray_DATA(array);
  switch (how % 8) {
  case 0:
  case 1:
    return PyArray_Cast(array, types[how / 8 % 10]);
  case 2:
    return PyArray_Transpose(array, NULL);
  case 3:  // backwards
  case 4:  // one row for all
    if (!axes || !PyArray_DIM(array, 0)) return Py_NewRef((PyObject *)array);
    memcpy(turned, strides, (size_t)axes * sizeof *turned);
    turned[0] = how % 8 == 3 ? -strides[0] : 0;
    if (how % 8 == 3) data += (PyArray_DIM(array, 0) - 1) * strides[0];
    view = PyArray_New(&PyArray_Type, axes, PyArray_DIMS(array), PyArray_TYPE(array), turned, data, 0,
                       NPY_ARRAY_WRITEABLE, NULL);
    if (view && PyArray_SetBaseObject((PyArrayObject *)view, Py_NewRef((PyObject *)array)) < 0) Py_CLEAR(view);
    return view;
  case 5:
    PyArray_CLEARFLAGS(array, NPY_ARRAY_WRITEABLE);
    return Py_NewRef((PyObject *)array);
  case 6: {  // not aligned
    const npy_intp bytes = PyArray_NBYTES(array) + 4;
    PyObject *raw = PyArray_ZEROS(1, (npy_intp[]){bytes}, NPY_UINT8, 0);
    view = raw && PyArray_IS_C_CONTIGUOUS(array)
               ? PyArray_New(&PyArray_Type, axes, PyArray_DIMS(array), PyArray_TYPE(array), NULL,
                             (char *)PyArray_DATA((PyArrayObject *)raw) + 1 + how / 8 % 3, 0, NPY_ARRAY_WRITEABLE, NULL)
               : NULL;
    if (view) return PyArray_SetBaseObject((PyArrayObject *)view, raw) < 0 ? NULL : view;
    Py_XDECREF(raw);
    return PyErr_Occurred() ? NULL : Py_NewRef((PyObject *)array);
  }
  default:  // the other end first
    return PyArray_Byteswap(array, NPY_FALSE);
  }
}

// Memory that another argument has, too.
static PyObject *overlapping(const execution *e, PyArrayObject *array, PyObject **all) {
  PyObject *other = all[e->how % e->f->rows];
  if (!other || !PyArray_Check(other)) return Py_NewRef((PyObject *)array);
  PyArrayObject *o = (PyArrayObject *)other;
  const npy_intp offset = e->how & 64 ? 4 * (e->how % 4) : 0;
  if (PyArray_IS_C_CONTIGUOUS(o) && PyArray_IS_C_CONTIGUOUS(array) &&
      PyArray_NBYTES(o) >= PyArray_NBYTES(array) + offset) {
    PyObject *view = PyArray_New(&PyArray_Type, PyArray_NDIM(array), PyArray_DIMS(array), PyArray_TYPE(array), NULL,
                                 PyArray_BYTES(o) + offset, 0, NPY_ARRAY_WRITEABLE, NULL);
    if (view && PyArray_SetBaseObject((PyArrayObject *)view, Py_NewRef(other)) < 0) Py_CLEAR(view);
    return view;
  }
  return Py_NewRef(other);
}

static PyObject *other_contents(PyArrayObject *array, uint8_t how) {
  static const int64_t extreme[] = {-1, INT32_MAX, 1LL << 31, 1LL << 60, 1LL << 62, INT64_MAX, INT64_MIN, 0};
  const npy_intp count = PyArray_SIZE(array);
  if (count && PyArray_IS_C_CONTIGUOUS(array)) {
    const npy_intp at = how & 8 ? count - 1 : how / 16 % count;
    if (PyArray_TYPE(array) == NPY_INT64) ((int64_t *)PyArray_DATA(array))[at] = extreme[how % 8];
    if (PyArray_TYPE(array) == NPY_INT32) ((int32_t *)PyArray_DATA(array))[at] = (int32_t)extreme[how % 8];
    if (PyArray_TYPE(array) == NPY_FLOAT32) ((float *)PyArray_DATA(array))[at] = how & 1 ? NAN : 3e38f;
  }
  return Py_NewRef((PyObject *)array);
}

static PyObject *other_item(PyObject *value, uint8_t how) {
  const Py_ssize_t count = PySequence_Size(value);
  PyObject *changed = PySequence_List(value), *item = NULL;
  if (!changed || !count) return changed;
  PyObject *old = PyList_GET_ITEM(changed, how % count);
  item = PyArray_Check(old) ? other_layout((PyArrayObject *)old, how / 4)
                            : (how & 1 ? extreme_integer(how / 2) : other_object(how / 2));
  if (!item || PyList_SetItem(changed, how % count, item) < 0) Py_CLEAR(changed);
  if (!changed || PyList_Check(value)) return changed;
  PyObject *tuple = PyList_AsTuple(changed);
  Py_DECREF(changed);
  return tuple;
}

PyObject *spoiled(const execution *e, int place, PyObject *value, PyObject **all) {
  if (!value || e->fault < 176 || place != e->place % e->f->rows) return value;
  PyObject *other;
  const int way = e->fault % 8;
  if (way == 0) {
    other = other_object(e->how);
  } else if (PyArray_Check(value)) {
    PyArrayObject *array = (PyArrayObject *)value;
    other = way < 3   ? other_shape(array, e->how)
            : way < 5 ? other_layout(array, e->how)
            : way < 7 ? overlapping(e, array, all)
                      : other_contents(array, e->how);
  } else if (PyTuple_Check(value) || PyList_Check(value)) {
    other = other_item(value, e->how);
  } else {
    other = extreme_integer(e->how);
  }
  Py_DECREF(value);
  return other;
}
