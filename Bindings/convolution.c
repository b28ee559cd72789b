// 2-D convolution: see Convolution in include/seriatim.h for the shapes.
#include "binding.h"

// The sizes of the C ABI in their order, all but the first four in Python's tuple `geometry`; then others.
enum {
  BATCH = 1,
  IN_CHANNELS,
  HEIGHT,
  WIDTH,
  OUT_CHANNELS,
  KERNEL_Y,
  KERNEL_X,
  STRIDE_Y,
  STRIDE_X,
  PADDING_Y,
  PADDING_X,
  DILATION_Y,
  DILATION_X,
  GROUPS,
  GROUP_CHANNELS,
  OUT_HEIGHT,
  OUT_WIDTH,
  PACKED,
  SCRATCH,
  INPUT_SCRATCH,
  ACTIVATIONS = 6
};

static const char *const symbols[] = {
    [BATCH] = "batch",
    [IN_CHANNELS] = "in_channels",
    [HEIGHT] = "height",
    [WIDTH] = "width",
    [OUT_CHANNELS] = "out_channels",
    [KERNEL_Y] = "kernel height",
    [KERNEL_X] = "kernel width",
    [STRIDE_Y] = "stride y",
    [STRIDE_X] = "stride x",
    [PADDING_Y] = "padding y",
    [PADDING_X] = "padding x",
    [DILATION_Y] = "dilation y",
    [DILATION_X] = "dilation x",
    [GROUPS] = "groups",
    [GROUP_CHANNELS] = "in_channels / groups",
    [OUT_HEIGHT] = "out_height",
    [OUT_WIDTH] = "out_width",
    [PACKED] = "packed_size",
    [SCRATCH] = "scratch",
    [INPUT_SCRATCH] = "input_scratch",
};

typedef struct {
  srt_frame frame;
  const float *weight, *x, *packed, *bias, *grad_y;
  float *new_packed, *y, *grad_x, *grad_weight, *grad_bias, *scratch, *input_scratch;
  ptrdiff_t transposed, activation, accumulate;
  double slope;
} arguments;

#define GEOMETRY SIZES("geometry", OUT_CHANNELS, GROUPS - OUT_CHANNELS + 1)
#define PADDING_MAY_BE_ZERO .zero = SRT_BIT(PADDING_Y) | SRT_BIT(PADDING_X)

static ptrdiff_t outputs(ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t padding, ptrdiff_t dilation) {
  const ptrdiff_t reach = size + 2 * padding - dilation * (kernel - 1) - 1;
  return reach < 0 ? 0 : reach / stride + 1;
}

// Raises unless the groups divide the channels and the kernel's sizes can be reckoned with.
static bool weights_are_sound(const ptrdiff_t *n) {
  if (n[IN_CHANNELS] % n[GROUPS] || n[OUT_CHANNELS] % n[GROUPS]) {
    PyErr_Format(PyExc_ValueError, "geometry: expected groups that divide the channels, got %zd groups of %zd and %zd",
                 (Py_ssize_t)n[GROUPS], (Py_ssize_t)n[IN_CHANNELS], (Py_ssize_t)n[OUT_CHANNELS]);
    return false;
  }
  // The input gradient has weights of its own for each phase of the strides.
  return srt_bounded("geometry", n[STRIDE_Y], n[STRIDE_X], 1 << 30) &&
         srt_bounded("geometry", n[IN_CHANNELS], n[OUT_CHANNELS], n[KERNEL_Y], n[KERNEL_X]);
}

// The output's size; raises when there is none.
static bool images_are_sound(ptrdiff_t *n) {
  n[OUT_HEIGHT] = outputs(n[HEIGHT], n[KERNEL_Y], n[STRIDE_Y], n[PADDING_Y], n[DILATION_Y]);
  n[OUT_WIDTH] = outputs(n[WIDTH], n[KERNEL_X], n[STRIDE_X], n[PADDING_X], n[DILATION_X]);
  n[GROUP_CHANNELS] = n[IN_CHANNELS] / n[GROUPS];
  if (n[OUT_HEIGHT] > 0 && n[OUT_WIDTH] > 0) {
    return srt_bounded("geometry", n[BATCH], n[OUT_CHANNELS], n[OUT_HEIGHT], n[OUT_WIDTH]) &&
           srt_bounded("geometry", n[BATCH] + 1, n[IN_CHANNELS], n[HEIGHT] + 2 * n[PADDING_Y] + n[STRIDE_Y],
                       n[WIDTH] + 2 * n[PADDING_X] + n[STRIDE_X]);
  }
  PyErr_Format(PyExc_ValueError,
               "x: expected images that the kernel of %zd x %zd fits into, got %zd x %zd with padding %zd x %zd",
               (Py_ssize_t)n[KERNEL_Y], (Py_ssize_t)n[KERNEL_X], (Py_ssize_t)n[HEIGHT], (Py_ssize_t)n[WIDTH],
               (Py_ssize_t)n[PADDING_Y], (Py_ssize_t)n[PADDING_X]);
  return false;
}

