// One direction of one GRU layer: see GRU in include/seriatim.h for shapes, gate order and the cache.
#include "binding.h"

// weight_ih, weight_hh, bias_ih | None, bias_hh | None, reset_after -> packed
SRT_FUNCTION(gru_pack) {
  SRT_TAKES(gru_pack, 5);
  srt_call call = {0};
  const float *weight_ih, *weight_hh, *bias_ih, *bias_hh;
  float *packed;
  ptrdiff_t gates = -1, in = -1, hidden = -1;
  int32_t reset_after;
  if (!srt_floats(&call, args[1], "weight_hh", &weight_hh, 2, &gates, "3 * hidden_size", &hidden, "hidden_size"))
    return srt_fail(&call);
  gates = 3 * hidden;
  if (!(srt_floats(&call, args[1], "weight_hh", &weight_hh, 2, &gates, "3 * hidden_size", &hidden, "hidden_size") &&
        srt_floats(&call, args[0], "weight_ih", &weight_ih, 2, &gates, "3 * hidden_size", &in, "input_size") &&
        srt_maybe_floats(&call, args[2], "bias_ih", &bias_ih, 1, &gates, "3 * hidden_size") &&
        srt_maybe_floats(&call, args[3], "bias_hh", &bias_hh, 1, &gates, "3 * hidden_size") &&
        srt_flag(args[4], "reset_after", &reset_after)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->gru_packed_size(in, hidden));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->gru_pack(packed, weight_ih, weight_hh, bias_ih, bias_hh, in, hidden, reset_after));
  return srt_finish(&call, status, Py_NewRef(result));
}

