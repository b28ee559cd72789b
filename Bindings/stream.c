// Networks over streams: see Streams in include/seriatim.h. A stage and a network are capsules that hold the arrays whose
// memory they point to.
#include "binding.h"

#include <stdlib.h>
#include <string.h>

enum {
  KIND = 1,
  OPTION,
  INPUTS,
  OUTPUTS,
  CELL_KIND,
  CELL_OPTIONS,
  CELL_IN,
  CELL_HIDDEN,
  CELL_PROJECTION,
  WEIGHTS,
  SECOND,
  COLUMN,
  COUNT,
  AHEAD,
  STREAMS,
  ROWS,
  STEPS,
  BATCH,
  CAPACITY,
  STATE,
  HISTORY,
  SCRATCH,
  OUT_ROWS
};

static const char *const symbols[] = {
    [KIND] = "kind",
    [OPTION] = "option",
    [INPUTS] = "inputs",
    [OUTPUTS] = "outputs",
    [CELL_KIND] = "cell's kind",
    [CELL_OPTIONS] = "cell's options",
    [CELL_IN] = "cell's input_size",
    [CELL_HIDDEN] = "cell's hidden_size",
    [CELL_PROJECTION] = "cell's proj_size",
    [WEIGHTS] = "packed_size",
    [SECOND] = "second packed_size",
    [COLUMN] = "column",
    [COUNT] = "count",
    [AHEAD] = "ahead",
    [STREAMS] = "streams",
    [ROWS] = "rows",
    [STEPS] = "steps",
    [BATCH] = "batch",
    [CAPACITY] = "capacity",
    [STATE] = "state",
    [HISTORY] = "history_size",
    [SCRATCH] = "scratch",
    [OUT_ROWS] = "output rows",
};

enum { HELD = 7 };

// A stage, and the arrays that it points into.
typedef struct {
  srt_stage stage;
  PyObject *held[HELD];
} stage_capsule;

// Stages that fit together, and their capsules.
typedef struct {
  PyObject *capsules;
  ptrdiff_t count;
  bool looks_ahead;
  ptrdiff_t window;  // frames that attention looks back at; 0 for all, or without attention
  // The last answer of srt_stream_measure: streams, rows, steps, capacity, every, and the sizes.
  ptrdiff_t asked[5];
  srt_stream_sizes answer;
  srt_stage stages[];
} network_capsule;

static const char stage_name[] = "seriatim.stage", network_name[] = "seriatim.network";

typedef struct {
  srt_frame frame;
  const float *weights, *second, *bias, *mean, *variance, *scale, *shift, *x;
  float *state, *history, *scratch, *y;
  const int64_t *batch_sizes, *order, *frames;
  double number;
  ptrdiff_t every;
  network_capsule *opened;
  PyObject *stages, *network, *result;
} arguments;

// ---- Stages

static void drop_stage(PyObject *capsule) {
  stage_capsule *made = PyCapsule_GetPointer(capsule, stage_name);
  for (int i = 0; i < HELD; i++) Py_XDECREF(made->held[i]);
  free(made);
}

static bool raise_stage(void) {
  PyErr_SetString(PyExc_ValueError, "stage: expected sizes, options and arrays that fit its kind, got others");
  return false;
}

// Floats of packed weights that the stage reads, and of a second pack; 0 for none.
static bool measure_packs(const srt_stage *stage, ptrdiff_t *first, ptrdiff_t *second) {
  *first = *second = 0;
  if (stage->kind == SRT_LINEAR || stage->kind == SRT_ATTENTION) {
    const ptrdiff_t out = stage->kind == SRT_LINEAR ? stage->out : stage->in;
    if (!srt_bounded("stage", stage->in, out, 2)) return false;
    *first = srt->packed_size(stage->in, out, stage->option);
    if (*first <= 0) return raise_stage();
  }
  if (stage->kind != SRT_RECURRENT && stage->kind != SRT_ATTENTION) return true;
  srt_recurrent_sizes sizes;
  if (!srt_bounded("cell", stage->cell.input_size + stage->cell.hidden_size, stage->cell.hidden_size, 64)) return false;
  if (srt->recurrent_measure(&stage->cell, 1, 1, 1, 0, &sizes) != SRT_OK) return raise_stage();
  *second = sizes.packed;
  if (stage->kind == SRT_RECURRENT) *first = sizes.packed;
  return true;
}

