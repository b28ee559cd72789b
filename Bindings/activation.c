// Activations of whole arrays: see Activations in include/seriatim.h.
#include "binding.h"

enum { ELEMENTS = 1, ROWS, CLASSES, ACTIVATIONS = 6 };

static const char *const symbols[] = {[ELEMENTS] = "size", [ROWS] = "rows", [CLASSES] = "classes"};

typedef struct {
  srt_frame frame;
  const float *grad_y, *x, *y;
  float *result;
  ptrdiff_t activation, logarithm;
  double slope;
} arguments;

SRT_SIGNATURE(
    activation_forward, "An activation of every element.",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(ELEMENTS, x, OF(ELEMENTS)),
          VALUES(CHOICE, activation, ACTIVATIONS),
          VALUE(NUMBER, slope),
          LIKE(result, "y", 0)))
SRT_OPERATOR(activation_forward,
             srt->activation_forward(a.result, a.x, n[ELEMENTS], (int32_t)a.activation, (float)a.slope))

SRT_SIGNATURE(
    activation_backward, "The gradient of activation_forward.",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(ELEMENTS, grad_y, OF(ELEMENTS)),
          ARRAY(ELEMENTS, x, OF(ELEMENTS), FIRST),
          ARRAY(ELEMENTS, y, OF(ELEMENTS), FIRST),
          VALUES(CHOICE, activation, ACTIVATIONS),
          VALUE(NUMBER, slope),
          LIKE(result, "grad_x", 0)))
SRT_OPERATOR(activation_backward,
             srt->activation_backward(a.result, a.grad_y, a.x, a.y, n[ELEMENTS], (int32_t)a.activation, (float)a.slope))

SRT_SIGNATURE(
    softmax_forward, "Softmax of every row, or its logarithm.",
    .empty = SRT_BIT(ROWS),
    TABLE(ARRAY(FLOATS, x, OF(ROWS, CLASSES)),
          VALUE(FLAG, logarithm),
          ARRAY_AS(RESULT, result, "y", OF(ROWS, CLASSES))))
SRT_OPERATOR(softmax_forward, srt->softmax_forward(a.result, a.x, n[ROWS], n[CLASSES], (int32_t)a.logarithm))

SRT_SIGNATURE(
    softmax_backward, "The gradient of softmax_forward.",
    .empty = SRT_BIT(ROWS),
    TABLE(ARRAY(FLOATS, grad_y, OF(ROWS, CLASSES)),
          ARRAY(FLOATS, y, OF(ROWS, CLASSES), FIRST),
          VALUE(FLAG, logarithm),
          ARRAY_AS(RESULT, result, "grad_x", OF(ROWS, CLASSES))))
SRT_OPERATOR(softmax_backward,
             srt->softmax_backward(a.result, a.grad_y, a.y, n[ROWS], n[CLASSES], (int32_t)a.logarithm))

const srt_operator srt_activation_operators[] = {SRT_ENTRY(activation_forward),
                                                 SRT_ENTRY(activation_backward),
                                                 SRT_ENTRY(softmax_forward),
                                                 SRT_ENTRY(softmax_backward),
                                                 {0}};
