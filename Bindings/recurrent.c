// One direction of one recurrent layer of any cell: see Recurrent layers in include/seriatim.h. Every shape follows from
// the cell, and srt_recurrent_measure is asked for them: a new cell is a row in `kinds`.
#include "binding.h"

#include <string.h>

enum {
  KIND = 1,
  OPTIONS,
  IN,
  HIDDEN,
  PROJECTION,
  ROWS,
  STEPS,
  BATCH,
  GATES,
  STATE,
  COLUMNS,
  CELL,
  PEEPHOLES,
  PACKED,
  CACHE,
  SCRATCH
};

static const char *const symbols[] = {
    [KIND] = "kind",          [OPTIONS] = "options",      [IN] = "input_size",
    [HIDDEN] = "hidden_size", [PROJECTION] = "proj_size", [ROWS] = "rows",
    [STEPS] = "steps",        [BATCH] = "batch",          [GATES] = "gates * hidden_size",
    [STATE] = "state_size",   [COLUMNS] = "columns",      [PEEPHOLES] = "3 * hidden_size",
    [CELL] = "cell_size",     [PACKED] = "packed_size",   [CACHE] = "cache_stride",
    [SCRATCH] = "scratch",
};

enum {
  LAYER = SRT_BIT(GATES) | SRT_BIT(STATE) | SRT_BIT(COLUMNS) | SRT_BIT(CELL) | SRT_BIT(PEEPHOLES),
  ZERO = SRT_BIT(KIND) | SRT_BIT(OPTIONS) | SRT_BIT(PROJECTION)
};

typedef struct {
  srt_frame frame;
  srt_recurrent_sizes sizes;
  srt_cell_weights weights;
  srt_cell_scales scales;
  srt_cell_gradients gradients;
  const float *x, *packed, *read_y, *grad_y;
  float *y, *cache, *grad_x, *scratch, *result;
  const int64_t *batch_sizes;
  srt_states states, grad_states;
  srt_new_states new_states;
  ptrdiff_t stride, grad_stride, reverse, training, backward, need_input, need_state, accumulate, accumulate_x;
  ptrdiff_t wants_cell, wants_cache;
  double rate;
  uint64_t seed, offset;
  PyObject *description;
} arguments;

static srt_cell cell_of(const ptrdiff_t *n) {
  return (srt_cell){(int32_t)n[KIND], (int32_t)n[OPTIONS], n[IN], n[HIDDEN], n[PROJECTION]};
}

static bool measure(arguments *a, ptrdiff_t *n, ptrdiff_t batch, ptrdiff_t rows, ptrdiff_t steps) {
  if (!srt_bounded("cell", n[IN] + n[HIDDEN], n[HIDDEN], 64)) return false;
  const srt_cell cell = cell_of(n);
  if (srt->recurrent_measure(&cell, batch, rows, steps, (int32_t)a->training, &a->sizes) != SRT_OK) {
    PyErr_Format(PyExc_ValueError,
                 "cell: expected a kind, options and sizes that fit together, got (%zd, %zd, %zd, %zd, %zd)", n[KIND],
                 n[OPTIONS], n[IN], n[HIDDEN], n[PROJECTION]);
    return false;
  }
  n[GATES] = a->sizes.gates * n[HIDDEN];
  n[STATE] = a->sizes.state_size;
  n[COLUMNS] = a->sizes.state_columns;
  n[CELL] = a->sizes.cell_size;
  n[PEEPHOLES] = 3 * n[HIDDEN];
  n[CACHE] = a->sizes.cache_stride;
  a->wants_cell = n[CELL] > 0;
  return true;
}

// Raises unless an argument is given where the cell has it, and only there.
static bool belongs(const char *prefix, const char *name, const void *given, bool has, bool may_be_missing) {
  if (has ? given || may_be_missing : !given) return true;
  PyErr_Format(PyExc_ValueError, "%s%s: expected %s", prefix, name,
               has ? "an array, got None" : "None, for this cell has none, got an array");
  return false;
}

