// Losses: see Losses in include/seriatim.h for the shapes.
#include "binding.h"

enum { BATCH = 1, CLASSES, SCALES, ELEMENTS };

static const char *const symbols[] = {
    [BATCH] = "batch", [CLASSES] = "classes", [SCALES] = "batch", [ELEMENTS] = "size"};

typedef struct {
  srt_frame frame;
  const float *log_probs, *weights, *weight, *sample_weight, *scale, *pred, *pred_target, *pos_weight;
  const int64_t *target;
  float *losses, *new_weights, *grad;
  double label_smoothing, totals[2];
  ptrdiff_t kind;
} arguments;

static bool check_targets(void *given, const ptrdiff_t *n) {
  const int64_t *target = ((arguments *)given)->target;
  for (ptrdiff_t row = 0; row < n[BATCH]; row++) {
    if (target[row] >= 0 && target[row] < n[CLASSES]) continue;
    PyErr_Format(PyExc_ValueError, "target: expected classes from 0 to %zd, got %lld at position %zd",
                 (Py_ssize_t)n[CLASSES] - 1, (long long)target[row], (Py_ssize_t)row);
    return false;
  }
  return true;
}

static bool check_backward(void *given, const ptrdiff_t *n) {
  if (n[SCALES] != 1 && n[SCALES] != n[BATCH]) {
    PyErr_Format(PyExc_ValueError, "scale: expected 1 or %zd elements, got %zd", (Py_ssize_t)n[BATCH],
                 (Py_ssize_t)n[SCALES]);
    return false;
  }
  return check_targets(given, n);
}

SRT_SIGNATURE(
    nll_forward, "Weighted negative log-likelihood of each row, and the sums.",
    .check = check_targets,
    TABLE(ARRAY(FLOATS, log_probs, OF(BATCH, CLASSES)),
          ARRAY(INTEGERS, target, OF(BATCH)),
          ARRAY(FLOATS, weight, OF(CLASSES), OPTIONAL),
          ARRAY(FLOATS, sample_weight, OF(BATCH), OPTIONAL),
          VALUE(NUMBER, label_smoothing),
          ARRAY(RESULT, losses, OF(BATCH)),
          ARRAY_AS(RESULT, new_weights, "weights", OF(BATCH)),
          RESULT_NUMBER(totals[0], "total"),
          RESULT_NUMBER(totals[1], "total_weight")))
SRT_OPERATOR(nll_forward, srt->nll_forward(a.losses, a.new_weights, a.totals, a.log_probs, a.target, a.weight,
                                           a.sample_weight, (float)a.label_smoothing, n[BATCH], n[CLASSES]))

SRT_SIGNATURE(
    nll_backward, "The gradient of nll_forward.",
    .check = check_backward,
    TABLE(ARRAY(FLOATS, weights, OF(BATCH)),
          ARRAY(INTEGERS, target, OF(BATCH)),
          ARRAY(FLOATS, weight, OF(CLASSES), OPTIONAL),
          ARRAY(FLOATS, sample_weight, OF(BATCH), OPTIONAL),
          VALUE(NUMBER, label_smoothing),
          ARRAY(FLOATS, scale, OF(SCALES)),
          SIZE(CLASSES),
          ARRAY_AS(RESULT, grad, "grad_log_probs", OF(BATCH, CLASSES))))
SRT_OPERATOR(nll_backward,
             srt->nll_backward(a.grad, a.weights, a.target, a.weight, a.sample_weight, (float)a.label_smoothing,
                               a.scale, n[SCALES] == n[BATCH], n[BATCH], n[CLASSES]))

SRT_SIGNATURE(
    point_loss, "Losses of single numbers, and their derivatives: squared errors, or cross-entropies of logits.",
    .empty = SRT_BIT(ELEMENTS),
    TABLE(ARRAY(FLOATS, pred, OF(ELEMENTS)),
          ARRAY_AS(FLOATS, pred_target, "target", OF(ELEMENTS)),
          ARRAY(FLOATS, pos_weight, OF(ELEMENTS), OPTIONAL),
          VALUES(CHOICE, kind, 2),
          ARRAY(RESULT, losses, OF(ELEMENTS)),
          ARRAY(RESULT, grad, OF(ELEMENTS))))
SRT_OPERATOR(point_loss,
             srt->point_loss(a.losses, a.grad, a.pred, a.pred_target, a.pos_weight, n[ELEMENTS], (int32_t)a.kind))

const srt_operator srt_loss_operators[] = {SRT_ENTRY(nll_forward), SRT_ENTRY(nll_backward), SRT_ENTRY(point_loss), {0}};
