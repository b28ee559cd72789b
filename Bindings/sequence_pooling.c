// Pooling over each sequence's own steps: see Pooling over time in include/seriatim.h for the shapes.
#include "binding.h"

enum { MEAN, GREATEST, POSITIVE, KINDS };

// Reads which kinds are wanted, from three flags; gives their number, -1 after an error.
static ptrdiff_t read_kinds(PyObject *const *args, int32_t wanted[KINDS]) {
  const char *names[KINDS] = {"mean", "greatest", "positive"};
  ptrdiff_t count = 0;
  for (int kind = 0; kind < KINDS; kind++) {
    if (!srt_flag(args[kind], names[kind], &wanted[kind])) return -1;
    count += wanted[kind] != 0;
  }
  if (!count) PyErr_SetString(PyExc_ValueError, "kinds: expected at least one kind of pooling, got none");
  return count ? count : -1;
}

// Where each kind's columns begin in rows of all wanted ones side by side; -1 for what is not wanted.
static void place_kinds(const int32_t wanted[KINDS], ptrdiff_t size, ptrdiff_t places[KINDS]) {
  ptrdiff_t next = 0;
  for (int kind = 0; kind < KINDS; kind++) {
    places[kind] = wanted[kind] ? next : -1;
    if (wanted[kind]) next += size;
  }
}

// h, batch_sizes, mean, greatest, positive -> pooled (batch, kinds * size), in this order
SRT_FUNCTION(sequence_pool_forward) {
  SRT_TAKES(sequence_pool_forward, 5);
  srt_call call = {0};
  const float *h;
  const int64_t *batch_sizes;
  float *pooled;
  ptrdiff_t rows = -1, size = -1, steps, places[KINDS];
  int32_t wanted[KINDS];
  const ptrdiff_t kinds = read_kinds(args + 2, wanted);
  if (kinds < 0 || !(srt_floats(&call, args[0], "h", &h, 2, &rows, "rows", &size, "size") &&
                     srt_batch_sizes(&call, args[1], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &pooled, 2, (ptrdiff_t)batch_sizes[0], kinds * size);
  if (!result) return srt_fail(&call);
  place_kinds(wanted, size, places);
  SRT_RUN(status, srt->sequence_pool_forward(wanted[MEAN] ? pooled + places[MEAN] : NULL,
                                             wanted[GREATEST] ? pooled + places[GREATEST] : NULL,
                                             wanted[POSITIVE] ? pooled + places[POSITIVE] : NULL, kinds * size, h,
                                             batch_sizes, steps, size));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_pooled, pooled, h, batch_sizes, mean, greatest, positive -> grad_h
SRT_FUNCTION(sequence_pool_backward) {
  SRT_TAKES(sequence_pool_backward, 7);
  srt_call call = {0};
  const float *grad_pooled, *pooled, *h;
  const int64_t *batch_sizes;
  float *grad_h, *scratch;
  ptrdiff_t rows = -1, size = -1, steps, places[KINDS];
  int32_t wanted[KINDS];
  const ptrdiff_t kinds = read_kinds(args + 4, wanted);
  if (kinds < 0 || !(srt_floats(&call, args[2], "h", &h, 2, &rows, "rows", &size, "size") &&
                     srt_batch_sizes(&call, args[3], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], width = kinds * size;
  if (!(srt_floats(&call, args[0], "grad_pooled", &grad_pooled, 2, &batch, "batch", &width, "kinds * size") &&
        srt_floats(&call, args[1], "pooled", &pooled, 2, &batch, "batch", &width, "kinds * size") &&
        srt_scratch(&call, &scratch, 2 * batch * size)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &grad_h, 2, rows, size);
  if (!result) return srt_fail(&call);
  place_kinds(wanted, size, places);
  SRT_RUN(status, srt->sequence_pool_backward(grad_h, wanted[MEAN] ? grad_pooled + places[MEAN] : NULL,
                                              wanted[GREATEST] ? grad_pooled + places[GREATEST] : NULL,
                                              wanted[GREATEST] ? pooled + places[GREATEST] : NULL, width, h,
                                              batch_sizes, steps, size, scratch));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_sequence_pooling_methods[] = {
    SRT_METHOD(sequence_pool_forward, "The mean, the greatest and the share above 0 of each sequence's own steps."),
    SRT_METHOD(sequence_pool_backward, "The gradient of sequence_pool_forward."),
    {NULL, NULL, 0, NULL},
};