static bool make_stage(void *given, const ptrdiff_t *n) {
  arguments *a = given;
  const srt_stage stage = {
      .kind = (int32_t)n[KIND],
      .option = (int32_t)n[OPTION],
      .in = n[INPUTS],
      .out = n[OUTPUTS],
      .cell = {(int32_t)n[CELL_KIND], (int32_t)n[CELL_OPTIONS], n[CELL_IN], n[CELL_HIDDEN], n[CELL_PROJECTION]},
      .weights = a->weights,
      .second = a->second,
      .bias = a->bias,
      .mean = a->mean,
      .variance = a->variance,
      .scale = a->scale,
      .shift = a->shift,
      .number = (float)a->number,
      .column = n[COLUMN],
      .count = n[COUNT],
      .ahead = n[AHEAD],
  };
  ptrdiff_t first, second;
  if (!measure_packs(&stage, &first, &second)) return false;
  if ((a->weights ? n[WEIGHTS] : 0) != first || (a->second && n[SECOND] != second)) return raise_stage();
  stage_capsule *made = calloc(1, sizeof *made);
  if (!made) return PyErr_NoMemory() != NULL;
  made->stage = stage;
  int held = 0;
  const srt_parameter *table = a->frame.signature->parameters;
  for (int i = 0; !srt_is_result(table[i].kind); i++) {
    PyObject *array = table[i].kind == SRT_FLOATS ? a->frame.objects[i] : NULL;
    if (array) made->held[held++] = Py_NewRef(array);
  }
  a->result = PyCapsule_New(made, stage_name, drop_stage);
  if (!a->result) {
    for (int i = 0; i < held; i++) Py_DECREF(made->held[i]);
    free(made);
  }
  return srt_keep(&a->frame.call, a->result);
}

SRT_SIGNATURE(
    stream_stage, "One stage of a network over streams: an opaque object for stream_network.",
    .zero = ~0u,
    .check = make_stage,
    TABLE(SIZES("stage", KIND, 4), SIZES("cell", CELL_KIND, 5), GROUP("arrays", 3),
          ARRAY(FLOATS, weights, OF(WEIGHTS), OPTIONAL), ARRAY(FLOATS, second, OF(SECOND), OPTIONAL),
          ARRAY(FLOATS, bias, OF(OUTPUTS), OPTIONAL), GROUP("norm", 4), ARRAY(FLOATS, mean, OF(INPUTS), OPTIONAL),
          ARRAY(FLOATS, variance, OF(INPUTS), OPTIONAL), ARRAY(FLOATS, scale, OF(INPUTS), OPTIONAL),
          ARRAY(FLOATS, shift, OF(INPUTS), OPTIONAL), VALUE(NUMBER, number), SIZES("places", COLUMN, 3),
          OBJECT(RESULT_OBJECT, result, "object")))
SRT_OPERATOR(stream_stage, SRT_OK)

// ---- Networks

static void drop_network(PyObject *capsule) {
  network_capsule *made = PyCapsule_GetPointer(capsule, network_name);
  Py_DECREF(made->capsules);
  free(made);
}

static bool fill_network(network_capsule *made) {
  for (ptrdiff_t i = 0; i < made->count; i++) {
    PyObject *item = PyTuple_GetItem(made->capsules, i);
    if (!PyCapsule_IsValid(item, stage_name)) {
      PyErr_Format(PyExc_TypeError, "stages: expected stages of stream_stage, got %S", Py_TYPE(item));
      return false;
    }
    made->stages[i] = ((stage_capsule *)PyCapsule_GetPointer(item, stage_name))->stage;
    const srt_stage *stage = &made->stages[i];
    made->looks_ahead |= stage->kind == SRT_RECURRENT ? stage->second != NULL : stage->ahead > 0;
    if (stage->kind == SRT_ATTENTION) made->window = stage->count;
  }
  srt_stream_sizes sizes;
  if (srt->stream_measure(made->stages, made->count, 1, 1, 1, 0, 0, &sizes) == SRT_OK) return true;
  PyErr_SetString(PyExc_ValueError,
                  "stages: expected stages of which each takes what the one before gives, got others");
  return false;
}

static bool make_network(void *given, const ptrdiff_t *n) {
  (void)n;
  arguments *a = given;
  if (!PyTuple_Check(a->stages)) {
    PyErr_Format(PyExc_TypeError, "stages: expected a tuple of stages, got %S", Py_TYPE(a->stages));
    return false;
  }
  const Py_ssize_t count = PyTuple_Size(a->stages);
  network_capsule *made = calloc(1, sizeof *made + (size_t)count * sizeof *made->stages);
  if (!made) return PyErr_NoMemory() != NULL;
  made->count = count;
  Py_INCREF(made->capsules = a->stages);
  a->result = fill_network(made) ? PyCapsule_New(made, network_name, drop_network) : NULL;
  if (!a->result) {
    Py_DECREF(made->capsules);
    free(made);
  }
  return srt_keep(&a->frame.call, a->result);
}

