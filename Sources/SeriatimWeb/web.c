// What a page calls: one network, laid out stage by stage, and one stream through it. Numbers and addresses alone cross the
// border to JavaScript; a status is SRT_OK or the reason why nothing was done.
#include "seriatim.h"

#define EXPORT(name) __attribute__((export_name(#name)))

enum { LINE = 64, PAGE = 65536, MOST_STAGES = 64 };

static const int64_t one = 1;

static struct {
  srt_stage stages[MOST_STAGES];
  ptrdiff_t count;
  srt_stream_sizes sizes;
  srt_stream_call call;
  int64_t frames;
  float *x;
} network;

// ---- Memory

extern unsigned char __heap_base;

// Memory, zeros at first, in whole lines; NULL where there is none. Nothing is given back: a page with another model makes
// another instance.
EXPORT(room) void *web_room(size_t bytes) {
  static uintptr_t end;
  if (!end) end = ((uintptr_t)&__heap_base + LINE - 1) / LINE * LINE;
  const uintptr_t start = end, have = __builtin_wasm_memory_size(0) * PAGE;
  const uint64_t wanted = (uint64_t)start + (bytes + LINE - 1) / LINE * LINE;
  if (wanted > have && __builtin_wasm_memory_grow(0, (wanted - have + PAGE - 1) / PAGE) == (size_t)-1) return NULL;
  end = (uintptr_t)wanted;
  return (void *)start;
}

static float *floats(ptrdiff_t count) { return web_room((size_t)count * sizeof(float)); }

// ---- Stages, in the order in which they run

static int32_t add(const srt_stage *stage) {
  if (network.count == MOST_STAGES) return SRT_BAD_SIZE;
  network.stages[network.count++] = *stage;
  return SRT_OK;
}

// A cell's packed weights; NULL where its sizes cannot be.
static float *pack(const srt_cell *cell, const srt_cell_weights *weights) {
  srt_recurrent_sizes sizes;
  const srt_cell_scales scales = {0};
  if (srt_recurrent_measure(cell, 1, 1, 1, 0, &sizes) != SRT_OK) return NULL;
  float *const packed = floats(sizes.packed);
  return packed && srt_recurrent_pack(cell, packed, weights, &scales) == SRT_OK ? packed : NULL;
}

static float *pack_linear(ptrdiff_t in, ptrdiff_t out, const float *weight) {
  float *const packed = floats(srt_packed_size(in, out, 0));
  return packed && srt_linear_pack(packed, 0, weight, NULL, in, out) == SRT_OK ? packed : NULL;
}

// weight_ih, weight_hh, bias_ih and bias_hh: as in srt_cell_weights, in this order.
EXPORT(recurrent)
int32_t web_recurrent(int32_t kind, int32_t options, ptrdiff_t in, ptrdiff_t hidden, const float *weight_ih,
                      const float *weight_hh, const float *bias_ih, const float *bias_hh) {
  const srt_cell cell = {kind, options, in, hidden, 0};
  const srt_cell_weights weights = {
      .weight_ih = weight_ih, .weight_hh = weight_hh, .bias_ih = bias_ih, .bias_hh = bias_hh};
  const float *const packed = pack(&cell, &weights);
  if (!packed) return SRT_BAD_SIZE;
  return add(&(srt_stage){.kind = SRT_RECURRENT, .in = in, .out = hidden, .cell = cell, .weights = packed});
}

EXPORT(window) int32_t web_window(ptrdiff_t in, ptrdiff_t frames) {
  return add(&(srt_stage){.kind = SRT_WINDOW, .in = in, .out = frames * in, .count = frames});
}

EXPORT(linear) int32_t web_linear(ptrdiff_t in, ptrdiff_t out, const float *weight, const float *bias) {
  const float *const packed = pack_linear(in, out, weight);
  if (!packed) return SRT_BAD_SIZE;
  return add(&(srt_stage){.kind = SRT_LINEAR, .in = in, .out = out, .weights = packed, .bias = bias});
}

