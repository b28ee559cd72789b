// Pooling of planes: see Pooling in include/seriatim.h for the shapes.
#include "binding.h"

// The sizes of the C ABI in their order, all but the first three in Python's tuple `windows`.
enum {
  PLANES = 1,
  HEIGHT,
  WIDTH,
  OUT_HEIGHT,
  OUT_WIDTH,
  KERNEL_Y,
  KERNEL_X,
  STRIDE_Y,
  STRIDE_X,
  PADDING_Y,
  PADDING_X,
  DILATION_Y,
  DILATION_X,
  OUTPUTS
};

static const char *const symbols[] = {
    [PLANES] = "planes",         [HEIGHT] = "height",
    [WIDTH] = "width",           [OUT_HEIGHT] = "out_height",
    [OUT_WIDTH] = "out_width",   [KERNEL_Y] = "kernel height",
    [KERNEL_X] = "kernel width", [STRIDE_Y] = "stride y",
    [STRIDE_X] = "stride x",     [PADDING_Y] = "padding y",
    [PADDING_X] = "padding x",   [DILATION_Y] = "dilation y",
    [DILATION_X] = "dilation x", [OUTPUTS] = "planes * out_height * out_width",
};

typedef struct {
  srt_frame frame;
  const float *x, *grad_y;
  const int32_t *index;
  float *y, *grad_x;
  int32_t *places;
  ptrdiff_t need_index;
  double divisor;
} arguments;

#define PADDING_MAY_BE_ZERO .zero = SRT_BIT(PADDING_Y) | SRT_BIT(PADDING_X), .empty = SRT_BIT(PLANES)
#define WINDOWS SIZES("windows", OUT_HEIGHT, DILATION_X - OUT_HEIGHT + 1)

static bool reaches(ptrdiff_t outputs, ptrdiff_t stride, ptrdiff_t padding, ptrdiff_t kernel, ptrdiff_t dilation,
                    ptrdiff_t size) {
  return 2 * padding <= dilation * (kernel - 1) + 1 && (outputs - 1) * stride - padding < size;
}

// Raises unless the kernels would take the sizes: every window touches the plane.
static bool derive(void *given, ptrdiff_t *n) {
  (void)given;
  if (!reaches(n[OUT_HEIGHT], n[STRIDE_Y], n[PADDING_Y], n[KERNEL_Y], n[DILATION_Y], n[HEIGHT]) ||
      !reaches(n[OUT_WIDTH], n[STRIDE_X], n[PADDING_X], n[KERNEL_X], n[DILATION_X], n[WIDTH])) {
    PyErr_SetString(PyExc_ValueError,
                    "windows: expected windows that all reach into the plane, and padding of at most half "
                    "of one");
    return false;
  }
  if (!srt_bounded("windows", n[PLANES], n[OUT_HEIGHT], n[OUT_WIDTH]) ||
      !srt_bounded("x", n[PLANES], n[HEIGHT], n[WIDTH]))
    return false;
  n[OUTPUTS] = n[PLANES] * n[OUT_HEIGHT] * n[OUT_WIDTH];
  return true;
}

// A place in the plane is an int32.
static bool derive_max(void *given, ptrdiff_t *n) {
  if (!derive(given, n)) return false;
  if (n[HEIGHT] * n[WIDTH] <= INT32_MAX) return true;
  PyErr_Format(PyExc_ValueError, "x: expected planes of fewer than 2**31 places, got %zd x %zd", n[HEIGHT], n[WIDTH]);
  return false;
}

static bool derive_average(void *given, ptrdiff_t *n) {
  if (n[DILATION_Y] == 1 && n[DILATION_X] == 1) return derive(given, n);
  PyErr_Format(PyExc_ValueError, "windows: expected dilations of 1 for averages, got %zd and %zd", n[DILATION_Y],
               n[DILATION_X]);
  return false;
}

static bool check_index(void *given, const ptrdiff_t *n) {
  const int32_t *index = ((arguments *)given)->index;
  const int64_t plane = n[HEIGHT] * n[WIDTH];
  for (ptrdiff_t i = 0; i < n[OUTPUTS]; i++) {
    if (index[i] >= -1 && index[i] < plane) continue;
    PyErr_Format(PyExc_IndexError,
                 "index: expected what max_pool_forward gave with this output, got %d in a plane of %lld",
                 (int)index[i], (long long)plane);
    return false;
  }
  return true;
}