SRT_SIGNATURE(
    stream_network, "A network of stages: an opaque object for stream_run.",
    .check = make_network,
    TABLE(OBJECT(OBJECT, stages, "tuple[object, ...]"), OBJECT(RESULT_OBJECT, result, "object")))
SRT_OPERATOR(stream_network, SRT_OK)

static bool read_network(arguments *a) {
  if (!PyCapsule_IsValid(a->network, network_name)) {
    PyErr_Format(PyExc_TypeError, "network: expected a network of stream_network, got %S", Py_TYPE(a->network));
    return false;
  }
  a->opened = PyCapsule_GetPointer(a->network, network_name);
  return true;
}

// Of n[STREAMS], n[ROWS], n[STEPS], n[CAPACITY].
static bool measure(arguments *a, const ptrdiff_t *n, srt_stream_sizes *sizes) {
  if (!read_network(a)) return false;
  network_capsule *network = a->opened;
  const ptrdiff_t asked[5] = {n[STREAMS], n[ROWS], n[STEPS], n[CAPACITY], a->every};
#ifndef Py_GIL_DISABLED
  if (!memcmp(network->asked, asked, sizeof asked)) return *sizes = network->answer, true;
#endif
  ptrdiff_t widest = 1;
  for (ptrdiff_t i = 0; i < network->count; i++) {
    if (network->stages[i].out > widest) widest = network->stages[i].out;
  }
  if (!srt_bounded("network", n[STREAMS] > n[ROWS] ? n[STREAMS] : n[ROWS], widest, 64) ||
      !srt_bounded("network", n[STREAMS], n[CAPACITY] + 1, widest, 2)) {
    return false;
  }
  if (srt->stream_measure(network->stages, network->count, n[STREAMS], n[ROWS], n[STEPS], n[CAPACITY],
                          (int32_t)a->every, sizes) == SRT_OK) {
    memcpy(network->asked, asked, sizeof asked);
    network->answer = *sizes;
    return true;
  }
  PyErr_SetString(PyExc_ValueError, "streams, rows, steps: expected positive numbers");
  return false;
}

static bool describe(void *given, const ptrdiff_t *n) {
  arguments *a = given;
  srt_stream_sizes s;
  if (!measure(a, n, &s)) return false;
  a->result = Py_BuildValue("nnnnnO", s.state, s.scratch, s.features, s.outputs, s.history,
                            a->opened->looks_ahead ? Py_True : Py_False);
  return srt_keep(&a->frame.call, a->result);
}

SRT_SIGNATURE(
    stream_measure,
    "Of a network and calls: floats of state and of scratch, columns of features, outputs and kept frames, and whether it looks ahead.",
    .zero = SRT_BIT(CAPACITY),
    .check = describe,
    TABLE(OBJECT(OBJECT, network, "object"), SIZE(STREAMS), SIZE(ROWS), SIZE(STEPS), SIZE(CAPACITY), VALUE(FLAG, every),
          OBJECT(RESULT_OBJECT, result, "tuple[int, int, int, int, int, bool]")))
SRT_OPERATOR(stream_measure, SRT_OK)

// ---- Running

static bool derive_run(void *given, ptrdiff_t *n) {
  arguments *a = given;
  srt_stream_sizes sizes;
  if (!measure(a, n, &sizes)) return false;
  n[INPUTS] = a->opened->stages[0].in;
  n[OUTPUTS] = sizes.outputs;
  n[STATE] = sizes.state;
  n[HISTORY] = sizes.history;
  n[SCRATCH] = sizes.scratch;
  n[OUT_ROWS] = a->every || !sizes.features ? n[ROWS] : n[BATCH];
  return true;
}

static bool are_streams(const arguments *a, const ptrdiff_t *n) {
  ptrdiff_t last = -1;
  for (ptrdiff_t i = 0; a->order && i < n[BATCH]; i++) {
    if (a->order[i] < 0 || a->order[i] >= n[STREAMS]) {
      PyErr_Format(PyExc_IndexError, "order: expected indices from 0 to %zd, got %lld", (Py_ssize_t)n[STREAMS] - 1,
                   (long long)a->order[i]);
      return false;
    }
    for (ptrdiff_t j = a->order[i] > last ? i : 0; j < i; j++) {
      if (a->order[j] == a->order[i]) {
        PyErr_Format(PyExc_ValueError, "order: expected each stream once, got %lld twice", (long long)a->order[i]);
        return false;
      }
    }
    if (a->order[i] > last) last = (ptrdiff_t)a->order[i];
  }
  return true;
}

