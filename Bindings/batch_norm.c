// Batch normalisation: see Batch normalisation in include/seriatim.h for the shapes.
#include "binding.h"

// Written to in training only: in evaluation memory that is mapped from a file will do.
static bool running_statistics(srt_call *call, PyObject *object, const char *name, float **data, ptrdiff_t *columns,
                               int32_t training) {
  if (training) return srt_maybe_output(call, object, name, data, 1, columns, "num_features");
  const float *read = NULL;
  const bool right = srt_maybe_floats(call, object, name, &read, 1, columns, "num_features");
  *data = (float *)read;
  return right;
}

// x, weight | None, bias | None, running_mean | None, running_var | None, training, momentum, eps -> y, mean, inverse
SRT_FUNCTION(batch_norm_forward) {
  SRT_TAKES(batch_norm_forward, 8);
  srt_call call = {0};
  const float *x, *weight, *bias;
  float *y, *mean, *inverse, *running_mean, *running_variance;
  ptrdiff_t rows = -1, columns = -1;
  int32_t training;
  double momentum, epsilon;
  if (!(srt_flag(args[5], "training", &training) && srt_number(args[6], "momentum", &momentum) &&
        srt_number(args[7], "eps", &epsilon) &&
        srt_floats(&call, args[0], "x", &x, 2, &rows, "rows", &columns, "num_features") &&
        srt_maybe_floats(&call, args[1], "weight", &weight, 1, &columns, "num_features") &&
        srt_maybe_floats(&call, args[2], "bias", &bias, 1, &columns, "num_features") &&
        running_statistics(&call, args[3], "running_mean", &running_mean, &columns, training) &&
        running_statistics(&call, args[4], "running_var", &running_variance, &columns, training)))
    return srt_fail(&call);
  PyObject *output = srt_new_floats(&call, &y, 2, rows, columns);
  PyObject *first = output ? srt_new_floats(&call, &mean, 1, columns) : NULL;
  PyObject *second = first ? srt_new_floats(&call, &inverse, 1, columns) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->batch_norm_forward(y, mean, inverse, running_mean, running_variance, x, weight, bias, rows,
                                          columns, training, (float)momentum, (float)epsilon));
  return srt_finish(&call, status, PyTuple_Pack(3, output, first, second));
}

// grad_y, x, mean, inverse, weight | None, training, need_input, grad_weight | None, grad_bias | None, accumulate
//   -> grad_x | None
SRT_FUNCTION(batch_norm_backward) {
  SRT_TAKES(batch_norm_backward, 10);
  srt_call call = {0};
  const float *grad_y, *x, *mean, *inverse, *weight;
  float *grad_x = NULL, *grad_weight, *grad_bias;
  ptrdiff_t rows = -1, columns = -1;
  int32_t training, need_input, accumulate;
  PyObject *result = Py_None;
  if (!(srt_flag(args[5], "training", &training) && srt_flag(args[6], "need_input", &need_input) &&
        srt_flag(args[9], "accumulate", &accumulate) &&
        srt_floats(&call, args[1], "x", &x, 2, &rows, "rows", &columns, "num_features") &&
        srt_floats(&call, args[0], "grad_y", &grad_y, 2, &rows, "rows", &columns, "num_features") &&
        srt_floats(&call, args[2], "mean", &mean, 1, &columns, "num_features") &&
        srt_floats(&call, args[3], "inverse", &inverse, 1, &columns, "num_features") &&
        srt_maybe_floats(&call, args[4], "weight", &weight, 1, &columns, "num_features") &&
        srt_maybe_output(&call, args[7], "grad_weight", &grad_weight, 1, &columns, "num_features") &&
        srt_maybe_output(&call, args[8], "grad_bias", &grad_bias, 1, &columns, "num_features")))
    return srt_fail(&call);
  if (need_input && !(result = srt_new_floats(&call, &grad_x, 2, rows, columns))) return srt_fail(&call);
  SRT_RUN(status, srt->batch_norm_backward(grad_x, grad_weight, grad_bias, accumulate, grad_y, x, mean, inverse, weight,
                                           rows, columns, training));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, weight | None, bias | None, running_mean | None, running_var | None, training, momentum, eps -> y, mean, inverse
SRT_FUNCTION(image_norm_forward) {
  SRT_TAKES(image_norm_forward, 8);
  srt_call call = {0};
  const float *x, *weight, *bias;
  float *y, *mean, *inverse, *running_mean, *running_variance;
  ptrdiff_t images = -1, columns = -1, pixels = -1;
  int32_t training;
  double momentum, epsilon;
  if (!(srt_flag(args[5], "training", &training) && srt_number(args[6], "momentum", &momentum) &&
        srt_number(args[7], "eps", &epsilon) &&
        srt_floats(&call, args[0], "x", &x, 3, &images, "images", &columns, "num_features", &pixels, "pixels") &&
        srt_maybe_floats(&call, args[1], "weight", &weight, 1, &columns, "num_features") &&
        srt_maybe_floats(&call, args[2], "bias", &bias, 1, &columns, "num_features") &&
        running_statistics(&call, args[3], "running_mean", &running_mean, &columns, training) &&
        running_statistics(&call, args[4], "running_var", &running_variance, &columns, training)))
    return srt_fail(&call);
  PyObject *output = srt_new_floats(&call, &y, 3, images, columns, pixels);
  PyObject *first = output ? srt_new_floats(&call, &mean, 1, columns) : NULL;
  PyObject *second = first ? srt_new_floats(&call, &inverse, 1, columns) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->image_norm_forward(y, mean, inverse, running_mean, running_variance, x, weight, bias, images,
                                          columns, pixels, training, (float)momentum, (float)epsilon));
  return srt_finish(&call, status, PyTuple_Pack(3, output, first, second));
}

