// Losses: see Losses in include/seriatim.h for the shapes.
#include "binding.h"

static bool targets_exist(const int64_t *targets, ptrdiff_t rows, ptrdiff_t classes) {
  for (ptrdiff_t row = 0; row < rows; row++) {
    if (targets[row] >= 0 && targets[row] < classes) continue;
    PyErr_Format(PyExc_ValueError, "target: expected classes from 0 to %zd, got %lld at position %zd",
                 (Py_ssize_t)classes - 1, (long long)targets[row], (Py_ssize_t)row);
    return false;
  }
  return true;
}

// log_probs, target, class_weight | None, sample_weight | None, smoothing -> losses, weights, sum of losses, sum of weights
SRT_FUNCTION(nll_forward) {
  SRT_TAKES(nll_forward, 5);
  srt_call call = {0};
  const float *log_probs, *class_weight, *sample_weight;
  const int64_t *targets;
  float *losses, *weights;
  double totals[2], smoothing;
  ptrdiff_t rows = -1, classes = -1;
  if (!(srt_number(args[4], "label_smoothing", &smoothing) &&
        srt_floats(&call, args[0], "log_probs", &log_probs, 2, &rows, "batch", &classes, "classes") &&
        srt_integers(&call, args[1], "target", &targets, 1, &rows, "batch") && targets_exist(targets, rows, classes) &&
        srt_maybe_floats(&call, args[2], "weight", &class_weight, 1, &classes, "classes") &&
        srt_maybe_floats(&call, args[3], "sample_weight", &sample_weight, 1, &rows, "batch")))
    return srt_fail(&call);
  PyObject *first = srt_new_floats(&call, &losses, 1, rows);
  PyObject *second = first ? srt_new_floats(&call, &weights, 1, rows) : NULL;
  if (!second) return srt_fail(&call);
  SRT_RUN(status, srt->nll_forward(losses, weights, totals, log_probs, targets, class_weight, sample_weight,
                                   (float)smoothing, rows, classes));
  return srt_finish(&call, status, Py_BuildValue("OOdd", first, second, totals[0], totals[1]));
}

// weights, target, class_weight | None, sample_weight | None, smoothing, scale (1,) or (batch,), classes
//   -> grad_log_probs
SRT_FUNCTION(nll_backward) {
  SRT_TAKES(nll_backward, 7);
  srt_call call = {0};
  const float *weights, *class_weight, *sample_weight, *scale;
  const int64_t *targets;
  float *grad;
  double smoothing;
  ptrdiff_t rows = -1, scales = -1, classes;
  if (!(srt_size(args[6], "classes", &classes) && srt_number(args[4], "label_smoothing", &smoothing) &&
        srt_floats(&call, args[0], "weights", &weights, 1, &rows, "batch") &&
        srt_integers(&call, args[1], "target", &targets, 1, &rows, "batch") && targets_exist(targets, rows, classes) &&
        srt_maybe_floats(&call, args[2], "weight", &class_weight, 1, &classes, "classes") &&
        srt_maybe_floats(&call, args[3], "sample_weight", &sample_weight, 1, &rows, "batch") &&
        srt_floats(&call, args[5], "scale", &scale, 1, &scales, "batch")))
    return srt_fail(&call);
  if (scales != 1 && scales != rows) {
    PyErr_Format(PyExc_ValueError, "scale: expected 1 or %zd elements, got %zd", rows, scales);
    return srt_fail(&call);
  }
  PyObject *result = srt_new_floats(&call, &grad, 2, rows, classes);
  if (!result) return srt_fail(&call);
  SRT_RUN(status, srt->nll_backward(grad, weights, targets, class_weight, sample_weight, (float)smoothing, scale,
                                    scales == rows, rows, classes));
  return srt_finish(&call, status, Py_NewRef(result));
}

// prediction, target, positive | None, kind -> losses, grad
SRT_FUNCTION(point_loss) {
  SRT_TAKES(point_loss, 4);
  srt_call call = {0};
  const float *prediction, *target, *positive;
  float *losses, *grad;
  ptrdiff_t size = -1, kind;
  if (!(srt_count(args[3], "kind", &kind) && srt_floats(&call, args[0], "pred", &prediction, 1, &size, "size") &&
        srt_floats(&call, args[1], "target", &target, 1, &size, "size") &&
        srt_maybe_floats(&call, args[2], "pos_weight", &positive, 1, &size, "size")))
    return srt_fail(&call);
  PyObject *first = srt_new_floats(&call, &losses, 1, size);
  PyObject *second = first ? srt_new_floats(&call, &grad, 1, size) : NULL;
  if (!second) return srt_fail(&call);
  if (size == 0) return srt_finish(&call, SRT_OK, PyTuple_Pack(2, first, second));
  SRT_RUN(status, srt->point_loss(losses, grad, prediction, target, positive, size, (int32_t)kind));
  return srt_finish(&call, status, PyTuple_Pack(2, first, second));
}

PyMethodDef srt_loss_methods[] = {
    SRT_METHOD(nll_forward, "Weighted negative log-likelihood of each row, and the sums."),
    SRT_METHOD(nll_backward, "The gradient of nll_forward."),
    SRT_METHOD(point_loss, "Losses of single numbers, and their derivatives."),
    {NULL, NULL, 0, NULL},
};
