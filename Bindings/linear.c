// Linear: see Linear in include/seriatim.h for the shapes.
#include "binding.h"

SRT_FUNCTION(linear_pack) {
  SRT_TAKES(linear_pack, 1);
  srt_call call = {0};
  const float *weight;
  float *packed;
  ptrdiff_t in = -1, out = -1;
  if (!srt_floats(&call, args[0], "weight", &weight, 2, &out, "out_features", &in, "in_features")) return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->packed_size(in, out));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->linear_pack(packed, weight, in, out));
  return srt_finish(&call, status, Py_NewRef(result));
}

SRT_FUNCTION(linear_pack_backward) {
  SRT_TAKES(linear_pack_backward, 1);
  srt_call call = {0};
  const float *weight;
  float *packed;
  ptrdiff_t in = -1, out = -1;
  if (!srt_floats(&call, args[0], "weight", &weight, 2, &out, "out_features", &in, "in_features")) return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->packed_size(out, in));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->linear_pack_backward(packed, weight, in, out));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, packed, bias | None, out_features -> y
SRT_FUNCTION(linear_forward) {
  SRT_TAKES(linear_forward, 4);
  srt_call call = {0};
  const float *x, *packed, *bias;
  float *y;
  ptrdiff_t rows = -1, in = -1, out;
  if (!(srt_size(args[3], "out_features", &out) && srt_floats(&call, args[0], "x", &x, 2, &rows, "rows", &in, "in_features")))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->packed_size(in, out);
  if (!(srt_floats(&call, args[1], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_floats(&call, args[2], "bias", &bias, 1, &out, "out_features")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 2, rows, out);
  if (!result) return srt_fail(&call);
  if (rows == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->linear_forward(y, x, packed, bias, rows, in, out));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_y, x, packed_backward | None, grad_weight | None, grad_bias | None, accumulate -> grad_x | None
SRT_FUNCTION(linear_backward) {
  SRT_TAKES(linear_backward, 6);
  srt_call call = {0};
  const float *grad_y, *x, *packed;
  float *grad_x = NULL, *grad_weight, *grad_bias, *scratch;
  ptrdiff_t rows = -1, in = -1, out = -1;
  int32_t accumulate;
  PyObject *result = Py_None;
  if (!(srt_floats(&call, args[0], "grad_y", &grad_y, 2, &rows, "rows", &out, "out_features") &&
        srt_floats(&call, args[1], "x", &x, 2, &rows, "rows", &in, "in_features")))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->packed_size(out, in);
  if (!(srt_maybe_floats(&call, args[2], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_output(&call, args[3], "grad_weight", &grad_weight, 2, &out, "out_features", &in, "in_features") &&
        srt_maybe_output(&call, args[4], "grad_bias", &grad_bias, 1, &out, "out_features") &&
        srt_flag(args[5], "accumulate", &accumulate) && srt_scratch(&call, &scratch, srt->gradient_scratch())))
    return srt_fail(&call);
  if (packed && !(result = srt_new_floats(&call, &grad_x, 2, rows, in))) return srt_fail(&call);
  SRT_RUN(status, srt->linear_backward(grad_x, grad_weight, grad_bias, accumulate, grad_y, x, packed, rows, in, out,
                                       scratch));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_linear_methods[] = {
    SRT_METHOD(linear_pack, "Packs a weight for linear_forward."),
    SRT_METHOD(linear_pack_backward, "Packs a weight for linear_backward."),
    SRT_METHOD(linear_forward, "x @ weight.T + bias."),
    SRT_METHOD(linear_backward, "The gradients of linear_forward."),
    {NULL, NULL, 0, NULL},
};