SRT_SIGNATURE(
    max_pool_forward, "Maxima over windows, and where they were.",
    PADDING_MAY_BE_ZERO, .derive = derive_max,
    TABLE(ARRAY(FLOATS, x, OF(PLANES, HEIGHT, WIDTH)),
          WINDOWS,
          VALUE(FLAG, need_index),
          ARRAY(RESULT, y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH)),
          ARRAY_AS(RESULT_PLACES, places, "index", OF(PLANES, OUT_HEIGHT, OUT_WIDTH), WHEN(need_index))))
SRT_OPERATOR(max_pool_forward, srt->max_pool_forward(a.y, a.places, a.x, n + PLANES))

SRT_SIGNATURE(
    max_pool_backward, "The gradient of max_pool_forward.",
    PADDING_MAY_BE_ZERO, .derived = SRT_BIT(OUTPUTS), .derive = derive_max, .check = check_index,
    TABLE(ARRAY(FLOATS, grad_y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH)),
          SIZE(HEIGHT),
          SIZE(WIDTH),
          WINDOWS,
          ARRAY(PLACES, index, OF(OUTPUTS)),
          ARRAY(RESULT, grad_x, OF(PLANES, HEIGHT, WIDTH))))
SRT_OPERATOR(max_pool_backward, srt->max_pool_backward(a.grad_x, a.grad_y, a.index, n + PLANES))

SRT_SIGNATURE(
    average_pool_forward, "Averages over windows.",
    PADDING_MAY_BE_ZERO, .derive = derive_average,
    TABLE(ARRAY(FLOATS, x, OF(PLANES, HEIGHT, WIDTH)),
          WINDOWS,
          VALUE(NUMBER, divisor),
          ARRAY(RESULT, y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH))))
SRT_OPERATOR(average_pool_forward, srt->average_pool_forward(a.y, a.x, n + PLANES, (float)a.divisor))

SRT_SIGNATURE(
    average_pool_backward, "The gradient of average_pool_forward.",
    PADDING_MAY_BE_ZERO, .derive = derive_average,
    TABLE(ARRAY(FLOATS, grad_y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH)),
          SIZE(HEIGHT),
          SIZE(WIDTH),
          WINDOWS,
          VALUE(NUMBER, divisor),
          ARRAY(RESULT, grad_x, OF(PLANES, HEIGHT, WIDTH))))
SRT_OPERATOR(average_pool_backward, srt->average_pool_backward(a.grad_x, a.grad_y, n + PLANES, (float)a.divisor))

SRT_SIGNATURE(
    adaptive_pool_forward, "Averages over windows that share out the plane.",
    .empty = SRT_BIT(PLANES),
    TABLE(ARRAY(FLOATS, x, OF(PLANES, HEIGHT, WIDTH)),
          SIZE(OUT_HEIGHT),
          SIZE(OUT_WIDTH),
          ARRAY(RESULT, y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH))))
SRT_OPERATOR(adaptive_pool_forward,
             srt->adaptive_pool_forward(a.y, a.x, n[PLANES], n[HEIGHT], n[WIDTH], n[OUT_HEIGHT], n[OUT_WIDTH]))

SRT_SIGNATURE(
    adaptive_pool_backward, "The gradient of adaptive_pool_forward.",
    .empty = SRT_BIT(PLANES),
    TABLE(ARRAY(FLOATS, grad_y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH)),
          SIZE(HEIGHT),
          SIZE(WIDTH),
          ARRAY(RESULT, grad_x, OF(PLANES, HEIGHT, WIDTH))))
SRT_OPERATOR(adaptive_pool_backward, srt->adaptive_pool_backward(a.grad_x, a.grad_y, n[PLANES], n[HEIGHT], n[WIDTH],
                                                                 n[OUT_HEIGHT], n[OUT_WIDTH]))

const srt_operator srt_pooling_operators[] = {SRT_ENTRY(max_pool_forward),
                                              SRT_ENTRY(max_pool_backward),
                                              SRT_ENTRY(average_pool_forward),
                                              SRT_ENTRY(average_pool_backward),
                                              SRT_ENTRY(adaptive_pool_forward),
                                              SRT_ENTRY(adaptive_pool_backward),
                                              {0}};
