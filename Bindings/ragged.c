// Preprocessing of ragged data: see Ragged data in include/seriatim.h for the shapes.
#include "binding.h"

enum { ROWS = 1, FEATURES, SEQUENCES, COLUMNS, SOURCES, WIDTH, REACH, SCRATCH };

static const char *const symbols[] = {
    [ROWS] = "rows",    [FEATURES] = "features", [SEQUENCES] = "n", [COLUMNS] = "columns",
    [SOURCES] = "rows", [WIDTH] = "width",       [REACH] = "reach", [SCRATCH] = "scratch",
};

typedef struct {
  srt_frame frame;
  const float *x, *shift, *scale, *matrices, *weight;
  const int64_t *offsets, *index;
  float *y, *mean, *spread, *least, *greatest, *scratch;
  const double *wide_x, *wide_shift, *wide_scale;
  double *wide_y, *wide_mean, *wide_spread;
  ptrdiff_t stride, need_spread, is_median;
} arguments;

// Sequences behind each other, as every function takes them, and what of them may have no elements.
#define RAGGED ARRAY(FLOATS, x, OF(ROWS, FEATURES), FIRST), ARRAY(OFFSETS, offsets, TELLING(ROWS, SEQUENCES), FIRST)
#define RAGGED_DOUBLE \
  ARRAY_AS(DOUBLES, wide_x, "x", OF(ROWS, FEATURES), FIRST), ARRAY(OFFSETS, offsets, TELLING(ROWS, SEQUENCES), FIRST)
#define NOTHING SRT_BIT(FEATURES) | SRT_BIT(SEQUENCES)

SRT_SIGNATURE(
    ragged_moments, "Mean and spread of every sequence.",
    .zero = SRT_BIT(ROWS), .empty = NOTHING,
    TABLE(RAGGED,
          VALUE(FLAG, need_spread),
          ARRAY(RESULT, mean, OF(SEQUENCES, FEATURES)),
          ARRAY(RESULT, spread, OF(SEQUENCES, FEATURES), WHEN(need_spread))))
SRT_OPERATOR(ragged_moments, srt->ragged_moments(a.mean, a.spread, a.x, a.offsets, n[SEQUENCES], n[FEATURES]))

SRT_SIGNATURE(
    ragged_extrema, "The least and greatest values of every sequence.",
    .zero = SRT_BIT(ROWS), .empty = NOTHING,
    TABLE(RAGGED,
          ARRAY(RESULT, least, OF(SEQUENCES, FEATURES)),
          ARRAY(RESULT, greatest, OF(SEQUENCES, FEATURES))))
SRT_OPERATOR(ragged_extrema, srt->ragged_extrema(a.least, a.greatest, a.x, a.offsets, n[SEQUENCES], n[FEATURES]))

SRT_SIGNATURE(
    ragged_scale, "(x - shift) * scale, with each sequence's own numbers.",
    .empty = NOTHING | SRT_BIT(ROWS),
    TABLE(RAGGED,
          ARRAY(FLOATS, shift, OF(SEQUENCES, FEATURES)),
          ARRAY(FLOATS, scale, OF(SEQUENCES, FEATURES)),
          ARRAY(RESULT, y, OF(ROWS, FEATURES))))
SRT_OPERATOR(ragged_scale, srt->ragged_scale(a.y, a.x, a.offsets, n[SEQUENCES], n[FEATURES], a.shift, a.scale))

SRT_SIGNATURE(
    ragged_moments_double, "Mean and spread of every sequence, in double.",
    .zero = SRT_BIT(ROWS), .empty = NOTHING,
    TABLE(RAGGED_DOUBLE,
          VALUE(FLAG, need_spread),
          ARRAY_AS(RESULT_DOUBLES, wide_mean, "mean", OF(SEQUENCES, FEATURES)),
          ARRAY_AS(RESULT_DOUBLES, wide_spread, "spread", OF(SEQUENCES, FEATURES), WHEN(need_spread))))
SRT_OPERATOR(ragged_moments_double,
             srt->ragged_moments_double(a.wide_mean, a.wide_spread, a.wide_x, a.offsets, n[SEQUENCES], n[FEATURES]))

SRT_SIGNATURE(
    ragged_scale_double, "(x - shift) * scale, with each sequence's own numbers, in double.",
    .empty = NOTHING | SRT_BIT(ROWS),
    TABLE(RAGGED_DOUBLE,
          ARRAY_AS(DOUBLES, wide_shift, "shift", OF(SEQUENCES, FEATURES)),
          ARRAY_AS(DOUBLES, wide_scale, "scale", OF(SEQUENCES, FEATURES)),
          ARRAY_AS(RESULT_DOUBLES, wide_y, "y", OF(ROWS, FEATURES))))
SRT_OPERATOR(ragged_scale_double, srt->ragged_scale_double(a.wide_y, a.wide_x, a.offsets, n[SEQUENCES], n[FEATURES],
                                                           a.wide_shift, a.wide_scale))

static bool derive_filter(void *given, ptrdiff_t *n) {
  // A window is never longer than all rows together.
  if (n[WIDTH] / 2 > n[ROWS]) n[WIDTH] = 2 * n[ROWS] + 1;
  n[SCRATCH] = srt->ragged_filter_scratch(n[WIDTH], (int32_t)((arguments *)given)->is_median);
  return true;
}

