// Pooling of planes: see Pooling in include/seriatim.h for the shapes.
//
// windows: a tuple of 10 numbers: out height, out width, kernel y, x, stride y, x, padding y, x, dilation y, x. Of the 13
// sizes of the C ABI the first three are the input's.
#include "binding.h"

enum { PLANES, HEIGHT, WIDTH, OUT_HEIGHT, OUT_WIDTH, SIZES = 13 };

static bool windows(srt_call *call, PyObject *object, PyObject *x, const float **data, ptrdiff_t *sizes) {
  sizes[PLANES] = sizes[HEIGHT] = sizes[WIDTH] = -1;
  return srt_sizes(object, "windows", sizes + OUT_HEIGHT, SIZES - OUT_HEIGHT) &&
         srt_floats(call, x, "x", data, 3, &sizes[PLANES], "planes", &sizes[HEIGHT], "height", &sizes[WIDTH], "width");
}

// x, windows, need_index -> y, index | None
SRT_FUNCTION(max_pool_forward) {
  SRT_TAKES(max_pool_forward, 3);
  srt_call call = {0};
  const float *x;
  float *y;
  int32_t need_index, *places = NULL;
  ptrdiff_t sizes[SIZES];
  PyObject *index = Py_None;
  if (!(srt_flag(args[2], "need_index", &need_index) && windows(&call, args[1], args[0], &x, sizes))) return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 3, sizes[PLANES], sizes[OUT_HEIGHT], sizes[OUT_WIDTH]);
  if (!result) return srt_fail(&call);
  if (need_index) {
    const npy_intp shape[3] = {sizes[PLANES], sizes[OUT_HEIGHT], sizes[OUT_WIDTH]};
    index = PyArray_SimpleNew(3, shape, NPY_INT32);
    if (!srt_keep(&call, index)) return srt_fail(&call);
    places = (int32_t *)PyArray_DATA((PyArrayObject *)index);
  }
  if (sizes[PLANES] == 0) return srt_finish(&call, SRT_OK, PyTuple_Pack(2, result, index));
  SRT_RUN(status, srt->max_pool_forward(y, places, x, sizes));
  return srt_finish(&call, status, PyTuple_Pack(2, result, index));
}

// The gradient of the output, and the input's size in `sizes`: grad_y, height, width, windows
static bool gradient(srt_call *call, PyObject *const *args, const float **grad_y, ptrdiff_t *sizes) {
  sizes[PLANES] = -1;
  return srt_sizes(args[3], "windows", sizes + OUT_HEIGHT, SIZES - OUT_HEIGHT) &&
         srt_size(args[1], "height", &sizes[HEIGHT]) && srt_size(args[2], "width", &sizes[WIDTH]) &&
         srt_floats(call, args[0], "grad_y", grad_y, 3, &sizes[PLANES], "planes", &sizes[OUT_HEIGHT], "out_height",
                    &sizes[OUT_WIDTH], "out_width");
}

// grad_y, height, width, windows, index -> grad_x
SRT_FUNCTION(max_pool_backward) {
  SRT_TAKES(max_pool_backward, 5);
  srt_call call = {0};
  const float *grad_y;
  float *grad_x;
  ptrdiff_t sizes[SIZES];
  if (!gradient(&call, args, &grad_y, sizes)) return srt_fail(&call);
  // The index is what max_pool_forward gave: nobody else makes one.
  PyArrayObject *index = (PyArrayObject *)args[4];
  if (!PyArray_Check(args[4]) || PyArray_TYPE(index) != NPY_INT32 || !PyArray_ISCARRAY_RO(index) ||
      PyArray_SIZE(index) != sizes[PLANES] * sizes[OUT_HEIGHT] * sizes[OUT_WIDTH]) {
    PyErr_SetString(PyExc_ValueError, "index: expected the index that max_pool_forward gave with this output");
    return srt_fail(&call);
  }
  PyObject *result = srt_new_floats(&call, &grad_x, 3, sizes[PLANES], sizes[HEIGHT], sizes[WIDTH]);
  if (!result) return srt_fail(&call);
  if (sizes[PLANES] == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->max_pool_backward(grad_x, grad_y, (const int32_t *)PyArray_DATA(index), sizes));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, windows, divisor -> y
SRT_FUNCTION(average_pool_forward) {
  SRT_TAKES(average_pool_forward, 3);
  srt_call call = {0};
  const float *x;
  float *y;
  double divisor;
  ptrdiff_t sizes[SIZES];
  if (!(srt_number(args[2], "divisor", &divisor) && windows(&call, args[1], args[0], &x, sizes))) return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 3, sizes[PLANES], sizes[OUT_HEIGHT], sizes[OUT_WIDTH]);
  if (!result) return srt_fail(&call);
  if (sizes[PLANES] == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->average_pool_forward(y, x, sizes, (float)divisor));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_y, height, width, windows, divisor -> grad_x
SRT_FUNCTION(average_pool_backward) {
  SRT_TAKES(average_pool_backward, 5);
  srt_call call = {0};
  const float *grad_y;
  float *grad_x;
  double divisor;
  ptrdiff_t sizes[SIZES];
  if (!(srt_number(args[4], "divisor", &divisor) && gradient(&call, args, &grad_y, sizes))) return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &grad_x, 3, sizes[PLANES], sizes[HEIGHT], sizes[WIDTH]);
  if (!result) return srt_fail(&call);
  if (sizes[PLANES] == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->average_pool_backward(grad_x, grad_y, sizes, (float)divisor));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, out_height, out_width -> y
SRT_FUNCTION(adaptive_pool_forward) {
  SRT_TAKES(adaptive_pool_forward, 3);
  srt_call call = {0};
  const float *x;
  float *y;
  ptrdiff_t planes = -1, height = -1, width = -1, out_height, out_width;
  if (!(srt_size(args[1], "out_height", &out_height) && srt_size(args[2], "out_width", &out_width) &&
        srt_floats(&call, args[0], "x", &x, 3, &planes, "planes", &height, "height", &width, "width")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 3, planes, out_height, out_width);
  if (!result) return srt_fail(&call);
  if (planes == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->adaptive_pool_forward(y, x, planes, height, width, out_height, out_width));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_y, height, width -> grad_x
SRT_FUNCTION(adaptive_pool_backward) {
  SRT_TAKES(adaptive_pool_backward, 3);
  srt_call call = {0};
  const float *grad_y;
  float *grad_x;
  ptrdiff_t planes = -1, height, width, out_height = -1, out_width = -1;
  if (!(srt_size(args[1], "height", &height) && srt_size(args[2], "width", &width) &&
        srt_floats(&call, args[0], "grad_y", &grad_y, 3, &planes, "planes", &out_height, "out_height", &out_width,
                   "out_width")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &grad_x, 3, planes, height, width);
  if (!result) return srt_fail(&call);
  if (planes == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->adaptive_pool_backward(grad_x, grad_y, planes, height, width, out_height, out_width));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_pooling_methods[] = {
    SRT_METHOD(max_pool_forward, "Maxima over windows, and where they were."),
    SRT_METHOD(max_pool_backward, "The gradient of max_pool_forward."),
    SRT_METHOD(average_pool_forward, "Averages over windows."),
    SRT_METHOD(average_pool_backward, "The gradient of average_pool_forward."),
    SRT_METHOD(adaptive_pool_forward, "Averages over windows that share out the plane."),
    SRT_METHOD(adaptive_pool_backward, "The gradient of adaptive_pool_forward."),
    {NULL, NULL, 0, NULL},
};
