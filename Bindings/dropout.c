// Dropout: see Dropout in include/seriatim.h.
#include "binding.h"

enum { ELEMENTS = 1 };

static const char *const symbols[] = {[ELEMENTS] = "size"};

typedef struct {
  srt_frame frame;
  const float *x;
  float *y;
  double p;
  uint64_t seed, offset;
} arguments;

static bool check(void *given, const ptrdiff_t *n) {
  (void)n;
  const double p = ((arguments *)given)->p;
  if (p >= 0 && p < 1) return true;
  char *text = PyOS_double_to_string(p, 'r', 0, 0, NULL);
  PyErr_Format(PyExc_ValueError, "p: expected a probability in [0, 1), got %s", text ? text : "another number");
  PyMem_Free(text);
  return false;
}

SRT_SIGNATURE(
    dropout, "x / (1 - p) where the element's random word says so, else 0.",
    .empty = SRT_BIT(ELEMENTS), .check = check,
    TABLE(ARRAY(ELEMENTS, x, OF(ELEMENTS)),
          VALUE(NUMBER, p),
          VALUE(WORD, seed),
          VALUE(WORD, offset),
          LIKE(y, "y", 0)))
SRT_OPERATOR(dropout, srt->dropout(a.y, a.x, n[ELEMENTS], (uint32_t)(a.p * 4294967296.0), (float)(1.0 / (1.0 - a.p)),
                                   a.seed, a.offset))

const srt_operator srt_dropout_operators[] = {SRT_ENTRY(dropout), {0}};
