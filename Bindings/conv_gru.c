// Convolutional GRU: see Convolutional recurrences in include/seriatim.h for the shapes.
#include "conv_recurrent.h"

SRT_CONV_PACK(conv_gru, 3)

// gates, h0 | None, packed, bias | None, kernel_size, hard -> y; gates is written to
SRT_FUNCTION(conv_gru_forward) {
  SRT_TAKES(conv_gru_forward, 6);
  srt_call call = {0};
  const float *h0, *packed, *bias;
  float *gates, *y, *scratch;
  ptrdiff_t sizes[SIZES];
  int32_t hard;
  if (!(srt_flag(args[5], "hard", &hard) && srt_size(args[4], "kernel_size", &sizes[KERNEL]) &&
        srt_gates(&call, args[0], "gates", &gates, 3, sizes) &&
        srt_maybe_floats(&call, args[1], "h0", &h0, SRT_STATE(sizes))))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->conv_gru_packed_size(sizes, 0), rows = 3 * sizes[HIDDEN];
  if (!(srt_floats(&call, args[2], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_floats(&call, args[3], "bias", &bias, 1, &rows, "3 * hidden_size") &&
        srt_scratch(&call, &scratch, srt->conv_gru_forward_scratch(sizes))))
    return srt_fail(&call);
  PyObject *result = SRT_NEW_STATES(&call, &y, sizes);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->conv_gru_forward(y, gates, h0, packed, bias, sizes, hard, scratch));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_y, grad_h_n | None, gates, y, h0 | None, packed, kernel_size, hard, grad_weight | None, grad_bias | None, accumulate
//   -> grad_h0; gates becomes the gradient of the input part
SRT_FUNCTION(conv_gru_backward) {
  SRT_TAKES(conv_gru_backward, 11);
  srt_call call = {0};
  const float *grad_y, *grad_state, *y, *h0, *packed;
  float *gates, *grad_weight, *grad_bias, *grad_h0, *scratch;
  ptrdiff_t sizes[SIZES];
  int32_t hard, accumulate;
  if (!(srt_flag(args[7], "hard", &hard) && srt_flag(args[10], "accumulate", &accumulate) &&
        srt_size(args[6], "kernel_size", &sizes[KERNEL]) && srt_gates(&call, args[2], "gates", &gates, 3, sizes) &&
        srt_floats(&call, args[0], "grad_y", &grad_y, SRT_STATES(sizes)) &&
        srt_maybe_floats(&call, args[1], "grad_h_n", &grad_state, SRT_STATE(sizes)) &&
        srt_floats(&call, args[3], "y", &y, SRT_STATES(sizes)) &&
        srt_maybe_floats(&call, args[4], "h0", &h0, SRT_STATE(sizes))))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->conv_gru_packed_size(sizes, 1), rows = 3 * sizes[HIDDEN];
  if (!(srt_floats(&call, args[5], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_output(&call, args[8], "grad_weight", &grad_weight, 4, &rows, "3 * hidden_size", &sizes[HIDDEN],
                         "hidden_size", &sizes[KERNEL], "kernel_size", &sizes[KERNEL], "kernel_size") &&
        srt_maybe_output(&call, args[9], "grad_bias", &grad_bias, 1, &rows, "3 * hidden_size") &&
        srt_scratch(&call, &scratch, srt->conv_gru_backward_scratch(sizes))))
    return srt_fail(&call);
  PyObject *result = SRT_NEW_STATE(&call, &grad_h0, sizes);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->conv_gru_backward(grad_h0, gates, grad_weight, grad_bias, accumulate, grad_y, grad_state, y, h0,
                                         packed, sizes, hard, scratch));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_conv_gru_methods[] = {
    SRT_METHOD(conv_gru_pack, "Packs the hidden weights."),
    SRT_METHOD(conv_gru_forward, "All steps of a convolutional GRU."),
    SRT_METHOD(conv_gru_backward, "The gradients of conv_gru_forward."),
    {NULL, NULL, 0, NULL},
};
