// Optimisers over flat buffers, in place: see Optimisers in include/seriatim.h.
#include "binding.h"

enum { ELEMENTS = 1, SCRATCH };

static const char *const symbols[] = {[ELEMENTS] = "size", [SCRATCH] = "scratch"};

typedef struct {
  srt_frame frame;
  float *parameters, *exp_avg, *exp_avg_sq, *square_avg, *momentum_buffer, *grad_avg, *average, *x, *scratch;
  const float *gradients, *data, *read;
  double numbers[7], decay, factor, sum;
  ptrdiff_t nesterov, is_first;
} arguments;

SRT_SIGNATURE(
    adam_step, "One step of Adam or AdamW. Numbers: step_size, second_scale, beta1, beta2, eps, decay, shrink.",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(WRITTEN, parameters, OF(ELEMENTS)),
          ARRAY(WRITTEN, exp_avg, OF(ELEMENTS)),
          ARRAY(WRITTEN, exp_avg_sq, OF(ELEMENTS)),
          ARRAY(FLOATS, gradients, OF(ELEMENTS)),
          VALUES(NUMBERS, numbers, 7)))
SRT_UPDATE(adam_step, srt->adam_step(a.parameters, a.exp_avg, a.exp_avg_sq, a.gradients, n[ELEMENTS],
                                     (float)a.numbers[0], (float)a.numbers[1], (float)a.numbers[2], (float)a.numbers[3],
                                     (float)a.numbers[4], (float)a.numbers[5], (float)a.numbers[6]))

SRT_SIGNATURE(
    sgd_step, "One step of SGD. Numbers: lr, momentum, dampening, weight_decay.",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(WRITTEN, parameters, OF(ELEMENTS)),
          ARRAY(WRITTEN, momentum_buffer, OF(ELEMENTS), OPTIONAL),
          ARRAY(FLOATS, gradients, OF(ELEMENTS)),
          VALUES(NUMBERS, numbers, 4),
          VALUE(FLAG, nesterov),
          VALUE(FLAG, is_first)))
SRT_UPDATE(sgd_step, srt->sgd_step(a.parameters, a.momentum_buffer, a.gradients, n[ELEMENTS], (float)a.numbers[0],
                                   (float)a.numbers[1], (float)a.numbers[2], (float)a.numbers[3], (int32_t)a.nesterov,
                                   (int32_t)a.is_first))

SRT_SIGNATURE(
    rmsprop_step, "One step of RMSprop. Numbers: lr, alpha, eps, weight_decay, momentum.",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(WRITTEN, parameters, OF(ELEMENTS)),
          ARRAY(WRITTEN, square_avg, OF(ELEMENTS)),
          ARRAY(WRITTEN, momentum_buffer, OF(ELEMENTS), OPTIONAL),
          ARRAY(WRITTEN, grad_avg, OF(ELEMENTS), OPTIONAL),
          ARRAY(FLOATS, gradients, OF(ELEMENTS)),
          VALUES(NUMBERS, numbers, 5)))
SRT_UPDATE(rmsprop_step, srt->rmsprop_step(a.parameters, a.square_avg, a.momentum_buffer, a.grad_avg, a.gradients,
                                           n[ELEMENTS], (float)a.numbers[0], (float)(1 - a.numbers[1]),
                                           (float)a.numbers[2], (float)a.numbers[3], (float)a.numbers[4]))

SRT_SIGNATURE(
    average_step, "average += (1 - decay) (data - average).",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(WRITTEN, average, OF(ELEMENTS)),
          ARRAY(FLOATS, data, OF(ELEMENTS)),
          VALUE(NUMBER, decay)))
SRT_UPDATE(average_step, srt->average_step(a.average, a.data, n[ELEMENTS], (float)(1 - a.decay)))

static bool derive_scratch(void *given, ptrdiff_t *n) {
  (void)given;
  n[SCRATCH] = srt->sum_of_squares_scratch(n[ELEMENTS]);
  return true;
}

SRT_SIGNATURE(
    sum_of_squares, "The squared norm of an array.",
    .derived = SRT_BIT(SCRATCH), .empty = SRT_BIT(ELEMENTS), .derive = derive_scratch,
    TABLE(ARRAY_AS(ELEMENTS, read, "x", OF(ELEMENTS)),
          RESULT_NUMBER(sum, "sum"),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(sum_of_squares, srt->sum_of_squares(&a.sum, a.read, n[ELEMENTS], a.scratch))

SRT_SIGNATURE(
    scale, "x *= factor.",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(WRITTEN, x, OF(ELEMENTS)),
          VALUE(NUMBER, factor)))
SRT_UPDATE(scale, srt->scale(a.x, (float)a.factor, n[ELEMENTS]))

const srt_operator srt_optimizer_operators[] = {SRT_ENTRY(adam_step),
                                                SRT_ENTRY(sgd_step),
                                                SRT_ENTRY(rmsprop_step),
                                                SRT_ENTRY(average_step),
                                                SRT_ENTRY(sum_of_squares),
                                                SRT_ENTRY(scale),
                                                {0}};
