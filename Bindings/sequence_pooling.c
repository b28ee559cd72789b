// Pooling over each sequence's own steps: see Pooling over time in include/seriatim.h for the shapes.
#include "binding.h"

enum { ROWS = 1, FEATURES, STEPS, BATCH, POOLED, SCRATCH };

static const char *const symbols[] = {
    [ROWS] = "rows",   [FEATURES] = "size",       [STEPS] = "steps",
    [BATCH] = "batch", [POOLED] = "kinds * size", [SCRATCH] = "scratch",
};

typedef struct {
  srt_frame frame;
  const float *h, *grad_pooled, *pooled;
  const int64_t *batch_sizes;
  float *new_pooled, *grad_h, *scratch;
  ptrdiff_t mean, greatest, positive;
} arguments;

static bool derive(void *given, ptrdiff_t *n) {
  const arguments *a = given;
  const ptrdiff_t kinds = (a->mean != 0) + (a->greatest != 0) + (a->positive != 0);
  n[POOLED] = kinds * n[FEATURES];
  n[SCRATCH] = 2 * n[BATCH] * n[FEATURES];
  if (kinds) return true;
  PyErr_SetString(PyExc_ValueError, "mean, greatest, positive: expected at least one kind of pooling, got none");
  return false;
}

// The columns of a kind in rows of all wanted ones side by side, of which some lie before it; NULL for what is not wanted.
#define COLUMNS(base, wanted, before) ((wanted) ? (base) + (before) * n[FEATURES] : NULL)

SRT_SIGNATURE(
    sequence_pool_forward, "The mean, the greatest and the share above 0 of each sequence's own steps.",
    .derived = SRT_BIT(BATCH) | SRT_BIT(POOLED), .derive = derive,
    TABLE(ARRAY(FLOATS, h, OF(ROWS, FEATURES)),
          ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH)),
          GROUP("kinds", 3),
          VALUE(FLAG, mean),
          VALUE(FLAG, greatest),
          VALUE(FLAG, positive),
          ARRAY_AS(RESULT, new_pooled, "pooled", OF(BATCH, POOLED))))
SRT_OPERATOR(sequence_pool_forward,
             srt->sequence_pool_forward(COLUMNS(a.new_pooled, a.mean, 0), COLUMNS(a.new_pooled, a.greatest, a.mean),
                                        COLUMNS(a.new_pooled, a.positive, a.mean + a.greatest), n[POOLED], a.h,
                                        a.batch_sizes, n[STEPS], n[FEATURES]))

SRT_SIGNATURE(
    sequence_pool_backward, "The gradient of sequence_pool_forward.",
    .derived = SRT_BIT(BATCH) | SRT_BIT(POOLED) | SRT_BIT(SCRATCH), .derive = derive,
    TABLE(ARRAY(FLOATS, grad_pooled, OF(BATCH, POOLED)),
          ARRAY(FLOATS, pooled, OF(BATCH, POOLED)),
          ARRAY(FLOATS, h, OF(ROWS, FEATURES), FIRST),
          ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH), FIRST),
          GROUP("kinds", 3),
          VALUE(FLAG, mean),
          VALUE(FLAG, greatest),
          VALUE(FLAG, positive),
          ARRAY(RESULT, grad_h, OF(ROWS, FEATURES)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(sequence_pool_backward, srt->sequence_pool_backward(a.grad_h, COLUMNS(a.grad_pooled, a.mean, 0),
                                                                 COLUMNS(a.grad_pooled, a.greatest, a.mean),
                                                                 COLUMNS(a.pooled, a.greatest, a.mean), n[POOLED], a.h,
                                                                 a.batch_sizes, n[STEPS], n[FEATURES], a.scratch))

const srt_operator srt_sequence_pooling_operators[] = {
    SRT_ENTRY(sequence_pool_forward), SRT_ENTRY(sequence_pool_backward), {0}};
