// Preprocessing of ragged data: see Ragged data in include/seriatim.h for the shapes.
#include "binding.h"

// Sequences behind each other, as every function here takes them first: x, offsets.
typedef struct {
  const float *x;
  const int64_t *offsets;
  ptrdiff_t rows, features, count;
} ragged;

static bool read_ragged(srt_call *call, PyObject *const *args, ragged *r) {
  r->rows = r->features = -1;
  ptrdiff_t ends = -1;
  if (!(srt_floats(call, args[0], "x", &r->x, 2, &r->rows, "rows", &r->features, "features") &&
        srt_integers(call, args[1], "offsets", &r->offsets, 1, &ends, "n + 1")))
    return false;
  r->count = ends - 1;
  bool grows = ends >= 1 && r->offsets[0] == 0 && r->offsets[ends - 1] == r->rows;
  for (ptrdiff_t i = 1; grows && i < ends; i++) grows = r->offsets[i] >= r->offsets[i - 1];
  if (grows) return true;
  PyErr_Format(PyExc_ValueError, "offsets: expected numbers that grow from 0 to the %zd rows of x", (Py_ssize_t)r->rows);
  return false;
}

static bool is_empty(const ragged *r) { return r->rows == 0 || r->features == 0 || r->count == 0; }

// x, offsets, need_spread -> mean, spread | None
SRT_FUNCTION(ragged_moments) {
  SRT_TAKES(ragged_moments, 3);
  srt_call call = {0};
  ragged r;
  float *mean, *spread = NULL;
  int32_t need_spread;
  PyObject *second = Py_None;
  if (!(srt_flag(args[2], "need_spread", &need_spread) && read_ragged(&call, args, &r))) return srt_fail(&call);
  PyObject *first = srt_new_floats(&call, &mean, 2, r.count, r.features);
  if (!first || (need_spread && !(second = srt_new_floats(&call, &spread, 2, r.count, r.features))))
    return srt_fail(&call);
  if (r.count == 0 || r.features == 0) return srt_finish(&call, SRT_OK, PyTuple_Pack(2, first, second));
  SRT_RUN(status, srt->ragged_moments(mean, spread, r.x, r.offsets, r.count, r.features));
  return srt_finish(&call, status, PyTuple_Pack(2, first, second));
}

// x, offsets -> least, greatest
SRT_FUNCTION(ragged_extrema) {
  SRT_TAKES(ragged_extrema, 2);
  srt_call call = {0};
  ragged r;
  float *least, *greatest;
  if (!read_ragged(&call, args, &r)) return srt_fail(&call);
  PyObject *first = srt_new_floats(&call, &least, 2, r.count, r.features);
  PyObject *second = first ? srt_new_floats(&call, &greatest, 2, r.count, r.features) : NULL;
  if (!second) return srt_fail(&call);
  if (r.count == 0 || r.features == 0) return srt_finish(&call, SRT_OK, PyTuple_Pack(2, first, second));
  SRT_RUN(status, srt->ragged_extrema(least, greatest, r.x, r.offsets, r.count, r.features));
  return srt_finish(&call, status, PyTuple_Pack(2, first, second));
}

// x, offsets, shift, scale -> y
SRT_FUNCTION(ragged_scale) {
  SRT_TAKES(ragged_scale, 4);
  srt_call call = {0};
  ragged r;
  const float *shift, *scale;
  float *y;
  if (!(read_ragged(&call, args, &r) &&
        srt_floats(&call, args[2], "shift", &shift, 2, &r.count, "n", &r.features, "features") &&
        srt_floats(&call, args[3], "scale", &scale, 2, &r.count, "n", &r.features, "features")))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 2, r.rows, r.features);
  if (!result) return srt_fail(&call);
  if (is_empty(&r)) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->ragged_scale(y, r.x, r.offsets, r.count, r.features, shift, scale));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, offsets, width, is_median -> y
SRT_FUNCTION(ragged_filter) {
  SRT_TAKES(ragged_filter, 4);
  srt_call call = {0};
  ragged r;
  ptrdiff_t width;
  int32_t is_median;
  float *y, *scratch;
  if (!(srt_size(args[2], "width", &width) && srt_flag(args[3], "is_median", &is_median) && read_ragged(&call, args, &r)))
    return srt_fail(&call);
  // A window is never longer than all rows together.
  if (width > 2 * r.rows + 1) width = 2 * r.rows + 1;
  PyObject *result = srt_new_floats(&call, &y, 2, r.rows, r.features);
  if (!result) return srt_fail(&call);
  if (is_empty(&r)) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  if (!srt_scratch(&call, &scratch, srt->ragged_filter_scratch(width, is_median))) return srt_fail(&call);
  SRT_RUN(status, srt->ragged_filter(y, r.x, r.offsets, r.count, r.features, width, is_median, scratch));
  return srt_finish(&call, status, Py_NewRef(result));
}