// grad_y, x, mean, inverse, weight | None, training, need_input, grad_weight | None, grad_bias | None, accumulate
//   -> grad_x | None
SRT_FUNCTION(image_norm_backward) {
  SRT_TAKES(image_norm_backward, 10);
  srt_call call = {0};
  const float *grad_y, *x, *mean, *inverse, *weight;
  float *grad_x = NULL, *grad_weight, *grad_bias;
  ptrdiff_t images = -1, columns = -1, pixels = -1;
  int32_t training, need_input, accumulate;
  PyObject *result = Py_None;
  if (!(srt_flag(args[5], "training", &training) && srt_flag(args[6], "need_input", &need_input) &&
        srt_flag(args[9], "accumulate", &accumulate) &&
        srt_floats(&call, args[1], "x", &x, 3, &images, "images", &columns, "num_features", &pixels, "pixels") &&
        srt_floats(&call, args[0], "grad_y", &grad_y, 3, &images, "images", &columns, "num_features", &pixels, "pixels") &&
        srt_floats(&call, args[2], "mean", &mean, 1, &columns, "num_features") &&
        srt_floats(&call, args[3], "inverse", &inverse, 1, &columns, "num_features") &&
        srt_maybe_floats(&call, args[4], "weight", &weight, 1, &columns, "num_features") &&
        srt_maybe_output(&call, args[7], "grad_weight", &grad_weight, 1, &columns, "num_features") &&
        srt_maybe_output(&call, args[8], "grad_bias", &grad_bias, 1, &columns, "num_features")))
    return srt_fail(&call);
  if (need_input && !(result = srt_new_floats(&call, &grad_x, 3, images, columns, pixels))) return srt_fail(&call);
  SRT_RUN(status, srt->image_norm_backward(grad_x, grad_weight, grad_bias, accumulate, grad_y, x, mean, inverse, weight,
                                           images, columns, pixels, training));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_batch_norm_methods[] = {
    SRT_METHOD(batch_norm_forward, "Normalises columns; updates the running statistics in training."),
    SRT_METHOD(batch_norm_backward, "The gradients of batch_norm_forward."),
    SRT_METHOD(image_norm_forward, "batch_norm_forward of images."),
    SRT_METHOD(image_norm_backward, "The gradients of image_norm_forward."),
    {NULL, NULL, 0, NULL},
};
