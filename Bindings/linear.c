// Linear: see Linear in include/seriatim.h for the shapes.
#include "binding.h"

enum { ROWS = 1, IN, OUT, PACKED, SCRATCH };

static const char *const symbols[] = {
    [ROWS] = "rows", [IN] = "in_features", [OUT] = "out_features", [PACKED] = "packed_size", [SCRATCH] = "scratch",
};

typedef struct {
  srt_frame frame;
  const float *grad_y, *x, *weight, *bias, *scales;
  float *y, *grad_x, *grad_weight, *grad_bias, *scratch;
  const float *packed;
  float *result;
  ptrdiff_t accumulate, form;
} arguments;

// A form of the weights as the C ABI has it: 0 for float32, then SRT_BFLOAT16, SRT_INT8.
enum { FORMS = 3, INT8 = 2 };

static int32_t options_of(const arguments *a) { return (int32_t[FORMS]){0, SRT_BFLOAT16, SRT_INT8}[a->form]; }

bool srt_are_int8(const char *name, const float *data, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    if (data[i] >= -127 && data[i] <= 127 && data[i] == (float)(int)data[i]) continue;
    PyErr_Format(PyExc_ValueError, "%s: expected whole numbers from -127 to 127 for int8, got another at element %zd",
                 name, (Py_ssize_t)i);
    return false;
  }
  return true;
}

static bool check_scales(void *arguments_, const ptrdiff_t *n) {
  const arguments *a = arguments_;
  if ((a->form == INT8) == (a->scales != NULL)) {
    return a->form != INT8 || srt_are_int8("weight", a->weight, n[OUT] * n[IN]);
  }
  PyErr_Format(PyExc_ValueError, "scales: expected %s",
               a->scales ? "None without int8" : "an array with int8, got None");
  return false;
}

static bool derive_forward(void *a, ptrdiff_t *n) {
  if (!srt_bounded("out_features", n[IN], n[OUT])) return false;
  n[PACKED] = srt->packed_size(n[IN], n[OUT], options_of(a));
  return true;
}

static bool derive_backward(void *a, ptrdiff_t *n) {
  (void)a;
  if (!srt_bounded("grad_y", n[IN], n[OUT])) return false;
  n[PACKED] = srt->packed_size(n[OUT], n[IN], 0);
  n[SCRATCH] = srt->gradient_scratch();
  return true;
}

SRT_SIGNATURE(
    linear_pack, "Packs a weight for linear_forward.",
    .derived = SRT_BIT(PACKED),
    .derive = derive_forward,
    .check = check_scales,
    TABLE(ARRAY(FLOATS, weight, OF(OUT, IN)), ARRAY(FLOATS, scales, OF(OUT), OPTIONAL), VALUES(CHOICE, form, FORMS),
          ARRAY_AS(RESULT, result, "packed", OF(PACKED))))
SRT_OPERATOR(linear_pack, srt->linear_pack(a.result, options_of(&a), a.weight, a.scales, n[IN], n[OUT]))

SRT_SIGNATURE(
    linear_pack_backward, "Packs a weight for linear_backward.",
    .derived = SRT_BIT(PACKED),
    .derive = derive_backward,
    TABLE(ARRAY(FLOATS, weight, OF(OUT, IN)), ARRAY_AS(RESULT, result, "packed", OF(PACKED))))
SRT_OPERATOR(linear_pack_backward, srt->linear_pack_backward(a.result, a.weight, n[IN], n[OUT]))

SRT_SIGNATURE(
    linear_forward, "x @ weight.T + bias.",
    .derived = SRT_BIT(PACKED),
    .empty = SRT_BIT(ROWS),
    .derive = derive_forward,
    TABLE(ARRAY(FLOATS, x, OF(ROWS, IN)),
          ARRAY(FLOATS, packed, OF(PACKED)),
          ARRAY(FLOATS, bias, OF(OUT), OPTIONAL),
          SIZE(OUT),
          VALUES(CHOICE, form, FORMS),
          ARRAY(RESULT, y, OF(ROWS, OUT))))
SRT_OPERATOR(linear_forward, srt->linear_forward(a.y, a.x, a.packed, options_of(&a), a.bias, n[ROWS], n[IN], n[OUT]))

SRT_SIGNATURE(
    linear_backward, "The gradients of linear_forward.",
    .derived = SRT_BIT(PACKED) | SRT_BIT(SCRATCH), .empty = SRT_BIT(ROWS), .accumulate = AT(accumulate),
    .derive = derive_backward,
    TABLE(ARRAY(FLOATS, grad_y, OF(ROWS, OUT)),
          ARRAY(FLOATS, x, OF(ROWS, IN)),
          ARRAY(FLOATS, packed, OF(PACKED), OPTIONAL),
          GROUP("gradients", 3),
          ARRAY(WRITTEN, grad_weight, OF(OUT, IN), OPTIONAL),
          ARRAY(WRITTEN, grad_bias, OF(OUT), OPTIONAL),
          VALUE(FLAG, accumulate),
          ARRAY(RESULT, grad_x, OF(ROWS, IN), WHEN(packed)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(linear_backward, srt->linear_backward(a.grad_x, a.grad_weight, a.grad_bias, (int32_t)a.accumulate,
                                                   a.grad_y, a.x, a.packed, n[ROWS], n[IN], n[OUT], a.scratch))

const srt_operator srt_linear_operators[] = {SRT_ENTRY(linear_pack),
                                             SRT_ENTRY(linear_pack_backward),
                                             SRT_ENTRY(linear_forward),
                                             SRT_ENTRY(linear_backward),
                                             {0}};
