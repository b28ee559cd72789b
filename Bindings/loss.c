// Losses: see Losses in include/seriatim.h for the shapes.
#include "binding.h"

enum { BATCH = 1, CLASSES, SCALES, ELEMENTS, STEPS, ROWS, LABELS, BLANK, MOST, SCRATCH };

static const char *const symbols[] = {
    [BATCH] = "batch", [CLASSES] = "classes", [SCALES] = "batch", [ELEMENTS] = "size",    [STEPS] = "steps",
    [ROWS] = "rows",   [LABELS] = "labels",   [BLANK] = "blank",  [MOST] = "most_labels", [SCRATCH] = "scratch"};

typedef struct {
  srt_frame frame;
  const float *log_probs, *weights, *weight, *sample_weight, *scale, *pred, *pred_target, *pos_weight, *probabilities;
  const int64_t *target, *batch_sizes, *lengths, *starts, *counts;
  float *losses, *new_weights, *grad, *scratch;
  double label_smoothing, ignore_index, bound, totals[2];
  ptrdiff_t kind;
} arguments;

static bool check_targets(void *given, const ptrdiff_t *n) {
  const arguments *a = given;
  if (!(a->ignore_index >= -0x1p63 && a->ignore_index < 0x1p63)) {
    PyErr_SetString(PyExc_ValueError, "ignore_index: expected an integer of 64 bits");
    return false;
  }
  if (!a->target == !a->probabilities) {
    PyErr_SetString(PyExc_ValueError, "target: expected either it or probabilities");
    return false;
  }
  if (!a->target) return true;
  const int64_t ignored = (int64_t)a->ignore_index;
  for (ptrdiff_t row = 0; row < n[BATCH]; row++) {
    if ((a->target[row] >= 0 && a->target[row] < n[CLASSES]) || a->target[row] == ignored) continue;
    PyErr_Format(PyExc_ValueError, "target: expected classes from 0 to %zd, got %lld at position %zd",
                 (Py_ssize_t)n[CLASSES] - 1, (long long)a->target[row], (Py_ssize_t)row);
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

static srt_label_targets wish_of(const arguments *a, const ptrdiff_t *n) {
  return (srt_label_targets){.labels = a->target,
                             .probabilities = a->probabilities,
                             .class_weight = a->weight,
                             .sample_weight = a->sample_weight,
                             .smoothing = (float)a->label_smoothing,
                             .ignored = (int64_t)a->ignore_index,
                             .rows = n[BATCH],
                             .classes = n[CLASSES]};
}

// What is wished for, in both directions.
#define WISH                                                                                                \
  ARRAY(INTEGERS, target, OF(BATCH), OPTIONAL), ARRAY(FLOATS, probabilities, OF(BATCH, CLASSES), OPTIONAL), \
      ARRAY(FLOATS, weight, OF(CLASSES), OPTIONAL), ARRAY(FLOATS, sample_weight, OF(BATCH), OPTIONAL),      \
      VALUE(NUMBER, label_smoothing), VALUE(NUMBER, ignore_index)

SRT_SIGNATURE(
    nll_forward, "Weighted negative log-likelihood of each row, and the sums.",
    .empty = SRT_BIT(BATCH), .check = check_targets,
    TABLE(ARRAY(FLOATS, log_probs, OF(BATCH, CLASSES)), WISH,
          ARRAY(RESULT, losses, OF(BATCH)),
          ARRAY_AS(RESULT, new_weights, "weights", OF(BATCH)),
          RESULT_NUMBER(totals[0], "total"),
          RESULT_NUMBER(totals[1], "total_weight")))
SRT_OPERATOR(nll_forward, srt->nll_forward(a.losses, a.new_weights, a.totals, a.log_probs,
                                           (const srt_label_targets[]){wish_of(&a, n)}))

SRT_SIGNATURE(
    nll_backward, "The gradient of nll_forward.",
    .empty = SRT_BIT(BATCH), .check = check_backward,
    TABLE(ARRAY(FLOATS, weights, OF(BATCH)), WISH,
          ARRAY(FLOATS, scale, OF(SCALES)),
          SIZE(CLASSES),
          ARRAY_AS(RESULT, grad, "grad_log_probs", OF(BATCH, CLASSES))))
SRT_OPERATOR(nll_backward, srt->nll_backward(a.grad, a.weights, a.scale, n[SCALES] == n[BATCH],
                                             (const srt_label_targets[]){wish_of(&a, n)}))

static bool check_bound(void *given, const ptrdiff_t *n) {
  (void)n;
  if ((float)((arguments *)given)->bound > 0) return true;
  PyErr_SetString(PyExc_ValueError, "bound: expected a positive number");
  return false;
}

SRT_SIGNATURE(
    point_loss, "Losses of single numbers, and their derivatives, by the kinds of the C ABI.",
    .empty = SRT_BIT(ELEMENTS), .check = check_bound,
    TABLE(ARRAY(FLOATS, pred, OF(ELEMENTS)),
          ARRAY_AS(FLOATS, pred_target, "target", OF(ELEMENTS)),
          ARRAY(FLOATS, pos_weight, OF(ELEMENTS), OPTIONAL),
          VALUE(NUMBER, bound),
          VALUES(CHOICE, kind, 8),
          ARRAY(RESULT, losses, OF(ELEMENTS)),
          ARRAY(RESULT, grad, OF(ELEMENTS))))
SRT_OPERATOR(point_loss, srt->point_loss(a.losses, a.grad, a.pred, a.pred_target, a.pos_weight, (float)a.bound,
                                         n[ELEMENTS], (int32_t)a.kind))

static bool check_ctc(void *given, const ptrdiff_t *n) {
  const arguments *a = given;
  if (n[BLANK] >= n[CLASSES]) {
    PyErr_Format(PyExc_ValueError, "blank: expected a class from 0 to %zd, got %zd", (Py_ssize_t)n[CLASSES] - 1,
                 (Py_ssize_t)n[BLANK]);
    return false;
  }
  for (ptrdiff_t i = 0; i < n[BATCH]; i++) {
    // Frames of a sequence: it is in every step with more than i sequences.
    if (a->lengths[i] < 0 || a->lengths[i] > n[STEPS] || (a->lengths[i] && a->batch_sizes[a->lengths[i] - 1] <= i)) {
      PyErr_Format(PyExc_ValueError, "lengths: expected at most the frames that there are, got %lld at position %zd",
                   (long long)a->lengths[i], (Py_ssize_t)i);
      return false;
    }
    const int64_t start = a->starts[i], count = a->counts[i];
    if (start < 0 || count < 0 || count > n[MOST] || start > n[LABELS] || count > n[LABELS] - start) {
      PyErr_Format(PyExc_ValueError,
                   "counts: expected at most %zd labels, within those of %zd, got %lld at position %zd",
                   (Py_ssize_t)n[MOST], (Py_ssize_t)n[LABELS], (long long)count, (Py_ssize_t)i);
      return false;
    }
    for (int64_t place = start; place < start + count; place++) {
      if (a->target[place] >= 0 && a->target[place] < n[CLASSES] && a->target[place] != n[BLANK]) continue;
      PyErr_Format(PyExc_ValueError, "targets: expected classes from 0 to %zd without the blank, %zd, got %lld",
                   (Py_ssize_t)n[CLASSES] - 1, (Py_ssize_t)n[BLANK], (long long)a->target[place]);
      return false;
    }
  }
  return true;
}

static bool derive_ctc(void *given, ptrdiff_t *n) {
  (void)given;
  if (!srt_bounded("log_probs", n[STEPS], n[BATCH], n[MOST] + 1, 4)) return false;
  n[SCRATCH] = srt->ctc_scratch(n[STEPS], n[BATCH], n[MOST]);
  return true;
}

SRT_SIGNATURE(
    ctc_loss, "Connectionist temporal classification of each sequence, and the gradient.",
    .derived = SRT_BIT(SCRATCH), .zero = SRT_BIT(LABELS) | SRT_BIT(BLANK) | SRT_BIT(MOST), .derive = derive_ctc, .check = check_ctc,
    TABLE(ARRAY(FLOATS, log_probs, OF(ROWS, CLASSES), FIRST),
          ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH), FIRST),
          ARRAY(INTEGERS, lengths, OF(BATCH)),
          ARRAY_AS(INTEGERS, target, "targets", OF(LABELS)),
          ARRAY(INTEGERS, starts, OF(BATCH)),
          ARRAY(INTEGERS, counts, OF(BATCH)),
          SIZE(BLANK),
          SIZE(MOST),
          ARRAY(RESULT, losses, OF(BATCH)),
          ARRAY(RESULT, grad, OF(ROWS, CLASSES)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(ctc_loss,
             srt->ctc_loss(a.losses, a.grad, a.log_probs, a.batch_sizes, a.lengths, a.target, a.starts, a.counts,
                           n[STEPS], n[BATCH], n[CLASSES], n[BLANK], n[MOST], a.scratch, n[SCRATCH]))

const srt_operator srt_loss_operators[] = {
    SRT_ENTRY(nll_forward), SRT_ENTRY(nll_backward), SRT_ENTRY(point_loss), SRT_ENTRY(ctc_loss), {0}};