// The parameters that the cell has: SRT_HAS_* of srt_recurrent_sizes. Biases may be missing.
static bool check_parameters(const arguments *a, const srt_cell_weights *w, const char *prefix) {
  const int32_t has = a->sizes.parameters;
  return belongs(prefix, "weight_ih", w->weight_ih, true, false) &&
         belongs(prefix, "weight_hh", w->weight_hh, has & SRT_HAS_WEIGHT_HH, false) &&
         belongs(prefix, "bias_ih", w->bias_ih, true, true) &&
         belongs(prefix, "bias_hh", w->bias_hh, has & SRT_HAS_BIAS_HH, true) &&
         belongs(prefix, "weight_hr", w->weight_hr, has & SRT_HAS_WEIGHT_HR, false) &&
         belongs(prefix, "weight_ch", w->weight_ch, has & SRT_HAS_WEIGHT_CH, false) &&
         belongs(prefix, "norm_ih", w->norm_ih, has & SRT_HAS_NORM, false) &&
         belongs(prefix, "norm_hh", w->norm_hh, has & SRT_HAS_NORM, false) &&
         belongs(prefix, "norm_c", w->norm_c, has & SRT_HAS_NORM_C, false) &&
         belongs(prefix, "bias_c", w->bias_c, has & SRT_HAS_NORM_C, true);
}

// ---- What a cell is

static const struct {
  const char *name;
  int number;
} kinds[] = {{"gru", SRT_GRU},         {"lstm", SRT_LSTM},         {"rnn", SRT_RNN},
             {"min_gru", SRT_MIN_GRU}, {"min_lstm", SRT_MIN_LSTM}, {"ind_rnn", SRT_IND_RNN}},
  options[] = {{"reset_before", SRT_RESET_BEFORE}, {"relu", SRT_RELU},         {"peephole", SRT_PEEPHOLE},
               {"layer_norm", SRT_LAYER_NORM},     {"bfloat16", SRT_BFLOAT16}, {"int8", SRT_INT8}},
  parameters[] = {{"weight_hh", SRT_HAS_WEIGHT_HH}, {"bias_hh", SRT_HAS_BIAS_HH}, {"weight_hr", SRT_HAS_WEIGHT_HR},
                  {"weight_ch", SRT_HAS_WEIGHT_CH}, {"norm_ih", SRT_HAS_NORM},    {"norm_hh", SRT_HAS_NORM},
                  {"norm_c", SRT_HAS_NORM_C},       {"bias_c", SRT_HAS_NORM_C}};

static bool names(void *arguments_, const ptrdiff_t *n) {
  (void)n;
  PyObject *all[3] = {PyDict_New(), PyDict_New(), PyDict_New()};
#define ADD(place, table)                                                                             \
  for (size_t i = 0; all[place] && i < sizeof table / sizeof *table; i++) {                           \
    PyObject *number = PyLong_FromLong(table[i].number);                                              \
    if (!number || PyDict_SetItemString(all[place], table[i].name, number) < 0) Py_CLEAR(all[place]); \
    Py_XDECREF(number);                                                                               \
  }
  ADD(0, kinds)
  ADD(1, options)
  ADD(2, parameters)
#undef ADD
  arguments *a = arguments_;
  a->description = all[0] && all[1] && all[2] ? PyTuple_Pack(3, all[0], all[1], all[2]) : NULL;
  for (int i = 0; i < 3; i++) Py_XDECREF(all[i]);
  return srt_keep(&a->frame.call, a->description);
}

SRT_SIGNATURE(
    recurrent_names, "Numbers of kinds, bits of options and of parameters, by name.",
    .check = names,
    TABLE(OBJECT(RESULT_OBJECT, description, "tuple[dict[str, int], dict[str, int], dict[str, int]]")))
SRT_OPERATOR(recurrent_names, SRT_OK)

static bool derive_cell(void *arguments_, ptrdiff_t *n) {
  ((arguments *)arguments_)->training = 1;
  return measure(arguments_, n, 1, 1, 1);
}

static bool describe(void *arguments_, const ptrdiff_t *n) {
  arguments *a = arguments_;
  a->description = Py_BuildValue("nnnni", n[GATES], n[STATE], n[COLUMNS], n[CELL], (int)a->sizes.parameters);
  return srt_keep(&a->frame.call, a->description);
}

SRT_SIGNATURE(
    recurrent_describe, "Rows of a cell's weights, size of h, columns of weight_hh, size of c (0: none), and the set of its parameters.",
    .derived = LAYER,
    .zero = ZERO,
    .early = true,
    .derive = derive_cell,
    .check = describe,
    TABLE(SIZES("cell", KIND, 5), OBJECT(RESULT_OBJECT, description, "tuple[int, int, int, int, int]")))
SRT_OPERATOR(recurrent_describe, SRT_OK)

// ---- Packing

static bool derive_pack(void *arguments_, ptrdiff_t *n) {
  arguments *a = arguments_;
  a->training = 0;
  if (!measure(a, n, 1, 1, 1)) return false;
  n[PACKED] = a->sizes.packed;
  return true;
}

static bool is_narrow(const ptrdiff_t *n) { return n[OPTIONS] & (SRT_BFLOAT16 | SRT_INT8); }

