// Pooling over each sequence's own steps: see Pooling over time in include/seriatim.h for the shapes.
#include "binding.h"

// h, batch_sizes, mean, greatest -> pooled (batch, (mean + greatest) * size): the mean first
SRT_FUNCTION(sequence_pool_forward) {
  SRT_TAKES(sequence_pool_forward, 4);
  srt_call call = {0};
  const float *h;
  const int64_t *batch_sizes;
  float *pooled;
  ptrdiff_t rows = -1, size = -1, steps;
  int32_t mean, greatest;
  if (!(srt_flag(args[2], "mean", &mean) && srt_flag(args[3], "greatest", &greatest) &&
        srt_floats(&call, args[0], "h", &h, 2, &rows, "rows", &size, "size") &&
        srt_batch_sizes(&call, args[1], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t parts = (mean != 0) + (greatest != 0), stride = (parts ? parts : 1) * size;
  PyObject *result = srt_new_floats(&call, &pooled, 2, (ptrdiff_t)batch_sizes[0], parts * size);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->sequence_pool_forward(mean ? pooled : NULL, greatest ? pooled + stride - size : NULL, stride, h,
                                             batch_sizes, steps, size));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_pooled, pooled, h, batch_sizes, mean, greatest -> grad_h
SRT_FUNCTION(sequence_pool_backward) {
  SRT_TAKES(sequence_pool_backward, 6);
  srt_call call = {0};
  const float *grad_pooled, *pooled, *h;
  const int64_t *batch_sizes;
  float *grad_h, *scratch;
  ptrdiff_t rows = -1, size = -1, steps;
  int32_t mean, greatest;
  if (!(srt_flag(args[4], "mean", &mean) && srt_flag(args[5], "greatest", &greatest) &&
        srt_floats(&call, args[2], "h", &h, 2, &rows, "rows", &size, "size") &&
        srt_batch_sizes(&call, args[3], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], parts = (mean != 0) + (greatest != 0), width = parts * size;
  ptrdiff_t stride = (parts ? parts : 1) * size, second = stride - size;
  if (!(srt_floats(&call, args[0], "grad_pooled", &grad_pooled, 2, &batch, "batch", &width, "parts * size") &&
        srt_floats(&call, args[1], "pooled", &pooled, 2, &batch, "batch", &width, "parts * size") &&
        srt_scratch(&call, &scratch, 2 * batch * size)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &grad_h, 2, rows, size);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->sequence_pool_backward(grad_h, mean ? grad_pooled : NULL, greatest ? grad_pooled + second : NULL,
                                              greatest ? pooled + second : NULL, stride, h, batch_sizes, steps, size,
                                              scratch));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_sequence_pooling_methods[] = {
    SRT_METHOD(sequence_pool_forward, "The mean and the greatest of each sequence's own steps."),
    SRT_METHOD(sequence_pool_backward, "The gradient of sequence_pool_forward."),
    {NULL, NULL, 0, NULL},
};
