// 2-D convolution: see Convolution in include/seriatim.h for the shapes.
//
// geometry: a tuple of 10 numbers: out_channels, kernel height, kernel width, stride y, x, padding y, x, dilation y, x,
// groups. Of the 14 sizes of the C ABI the first four are the image's.
#include "binding.h"

enum { BATCH, IN_CHANNELS, HEIGHT, WIDTH, OUT_CHANNELS, KERNEL_Y, KERNEL_X, STRIDE_Y, STRIDE_X, PADDING_Y, PADDING_X,
       DILATION_Y, DILATION_X, GROUPS, SIZES };

static bool geometry(PyObject *object, ptrdiff_t *sizes) {
  if (!srt_sizes(object, "geometry", sizes + OUT_CHANNELS, SIZES - OUT_CHANNELS)) return false;
  for (int i = OUT_CHANNELS; i < SIZES; i++) {
    if (i != PADDING_Y && i != PADDING_X && sizes[i] < 1) {
      PyErr_Format(PyExc_ValueError, "geometry: expected positive sizes, strides, dilations and groups, got %R", object);
      return false;
    }
  }
  return true;
}

static ptrdiff_t outputs(ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t padding, ptrdiff_t dilation) {
  const ptrdiff_t reach = size + 2 * padding - dilation * (kernel - 1) - 1;
  return reach < 0 ? 0 : reach / stride + 1;
}

// The output's size; raises when there is none.
static bool output_size(const ptrdiff_t *sizes, ptrdiff_t *height, ptrdiff_t *width) {
  *height = outputs(sizes[HEIGHT], sizes[KERNEL_Y], sizes[STRIDE_Y], sizes[PADDING_Y], sizes[DILATION_Y]);
  *width = outputs(sizes[WIDTH], sizes[KERNEL_X], sizes[STRIDE_X], sizes[PADDING_X], sizes[DILATION_X]);
  if (*height > 0 && *width > 0) return true;
  PyErr_Format(PyExc_ValueError, "x: expected images that the kernel of %zd x %zd fits into, got %zd x %zd with padding %zd x %zd",
               sizes[KERNEL_Y], sizes[KERNEL_X], sizes[HEIGHT], sizes[WIDTH], sizes[PADDING_Y], sizes[PADDING_X]);
  return false;
}

// weight, geometry, transposed -> packed
SRT_FUNCTION(convolution_pack) {
  SRT_TAKES(convolution_pack, 3);
  srt_call call = {0};
  const float *weight;
  float *packed;
  ptrdiff_t sizes[SIZES] = {1, 1, 1, 1}, inner = -1;
  int32_t transposed;
  if (!(geometry(args[1], sizes) && srt_flag(args[2], "transposed", &transposed) &&
        srt_floats(&call, args[0], "weight", &weight, 4, &sizes[OUT_CHANNELS], "out_channels", &inner,
                   "in_channels / groups", &sizes[KERNEL_Y], "kernel height", &sizes[KERNEL_X], "kernel width")))
    return srt_fail(&call);
  sizes[IN_CHANNELS] = inner * sizes[GROUPS];
  PyObject *result = srt_new_floats(&call, &packed, 1, srt->convolution_packed_size(sizes, transposed));
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->convolution_pack(packed, weight, sizes, transposed));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, packed, bias | None, geometry, activation, slope -> y
SRT_FUNCTION(convolution_forward) {
  SRT_TAKES(convolution_forward, 6);
  srt_call call = {0};
  const float *x, *packed, *bias;
  float *y, *scratch;
  ptrdiff_t sizes[SIZES] = {-1, -1, -1, -1}, activation, height, width;
  double slope;
  if (!(geometry(args[3], sizes) && srt_count(args[4], "activation", &activation) && srt_number(args[5], "slope", &slope) &&
        srt_floats(&call, args[0], "x", &x, 4, &sizes[BATCH], "batch", &sizes[IN_CHANNELS], "in_channels",
                   &sizes[HEIGHT], "height", &sizes[WIDTH], "width") &&
        output_size(sizes, &height, &width)))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->convolution_packed_size(sizes, 0);
  if (!(srt_floats(&call, args[1], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_floats(&call, args[2], "bias", &bias, 1, &sizes[OUT_CHANNELS], "out_channels") &&
        srt_scratch(&call, &scratch, srt->convolution_scratch(sizes, 0))))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 4, sizes[BATCH], sizes[OUT_CHANNELS], height, width);
  if (!result) return srt_fail(&call);
  if (sizes[BATCH] == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->convolution_forward(y, x, packed, bias, sizes, (int32_t)activation, (float)slope, scratch));
  return srt_finish(&call, status, Py_NewRef(result));
}