// weight_ih, weight_hh, reset_after, need_input -> packed
SRT_FUNCTION(gru_pack_backward) {
  SRT_TAKES(gru_pack_backward, 4);
  srt_call call = {0};
  const float *weight_ih, *weight_hh;
  float *packed;
  ptrdiff_t gates = -1, in = -1, hidden = -1;
  int32_t reset_after, need_input;
  if (!(srt_floats(&call, args[1], "weight_hh", &weight_hh, 2, &gates, "3 * hidden_size", &hidden, "hidden_size") &&
        srt_floats(&call, args[0], "weight_ih", &weight_ih, 2, &gates, "3 * hidden_size", &in, "input_size") &&
        srt_flag(args[2], "reset_after", &reset_after) && srt_flag(args[3], "need_input", &need_input)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->gru_packed_backward_size(in, hidden));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->gru_pack_backward(packed, need_input ? weight_ih : NULL, weight_hh, in, hidden, reset_after));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, batch_sizes, h0 | None, packed, hidden_size, reset_after, reverse, training, out | None -> y, h_n, cache | None
SRT_FUNCTION(gru_forward) {
  SRT_TAKES(gru_forward, 9);
  srt_call call = {0};
  const float *x, *h0, *packed;
  const int64_t *batch_sizes;
  float *y, *h_n, *cache = NULL, *scratch;
  ptrdiff_t rows = -1, in = -1, steps, hidden, stride;
  int32_t reset_after, reverse, training;
  PyObject *output = args[8], *kept = Py_None;
  if (!(srt_size(args[4], "hidden_size", &hidden) && srt_flag(args[5], "reset_after", &reset_after) &&
        srt_flag(args[6], "reverse", &reverse) && srt_flag(args[7], "training", &training) &&
        srt_floats(&call, args[0], "x", &x, 2, &rows, "rows", &in, "input_size") &&
        srt_batch_sizes(&call, args[1], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], packed_size = srt->gru_packed_size(in, hidden);
  if (!(srt_maybe_floats(&call, args[2], "h0", &h0, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_floats(&call, args[3], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_scratch(&call, &scratch, srt->gru_forward_scratch(hidden, batch, rows, steps, training))))
    return srt_fail(&call);
  if (output == Py_None) {
    if (!(output = srt_new_floats(&call, &y, 2, rows, hidden))) return srt_fail(&call);
    stride = hidden;
  } else if (!srt_output_rows(&call, output, "out", &y, &stride, &rows, &hidden)) {
    return srt_fail(&call);
  }
  PyObject *final = srt_new_floats(&call, &h_n, 2, batch, hidden);
  if (!final) return srt_fail(&call);
  if (training && !(kept = srt_new_floats(&call, &cache, 2, rows, srt->gru_cache_stride(hidden)))) return srt_fail(&call);
  SRT_RUN(status, srt->gru_forward(y, stride, h_n, cache, x, batch_sizes, steps, h0, packed, in, hidden, reset_after,
                                   reverse, scratch));
  return srt_finish(&call, status, PyTuple_Pack(3, output, final, kept));
}

// grad_y | None, grad_h_n | None, cache, x, y, batch_sizes, h0 | None, packed, hidden_size, reset_after, reverse,
// need_input, need_state, grad_weight_ih, grad_weight_hh, grad_bias_ih | None, grad_bias_hh | None, accumulate,
// grad_x to add to | None -> grad_x | None, grad_h0 | None
SRT_FUNCTION(gru_backward) {
  SRT_TAKES(gru_backward, 19);
  srt_call call = {0};
  const float *grad_y = NULL, *grad_h_n, *x, *y, *h0, *packed;
  const int64_t *batch_sizes;
  float *cache, *grad_x = NULL, *grad_h0 = NULL, *grad_weight_ih, *grad_weight_hh, *grad_bias_ih, *grad_bias_hh, *scratch;
  ptrdiff_t rows = -1, in = -1, steps, hidden, stride, grad_stride = 0;
  int32_t reset_after, reverse, need_input, need_state, accumulate;
  PyObject *for_x = Py_None, *for_h0 = Py_None;
  if (!(srt_size(args[8], "hidden_size", &hidden) && srt_flag(args[9], "reset_after", &reset_after) &&
        srt_flag(args[10], "reverse", &reverse) && srt_flag(args[11], "need_input", &need_input) &&
        srt_flag(args[12], "need_state", &need_state) && srt_flag(args[17], "accumulate", &accumulate) &&
        srt_floats(&call, args[3], "x", &x, 2, &rows, "rows", &in, "input_size") &&
        srt_batch_sizes(&call, args[5], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], gates = 3 * hidden, cache_stride = srt->gru_cache_stride(hidden);
  ptrdiff_t packed_size = srt->gru_packed_backward_size(in, hidden);
  if (args[0] != Py_None && !srt_rows(&call, args[0], "grad_y", &grad_y, &grad_stride, &rows, &hidden))
    return srt_fail(&call);
  if (!(srt_maybe_floats(&call, args[1], "grad_h_n", &grad_h_n, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_output(&call, args[2], "cache", &cache, 2, &rows, "rows", &cache_stride, "cache_stride") &&
        srt_rows(&call, args[4], "y", &y, &stride, &rows, &hidden) &&
        srt_maybe_floats(&call, args[6], "h0", &h0, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_floats(&call, args[7], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_output(&call, args[13], "grad_weight_ih", &grad_weight_ih, 2, &gates, "3 * hidden_size", &in, "input_size") &&
        srt_output(&call, args[14], "grad_weight_hh", &grad_weight_hh, 2, &gates, "3 * hidden_size", &hidden,
                   "hidden_size") &&
        srt_maybe_output(&call, args[15], "grad_bias_ih", &grad_bias_ih, 1, &gates, "3 * hidden_size") &&
        srt_maybe_output(&call, args[16], "grad_bias_hh", &grad_bias_hh, 1, &gates, "3 * hidden_size") &&
        srt_scratch(&call, &scratch, srt->gru_backward_scratch(hidden, batch, rows))))
    return srt_fail(&call);
  if (need_input && !(for_x = srt_output_or_new(&call, args[18], "grad_x", &grad_x, rows, "rows", in, "input_size")))
    return srt_fail(&call);
  if (need_state && !(for_h0 = srt_new_floats(&call, &grad_h0, 2, batch, hidden))) return srt_fail(&call);
  SRT_RUN(status,
          srt->gru_backward(grad_x, grad_h0, grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh, accumulate,
                            args[18] != Py_None, grad_y, grad_stride, grad_h_n, cache, x, y, stride, batch_sizes, steps, h0, packed, in, hidden,
                            reset_after, reverse, scratch));
  return srt_finish(&call, status, PyTuple_Pack(2, for_x, for_h0));
}

PyMethodDef srt_gru_methods[] = {
    SRT_METHOD(gru_pack, "Packs weights and biases for gru_forward."),
    SRT_METHOD(gru_pack_backward, "Packs weights for gru_backward."),
    SRT_METHOD(gru_forward, "One direction of one layer over a packed ragged batch."),
    SRT_METHOD(gru_backward, "The gradients of gru_forward; overwrites its cache."),
    {NULL, NULL, 0, NULL},
};
