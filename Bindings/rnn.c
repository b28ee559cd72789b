// One direction of one RNN layer: see RNN in include/seriatim.h for shapes.
#include "binding.h"

// weight_ih, weight_hh, bias_ih | None, bias_hh | None -> packed
SRT_FUNCTION(rnn_pack) {
  SRT_TAKES(rnn_pack, 4);
  srt_call call = {0};
  const float *weight_ih, *weight_hh, *bias_ih, *bias_hh;
  float *packed;
  ptrdiff_t in = -1, hidden = -1;
  if (!(srt_floats(&call, args[0], "weight_ih", &weight_ih, 2, &hidden, "hidden_size", &in, "input_size") &&
        srt_floats(&call, args[1], "weight_hh", &weight_hh, 2, &hidden, "hidden_size", &hidden, "hidden_size") &&
        srt_maybe_floats(&call, args[2], "bias_ih", &bias_ih, 1, &hidden, "hidden_size") &&
        srt_maybe_floats(&call, args[3], "bias_hh", &bias_hh, 1, &hidden, "hidden_size")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->rnn_packed_size(in, hidden));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->rnn_pack(packed, weight_ih, weight_hh, bias_ih, bias_hh, in, hidden));
  return srt_finish(&call, status, Py_NewRef(result));
}

