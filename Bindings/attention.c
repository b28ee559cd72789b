// Attention over each sequence's own steps: see Attention in include/seriatim.h for the shapes.
#include "binding.h"

enum { ROWS = 1, FEATURES, STEPS, BATCH };

static const char *const symbols[] = {[ROWS] = "rows", [FEATURES] = "size", [STEPS] = "steps", [BATCH] = "batch"};

typedef struct {
  srt_frame frame;
  const float *query, *h, *grad_context, *weights;
  const int64_t *batch_sizes;
  float *context, *new_weights, *grad_query, *grad_h, *scratch;
} arguments;

SRT_SIGNATURE(
    attention_forward, "Softmax over each sequence's own steps of query . h, and the weighted sum of h.",
    .derived = SRT_BIT(BATCH),
    TABLE(ARRAY(FLOATS, query, OF(BATCH, FEATURES)),
          ARRAY(FLOATS, h, OF(ROWS, FEATURES), FIRST),
          ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH), FIRST),
          ARRAY(RESULT, context, OF(BATCH, FEATURES)),
          ARRAY_AS(RESULT, new_weights, "weights", OF(ROWS))))
SRT_OPERATOR(attention_forward,
             srt->attention_forward(a.context, a.new_weights, a.query, a.h, a.batch_sizes, n[STEPS], n[FEATURES]))

SRT_SIGNATURE(
    attention_backward, "The gradients of attention_forward.",
    .derived = SRT_BIT(BATCH),
    TABLE(ARRAY(FLOATS, grad_context, OF(BATCH, FEATURES)),
          ARRAY(FLOATS, query, OF(BATCH, FEATURES)),
          ARRAY(FLOATS, h, OF(ROWS, FEATURES), FIRST),
          ARRAY(FLOATS, weights, OF(ROWS)),
          ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH), FIRST),
          ARRAY(RESULT, grad_query, OF(BATCH, FEATURES)),
          ARRAY(RESULT, grad_h, OF(ROWS, FEATURES)),
          ARRAY(SCRATCH, scratch, OF(ROWS))))
SRT_OPERATOR(attention_backward, srt->attention_backward(a.grad_query, a.grad_h, a.grad_context, a.query, a.h,
                                                         a.weights, a.batch_sizes, n[STEPS], n[FEATURES], a.scratch))

const srt_operator srt_attention_operators[] = {SRT_ENTRY(attention_forward), SRT_ENTRY(attention_backward), {0}};