// Raises for a cell that has no backward pass.
static bool is_trained(const ptrdiff_t *n) {
  if (is_narrow(n)) {
    PyErr_SetString(PyExc_ValueError,
                    "cell: expected float32 weights in training, got bfloat16 or int8, which serve inference alone");
  }
  return !is_narrow(n);
}

static bool check_parameters_of(void *a) { return check_parameters(a, &((arguments *)a)->weights, ""); }

static bool check_pack(void *arguments_, const ptrdiff_t *n) {
  const arguments *a = arguments_;
  const bool is_scaled = n[OPTIONS] & SRT_INT8;
  return check_parameters_of(arguments_) && belongs("scales of ", "weight_ih", a->scales.ih, is_scaled, false) &&
         belongs("scales of ", "weight_hh", a->scales.hh, is_scaled, false) &&
         belongs("scales of ", "weight_hr", a->scales.hr, is_scaled && n[PROJECTION] > 0, false) &&
         (!is_scaled ||
          (srt_are_int8("weight_ih", a->weights.weight_ih, n[GATES] * n[IN]) &&
           srt_are_int8("weight_hh", a->weights.weight_hh, n[GATES] * n[COLUMNS]) &&
           (!a->weights.weight_hr || srt_are_int8("weight_hr", a->weights.weight_hr, n[PROJECTION] * n[HIDDEN]))));
}

static bool derive_pack_backward(void *arguments_, ptrdiff_t *n) {
  arguments *a = arguments_;
  a->training = 0;
  if (!measure(a, n, 1, 1, 1)) return false;
  n[PACKED] = a->need_input ? a->sizes.packed_backward : a->sizes.packed_state;
  return true;
}

// Without the input's gradient W_ih is not packed, nor is there room for it.
static bool check_pack_backward(void *arguments_, const ptrdiff_t *n) {
  arguments *a = arguments_;
  if (!is_trained(n) || !check_parameters_of(a)) return false;
  if (!a->need_input) a->weights.weight_ih = NULL;
  return true;
}

#define PARAMETERS(KIND_, struct_, ...)                                                              \
  ARRAY_AS(KIND_, struct_.weight_ih, __VA_ARGS__ "weight_ih", OF(GATES, IN), OPTIONAL),              \
      ARRAY_AS(KIND_, struct_.weight_hh, __VA_ARGS__ "weight_hh", OF(GATES, COLUMNS), OPTIONAL),     \
      ARRAY_AS(KIND_, struct_.bias_ih, __VA_ARGS__ "bias_ih", OF(GATES), OPTIONAL),                  \
      ARRAY_AS(KIND_, struct_.bias_hh, __VA_ARGS__ "bias_hh", OF(GATES), OPTIONAL),                  \
      ARRAY_AS(KIND_, struct_.weight_hr, __VA_ARGS__ "weight_hr", OF(PROJECTION, HIDDEN), OPTIONAL), \
      ARRAY_AS(KIND_, struct_.weight_ch, __VA_ARGS__ "weight_ch", OF(PEEPHOLES), OPTIONAL),          \
      ARRAY_AS(KIND_, struct_.norm_ih, __VA_ARGS__ "norm_ih", OF(GATES), OPTIONAL),                  \
      ARRAY_AS(KIND_, struct_.norm_hh, __VA_ARGS__ "norm_hh", OF(GATES), OPTIONAL),                  \
      ARRAY_AS(KIND_, struct_.norm_c, __VA_ARGS__ "norm_c", OF(HIDDEN), OPTIONAL),                   \
      ARRAY_AS(KIND_, struct_.bias_c, __VA_ARGS__ "bias_c", OF(HIDDEN), OPTIONAL)
enum { PARAMETER_COUNT = 10 };

SRT_SIGNATURE(
    recurrent_pack, "Packs a layer's weights for recurrent_forward.",
    .derived = LAYER | SRT_BIT(PACKED),
    .zero = ZERO,
    .early = true,
    .derive = derive_pack,
    .check = check_pack,
    TABLE(SIZES("cell", KIND, 5), GROUP("weights", PARAMETER_COUNT), PARAMETERS(FLOATS, weights), GROUP("scales", 3),
          ARRAY_AS(FLOATS, scales.ih, "scale_ih", OF(GATES), OPTIONAL),
          ARRAY_AS(FLOATS, scales.hh, "scale_hh", OF(GATES), OPTIONAL),
          ARRAY_AS(FLOATS, scales.hr, "scale_hr", OF(PROJECTION), OPTIONAL),
          ARRAY_AS(RESULT, result, "packed", OF(PACKED))))