// weight_ih, weight_hh, need_input -> packed
SRT_FUNCTION(rnn_pack_backward) {
  SRT_TAKES(rnn_pack_backward, 3);
  srt_call call = {0};
  const float *weight_ih, *weight_hh;
  float *packed;
  ptrdiff_t in = -1, hidden = -1;
  int32_t need_input;
  if (!(srt_floats(&call, args[0], "weight_ih", &weight_ih, 2, &hidden, "hidden_size", &in, "input_size") &&
        srt_floats(&call, args[1], "weight_hh", &weight_hh, 2, &hidden, "hidden_size", &hidden, "hidden_size") &&
        srt_flag(args[2], "need_input", &need_input)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->rnn_packed_backward_size(in, hidden));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->rnn_pack_backward(packed, need_input ? weight_ih : NULL, weight_hh, in, hidden));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, batch_sizes, h0 | None, packed, hidden_size, rectifies, reverse, out | None -> y, h_n
SRT_FUNCTION(rnn_forward) {
  SRT_TAKES(rnn_forward, 8);
  srt_call call = {0};
  const float *x, *h0, *packed;
  const int64_t *batch_sizes;
  float *y, *h_n, *scratch;
  ptrdiff_t rows = -1, in = -1, steps, hidden, stride;
  int32_t rectifies, reverse;
  PyObject *output = args[7];
  if (!(srt_size(args[4], "hidden_size", &hidden) && srt_flag(args[5], "rectifies", &rectifies) &&
        srt_flag(args[6], "reverse", &reverse) &&
        srt_floats(&call, args[0], "x", &x, 2, &rows, "rows", &in, "input_size") &&
        srt_batch_sizes(&call, args[1], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], packed_size = srt->rnn_packed_size(in, hidden);
  if (!(srt_maybe_floats(&call, args[2], "h0", &h0, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_floats(&call, args[3], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_scratch(&call, &scratch, srt->rnn_forward_scratch(rows))))
    return srt_fail(&call);
  if (output == Py_None) {
    if (!(output = srt_new_floats(&call, &y, 2, rows, hidden))) return srt_fail(&call);
    stride = hidden;
  } else if (!srt_output_rows(&call, output, "out", &y, &stride, &rows, &hidden)) {
    return srt_fail(&call);
  }
  PyObject *final = srt_new_floats(&call, &h_n, 2, batch, hidden);
  if (!final) return srt_fail(&call);
  SRT_RUN(status,
          srt->rnn_forward(y, stride, h_n, x, batch_sizes, steps, h0, packed, in, hidden, rectifies, reverse, scratch));
  return srt_finish(&call, status, PyTuple_Pack(2, output, final));
}

// grad_y | None, grad_h_n | None, x, y, batch_sizes, h0 | None, packed, hidden_size, rectifies, reverse, need_input,
// need_state, grad_weight_ih, grad_weight_hh, grad_bias_ih | None, grad_bias_hh | None, accumulate,
// grad_x to add to | None -> grad_x | None, grad_h0 | None
SRT_FUNCTION(rnn_backward) {
  SRT_TAKES(rnn_backward, 18);
  srt_call call = {0};
  const float *grad_y = NULL, *grad_h_n, *x, *y, *h0, *packed;
  const int64_t *batch_sizes;
  float *grad_x = NULL, *grad_h0 = NULL, *grad_weight_ih, *grad_weight_hh, *grad_bias_ih, *grad_bias_hh, *scratch;
  ptrdiff_t rows = -1, in = -1, steps, hidden, stride, grad_stride = 0;
  int32_t rectifies, reverse, need_input, need_state, accumulate;
  PyObject *for_x = Py_None, *for_h0 = Py_None;
  if (!(srt_size(args[7], "hidden_size", &hidden) && srt_flag(args[8], "rectifies", &rectifies) &&
        srt_flag(args[9], "reverse", &reverse) && srt_flag(args[10], "need_input", &need_input) &&
        srt_flag(args[11], "need_state", &need_state) && srt_flag(args[16], "accumulate", &accumulate) &&
        srt_floats(&call, args[2], "x", &x, 2, &rows, "rows", &in, "input_size") &&
        srt_batch_sizes(&call, args[4], &batch_sizes, &steps, &rows)))
    return srt_fail(&call);
  ptrdiff_t batch = (ptrdiff_t)batch_sizes[0], packed_size = srt->rnn_packed_backward_size(in, hidden);
  if (args[0] != Py_None && !srt_rows(&call, args[0], "grad_y", &grad_y, &grad_stride, &rows, &hidden))
    return srt_fail(&call);
  if (!(srt_maybe_floats(&call, args[1], "grad_h_n", &grad_h_n, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_rows(&call, args[3], "y", &y, &stride, &rows, &hidden) &&
        srt_maybe_floats(&call, args[5], "h0", &h0, 2, &batch, "batch", &hidden, "hidden_size") &&
        srt_floats(&call, args[6], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_output(&call, args[12], "grad_weight_ih", &grad_weight_ih, 2, &hidden, "hidden_size", &in, "input_size") &&
        srt_output(&call, args[13], "grad_weight_hh", &grad_weight_hh, 2, &hidden, "hidden_size", &hidden,
                   "hidden_size") &&
        srt_maybe_output(&call, args[14], "grad_bias_ih", &grad_bias_ih, 1, &hidden, "hidden_size") &&
        srt_maybe_output(&call, args[15], "grad_bias_hh", &grad_bias_hh, 1, &hidden, "hidden_size") &&
        srt_scratch(&call, &scratch, srt->rnn_backward_scratch(hidden, batch, rows))))
    return srt_fail(&call);
  if (need_input && !(for_x = srt_output_or_new(&call, args[17], "grad_x", &grad_x, rows, "rows", in, "input_size")))
    return srt_fail(&call);
  if (need_state && !(for_h0 = srt_new_floats(&call, &grad_h0, 2, batch, hidden))) return srt_fail(&call);
  SRT_RUN(status, srt->rnn_backward(grad_x, grad_h0, grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh, accumulate,
                                    args[17] != Py_None, grad_y, grad_stride, grad_h_n, x, y, stride, batch_sizes, steps,
                                    h0, packed, in, hidden, rectifies, reverse, scratch));
  return srt_finish(&call, status, PyTuple_Pack(2, for_x, for_h0));
}

PyMethodDef srt_rnn_methods[] = {
    SRT_METHOD(rnn_pack, "Packs weights and biases for rnn_forward."),
    SRT_METHOD(rnn_pack_backward, "Packs weights for rnn_backward."),
    SRT_METHOD(rnn_forward, "One direction of one layer over a packed ragged batch."),
    SRT_METHOD(rnn_backward, "The gradients of rnn_forward."),
    {NULL, NULL, 0, NULL},
};