static bool derive_pack(void *given, ptrdiff_t *n) {
  n[BATCH] = n[HEIGHT] = n[WIDTH] = 1;
  if (!srt_bounded("geometry", n[GROUP_CHANNELS], n[GROUPS])) return false;
  n[IN_CHANNELS] = n[GROUP_CHANNELS] * n[GROUPS];
  if (!weights_are_sound(n)) return false;
  n[PACKED] = srt->convolution_packed_size(n + BATCH, (int32_t)((arguments *)given)->transposed);
  return true;
}

static bool derive_forward(void *given, ptrdiff_t *n) {
  (void)given;
  if (!weights_are_sound(n) || !images_are_sound(n)) return false;
  n[PACKED] = srt->convolution_packed_size(n + BATCH, 0);
  n[SCRATCH] = srt->convolution_scratch(n + BATCH, 0);
  return true;
}

static bool derive_backward(void *given, ptrdiff_t *n) {
  (void)given;
  if (!weights_are_sound(n) || !images_are_sound(n)) return false;
  n[PACKED] = srt->convolution_packed_size(n + BATCH, 1);
  n[SCRATCH] = srt->convolution_gradient_scratch(n + BATCH);
  n[INPUT_SCRATCH] = srt->convolution_scratch(n + BATCH, 1);
  return true;
}

SRT_SIGNATURE(
    convolution_pack, "Packs weights for convolution_forward or, transposed, for the input gradient.",
    PADDING_MAY_BE_ZERO, .derived = SRT_BIT(PACKED), .derive = derive_pack,
    TABLE(ARRAY(FLOATS, weight, OF(OUT_CHANNELS, GROUP_CHANNELS, KERNEL_Y, KERNEL_X)),
          GEOMETRY,
          VALUE(FLAG, transposed),
          ARRAY_AS(RESULT, new_packed, "packed", OF(PACKED))))
SRT_OPERATOR(convolution_pack, srt->convolution_pack(a.new_packed, a.weight, n + BATCH, (int32_t)a.transposed))

SRT_SIGNATURE(
    convolution_forward, "2-D convolution with bias and activation.",
    PADDING_MAY_BE_ZERO, .empty = SRT_BIT(BATCH), .derive = derive_forward,
    .derived = SRT_BIT(OUT_HEIGHT) | SRT_BIT(OUT_WIDTH) | SRT_BIT(PACKED) | SRT_BIT(SCRATCH),
    TABLE(ARRAY(FLOATS, x, OF(BATCH, IN_CHANNELS, HEIGHT, WIDTH)),
          ARRAY(FLOATS, packed, OF(PACKED)),
          ARRAY(FLOATS, bias, OF(OUT_CHANNELS), OPTIONAL),
          GEOMETRY,
          VALUES(CHOICE, activation, ACTIVATIONS),
          VALUE(NUMBER, slope),
          ARRAY(RESULT, y, OF(BATCH, OUT_CHANNELS, OUT_HEIGHT, OUT_WIDTH)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(convolution_forward, srt->convolution_forward(a.y, a.x, a.packed, a.bias, n + BATCH, (int32_t)a.activation,
                                                           (float)a.slope, a.scratch))

static int32_t backward(const arguments *a, const ptrdiff_t *sizes) {
  if (a->grad_x) {
    const int32_t status = srt->convolution_input_gradient(a->grad_x, a->grad_y, a->packed, sizes, a->input_scratch);
    if (status != SRT_OK) return status;
  }
  if (!a->grad_weight && !a->grad_bias) return SRT_OK;
  return srt->convolution_weight_gradient(a->grad_weight, a->grad_bias, (int32_t)a->accumulate, a->grad_y, a->x, sizes,
                                          a->scratch);
}

SRT_SIGNATURE(
    convolution_backward, "The gradients of convolution_forward without its activation.",
    PADDING_MAY_BE_ZERO, .empty = SRT_BIT(BATCH), .accumulate = AT(accumulate), .derive = derive_backward,
    .derived = SRT_BIT(OUT_HEIGHT) | SRT_BIT(OUT_WIDTH) | SRT_BIT(PACKED) | SRT_BIT(GROUP_CHANNELS) | SRT_BIT(SCRATCH) |
               SRT_BIT(INPUT_SCRATCH),
    TABLE(ARRAY(FLOATS, grad_y, OF(BATCH, OUT_CHANNELS, OUT_HEIGHT, OUT_WIDTH)),
          ARRAY(FLOATS, x, OF(BATCH, IN_CHANNELS, HEIGHT, WIDTH), FIRST),
          ARRAY(FLOATS, packed, OF(PACKED), OPTIONAL),
          GEOMETRY,
          GROUP("gradients", 3),
          ARRAY(WRITTEN, grad_weight, OF(OUT_CHANNELS, GROUP_CHANNELS, KERNEL_Y, KERNEL_X), OPTIONAL),
          ARRAY(WRITTEN, grad_bias, OF(OUT_CHANNELS), OPTIONAL),
          VALUE(FLAG, accumulate),
          ARRAY(RESULT, grad_x, OF(BATCH, IN_CHANNELS, HEIGHT, WIDTH), WHEN(packed)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH)),
          ARRAY(SCRATCH, input_scratch, OF(INPUT_SCRATCH), WHEN(packed))))
SRT_OPERATOR(convolution_backward, backward(&a, n + BATCH))

const srt_operator srt_convolution_operators[] = {
    SRT_ENTRY(convolution_pack), SRT_ENTRY(convolution_forward), SRT_ENTRY(convolution_backward), {0}};
