// Attention over each sequence's own steps: see Attention in include/seriatim.h for the shapes.
#include "binding.h"

// query, h, batch_sizes -> context, weights
SRT_FUNCTION(attention_forward) {
  SRT_TAKES(attention_forward, 3);
  srt_call call = {0};
  const float *query, *h;
  const int64_t *batch_sizes;
  float *context, *weights;
  ptrdiff_t rows = -1, size = -1, steps;
  if (!(srt_floats(&call, args[1], "h", &h, 2, &rows, "rows", &size, "size") &&
        srt_batch_sizes(&call, args[2], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0];
  if (!srt_floats(&call, args[0], "query", &query, 2, &batch, "batch", &size, "size")) return srt_fail(&call);
  PyObject *first = srt_new_floats(&call, &context, 2, batch, size);
  PyObject *second = first ? srt_new_floats(&call, &weights, 1, rows) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->attention_forward(context, weights, query, h, batch_sizes, steps, size));
  return srt_finish(&call, status, PyTuple_Pack(2, first, second));
}

// grad_context, query, h, weights, batch_sizes -> grad_query, grad_h
SRT_FUNCTION(attention_backward) {
  SRT_TAKES(attention_backward, 5);
  srt_call call = {0};
  const float *grad_context, *query, *h, *weights;
  const int64_t *batch_sizes;
  float *grad_query, *grad_h, *scratch;
  ptrdiff_t rows = -1, size = -1, steps;
  if (!(srt_floats(&call, args[2], "h", &h, 2, &rows, "rows", &size, "size") &&
        srt_batch_sizes(&call, args[4], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0];
  if (!(srt_floats(&call, args[0], "grad_context", &grad_context, 2, &batch, "batch", &size, "size") &&
        srt_floats(&call, args[1], "query", &query, 2, &batch, "batch", &size, "size") &&
        srt_floats(&call, args[3], "weights", &weights, 1, &rows, "rows") && srt_scratch(&call, &scratch, rows)))
    return srt_fail(&call);
  PyObject *first = srt_new_floats(&call, &grad_query, 2, batch, size);
  PyObject *second = first ? srt_new_floats(&call, &grad_h, 2, rows, size) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->attention_backward(grad_query, grad_h, grad_context, query, h, weights, batch_sizes, steps, size,
                                          scratch));
  return srt_finish(&call, status, PyTuple_Pack(2, first, second));
}

PyMethodDef srt_attention_methods[] = {
    SRT_METHOD(attention_forward, "Softmax over each sequence's own steps of query . h, and the weighted sum of h."),
    SRT_METHOD(attention_backward, "The gradients of attention_forward."),
    {NULL, NULL, 0, NULL},
};