SRT_SIGNATURE(
    ragged_filter, "Moving means or medians.",
    .derived = SRT_BIT(SCRATCH), .empty = NOTHING | SRT_BIT(ROWS), .derive = derive_filter,
    TABLE(RAGGED,
          SIZE(WIDTH),
          VALUE(FLAG, is_median),
          ARRAY(RESULT, y, OF(ROWS, FEATURES)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(ragged_filter, srt->ragged_filter(a.y, a.x, a.offsets, n[SEQUENCES], n[FEATURES], n[WIDTH],
                                               (int32_t)a.is_median, a.scratch))

static bool check_reach(void *given, const ptrdiff_t *n) {
  (void)given;
  if (n[REACH] <= 1 << 16) return true;
  PyErr_Format(PyExc_ValueError, "reach: expected at most 65536 rows, got %zd", (Py_ssize_t)n[REACH]);
  return false;
}

SRT_SIGNATURE(
    ragged_deltas, "Slopes over time, written to y, whose rows may lie apart.",
    .empty = NOTHING | SRT_BIT(ROWS), .check = check_reach,
    TABLE(ARRAY(WRITTEN_STRIDED, y, OF(ROWS, FEATURES), STRIDE(stride)),
          RAGGED,
          SIZE(REACH)))
SRT_OPERATOR(ragged_deltas, srt->ragged_deltas(a.y, a.stride, a.x, a.offsets, n[SEQUENCES], n[FEATURES], n[REACH]))

static bool check_points(void *given, const ptrdiff_t *n) {
  (void)given;
  if (n[FEATURES] % 3 == 0) return true;
  PyErr_Format(PyExc_ValueError, "x: expected points of 3 features each, got %zd features", (Py_ssize_t)n[FEATURES]);
  return false;
}

SRT_SIGNATURE(
    rotate_points, "Points of three features times each sequence's matrix.",
    .empty = NOTHING | SRT_BIT(ROWS), .check = check_points,
    TABLE(RAGGED,
          ARRAY(FLOATS, matrices, OF(SEQUENCES, -3, -3)),
          ARRAY(RESULT, y, OF(ROWS, FEATURES))))
SRT_OPERATOR(rotate_points, srt->rotate_points(a.y, a.x, a.offsets, n[SEQUENCES], n[FEATURES], a.matrices))

// Raises unless every index is that of a row or column with another behind it, or has no weight and is the last.
static bool within(const arguments *a, ptrdiff_t count, ptrdiff_t limit) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const int64_t index = a->index[i];
    if (index >= 0 && (index < limit - 1 || (index == limit - 1 && a->weight[i] == 0))) continue;
    PyErr_Format(PyExc_IndexError,
                 "index: expected numbers from 0 to %zd, the last with a weight of 0, got %lld at %zd",
                 (Py_ssize_t)limit - 1, (long long)index, (Py_ssize_t)i);
    return false;
  }
  return true;
}

static bool check_columns(void *given, const ptrdiff_t *n) {
  return within(given, n[SEQUENCES] * n[COLUMNS], n[FEATURES]);
}

SRT_SIGNATURE(
    interpolate_columns, "Features between features.",
    .empty = NOTHING | SRT_BIT(ROWS) | SRT_BIT(COLUMNS), .check = check_columns,
    TABLE(RAGGED,
          ARRAY(INTEGERS, index, OF(SEQUENCES, COLUMNS)),
          ARRAY(FLOATS, weight, OF(SEQUENCES, COLUMNS)),
          ARRAY(RESULT, y, OF(ROWS, COLUMNS))))
SRT_OPERATOR(interpolate_columns,
             srt->interpolate_columns(a.y, a.x, a.offsets, n[SEQUENCES], n[FEATURES], n[COLUMNS], a.index, a.weight))

static bool check_rows(void *given, const ptrdiff_t *n) { return within(given, n[ROWS], n[SOURCES]); }

SRT_SIGNATURE(
    interpolate_rows, "Rows between rows.",
    .zero = SRT_BIT(SOURCES), .empty = SRT_BIT(ROWS) | SRT_BIT(FEATURES), .check = check_rows,
    TABLE(ARRAY(FLOATS, x, OF(SOURCES, FEATURES)),
          ARRAY(INTEGERS, index, OF(ROWS)),
          ARRAY(FLOATS, weight, OF(ROWS)),
          ARRAY(RESULT, y, OF(ROWS, FEATURES))))
SRT_OPERATOR(interpolate_rows, srt->interpolate_rows(a.y, a.x, n[FEATURES], a.index, a.weight, n[ROWS]))

const srt_operator srt_ragged_operators[] = {SRT_ENTRY(ragged_moments),
                                             SRT_ENTRY(ragged_extrema),
                                             SRT_ENTRY(ragged_scale),
                                             SRT_ENTRY(ragged_filter),
                                             SRT_ENTRY(ragged_deltas),
                                             SRT_ENTRY(rotate_points),
                                             SRT_ENTRY(interpolate_columns),
                                             SRT_ENTRY(interpolate_rows),
                                             SRT_ENTRY(ragged_moments_double),
                                             SRT_ENTRY(ragged_scale_double),
                                             {0}};
