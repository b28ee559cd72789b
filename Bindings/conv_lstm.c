// Convolutional LSTM: see Convolutional recurrences in include/seriatim.h for the shapes.
#include "conv_recurrent.h"

SRT_CONV_PACK(conv_lstm, 4)

// gates, h0 | None, c0 | None, packed, bias | None, kernel_size, hard -> y, cells; gates is written to
SRT_FUNCTION(conv_lstm_forward) {
  SRT_TAKES(conv_lstm_forward, 7);
  srt_call call = {0};
  const float *h0, *c0, *packed, *bias;
  float *gates, *y, *cells, *scratch;
  ptrdiff_t sizes[SIZES];
  int32_t hard;
  if (!(srt_flag(args[6], "hard", &hard) && srt_size(args[5], "kernel_size", &sizes[KERNEL]) &&
        srt_gates(&call, args[0], "gates", &gates, 4, sizes) &&
        srt_maybe_floats(&call, args[1], "h0", &h0, SRT_STATE(sizes)) &&
        srt_maybe_floats(&call, args[2], "c0", &c0, SRT_STATE(sizes))))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->conv_lstm_packed_size(sizes, 0), rows = 4 * sizes[HIDDEN];
  if (!(srt_floats(&call, args[3], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_floats(&call, args[4], "bias", &bias, 1, &rows, "4 * hidden_size") &&
        srt_scratch(&call, &scratch, srt->conv_lstm_forward_scratch(sizes))))
    return srt_fail(&call);
  PyObject *result = SRT_NEW_STATES(&call, &y, sizes);
  PyObject *second = result ? SRT_NEW_STATES(&call, &cells, sizes) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->conv_lstm_forward(y, cells, gates, h0, c0, packed, bias, sizes, hard, scratch));
  return srt_finish(&call, status, PyTuple_Pack(2, result, second));
}

// grad_y, grad_h_n | None, grad_c_n | None, gates, y, cells, h0 | None, c0 | None, packed, kernel_size, hard,
// grad_weight | None, grad_bias | None, accumulate -> grad_h0, grad_c0; gates becomes the gradient of the input part
SRT_FUNCTION(conv_lstm_backward) {
  SRT_TAKES(conv_lstm_backward, 14);
  srt_call call = {0};
  const float *grad_y, *grad_state, *grad_cell, *y, *cells, *h0, *c0, *packed;
  float *gates, *grad_weight, *grad_bias, *grad_h0, *grad_c0, *scratch;
  ptrdiff_t sizes[SIZES];
  int32_t hard, accumulate;
  if (!(srt_flag(args[10], "hard", &hard) && srt_flag(args[13], "accumulate", &accumulate) &&
        srt_size(args[9], "kernel_size", &sizes[KERNEL]) && srt_gates(&call, args[3], "gates", &gates, 4, sizes) &&
        srt_floats(&call, args[0], "grad_y", &grad_y, SRT_STATES(sizes)) &&
        srt_maybe_floats(&call, args[1], "grad_h_n", &grad_state, SRT_STATE(sizes)) &&
        srt_maybe_floats(&call, args[2], "grad_c_n", &grad_cell, SRT_STATE(sizes)) &&
        srt_floats(&call, args[4], "y", &y, SRT_STATES(sizes)) &&
        srt_floats(&call, args[5], "cells", &cells, SRT_STATES(sizes)) &&
        srt_maybe_floats(&call, args[6], "h0", &h0, SRT_STATE(sizes)) &&
        srt_maybe_floats(&call, args[7], "c0", &c0, SRT_STATE(sizes))))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->conv_lstm_packed_size(sizes, 1), rows = 4 * sizes[HIDDEN];
  if (!(srt_floats(&call, args[8], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_output(&call, args[11], "grad_weight", &grad_weight, 4, &rows, "4 * hidden_size", &sizes[HIDDEN],
                         "hidden_size", &sizes[KERNEL], "kernel_size", &sizes[KERNEL], "kernel_size") &&
        srt_maybe_output(&call, args[12], "grad_bias", &grad_bias, 1, &rows, "4 * hidden_size") &&
        srt_scratch(&call, &scratch, srt->conv_lstm_backward_scratch(sizes))))
    return srt_fail(&call);
  PyObject *first = SRT_NEW_STATE(&call, &grad_h0, sizes);
  PyObject *second = first ? SRT_NEW_STATE(&call, &grad_c0, sizes) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->conv_lstm_backward(grad_h0, grad_c0, gates, grad_weight, grad_bias, accumulate, grad_y,
                                          grad_state, grad_cell, y, cells, h0, c0, packed, sizes, hard, scratch));
  return srt_finish(&call, status, PyTuple_Pack(2, first, second));
}

PyMethodDef srt_conv_lstm_methods[] = {
    SRT_METHOD(conv_lstm_pack, "Packs the hidden weights."),
    SRT_METHOD(conv_lstm_forward, "All steps of a convolutional LSTM."),
    SRT_METHOD(conv_lstm_backward, "The gradients of conv_lstm_forward."),
    {NULL, NULL, 0, NULL},
};
