// One direction of one LSTM layer: see LSTM in include/seriatim.h for shapes, gate order and the cache.
#include "binding.h"

// The parameters, as both packing functions take them; `state` is the projection's size or else hidden_size.
typedef struct {
  const float *weight_ih, *weight_hh, *weight_hr;
  ptrdiff_t in, hidden, gates, state, projection;
} lstm_weights;

static bool read_weights(srt_call *call, PyObject *weight_ih, PyObject *weight_hh, PyObject *weight_hr, lstm_weights *w) {
  w->in = w->gates = w->state = -1;
  w->projection = 0;
  if (!srt_floats(call, weight_hh, "weight_hh", &w->weight_hh, 2, &w->gates, "4 * hidden_size", &w->state, "state_size"))
    return false;
  // Without a projection the state's size is hidden_size; with one, the projection tells it.
  w->hidden = weight_hr == Py_None ? w->state : w->gates / 4;
  w->gates = 4 * w->hidden;
  if (weight_hr != Py_None) w->projection = w->state;
  return srt_floats(call, weight_hh, "weight_hh", &w->weight_hh, 2, &w->gates, "4 * hidden_size", &w->state,
                    "state_size") &&
         srt_floats(call, weight_ih, "weight_ih", &w->weight_ih, 2, &w->gates, "4 * hidden_size", &w->in, "input_size") &&
         srt_maybe_floats(call, weight_hr, "weight_hr", &w->weight_hr, 2, &w->state, "proj_size", &w->hidden,
                          "hidden_size");
}

// weight_ih, weight_hh, bias_ih | None, bias_hh | None, weight_hr | None -> packed
SRT_FUNCTION(lstm_pack) {
  SRT_TAKES(lstm_pack, 5);
  srt_call call = {0};
  lstm_weights w;
  const float *bias_ih, *bias_hh;
  float *packed;
  if (!(read_weights(&call, args[0], args[1], args[4], &w) &&
        srt_maybe_floats(&call, args[2], "bias_ih", &bias_ih, 1, &w.gates, "4 * hidden_size") &&
        srt_maybe_floats(&call, args[3], "bias_hh", &bias_hh, 1, &w.gates, "4 * hidden_size")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->lstm_packed_size(w.in, w.hidden, w.projection));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->lstm_pack(packed, w.weight_ih, w.weight_hh, bias_ih, bias_hh, w.weight_hr, w.in, w.hidden,
                                 w.projection));
  return srt_finish(&call, status, Py_NewRef(result));
}