static bool have_room(const arguments *a, const ptrdiff_t *n) {
  for (ptrdiff_t i = 0; i < n[STREAMS]; i++) {
    if (a->frames[i] < 0 || a->frames[i] > PTRDIFF_MAX / 4) {
      PyErr_Format(PyExc_ValueError, "frames: expected numbers of frames, got %lld", (long long)a->frames[i]);
      return false;
    }
  }
  if (!n[HISTORY]) return true;
  const ptrdiff_t window = a->opened->window;
  ptrdiff_t wanted = window;
  for (ptrdiff_t i = 0; !window && i < n[BATCH]; i++) {
    ptrdiff_t length = n[STEPS];
    while (a->batch_sizes[length - 1] <= i) length--;
    const ptrdiff_t then = (ptrdiff_t)a->frames[a->order ? a->order[i] : i] + length;
    if (then > wanted) wanted = then;
  }
  if (n[CAPACITY] >= wanted) return true;
  PyErr_Format(PyExc_ValueError, "history: expected room for %zd frames of a stream, got %zd", (Py_ssize_t)wanted,
               (Py_ssize_t)n[CAPACITY]);
  return false;
}

static bool check_run(void *given, const ptrdiff_t *n) {
  const arguments *a = given;
  if (n[BATCH] > n[STREAMS]) {
    PyErr_Format(PyExc_ValueError, "batch_sizes: expected at most %zd, one for each stream, got %zd",
                 (Py_ssize_t)n[STREAMS], (Py_ssize_t)n[BATCH]);
    return false;
  }
  if (!a->frames) {
    if (!a->state && !a->history && !a->every) return true;
    PyErr_SetString(PyExc_ValueError, "frames: expected numbers beside a state or `every`, got None");
    return false;
  }
  if ((!a->state && n[STATE]) || (n[HISTORY] && !a->history) || a->opened->looks_ahead) {
    PyErr_SetString(PyExc_ValueError,
                    "network: expected a state, history where it attends, and stages that do not look ahead");
    return false;
  }
  return are_streams(a, n) && have_room(a, n);
}

SRT_SIGNATURE(
    stream_run, "Runs a network over frames of streams; changes their state and history.",
    .derived = SRT_BIT(INPUTS) | SRT_BIT(OUTPUTS) | SRT_BIT(STATE) | SRT_BIT(HISTORY) | SRT_BIT(SCRATCH) |
               SRT_BIT(OUT_ROWS),
    .zero = SRT_BIT(CAPACITY) | SRT_BIT(STATE) | SRT_BIT(HISTORY),
    .early = true,
    .derive = derive_run,
    .check = check_run,
    TABLE(OBJECT(OBJECT, network, "object"), SIZE(STREAMS), SIZE(CAPACITY), VALUE(FLAG, every), GROUP("batch", 3),
          ARRAY(FLOATS, x, OF(ROWS, INPUTS), FIRST),
          ARRAY(BATCH_SIZES, batch_sizes, TELLING(STEPS, ROWS, BATCH), FIRST),
          ARRAY(INTEGERS, order, OF(BATCH), OPTIONAL), GROUP("kept", 3), ARRAY(WRITTEN, state, OF(STATE), OPTIONAL),
          ARRAY(INTEGERS, frames, OF(STREAMS), OPTIONAL),
          ARRAY(WRITTEN, history, OF(STREAMS, CAPACITY, HISTORY), OPTIONAL),
          ARRAY_AS(WRITTEN, scratch, "scratch", OF(SCRATCH)), ARRAY_AS(WRITTEN, y, "out", OF(OUT_ROWS, OUTPUTS))))

static int32_t run(const arguments *a, const ptrdiff_t *n) {
  // Where nothing is kept, something must still say that these are streams.
  float nothing = 0;
  const srt_stream_call call = {
      .y = a->y,
      .x = a->x,
      .batch_sizes = a->batch_sizes,
      .steps = n[STEPS],
      .batch = n[STREAMS],
      .order = a->order,
      .every = (int32_t)a->every,
      .state = a->frames && !a->state ? &nothing : a->state,
      .frames = a->frames,
      .history = a->history,
      .capacity = n[CAPACITY],
      .scratch = a->scratch,
  };
  return srt->stream_run(a->opened->stages, a->opened->count, &call);
}
SRT_UPDATE(stream_run, run(&a, n))

const srt_operator srt_stream_operators[] = {
    SRT_ENTRY(stream_stage), SRT_ENTRY(stream_network), SRT_ENTRY(stream_measure), SRT_ENTRY(stream_run), {0}};