static int32_t pack(const arguments *a, const ptrdiff_t *n) {
  const srt_cell cell = cell_of(n);
  return srt->recurrent_pack(&cell, a->result, &a->weights, &a->scales);
}
SRT_OPERATOR(recurrent_pack, pack(&a, n))

SRT_SIGNATURE(
    recurrent_pack_backward, "Packs a layer's weights for recurrent_backward.",
    .derived = LAYER | SRT_BIT(PACKED),
    .zero = ZERO,
    .early = true,
    .derive = derive_pack_backward,
    .check = check_pack_backward,
    TABLE(SIZES("cell", KIND, 5), GROUP("weights", PARAMETER_COUNT), PARAMETERS(FLOATS, weights),
          VALUE(FLAG, need_input), ARRAY_AS(RESULT, result, "packed", OF(PACKED))))

static int32_t pack_backward(const arguments *a, const ptrdiff_t *n) {
  const srt_cell cell = cell_of(n);
  return srt->recurrent_pack_backward(&cell, a->result, &a->weights);
}
SRT_OPERATOR(recurrent_pack_backward, pack_backward(&a, n))

// ---- Forward

// What forward and backward take of a batch.
#define CALL                                                                                                  \
  GROUP("batch", 5), ARRAY(FLOATS, x, OF(ROWS, IN), FIRST),                                                   \
      ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH), FIRST),                                    \
      ARRAY_AS(FLOATS, states.h, "h0", OF(BATCH, STATE), OPTIONAL),                                           \
      ARRAY_AS(FLOATS, states.c, "c0", OF(BATCH, CELL), OPTIONAL), VALUE(FLAG, reverse), GROUP("zoneout", 3), \
      VALUE(NUMBER, rate), VALUE(WORD, seed), VALUE(WORD, offset)

static bool derive_forward(void *arguments_, ptrdiff_t *n) {
  arguments *a = arguments_;
  if (!measure(a, n, n[BATCH], n[ROWS], n[STEPS])) return false;
  n[PACKED] = a->sizes.packed;
  n[SCRATCH] = a->sizes.forward_scratch;
  a->wants_cache = a->training && n[CACHE] > 0;
  return true;
}

static bool is_rate(double rate) {
  if (rate >= -1 && rate <= 1) return true;
  PyErr_SetString(PyExc_ValueError, "rate: expected a number from 0 to 1, or its negative");
  return false;
}

static bool check_forward(void *arguments_, const ptrdiff_t *n) {
  return (!((arguments *)arguments_)->training || is_trained(n)) && is_rate(((arguments *)arguments_)->rate) &&
         belongs("", "c0", ((arguments *)arguments_)->states.c, n[CELL] > 0, true);
}

SRT_SIGNATURE(
    recurrent_forward, "One direction of one recurrent layer over a packed ragged batch.",
    .derived = LAYER | SRT_BIT(PACKED) | SRT_BIT(CACHE) | SRT_BIT(SCRATCH),
    .zero = ZERO,
    .early = true,
    .derive = derive_forward,
    .check = check_forward,
    TABLE(SIZES("cell", KIND, 5), CALL, ARRAY(FLOATS, packed, OF(PACKED)), VALUE(FLAG, training),
          ARRAY_AS(WRITTEN_STRIDED, y, "out", OF(ROWS, STATE), OPTIONAL, STRIDE(stride)),
          ARRAY(RESULT, y, OF(ROWS, STATE), STRIDE(stride)),
          ARRAY_AS(RESULT, new_states.h, "h_n", OF(BATCH, STATE)),
          ARRAY_AS(RESULT, new_states.c, "c_n", OF(BATCH, CELL), WHEN(wants_cell)),
          ARRAY(RESULT, cache, OF(ROWS, CACHE), WHEN(wants_cache)), ARRAY(SCRATCH, scratch, OF(SCRATCH))))

static int32_t forward(const arguments *a, const ptrdiff_t *n) {
  const srt_cell cell = cell_of(n);
  const srt_recurrent_call call = {
      .y = a->y,
      .output_stride = a->stride,
      .final_states = a->new_states,
      .cache = a->cache,
      .x = a->x,
      .batch_sizes = a->batch_sizes,
      .steps = n[STEPS],
      .initial_states = a->states,
      .packed = a->packed,
      .reverse = (int32_t)a->reverse,
      .training = (int32_t)a->training,
      .zoneout = {(float)a->rate, a->seed, a->offset},
      .scratch = a->scratch,
  };
  return srt->recurrent_forward(&cell, &call);
}
SRT_OPERATOR(recurrent_forward, forward(&a, n))

// ---- Backward