// weight_ih, weight_hh, weight_hr | None, need_input -> packed
SRT_FUNCTION(lstm_pack_backward) {
  SRT_TAKES(lstm_pack_backward, 4);
  srt_call call = {0};
  lstm_weights w;
  float *packed;
  int32_t need_input;
  if (!(read_weights(&call, args[0], args[1], args[2], &w) && srt_flag(args[3], "need_input", &need_input)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->lstm_packed_backward_size(w.in, w.hidden, w.projection));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->lstm_pack_backward(packed, need_input ? w.weight_ih : NULL, w.weight_hh, w.weight_hr, w.in,
                                          w.hidden, w.projection));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, batch_sizes, h0 | None, c0 | None, packed, hidden_size, proj_size, reverse, training, out | None
//   -> y, h_n, c_n, cache | None
SRT_FUNCTION(lstm_forward) {
  SRT_TAKES(lstm_forward, 10);
  srt_call call = {0};
  const float *x, *h0, *c0, *packed;
  const int64_t *batch_sizes;
  float *y, *h_n, *c_n, *cache = NULL, *scratch;
  ptrdiff_t rows = -1, in = -1, steps, hidden, projection, stride;
  int32_t reverse, training;
  PyObject *output = args[9], *kept = Py_None;
  if (!(srt_size(args[5], "hidden_size", &hidden) && srt_count(args[6], "proj_size", &projection) &&
        srt_flag(args[7], "reverse", &reverse) && srt_flag(args[8], "training", &training) &&
        srt_floats(&call, args[0], "x", &x, 2, &rows, "rows", &in, "input_size") &&
        srt_batch_sizes(&call, args[1], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], state = projection ? projection : hidden;
  ptrdiff_t packed_size = srt->lstm_packed_size(in, hidden, projection);
  if (!(srt_maybe_floats(&call, args[2], "h0", &h0, 2, &batch, "batch", &state, "state_size") &&
        srt_maybe_floats(&call, args[3], "c0", &c0, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_floats(&call, args[4], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_scratch(&call, &scratch, srt->lstm_forward_scratch(hidden, projection, batch, rows, steps, training))))
    return srt_fail(&call);
  if (output == Py_None) {
    if (!(output = srt_new_floats(&call, &y, 2, rows, state))) return srt_fail(&call);
    stride = state;
  } else if (!srt_output_rows(&call, output, "out", &y, &stride, &rows, &state)) {
    return srt_fail(&call);
  }
  PyObject *final = srt_new_floats(&call, &h_n, 2, batch, state);
  PyObject *final_cell = final ? srt_new_floats(&call, &c_n, 2, batch, hidden) : NULL;
  if (!final_cell) return srt_fail(&call);
  if (training && !(kept = srt_new_floats(&call, &cache, 2, rows, srt->lstm_cache_stride(hidden, projection))))
    return srt_fail(&call);
  SRT_RUN(status, srt->lstm_forward(y, stride, h_n, c_n, cache, x, batch_sizes, steps, h0, c0, packed, in, hidden,
                                    projection, reverse, scratch));
  return srt_finish(&call, status, PyTuple_Pack(4, output, final, final_cell, kept));
}

// grad_y | None, grad_h_n | None, grad_c_n | None, cache, x, y, batch_sizes, h0 | None, c0 | None, packed, hidden_size,
// proj_size, reverse, need_input, need_state, grad_weight_ih, grad_weight_hh, grad_bias_ih | None, grad_bias_hh | None,
// grad_weight_hr | None, accumulate, grad_x to add to | None -> grad_x | None, grad_h0 | None, grad_c0 | None
SRT_FUNCTION(lstm_backward) {
  SRT_TAKES(lstm_backward, 22);
  srt_call call = {0};
  const float *grad_y = NULL, *grad_h_n, *grad_c_n, *x, *y, *h0, *c0, *packed;
  const int64_t *batch_sizes;
  float *cache, *grad_x = NULL, *grad_h0 = NULL, *grad_c0 = NULL, *scratch;
  float *grad_weight_ih, *grad_weight_hh, *grad_bias_ih, *grad_bias_hh, *grad_weight_hr;
  ptrdiff_t rows = -1, in = -1, steps, hidden, projection, stride, grad_stride = 0;
  int32_t reverse, need_input, need_state, accumulate;
  PyObject *for_x = Py_None, *for_h0 = Py_None, *for_c0 = Py_None;
  if (!(srt_size(args[10], "hidden_size", &hidden) && srt_count(args[11], "proj_size", &projection) &&
        srt_flag(args[12], "reverse", &reverse) && srt_flag(args[13], "need_input", &need_input) &&
        srt_flag(args[14], "need_state", &need_state) && srt_flag(args[20], "accumulate", &accumulate) &&
        srt_floats(&call, args[4], "x", &x, 2, &rows, "rows", &in, "input_size") &&
        srt_batch_sizes(&call, args[6], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], gates = 4 * hidden, state = projection ? projection : hidden;
  ptrdiff_t cache_stride = srt->lstm_cache_stride(hidden, projection);
  ptrdiff_t packed_size = srt->lstm_packed_backward_size(in, hidden, projection);
  if (args[0] != Py_None && !srt_rows(&call, args[0], "grad_y", &grad_y, &grad_stride, &rows, &state))
    return srt_fail(&call);
  if (!(srt_maybe_floats(&call, args[1], "grad_h_n", &grad_h_n, 2, &batch, "batch", &state, "state_size") &&
        srt_maybe_floats(&call, args[2], "grad_c_n", &grad_c_n, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_output(&call, args[3], "cache", &cache, 2, &rows, "rows", &cache_stride, "cache_stride") &&
        srt_rows(&call, args[5], "y", &y, &stride, &rows, &state) &&
        srt_maybe_floats(&call, args[7], "h0", &h0, 2, &batch, "batch", &state, "state_size") &&
        srt_maybe_floats(&call, args[8], "c0", &c0, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_floats(&call, args[9], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_output(&call, args[15], "grad_weight_ih", &grad_weight_ih, 2, &gates, "4 * hidden_size", &in, "input_size") &&
        srt_output(&call, args[16], "grad_weight_hh", &grad_weight_hh, 2, &gates, "4 * hidden_size", &state,
                   "state_size") &&
        srt_maybe_output(&call, args[17], "grad_bias_ih", &grad_bias_ih, 1, &gates, "4 * hidden_size") &&
        srt_maybe_output(&call, args[18], "grad_bias_hh", &grad_bias_hh, 1, &gates, "4 * hidden_size") &&
        srt_maybe_output(&call, args[19], "grad_weight_hr", &grad_weight_hr, 2, &state, "proj_size", &hidden,
                         "hidden_size") &&
        srt_scratch(&call, &scratch, srt->lstm_backward_scratch(hidden, projection, batch, rows))))
    return srt_fail(&call);
  if (need_input && !(for_x = srt_output_or_new(&call, args[21], "grad_x", &grad_x, rows, "rows", in, "input_size")))
    return srt_fail(&call);
  if (need_state && !((for_h0 = srt_new_floats(&call, &grad_h0, 2, batch, state)) &&
                      (for_c0 = srt_new_floats(&call, &grad_c0, 2, batch, hidden))))
    return srt_fail(&call);
  SRT_RUN(status, srt->lstm_backward(grad_x, grad_h0, grad_c0, grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh,
                                     grad_weight_hr, accumulate, args[21] != Py_None, grad_y, grad_stride, grad_h_n,
                                     grad_c_n, cache, x, y, stride, batch_sizes, steps, h0, c0, packed, in, hidden,
                                     projection, reverse, scratch));
  return srt_finish(&call, status, PyTuple_Pack(3, for_x, for_h0, for_c0));
}

PyMethodDef srt_lstm_methods[] = {
    SRT_METHOD(lstm_pack, "Packs weights and biases for lstm_forward."),
    SRT_METHOD(lstm_pack_backward, "Packs weights for lstm_backward."),
    SRT_METHOD(lstm_forward, "One direction of one layer over a packed ragged batch."),
    SRT_METHOD(lstm_backward, "The gradients of lstm_forward; overwrites its cache."),
    {NULL, NULL, 0, NULL},
};
