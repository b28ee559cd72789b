// Linear: see Linear in include/seriatim.h for the shapes.
#include "binding.h"

enum { ROWS = 1, IN, OUT, PACKED, SCRATCH };

static const char *const symbols[] = {
    [ROWS] = "rows", [IN] = "in_features", [OUT] = "out_features", [PACKED] = "packed_size", [SCRATCH] = "scratch",
};

typedef struct {
  srt_frame frame;
  const float *grad_y, *x, *weight, *bias;
  float *y, *grad_x, *grad_weight, *grad_bias, *scratch;
  const float *packed;
  float *result;
  ptrdiff_t accumulate;
} arguments;

static bool derive_forward(void *a, ptrdiff_t *n) {
  (void)a;
  if (!srt_bounded("out_features", n[IN], n[OUT], 1, 1)) return false;
  n[PACKED] = srt->packed_size(n[IN], n[OUT]);
  return true;
}

static bool derive_backward(void *a, ptrdiff_t *n) {
  (void)a;
  if (!srt_bounded("grad_y", n[IN], n[OUT], 1, 1)) return false;
  n[PACKED] = srt->packed_size(n[OUT], n[IN]);
  n[SCRATCH] = srt->gradient_scratch();
  return true;
}

SRT_SIGNATURE(
    linear_pack, "Packs a weight for linear_forward.",
    .derived = SRT_BIT(PACKED),
    .derive = derive_forward,
    TABLE(ARRAY(FLOATS, weight, OF(OUT, IN)), ARRAY_AS(RESULT, result, "packed", OF(PACKED))))
SRT_OPERATOR(linear_pack, srt->linear_pack(a.result, a.weight, n[IN], n[OUT]))

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
          ARRAY(RESULT, y, OF(ROWS, OUT))))
SRT_OPERATOR(linear_forward, srt->linear_forward(a.y, a.x, a.packed, a.bias, n[ROWS], n[IN], n[OUT]))

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
