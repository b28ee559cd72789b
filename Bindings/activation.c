// Activations of whole arrays: see Activations in include/seriatim.h.
#include "binding.h"

// x, activation, slope -> y
SRT_FUNCTION(activation_forward) {
  SRT_TAKES(activation_forward, 3);
  srt_call call = {0};
  const float *x;
  float *y;
  ptrdiff_t size, activation;
  double slope;
  PyObject *array;
  if (!(srt_count(args[1], "activation", &activation) && srt_number(args[2], "slope", &slope) &&
        srt_flat(&call, args[0], "x", &x, &size, &array)))
    return srt_fail(&call);
  PyObject *result = srt_new_like(&call, array, &y);
  if (!result) return srt_fail(&call);
  if (size == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->activation_forward(y, x, size, (int32_t)activation, (float)slope));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_y, x, y, activation, slope -> grad_x
SRT_FUNCTION(activation_backward) {
  SRT_TAKES(activation_backward, 5);
  srt_call call = {0};
  const float *grad_y, *x, *y;
  float *grad_x;
  ptrdiff_t size, inputs, outputs, activation;
  double slope;
  PyObject *array;
  if (!(srt_count(args[3], "activation", &activation) && srt_number(args[4], "slope", &slope) &&
        srt_flat(&call, args[0], "grad_y", &grad_y, &size, &array) && srt_flat(&call, args[1], "x", &x, &inputs, NULL) &&
        srt_flat(&call, args[2], "y", &y, &outputs, NULL)))
    return srt_fail(&call);
  if (size != outputs || size != inputs) {
    PyErr_Format(PyExc_ValueError, "grad_y: expected %zd elements, as many as y has, got %zd", outputs, size);
    return srt_fail(&call);
  }
  PyObject *result = srt_new_like(&call, array, &grad_x);
  if (!result) return srt_fail(&call);
  if (size == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->activation_backward(grad_x, grad_y, x, y, size, (int32_t)activation, (float)slope));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x (rows, columns), logarithm -> y
SRT_FUNCTION(softmax_forward) {
  SRT_TAKES(softmax_forward, 2);
  srt_call call = {0};
  const float *x;
  float *y;
  ptrdiff_t rows = -1, columns = -1;
  int32_t logarithm;
  if (!(srt_flag(args[1], "logarithm", &logarithm) &&
        srt_floats(&call, args[0], "x", &x, 2, &rows, "rows", &columns, "classes")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 2, rows, columns);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->softmax_forward(y, x, rows, columns, logarithm));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_y, y, logarithm -> grad_x
SRT_FUNCTION(softmax_backward) {
  SRT_TAKES(softmax_backward, 3);
  srt_call call = {0};
  const float *grad_y, *y;
  float *grad_x;
  ptrdiff_t rows = -1, columns = -1;
  int32_t logarithm;
  if (!(srt_flag(args[2], "logarithm", &logarithm) &&
        srt_floats(&call, args[1], "y", &y, 2, &rows, "rows", &columns, "classes") &&
        srt_floats(&call, args[0], "grad_y", &grad_y, 2, &rows, "rows", &columns, "classes")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &grad_x, 2, rows, columns);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->softmax_backward(grad_x, grad_y, y, rows, columns, logarithm));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_activation_methods[] = {
    SRT_METHOD(activation_forward, "An activation of every element."),
    SRT_METHOD(activation_backward, "The gradient of activation_forward."),
    SRT_METHOD(softmax_forward, "Softmax of every row, or its logarithm."),
    SRT_METHOD(softmax_backward, "The gradient of softmax_forward."),
    {NULL, NULL, 0, NULL},
};
