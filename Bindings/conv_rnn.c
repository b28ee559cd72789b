// Convolutional recurrence without gates: see Convolutional recurrences in include/seriatim.h for the shapes.
#include "conv_recurrent.h"

SRT_CONV_PACK(conv_rnn, 1)

// y, h0 | None, packed, bias | None, kernel_size, activation -> None; y holds the input part and becomes the outputs
SRT_FUNCTION(conv_rnn_forward) {
  SRT_TAKES(conv_rnn_forward, 6);
  srt_call call = {0};
  const float *h0, *packed, *bias;
  float *y, *scratch;
  ptrdiff_t sizes[SIZES], activation;
  if (!(srt_count(args[5], "activation", &activation) && srt_size(args[4], "kernel_size", &sizes[KERNEL]) &&
        srt_gates(&call, args[0], "y", &y, 1, sizes) && srt_maybe_floats(&call, args[1], "h0", &h0, SRT_STATE(sizes))))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->conv_rnn_packed_size(sizes, 0);
  if (!(srt_floats(&call, args[2], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_floats(&call, args[3], "bias", &bias, 1, &sizes[HIDDEN], "hidden_size") &&
        srt_scratch(&call, &scratch, srt->conv_rnn_forward_scratch(sizes))))
    return srt_fail(&call);
  SRT_RUN(status, srt->conv_rnn_forward(y, h0, packed, bias, sizes, (int32_t)activation, scratch));
  return srt_finish(&call, status, Py_NewRef(Py_None));
}

// grad_y, grad_h_n | None, y, h0 | None, packed, kernel_size, activation, grad_weight | None, grad_bias | None, accumulate
//   -> grad_x, grad_h0
SRT_FUNCTION(conv_rnn_backward) {
  SRT_TAKES(conv_rnn_backward, 10);
  srt_call call = {0};
  const float *grad_y, *grad_state, *y, *h0, *packed;
  float *grad_x, *grad_weight, *grad_bias, *grad_h0, *scratch;
  ptrdiff_t sizes[SIZES] = {-1, -1, -1, -1, -1}, activation;
  int32_t accumulate;
  if (!(srt_flag(args[9], "accumulate", &accumulate) && srt_count(args[6], "activation", &activation) &&
        srt_size(args[5], "kernel_size", &sizes[KERNEL]) && srt_floats(&call, args[2], "y", &y, SRT_STATES(sizes)) &&
        srt_floats(&call, args[0], "grad_y", &grad_y, SRT_STATES(sizes)) &&
        srt_maybe_floats(&call, args[1], "grad_h_n", &grad_state, SRT_STATE(sizes)) &&
        srt_maybe_floats(&call, args[3], "h0", &h0, SRT_STATE(sizes))))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->conv_rnn_packed_size(sizes, 1);
  if (!(srt_floats(&call, args[4], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_output(&call, args[7], "grad_weight", &grad_weight, 4, &sizes[HIDDEN], "hidden_size", &sizes[HIDDEN],
                         "hidden_size", &sizes[KERNEL], "kernel_size", &sizes[KERNEL], "kernel_size") &&
        srt_maybe_output(&call, args[8], "grad_bias", &grad_bias, 1, &sizes[HIDDEN], "hidden_size") &&
        srt_scratch(&call, &scratch, srt->conv_rnn_backward_scratch(sizes))))
    return srt_fail(&call);
  PyObject *first = SRT_NEW_STATES(&call, &grad_x, sizes);
  PyObject *second = first ? SRT_NEW_STATE(&call, &grad_h0, sizes) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->conv_rnn_backward(grad_x, grad_h0, grad_weight, grad_bias, accumulate, grad_y, grad_state, y, h0,
                                         packed, sizes, (int32_t)activation, scratch));
  return srt_finish(&call, status, PyTuple_Pack(2, first, second));
}

PyMethodDef srt_conv_rnn_methods[] = {
    SRT_METHOD(conv_rnn_pack, "Packs the hidden weights."),
    SRT_METHOD(conv_rnn_forward, "All steps of a convolutional recurrence without gates."),
    SRT_METHOD(conv_rnn_backward, "The gradients of conv_rnn_forward."),
    {NULL, NULL, 0, NULL},
};
