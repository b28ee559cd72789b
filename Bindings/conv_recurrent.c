// Convolutional recurrences of three kinds: see Convolutional recurrences in include/seriatim.h for the shapes.
#include "binding.h"

// From KIND to ACTIVATION: Python's tuple `cell`.
enum {
  KIND = 1,
  KERNEL,
  HARD,
  ACTIVATION,
  STEPS,
  BATCH,
  HIDDEN,
  HEIGHT,
  WIDTH,
  GATES,
  PACKED,
  SCRATCH,
  KINDS = 3,
  ACTIVATIONS = 6
};

static const char *const symbols[] = {
    [KIND] = "kind",          [KERNEL] = "kernel_size",
    [HARD] = "hard",          [ACTIVATION] = "activation",
    [STEPS] = "steps",        [BATCH] = "batch",
    [HIDDEN] = "hidden_size", [HEIGHT] = "height",
    [WIDTH] = "width",        [GATES] = "gates * hidden_size",
    [PACKED] = "packed_size", [SCRATCH] = "scratch",
};

typedef struct {
  srt_frame frame;
  srt_conv_cell cell;
  const float *weight, *h0, *c0, *packed, *bias, *grad_y, *grad_h_n, *grad_c_n, *y, *cells;
  float *new_packed, *gates, *new_y, *new_cells, *grad_x, *grad_weight, *grad_bias, *grad_h0, *grad_c0, *scratch;
  ptrdiff_t kind, backward, accumulate;
  ptrdiff_t has_gates, has_cells, has_none;  // what the kind is
} arguments;

static const int gate_counts[KINDS] = {[SRT_CONV_GRU] = 3, [SRT_CONV_LSTM] = 4, [SRT_CONV_RNN] = 1};

// Fills the cell and asks the kernels for the sizes of their memory.
static bool derive_cell(arguments *a, const ptrdiff_t *n, srt_conv_sizes *sizes, const char *blamed) {
  if (!srt_bounded(blamed, n[STEPS], n[BATCH], 4 * n[HIDDEN], n[HEIGHT] + n[KERNEL], n[WIDTH] + n[KERNEL]) ||
      !srt_bounded(blamed, n[HIDDEN], 4 * n[HIDDEN], n[KERNEL], n[KERNEL]))
    return false;
  a->cell = (srt_conv_cell){
      .kind = (int32_t)n[KIND],
      .hard = n[HARD] != 0,
      .activation = (int32_t)n[ACTIVATION],
      .steps = n[STEPS],
      .batch = n[BATCH],
      .hidden = n[HIDDEN],
      .height = n[HEIGHT],
      .width = n[WIDTH],
      .kernel = n[KERNEL],
  };
  if (srt->conv_recurrent_sizes(sizes, &a->cell) == SRT_OK) return true;
  PyErr_Format(PyExc_ValueError, "%s: expected a kernel of odd size, got %zd", blamed, (Py_ssize_t)n[KERNEL]);
  return false;
}

static bool derive_kind(arguments *a, const ptrdiff_t *n) {
  if (n[KIND] >= KINDS || n[ACTIVATION] >= ACTIVATIONS) {
    PyErr_Format(PyExc_ValueError, "cell: expected a kind from 0 to %d and an activation from 0 to %d, got %zd and %zd",
                 KINDS - 1, ACTIVATIONS - 1, (Py_ssize_t)n[KIND], (Py_ssize_t)n[ACTIVATION]);
    return false;
  }
  a->has_none = n[KIND] == SRT_CONV_RNN;
  a->has_gates = !a->has_none;
  a->has_cells = n[KIND] == SRT_CONV_LSTM;
  return true;
}

static bool derive_pack(void *given, ptrdiff_t *n) {
  arguments *a = given;
  srt_conv_sizes sizes;
  const int gates = gate_counts[a->kind];
  if (n[GATES] / gates != n[HIDDEN] || n[GATES] % gates || n[KERNEL] % 2 == 0) {
    PyErr_Format(
        PyExc_ValueError,
        "weight: expected %d kernels of odd size for each pair of hidden channels, got shape (%zd, %zd, %zd, %zd)",
        gates, (Py_ssize_t)n[GATES], (Py_ssize_t)n[HIDDEN], (Py_ssize_t)n[KERNEL], (Py_ssize_t)n[KERNEL]);
    return false;
  }
  n[KIND] = a->kind;
  n[STEPS] = n[BATCH] = n[HEIGHT] = n[WIDTH] = 1;
  if (!derive_cell(a, n, &sizes, "weight")) return false;
  n[PACKED] = a->backward ? sizes.packed_backward : sizes.packed;
  return true;
}

static bool derive_forward(void *given, ptrdiff_t *n) {
  arguments *a = given;
  srt_conv_sizes sizes;
  if (!derive_kind(a, n)) return false;
  const int gates = gate_counts[n[KIND]];
  if (n[GATES] % gates) {
    PyErr_Format(PyExc_ValueError, "gates: expected %d maps for each hidden one, got %zd channels", gates,
                 (Py_ssize_t)n[GATES]);
    return false;
  }
  n[HIDDEN] = n[GATES] / gates;
  if (!derive_cell(a, n, &sizes, "cell")) return false;
  n[PACKED] = sizes.packed;
  n[SCRATCH] = sizes.forward_scratch;
  return true;
}

static bool derive_backward(void *given, ptrdiff_t *n) {
  arguments *a = given;
  srt_conv_sizes sizes;
  if (!derive_kind(a, n) || !derive_cell(a, n, &sizes, "cell")) return false;
  n[GATES] = gate_counts[n[KIND]] * n[HIDDEN];
  n[PACKED] = sizes.packed_backward;
  n[SCRATCH] = sizes.backward_scratch;
  return true;
}

