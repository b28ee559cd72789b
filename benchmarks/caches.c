// What caches.py compiles: a recurrent layer without Python, for cachegrind.
//
//     caches KIND BATCH STEPS INPUTS HIDDEN TRAINING CACHES
//
// All numbers are zeros, for memory that nobody wrote to costs nothing: what is counted is the kernels'.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seriatim.h"

// As memory.c does: large blocks begin at a huge page, others anywhere.
static float *floats(ptrdiff_t count) {
  enum { LINE = 64, HUGE_FROM = 4 << 20, HUGE_PAGE = 2 << 20 };
  const size_t size = (size_t)count * 4;
  void *made = NULL;
  if (posix_memalign(&made, size < HUGE_FROM ? LINE : HUGE_PAGE, size + LINE)) exit(1);
  return made;
}

int main(int count, char **words) {
  if (count != 8) return 2;
  const ptrdiff_t batch = atol(words[2]), steps = atol(words[3]), inputs = atol(words[4]), hidden = atol(words[5]);
  const int32_t kind = strcmp(words[1], "LSTM") == 0 ? SRT_LSTM : SRT_GRU, training = atoi(words[6]);
  const ptrdiff_t rows = batch * steps;
  if (srt_set_thread_limit(1) || srt_set_caches(words[7])) return 3;
  const srt_cell cell = {kind, 0, inputs, hidden, 0};
  srt_recurrent_sizes sizes;
  if (srt_recurrent_measure(&cell, batch, rows, steps, training, &sizes)) return 4;

  const ptrdiff_t gates = sizes.gates * hidden;
  const srt_cell_weights weights = {
      .weight_ih = floats(gates * inputs), .weight_hh = floats(gates * hidden), .bias_ih = floats(gates), .bias_hh = floats(gates),
  };
  const srt_cell_gradients gradients = {
      .weight_ih = floats(gates * inputs), .weight_hh = floats(gates * hidden), .bias_ih = floats(gates), .bias_hh = floats(gates),
  };
  float *const packed = floats(sizes.packed), *const packed_backward = floats(sizes.packed_backward);
  if (srt_recurrent_pack(&cell, packed, &weights, &(srt_cell_scales){NULL})) return 5;
  if (training && srt_recurrent_pack_backward(&cell, packed_backward, &weights)) return 5;

  int64_t *const batch_sizes = malloc((size_t)steps * sizeof *batch_sizes);
  for (ptrdiff_t i = 0; i < steps; i++) batch_sizes[i] = batch;
  float *const x = floats(rows * inputs), *const y = floats(rows * hidden), *const c = floats(batch * hidden);
  float *const cache = training ? floats(rows * sizes.cache_stride) : NULL;
  const srt_recurrent_call forward = {
      .y = y,
      .output_stride = hidden,
      .final_states = {floats(batch * hidden), sizes.cell_size ? c : NULL},
      .cache = cache,
      .x = x,
      .batch_sizes = batch_sizes,
      .steps = steps,
      .packed = packed,
      .training = training,
      .scratch = floats(sizes.forward_scratch),
  };
  if (srt_recurrent_forward(&cell, &forward)) return 6;
  if (!training) return 0;
  const srt_recurrent_gradient_call backward = {
      .grad_x = floats(rows * inputs),
      .gradients = gradients,
      .grad_y = floats(rows * hidden),
      .grad_output_stride = hidden,
      .cache = cache,
      .x = x,
      .y = y,
      .output_stride = hidden,
      .batch_sizes = batch_sizes,
      .steps = steps,
      .packed = packed_backward,
      .scratch = floats(sizes.backward_scratch),
  };
  return srt_recurrent_backward(&cell, &backward) ? 6 : 0;
}