// grad_y, x, packed | None, geometry, grad_weight | None, grad_bias | None, accumulate -> grad_x | None
SRT_FUNCTION(convolution_backward) {
  SRT_TAKES(convolution_backward, 7);
  srt_call call = {0};
  const float *grad_y, *x, *packed;
  float *grad_x = NULL, *grad_weight, *grad_bias, *scratch, *input_scratch = NULL;
  ptrdiff_t sizes[SIZES] = {-1, -1, -1, -1}, height, width;
  int32_t accumulate;
  PyObject *result = Py_None;
  if (!(geometry(args[3], sizes) && srt_flag(args[6], "accumulate", &accumulate) &&
        srt_floats(&call, args[1], "x", &x, 4, &sizes[BATCH], "batch", &sizes[IN_CHANNELS], "in_channels",
                   &sizes[HEIGHT], "height", &sizes[WIDTH], "width") &&
        output_size(sizes, &height, &width) &&
        srt_floats(&call, args[0], "grad_y", &grad_y, 4, &sizes[BATCH], "batch", &sizes[OUT_CHANNELS], "out_channels",
                   &height, "out_height", &width, "out_width")))
    return srt_fail(&call);
  ptrdiff_t packed_size = srt->convolution_packed_size(sizes, 1), inner = sizes[IN_CHANNELS] / sizes[GROUPS];
  if (!(srt_maybe_floats(&call, args[2], "packed", &packed, 1, &packed_size, "packed_size") &&
        srt_maybe_output(&call, args[4], "grad_weight", &grad_weight, 4, &sizes[OUT_CHANNELS], "out_channels", &inner,
                         "in_channels / groups", &sizes[KERNEL_Y], "kernel height", &sizes[KERNEL_X], "kernel width") &&
        srt_maybe_output(&call, args[5], "grad_bias", &grad_bias, 1, &sizes[OUT_CHANNELS], "out_channels") &&
        srt_scratch(&call, &scratch, srt->convolution_gradient_scratch(sizes))))
    return srt_fail(&call);
  if (packed) {
    result = srt_new_floats(&call, &grad_x, 4, sizes[BATCH], sizes[IN_CHANNELS], sizes[HEIGHT], sizes[WIDTH]);
    if (!result || !srt_scratch(&call, &input_scratch, srt->convolution_scratch(sizes, 1))) return srt_fail(&call);
  }
  SRT_RUN_STATEMENT(status, {
    status = grad_x ? srt->convolution_input_gradient(grad_x, grad_y, packed, sizes, input_scratch) : SRT_OK;
    if (status == SRT_OK && (grad_weight || grad_bias)) {
      status = srt->convolution_weight_gradient(grad_weight, grad_bias, accumulate, grad_y, x, sizes, scratch);
    }
  });
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_convolution_methods[] = {
    SRT_METHOD(convolution_pack, "Packs weights for convolution_forward or, transposed, for the input gradient."),
    SRT_METHOD(convolution_forward, "2-D convolution with bias and activation."),
    SRT_METHOD(convolution_backward, "The gradients of convolution_forward without its activation."),
    {NULL, NULL, 0, NULL},
};