EXPORT(batch_norm)
int32_t web_batch_norm(ptrdiff_t size, const float *mean, const float *variance, const float *scale, const float *shift,
                       float epsilon) {
  return add(&(srt_stage){.kind = SRT_BATCH_NORM,
                          .in = size,
                          .out = size,
                          .mean = mean,
                          .variance = variance,
                          .scale = scale,
                          .shift = shift,
                          .number = epsilon});
}

// kind: as in srt_activation_forward.
EXPORT(activation) int32_t web_activation(ptrdiff_t size, int32_t kind) {
  return add(&(srt_stage){.kind = SRT_ACTIVATION, .option = kind, .in = size, .out = size});
}

EXPORT(log_softmax) int32_t web_log_softmax(ptrdiff_t size) {
  return add(&(srt_stage){.kind = SRT_SOFTMAX, .option = 1, .in = size, .out = size});
}

EXPORT(last) int32_t web_last(ptrdiff_t size, ptrdiff_t column) {
  return add(&(srt_stage){.kind = SRT_LAST, .in = size, .out = size, .column = column});
}

// which: 1 mean, 2 greatest, 4 share above 0.
EXPORT(pool) int32_t web_pool(ptrdiff_t size, int32_t which, ptrdiff_t column) {
  return add(&(srt_stage){.kind = SRT_POOL, .option = which, .in = size, .out = size, .column = column});
}

// weight: (size, size); and a GRU's parameters, of so many units and inputs.
EXPORT(attention)
int32_t web_attention(ptrdiff_t size, ptrdiff_t column, const float *weight, const float *weight_ih,
                      const float *weight_hh, const float *bias_ih, const float *bias_hh) {
  const srt_cell cell = {SRT_GRU, 0, size, size, 0};
  const srt_cell_weights weights = {
      .weight_ih = weight_ih, .weight_hh = weight_hh, .bias_ih = bias_ih, .bias_hh = bias_hh};
  const float *const first = pack_linear(size, size, weight), *const second = pack(&cell, &weights);
  if (!first || !second) return SRT_BAD_SIZE;
  return add(&(srt_stage){.kind = SRT_ATTENTION,
                          .in = size,
                          .out = size,
                          .cell = cell,
                          .weights = first,
                          .second = second,
                          .column = column});
}

EXPORT(gathered) int32_t web_gathered(ptrdiff_t in, ptrdiff_t columns) {
  return add(&(srt_stage){.kind = SRT_GATHERED, .in = in, .out = columns});
}

// ---- The stream

EXPORT(reset) void web_reset(void) {
  for (ptrdiff_t i = 0; i < network.sizes.state; i++) network.call.state[i] = 0;
  network.frames = 0;
}

// Behind the last stage. capacity: frames that a sequence may have where attention looks at all of them.
EXPORT(begin) int32_t web_begin(ptrdiff_t capacity) {
  srt_stream_sizes *const sizes = &network.sizes;
  const int32_t status = srt_stream_measure(network.stages, network.count, 1, 1, 1, capacity, 0, sizes);
  if (status != SRT_OK) return status;
  network.x = floats(network.stages[0].in);
  network.call = (srt_stream_call){.y = floats(sizes->outputs),
                                   .x = network.x,
                                   .batch_sizes = &one,
                                   .steps = 1,
                                   .batch = 1,
                                   .state = floats(sizes->state),
                                   .frames = &network.frames,
                                   .history = sizes->history ? floats(capacity * sizes->history) : NULL,
                                   .capacity = capacity,
                                   .scratch = floats(sizes->scratch)};
  if (!network.x || !network.call.y || !network.call.state || !network.call.scratch) return SRT_MISSING_POINTER;
  if (sizes->history && !network.call.history) return SRT_MISSING_POINTER;
  web_reset();
  return SRT_OK;
}

// The frame that a step takes, and what it gives.
EXPORT(input) float *web_input(void) { return network.x; }
EXPORT(output) const float *web_output(void) { return network.call.y; }
EXPORT(outputs) ptrdiff_t web_outputs(void) { return network.sizes.outputs; }

EXPORT(step) int32_t web_step(void) {
  if (network.sizes.history && network.frames == network.call.capacity) return SRT_TOO_LARGE;
  const int32_t status = srt_stream_run(network.stages, network.count, &network.call);
  if (status == SRT_OK) network.frames++;
  return status;
}