static bool derive_backward(void *arguments_, ptrdiff_t *n) {
  arguments *a = arguments_;
  a->training = 1;
  if (!measure(a, n, n[BATCH], n[ROWS], n[STEPS])) return false;
  n[PACKED] = a->need_input ? a->sizes.packed_backward : a->sizes.packed_state;
  n[SCRATCH] = a->sizes.backward_scratch;
  a->wants_cell = a->need_state && n[CELL] > 0;
  return true;
}

static bool check_backward(void *arguments_, const ptrdiff_t *n) {
  arguments *a = arguments_;
  a->accumulate_x = a->grad_x != NULL;
  srt_cell_weights given;  // the same members
  memcpy(&given, &a->gradients, sizeof given);
  const srt_cell_weights none = {0};
  const bool asks = memcmp(&given, &none, sizeof given) != 0;  // of frozen parameters nobody does
  return is_trained(n) && is_rate(a->rate) && belongs("", "c0", a->states.c, n[CELL] > 0, true) &&
         belongs("", "grad_c_n", a->grad_states.c, n[CELL] > 0, true) &&
         belongs("", "cache", a->cache, n[CACHE] > 0, false) && belongs("", "grad_x", a->grad_x, a->need_input, true) &&
         (!asks || check_parameters(a, &given, "grad_"));
}

SRT_SIGNATURE(
    recurrent_backward, "The gradients of recurrent_forward; overwrites its cache.",
    .derived = LAYER | SRT_BIT(PACKED) | SRT_BIT(CACHE) | SRT_BIT(SCRATCH),
    .zero = ZERO,
    .early = true,
    .derive = derive_backward,
    .check = check_backward,
    TABLE(SIZES("cell", KIND, 5), CALL, ARRAY(FLOATS, packed, OF(PACKED)), GROUP("kept", 2),
          ARRAY_AS(STRIDED, read_y, "y", OF(ROWS, STATE), STRIDE(stride)),
          ARRAY(WRITTEN, cache, OF(ROWS, CACHE), OPTIONAL), GROUP("grads", 3),
          ARRAY(STRIDED, grad_y, OF(ROWS, STATE), OPTIONAL, STRIDE(grad_stride)),
          ARRAY_AS(FLOATS, grad_states.h, "grad_h_n", OF(BATCH, STATE), OPTIONAL),
          ARRAY_AS(FLOATS, grad_states.c, "grad_c_n", OF(BATCH, CELL), OPTIONAL), GROUP("gradients", PARAMETER_COUNT + 1),
          PARAMETERS(WRITTEN, gradients, "grad_"), VALUE(FLAG, accumulate), GROUP("needs", 3), VALUE(FLAG, need_input),
          VALUE(FLAG, need_state), ARRAY(WRITTEN, grad_x, OF(ROWS, IN), OPTIONAL),
          ARRAY(RESULT, grad_x, OF(ROWS, IN), WHEN(need_input)),
          ARRAY_AS(RESULT, new_states.h, "grad_h0", OF(BATCH, STATE), WHEN(need_state)),
          ARRAY_AS(RESULT, new_states.c, "grad_c0", OF(BATCH, CELL), WHEN(wants_cell)),
          ARRAY(SCRATCH, scratch, OF(SCRATCH))))

static int32_t backward(const arguments *a, const ptrdiff_t *n) {
  const srt_cell cell = cell_of(n);
  const srt_recurrent_gradient_call call = {
      .grad_x = a->grad_x,
      .grad_initial_states = a->new_states,
      .gradients = a->gradients,
      .accumulate = (int32_t)a->accumulate,
      .accumulate_x = (int32_t)a->accumulate_x,
      .grad_y = a->grad_y,
      .grad_output_stride = a->grad_stride,
      .grad_final_states = a->grad_states,
      .cache = a->cache,
      .x = a->x,
      .y = a->read_y,
      .output_stride = a->stride,
      .batch_sizes = a->batch_sizes,
      .steps = n[STEPS],
      .initial_states = a->states,
      .packed = a->packed,
      .reverse = (int32_t)a->reverse,
      .zoneout = {(float)a->rate, a->seed, a->offset},
      .scratch = a->scratch,
  };
  return srt->recurrent_backward(&cell, &call);
}
SRT_OPERATOR(recurrent_backward, backward(&a, n))

const srt_operator srt_recurrent_operators[] = {SRT_ENTRY(recurrent_names),
                                                SRT_ENTRY(recurrent_describe),
                                                SRT_ENTRY(recurrent_pack),
                                                SRT_ENTRY(recurrent_pack_backward),
                                                SRT_ENTRY(recurrent_forward),
                                                SRT_ENTRY(recurrent_backward),
                                                {0}};
