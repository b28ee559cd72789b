// Upsampling of planes: see Upsampling in include/seriatim.h for the shapes.
#include "binding.h"

// The sizes of the C ABI in their order.
enum { PLANES = 1, HEIGHT, WIDTH, OUT_HEIGHT, OUT_WIDTH };

static const char *const symbols[] = {
    [PLANES] = "planes", [HEIGHT] = "height", [WIDTH] = "width", [OUT_HEIGHT] = "out_height", [OUT_WIDTH] = "out_width",
};

typedef struct {
  srt_frame frame;
  const float *x, *grad_y, *row_weights, *column_weights;
  const int32_t *rows, *columns;
  float *y, *grad_x;
} arguments;

static bool derive(void *given, ptrdiff_t *n) {
  (void)given;
  return srt_bounded("rows", n[PLANES], n[OUT_HEIGHT], n[OUT_WIDTH]) &&
         srt_bounded("x", n[PLANES], n[HEIGHT], n[WIDTH]);
}

static bool are_places(const char *name, const int32_t *places, ptrdiff_t count, ptrdiff_t size) {
  for (ptrdiff_t i = 0; i < count; i++) {
    if (places[i] >= 0 && places[i] < size) continue;
    PyErr_Format(PyExc_IndexError, "%s: expected places from 0 to below %zd, got %d", name, size, (int)places[i]);
    return false;
  }
  return true;
}

static bool check(void *given, const ptrdiff_t *n) {
  const arguments *a = given;
  if (!a->row_weights != !a->column_weights) {
    PyErr_SetString(PyExc_ValueError, "row_weights, column_weights: expected both or neither, got one");
    return false;
  }
  return are_places("rows", a->rows, n[OUT_HEIGHT], n[HEIGHT]) &&
         are_places("columns", a->columns, n[OUT_WIDTH], n[WIDTH]);
}

#define TABLES                                                                \
  ARRAY(PLACES, rows, OF(OUT_HEIGHT)), ARRAY(PLACES, columns, OF(OUT_WIDTH)), \
      ARRAY(FLOATS, row_weights, OF(OUT_HEIGHT), OPTIONAL), ARRAY(FLOATS, column_weights, OF(OUT_WIDTH), OPTIONAL)

SRT_SIGNATURE(
    upsample_forward, "Planes of another size, each output a mean of one or four inputs.",
    .empty = SRT_BIT(PLANES), .derive = derive, .check = check,
    TABLE(ARRAY(FLOATS, x, OF(PLANES, HEIGHT, WIDTH)),
          TABLES,
          ARRAY(RESULT, y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH))))
SRT_OPERATOR(upsample_forward,
             srt->upsample_forward(a.y, a.x, n + PLANES, a.rows, a.columns, a.row_weights, a.column_weights))

SRT_SIGNATURE(
    upsample_backward, "The gradient of upsample_forward.",
    .empty = SRT_BIT(PLANES), .derive = derive, .check = check,
    TABLE(ARRAY(FLOATS, grad_y, OF(PLANES, OUT_HEIGHT, OUT_WIDTH)),
          SIZE(HEIGHT),
          SIZE(WIDTH),
          TABLES,
          ARRAY(RESULT, grad_x, OF(PLANES, HEIGHT, WIDTH))))
SRT_OPERATOR(upsample_backward,
             srt->upsample_backward(a.grad_x, a.grad_y, n + PLANES, a.rows, a.columns, a.row_weights, a.column_weights))

const srt_operator srt_upsample_operators[] = {SRT_ENTRY(upsample_forward), SRT_ENTRY(upsample_backward), {0}};
