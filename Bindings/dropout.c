// Dropout: see Dropout in include/seriatim.h.
#include "binding.h"

// x, p, seed, offset -> y
SRT_FUNCTION(dropout) {
  SRT_TAKES(dropout, 4);
  srt_call call = {0};
  const float *x;
  float *y;
  ptrdiff_t size;
  double p;
  uint64_t seed, offset;
  PyObject *array;
  if (!(srt_number(args[1], "p", &p) && srt_word(args[2], "seed", &seed) && srt_word(args[3], "offset", &offset) &&
        srt_flat(&call, args[0], "x", &x, &size, &array)))
    return srt_fail(&call);
  if (!(p >= 0 && p < 1)) {
    PyErr_Format(PyExc_ValueError, "p: expected a probability in [0, 1), got %R", args[1]);
    return srt_fail(&call);
  }
  PyObject *result = srt_new_like(&call, array, &y);
  if (!result) return srt_fail(&call);
  if (size == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  const uint32_t threshold = (uint32_t)(p * 4294967296.0);
  SRT_RUN(status, srt->dropout(y, x, size, threshold, (float)(1.0 / (1.0 - p)), seed, offset));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_dropout_methods[] = {
    SRT_METHOD(dropout, "x / (1 - p) where the element's random word says so, else 0."),
    {NULL, NULL, 0, NULL},
};
