// Batch normalisation: see Batch normalisation in include/seriatim.h for the shapes.
#include "binding.h"

enum { ROWS = 1, FEATURES, PIXELS };

static const char *const symbols[] = {[ROWS] = "rows", [FEATURES] = "num_features", [PIXELS] = "pixels"};

typedef struct {
  srt_frame frame;
  const float *grad_y, *x, *weight, *bias, *mean, *inverse, *shift, *slope;
  float *y, *new_mean, *new_inverse, *running_mean, *running_var, *grad_x, *grad_weight, *grad_bias;
  ptrdiff_t training, need_input, accumulate;
  double momentum, eps;
} arguments;

static bool check(void *given, const ptrdiff_t *n) {
  (void)n;
  const arguments *a = given;
  if (a->training || (a->running_mean && a->running_var)) return true;
  PyErr_Format(PyExc_ValueError, "%s: expected an array outside training, got None",
               a->running_mean ? "running_var" : "running_mean");
  return false;
}

static bool check_means(void *given, const ptrdiff_t *n) {
  (void)n;
  const arguments *a = given;
  if (!a->shift == !a->slope) return true;
  PyErr_SetString(PyExc_ValueError, "shift, slope: expected both or neither, got None for one");
  return false;
}

// The running statistics are written to in training only: in evaluation memory that is mapped from a file will do.
#define FORWARD(...) \
  TABLE(ARRAY(FLOATS, x, OF(__VA_ARGS__)),                                         \
        ARRAY(FLOATS, weight, OF(FEATURES), OPTIONAL),                             \
        ARRAY(FLOATS, bias, OF(FEATURES), OPTIONAL),                               \
        GROUP("running", 2),                                                       \
        ARRAY(WRITTEN, running_mean, OF(FEATURES), OPTIONAL, WHEN(training)),      \
        ARRAY(WRITTEN, running_var, OF(FEATURES), OPTIONAL, WHEN(training)),       \
        VALUE(FLAG, training),                                                     \
        VALUE(NUMBER, momentum),                                                   \
        VALUE(NUMBER, eps),                                                        \
        ARRAY(RESULT, y, OF(__VA_ARGS__)),                                         \
        ARRAY_AS(RESULT, new_mean, "mean", OF(FEATURES)),                          \
        ARRAY_AS(RESULT, new_inverse, "inverse", OF(FEATURES)))
#define MOMENTS(...) \
  TABLE(ARRAY(FLOATS, x, OF(__VA_ARGS__)),                  \
        ARRAY_AS(RESULT, new_mean, "mean", OF(FEATURES)),   \
        ARRAY_AS(RESULT, new_inverse, "spread", OF(FEATURES)))
#define BACKWARD(...) \
  TABLE(ARRAY(FLOATS, grad_y, OF(__VA_ARGS__)),          \
        GROUP("kept", 5),                                \
        ARRAY(FLOATS, x, OF(__VA_ARGS__), FIRST),        \
        ARRAY(FLOATS, mean, OF(FEATURES)),               \
        ARRAY(FLOATS, inverse, OF(FEATURES)),            \
        ARRAY(FLOATS, weight, OF(FEATURES), OPTIONAL),   \
        VALUE(FLAG, training),                           \
        VALUE(FLAG, need_input),                         \
        GROUP("gradients", 3),                           \
        ARRAY(WRITTEN, grad_weight, OF(FEATURES), OPTIONAL), \
        ARRAY(WRITTEN, grad_bias, OF(FEATURES), OPTIONAL), \
        VALUE(FLAG, accumulate),                         \
        GROUP("means", 2),                               \
        ARRAY(FLOATS, shift, OF(FEATURES), OPTIONAL),    \
        ARRAY(FLOATS, slope, OF(FEATURES), OPTIONAL),    \
        ARRAY(RESULT, grad_x, OF(__VA_ARGS__), WHEN(need_input)))

SRT_SIGNATURE(batch_norm_forward, "Normalises columns; updates the running statistics in training.", .check = check,
              .empty = SRT_BIT(ROWS), FORWARD(ROWS, FEATURES))
SRT_OPERATOR(batch_norm_forward, srt->batch_norm_forward(a.y, a.new_mean, a.new_inverse, a.running_mean, a.running_var,
                                                         a.x, a.weight, a.bias, n[ROWS], n[FEATURES],
                                                         (int32_t)a.training, (float)a.momentum, (float)a.eps))

SRT_SIGNATURE(batch_norm_moments, "Mean and sum of squared differences to it of columns.", .empty = SRT_BIT(ROWS),
              MOMENTS(ROWS, FEATURES))
SRT_OPERATOR(batch_norm_moments, srt->batch_norm_forward(NULL, a.new_mean, a.new_inverse, NULL, NULL, a.x, NULL, NULL,
                                                         n[ROWS], n[FEATURES], 1, 0, 1))

SRT_SIGNATURE(batch_norm_backward, "The gradients of batch_norm_forward.", .check = check_means, .empty = SRT_BIT(ROWS),
              .accumulate = AT(accumulate), BACKWARD(ROWS, FEATURES))
SRT_OPERATOR(batch_norm_backward, srt->batch_norm_backward(a.grad_x, a.grad_weight, a.grad_bias, (int32_t)a.accumulate,
                                                           a.grad_y, a.x, a.mean, a.inverse, a.weight, n[ROWS],
                                                           n[FEATURES], (int32_t)a.training, a.shift, a.slope))

SRT_SIGNATURE(image_norm_forward, "batch_norm_forward of images.", .check = check, .empty = SRT_BIT(ROWS) | SRT_BIT(PIXELS),
              FORWARD(ROWS, FEATURES, PIXELS))
SRT_OPERATOR(image_norm_forward, srt->image_norm_forward(a.y, a.new_mean, a.new_inverse, a.running_mean, a.running_var,
                                                         a.x, a.weight, a.bias, n[ROWS], n[FEATURES], n[PIXELS],
                                                         (int32_t)a.training, (float)a.momentum, (float)a.eps))

SRT_SIGNATURE(image_norm_moments, "batch_norm_moments of images.", .empty = SRT_BIT(ROWS) | SRT_BIT(PIXELS),
              MOMENTS(ROWS, FEATURES, PIXELS))
SRT_OPERATOR(image_norm_moments, srt->image_norm_forward(NULL, a.new_mean, a.new_inverse, NULL, NULL, a.x, NULL, NULL,
                                                         n[ROWS], n[FEATURES], n[PIXELS], 1, 0, 1))

SRT_SIGNATURE(image_norm_backward, "The gradients of image_norm_forward.", .check = check_means, .empty = SRT_BIT(ROWS) | SRT_BIT(PIXELS),
              .accumulate = AT(accumulate), BACKWARD(ROWS, FEATURES, PIXELS))
SRT_OPERATOR(image_norm_backward,
             srt->image_norm_backward(a.grad_x, a.grad_weight, a.grad_bias, (int32_t)a.accumulate, a.grad_y, a.x,
                                      a.mean, a.inverse, a.weight, n[ROWS], n[FEATURES], n[PIXELS], (int32_t)a.training,
                                      a.shift, a.slope))

const srt_operator srt_batch_norm_operators[] = {SRT_ENTRY(batch_norm_forward),
                                                 SRT_ENTRY(batch_norm_moments),
                                                 SRT_ENTRY(batch_norm_backward),
                                                 SRT_ENTRY(image_norm_forward),
                                                 SRT_ENTRY(image_norm_moments),
                                                 SRT_ENTRY(image_norm_backward),
                                                 {0}};