// y (rows that may lie apart), x, offsets, reach
SRT_FUNCTION(ragged_deltas) {
  SRT_TAKES(ragged_deltas, 4);
  srt_call call = {0};
  ragged r;
  ptrdiff_t reach, stride;
  float *y;
  if (!(srt_size(args[3], "reach", &reach) && read_ragged(&call, args + 1, &r) &&
        srt_output_rows(&call, args[0], "y", &y, &stride, &r.rows, &r.features)))
    return srt_fail(&call);
  if (is_empty(&r)) return srt_finish(&call, SRT_OK, Py_NewRef(Py_None));
  SRT_RUN(status, srt->ragged_deltas(y, stride, r.x, r.offsets, r.count, r.features, reach));
  return srt_finish(&call, status, Py_NewRef(Py_None));
}

// x, offsets, matrices -> y
SRT_FUNCTION(rotate_points) {
  SRT_TAKES(rotate_points, 3);
  srt_call call = {0};
  ragged r;
  const float *matrices;
  float *y;
  ptrdiff_t three = 3;
  if (!(read_ragged(&call, args, &r) &&
        srt_floats(&call, args[2], "matrices", &matrices, 3, &r.count, "n", &three, "3", &three, "3")))
    return srt_fail(&call);
  if (r.features % 3) {
    PyErr_Format(PyExc_ValueError, "x: expected points of 3 features each, got %zd features", (Py_ssize_t)r.features);
    return srt_fail(&call);
  }
  PyObject *result = srt_new_floats(&call, &y, 2, r.rows, r.features);
  if (!result) return srt_fail(&call);
  if (is_empty(&r)) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->rotate_points(y, r.x, r.offsets, r.count, r.features, matrices));
  return srt_finish(&call, status, Py_NewRef(result));
}

// Raises unless every index is that of a row or column with another behind it, or has no weight and is the last.
static bool within(const int64_t *index, const float *weight, ptrdiff_t count, ptrdiff_t limit) {
  for (ptrdiff_t i = 0; i < count; i++) {
    if (index[i] >= 0 && (index[i] < limit - 1 || (index[i] == limit - 1 && weight[i] == 0))) continue;
    PyErr_Format(PyExc_IndexError, "index: expected numbers from 0 to %zd, the last with a weight of 0, got %lld at %zd",
                 (Py_ssize_t)limit - 1, (long long)index[i], (Py_ssize_t)i);
    return false;
  }
  return true;
}

// x, offsets, index, weight -> y
SRT_FUNCTION(interpolate_columns) {
  SRT_TAKES(interpolate_columns, 4);
  srt_call call = {0};
  ragged r;
  const int64_t *index;
  const float *weight;
  float *y;
  ptrdiff_t columns = -1;
  if (!(read_ragged(&call, args, &r) &&
        srt_integers(&call, args[2], "index", &index, 2, &r.count, "n", &columns, "columns") &&
        srt_floats(&call, args[3], "weight", &weight, 2, &r.count, "n", &columns, "columns") &&
        within(index, weight, r.count * columns, r.features)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 2, r.rows, columns);
  if (!result) return srt_fail(&call);
  if (is_empty(&r) || columns == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->interpolate_columns(y, r.x, r.offsets, r.count, r.features, columns, index, weight));
  return srt_finish(&call, status, Py_NewRef(result));
}

// x, index, weight -> y
SRT_FUNCTION(interpolate_rows) {
  SRT_TAKES(interpolate_rows, 3);
  srt_call call = {0};
  const float *x, *weight;
  const int64_t *index;
  float *y;
  ptrdiff_t sources = -1, features = -1, rows = -1;
  if (!(srt_floats(&call, args[0], "x", &x, 2, &sources, "rows", &features, "features") &&
        srt_integers(&call, args[1], "index", &index, 1, &rows, "rows") &&
        srt_floats(&call, args[2], "weight", &weight, 1, &rows, "rows") && within(index, weight, rows, sources)))
    return srt_fail(&call);
  PyObject *result = srt_new_floats(&call, &y, 2, rows, features);
  if (!result) return srt_fail(&call);
  if (rows == 0 || features == 0) return srt_finish(&call, SRT_OK, Py_NewRef(result));
  SRT_RUN(status, srt->interpolate_rows(y, x, features, index, weight, rows));
  return srt_finish(&call, status, Py_NewRef(result));
}

PyMethodDef srt_ragged_methods[] = {
    SRT_METHOD(ragged_moments, "Mean and spread of every sequence."),
    SRT_METHOD(ragged_extrema, "The least and greatest values of every sequence."),
    SRT_METHOD(ragged_scale, "(x - shift) * scale, with each sequence's own numbers."),
    SRT_METHOD(ragged_filter, "Moving means or medians."),
    SRT_METHOD(ragged_deltas, "Slopes over time."),
    SRT_METHOD(rotate_points, "Points of three features times each sequence's matrix."),
    SRT_METHOD(interpolate_columns, "Features between features."),
    SRT_METHOD(interpolate_rows, "Rows between rows."),
    {NULL, NULL, 0, NULL},
};