static bool check_backward(void *given, const ptrdiff_t *n) {
  (void)n;
  const arguments *a = given;
  if ((a->gates != NULL) != (a->has_gates != 0)) {
    PyErr_Format(PyExc_ValueError, "gates: expected %s",
                 a->has_gates ? "those of forward, got None" : "None for this kind");
    return false;
  }
  if (a->has_cells && !a->cells) {
    PyErr_SetString(PyExc_ValueError, "cells: expected those of forward, got None");
    return false;
  }
  return true;
}

static int32_t forward(const arguments *a) {
  const srt_conv_forward given = {
      .gates = a->gates,
      .states = {a->new_y, a->new_cells},
      .initial = {a->h0, a->c0},
      .packed = a->packed,
      .bias = a->bias,
      .scratch = a->scratch,
  };
  return srt->conv_recurrent_forward(&a->cell, &given);
}

static int32_t backward(const arguments *a) {
  const srt_conv_backward given = {
      .gates = a->has_gates ? a->gates : a->grad_x,
      .grad_initial = {a->grad_h0, a->grad_c0},
      .grad_weight = a->grad_weight,
      .grad_bias = a->grad_bias,
      .accumulate = (int32_t)a->accumulate,
      .grad_y = a->grad_y,
      .grad_final = {a->grad_h_n, a->grad_c_n},
      .states = {a->y, a->cells},
      .initial = {a->h0, a->c0},
      .packed = a->packed,
      .scratch = a->scratch,
  };
  return srt->conv_recurrent_backward(&a->cell, &given);
}

#define CELL SIZES("cell", KIND, ACTIVATION - KIND + 1)
#define CELL_MAY_BE_ZERO .zero = SRT_BIT(KIND) | SRT_BIT(HARD) | SRT_BIT(ACTIVATION)
#define STATE OF(BATCH, HIDDEN, HEIGHT, WIDTH)
#define ALL_STATES OF(STEPS, BATCH, HIDDEN, HEIGHT, WIDTH)
#define ALL_GATES OF(STEPS, BATCH, GATES, HEIGHT, WIDTH)

SRT_SIGNATURE(
    conv_recurrent_pack, "Packs the hidden weights of a GRU (kind 0), an LSTM (1) or a recurrence without gates (2).",
    .derived = SRT_BIT(PACKED), .derive = derive_pack,
    TABLE(ARRAY(FLOATS, weight, OF(GATES, HIDDEN, KERNEL, KERNEL)),
          VALUES(CHOICE, kind, KINDS),
          VALUE(FLAG, backward),
          ARRAY_AS(RESULT, new_packed, "packed", OF(PACKED))))
SRT_OPERATOR(conv_recurrent_pack, srt->conv_recurrent_pack(a.new_packed, a.weight, &a.cell, (int32_t)a.backward))

SRT_SIGNATURE(
    conv_recurrent_forward, "All steps. Without gates `gates` becomes y; else it becomes what backward needs.",
    CELL_MAY_BE_ZERO, .derived = SRT_BIT(HIDDEN) | SRT_BIT(PACKED) | SRT_BIT(SCRATCH), .derive = derive_forward,
    TABLE(ARRAY(WRITTEN, gates, ALL_GATES),
          ARRAY(FLOATS, h0, STATE, OPTIONAL),
          ARRAY(FLOATS, c0, STATE, OPTIONAL),
          ARRAY(FLOATS, packed, OF(PACKED)),
          ARRAY(FLOATS, bias, OF(GATES), OPTIONAL),
          CELL,
          ARRAY_AS(RESULT, new_y, "y", ALL_STATES, WHEN(has_gates)),
          ARRAY_AS(RESULT, new_cells, "cells", ALL_STATES, WHEN(has_cells)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(conv_recurrent_forward, forward(&a))

SRT_SIGNATURE(
    conv_recurrent_backward, "The gradients; `gates` becomes that of the convolved input, without gates grad_x is it.",
    CELL_MAY_BE_ZERO, .derived = SRT_BIT(GATES) | SRT_BIT(PACKED) | SRT_BIT(SCRATCH), .derive = derive_backward,
    .check = check_backward,
    TABLE(GROUP("grads", 3),
          ARRAY(FLOATS, grad_y, ALL_STATES),
          ARRAY(FLOATS, grad_h_n, STATE, OPTIONAL),
          ARRAY(FLOATS, grad_c_n, STATE, OPTIONAL),
          GROUP("kept", 5),
          ARRAY(WRITTEN, gates, ALL_GATES, OPTIONAL),
          ARRAY(FLOATS, y, ALL_STATES, FIRST),
          ARRAY(FLOATS, cells, ALL_STATES, OPTIONAL),
          ARRAY(FLOATS, h0, STATE, OPTIONAL),
          ARRAY(FLOATS, c0, STATE, OPTIONAL),
          ARRAY(FLOATS, packed, OF(PACKED)),
          CELL,
          GROUP("gradients", 3),
          ARRAY(WRITTEN, grad_weight, OF(GATES, HIDDEN, KERNEL, KERNEL), OPTIONAL),
          ARRAY(WRITTEN, grad_bias, OF(GATES), OPTIONAL),
          VALUE(FLAG, accumulate),
          ARRAY(RESULT, grad_x, ALL_GATES, WHEN(has_none)),
          ARRAY(RESULT, grad_h0, STATE),
          ARRAY(RESULT, grad_c0, STATE, WHEN(has_cells)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))
SRT_OPERATOR(conv_recurrent_backward, backward(&a))

const srt_operator srt_conv_recurrent_operators[] = {
    SRT_ENTRY(conv_recurrent_pack), SRT_ENTRY(conv_recurrent_forward), SRT_ENTRY(conv_recurrent_backward), {0}};
