// The C ABI of the kernels, implemented in Sources/SeriatimC.
//
// Everything here holds for every function unless its comment says otherwise:
//   - All matrices are float32, row-major, and dense: row stride = number of columns. A stride argument counts floats.
//   - The caller owns all memory and keeps it alive for the call; nothing is allocated or kept.
//   - Outputs must not overlap inputs or each other, and what is changed in place counts as both: Bindings/ refuses that.
//     Pointers need the alignment of a float; 64 bytes are faster.
//   - Sizes are checked by the caller (Bindings/): a wrong size is undefined behaviour, not an error.
//   - A function returns a status: SRT_OK, or the reason why nothing was written.
//   - Functions are thread-safe; results do not depend on the number of threads.
//   - A call that is watched (srt_set_watch in SeriatimSystem.h) may be cancelled: then outputs hold anything, what is added
//     to is added to in part, and running statistics are as they were. Calls that change arrays in place are not watched.
//
// Packed ragged batches: `data` is (N, D), one row per observation, time-major: step t's rows are those of the
// batch_sizes[t] longest sequences, in descending order of length. N = sum(batch_sizes); batch_sizes never grows.
#ifndef SERIATIM_H
#define SERIATIM_H

#include <stddef.h>
#include <stdint.h>

// Swift imports this header: a pointer that may be NULL says so.
#ifdef __clang__
#pragma clang assume_nonnull begin
#define SRT_NULLABLE _Nullable
#define SRT_NONNULL _Nonnull
#else
#define SRT_NULLABLE
#define SRT_NONNULL
#endif

enum {
  SRT_OK = 0,
  SRT_BAD_SIZE = 1,         // a size is not positive, or two sizes do not fit together
  SRT_MISSING_POINTER = 2,  // a pointer is NULL that these arguments need
  SRT_INTERRUPTED = 3,      // of the binding: the call was cancelled
  SRT_TOO_LARGE = 4,        // float32 does not hold the variance of so large values; nothing was changed in place
};

// ---- Every function below, once. dispatch.c makes a table per instruction-set level of this list, and setup.py
//      renames exactly these symbols: add a function here and in its section.
#define SRT_FUNCTIONS(X)          \
  X(thread_limit)                 \
  X(set_thread_limit)             \
  X(keep_thread_limit)            \
  X(set_runs_alone)               \
  X(set_caches)                   \
  X(get_caches)                   \
  X(packed_size)                  \
  X(gradient_scratch)             \
  X(linear_pack)                  \
  X(linear_pack_backward)         \
  X(linear_forward)               \
  X(linear_backward)              \
  X(recurrent_measure)            \
  X(recurrent_pack)               \
  X(recurrent_pack_backward)      \
  X(recurrent_forward)            \
  X(recurrent_backward)           \
  X(stream_measure)               \
  X(stream_run)                   \
  X(convolution_packed_size)      \
  X(convolution_scratch)          \
  X(convolution_gradient_scratch) \
  X(convolution_pack)             \
  X(convolution_forward)          \
  X(convolution_input_gradient)   \
  X(convolution_weight_gradient)  \
  X(conv_recurrent_sizes)         \
  X(conv_recurrent_pack)          \
  X(conv_recurrent_forward)       \
  X(conv_recurrent_backward)      \
  X(max_pool_forward)             \
  X(max_pool_backward)            \
  X(average_pool_forward)         \
  X(average_pool_backward)        \
  X(adaptive_pool_forward)        \
  X(adaptive_pool_backward)       \
  X(upsample_forward)             \
  X(upsample_backward)            \
  X(ragged_moments)               \
  X(ragged_extrema)               \
  X(ragged_scale)                 \
  X(ragged_moments_double)        \
  X(ragged_scale_double)          \
  X(ragged_filter_scratch)        \
  X(ragged_filter)                \
  X(ragged_deltas)                \
  X(rotate_points)                \
  X(interpolate_columns)          \
  X(interpolate_rows)             \
  X(attention_forward)            \
  X(attention_backward)           \
  X(sequence_pool_forward)        \
  X(sequence_pool_backward)       \
  X(batch_norm_forward)           \
  X(batch_norm_backward)          \
  X(image_norm_forward)           \
  X(image_norm_backward)          \
  X(dropout)                      \
  X(activation_forward)           \
  X(activation_backward)          \
  X(softmax_forward)              \
  X(softmax_backward)             \
  X(nll_forward)                  \
  X(nll_backward)                 \
  X(point_loss)                   \
  X(ctc_scratch)                  \
  X(ctc_loss)                     \
  X(adam_step)                    \
  X(sgd_step)                     \
  X(rmsprop_step)                 \
  X(average_step)                 \
  X(sum_of_squares_scratch)       \
  X(sum_of_squares)               \
  X(scale)                        \
  X(collate_packed)               \
  X(collate_padded)               \
  X(unpack)

// ---- Threads (Parallel+C.swift)

// The number of threads a call may use, the caller's included.
ptrdiff_t srt_thread_limit(void);

// Sets it, at least 1. Called once at import before any other function, and by set_num_threads.
int32_t srt_set_thread_limit(ptrdiff_t count);

// Keeps the limit as it is for the calling thread, whatever others set meanwhile, until it is called with 0: from the first
// question for a size of scratch to the end of the call that is given it. 0 if it was kept already, else 1.
int32_t srt_keep_thread_limit(int32_t keeps);

// Says whether functions that the calling thread calls run on it alone, whatever the limit; 0 in a new thread.
int32_t srt_set_runs_alone(int32_t alone);

// ---- Caches (Caches+C.swift)

// Reads the machine's caches, or takes those that `text` names: "48K,2M,300M" (SRT_BAD_SIZE if it names none). Called once
// at import before any other function but srt_set_thread_limit; the plans of layers are made for them.
int32_t srt_set_caches(const char *SRT_NULLABLE text);

// Writes six numbers: bytes of the first, second and shared cache, cores that share the second and the last, bytes of a line.
int32_t srt_get_caches(ptrdiff_t *values);

// ---- Sizes of opaque memory, in floats (GEMM+C.swift)

// How packed weights are kept: 0 for float32, else one of these, for inference alone. Sums are float32, in the same order.
//   SRT_BFLOAT16  weights are rounded to the nearest, ties to even, if they are not bfloat16 already.
//   SRT_INT8      weights are whole numbers q from -127 to 127, given as float32, with a scale a row:
//                 W x = scale * (q x), added to what it is added to when all of q x is there.
enum { SRT_BFLOAT16 = 16, SRT_INT8 = 32 };

// A packed (depth, columns) matrix; options: 0, SRT_BFLOAT16 or SRT_INT8.
ptrdiff_t srt_packed_size(ptrdiff_t depth, ptrdiff_t columns, int32_t options);

// The scratch of a weight-gradient product, for the current thread limit.
ptrdiff_t srt_gradient_scratch(void);

// ---- Linear (Linear+C.swift): y = x W^T + b

// packed: srt_packed_size(in_features, out_features, options). weight: (out_features, in_features).
// scales: (out_features,), or NULL without SRT_INT8.
int32_t srt_linear_pack(float *packed, int32_t options, const float *weight, const float *SRT_NULLABLE scales,
                        ptrdiff_t in_features, ptrdiff_t out_features);

// The same weight for the input gradient. packed: srt_packed_size(out_features, in_features, 0).
int32_t srt_linear_pack_backward(float *packed, const float *weight, ptrdiff_t in_features, ptrdiff_t out_features);

// y: (rows, out_features). x: (rows, in_features). packed, options: of srt_linear_pack. bias: (out_features,) or NULL.
int32_t srt_linear_forward(float *y, const float *x, const float *packed, int32_t options,
                           const float *SRT_NULLABLE bias, ptrdiff_t rows, ptrdiff_t in_features,
                           ptrdiff_t out_features);

// grad_x: (rows, in_features) or NULL; then packed_backward (from srt_linear_pack_backward) may be NULL too.
// grad_weight: (out_features, in_features) or NULL; grad_bias: (out_features,) or NULL: added to when accumulate is not 0.
// grad_y: (rows, out_features). x: (rows, in_features). scratch: srt_gradient_scratch().
int32_t srt_linear_backward(float *SRT_NULLABLE grad_x, float *SRT_NULLABLE grad_weight, float *SRT_NULLABLE grad_bias,
                            int32_t accumulate, const float *grad_y, const float *x,
                            const float *SRT_NULLABLE packed_backward, ptrdiff_t rows, ptrdiff_t in_features,
                            ptrdiff_t out_features, float *scratch);

// ---- Recurrent layers (Recurrent+C.swift): one direction of one layer of any cell over a packed ragged batch
//
// A cell is a kind, its options and its sizes. H = hidden_size, I = input_size, P = projection_size (0: none), S = P or
// else H: the size of h, which is also the output. G = gates: blocks of H rows in weights and biases.
//
//   kind      G  rows        states  options
//   SRT_GRU   3  r, z, n     h       SRT_RESET_BEFORE: n = tanh(W_in x + b_in + W_hn (r * h) + b_hn), else torch's
//   SRT_LSTM  4  i, f, g, o  h, c    projection_size; SRT_PEEPHOLE: c in the gates
//   SRT_RNN   1              h       SRT_RELU: else tanh
//
// and those whose gates see the input alone, h' by elements (Scan/*.swift: the equations); no bias_hh, and no weight_hh but
// in IndRNN, where it is (H, 1):
//
//   SRT_MIN_GRU   2  z, n     h
//   SRT_MIN_LSTM  3  f, i, n  h
//   SRT_IND_RNN   1           h       SRT_RELU: else tanh
//
// SRT_LAYER_NORM, of SRT_GRU and SRT_LSTM without other options and projection (Ba et al. 2016): W x + b becomes
// N(W x) * norm + b for both products, each normalised over its G H elements, and an LSTM's tanh(c') becomes
// tanh(N(c') * norm_c + bias_c), over H; N(v) = (v - mean(v)) / sqrt(var(v) + 1e-5).
//
// SRT_BFLOAT16 or SRT_INT8, of the first three without SRT_LAYER_NORM: weight_ih, weight_hh and weight_hr are packed so.
// Such a cell has no backward pass and no cache.
//
// Zoneout (Krueger et al. 2017) is an option of every cell: h' = h where a random mask says so, in training; else
// rate h + (1 - rate) h'.
//
// B = batch_sizes[0], N = sum(batch_sizes).

enum { SRT_GRU, SRT_LSTM, SRT_RNN, SRT_MIN_GRU, SRT_MIN_LSTM, SRT_IND_RNN, SRT_CELLS };
enum { SRT_RESET_BEFORE = 1, SRT_RELU = 2, SRT_PEEPHOLE = 4, SRT_LAYER_NORM = 8 };

typedef struct {
  int32_t kind, options;
  ptrdiff_t input_size, hidden_size, projection_size;
} srt_cell;

// The parameters; NULL for those that a cell has not, and for biases that are zeros.
typedef struct {
  const float *SRT_NULLABLE weight_ih;  // (G H, I)
  const float *SRT_NULLABLE weight_hh;  // (G H, S), or (G H, 1) for a product by elements
  const float *SRT_NULLABLE bias_ih;    // (G H,)
  const float *SRT_NULLABLE bias_hh;    // (G H,)
  const float *SRT_NULLABLE weight_hr;  // (P, H)
  const float *SRT_NULLABLE weight_ch;  // (3 H,): peepholes of i, f, o
  const float *SRT_NULLABLE norm_ih;    // (G H,): factors of the normalised products, whose shifts are the biases
  const float *SRT_NULLABLE norm_hh;    // (G H,)
  const float *SRT_NULLABLE norm_c;     // (H,): factor and shift of the normalised c
  const float *SRT_NULLABLE bias_c;     // (H,)
} srt_cell_weights;

// Of int8 weights, (G H,), (G H,) and (P,); NULL else.
typedef struct {
  const float *SRT_NULLABLE ih;
  const float *SRT_NULLABLE hh;
  const float *SRT_NULLABLE hr;
} srt_cell_scales;

// Their gradients: the same members; NULL where nobody asks, which may be all, or of the biases and what follows them any.
typedef struct {
  float *SRT_NULLABLE weight_ih;
  float *SRT_NULLABLE weight_hh;
  float *SRT_NULLABLE bias_ih;
  float *SRT_NULLABLE bias_hh;
  float *SRT_NULLABLE weight_hr;
  float *SRT_NULLABLE weight_ch;
  float *SRT_NULLABLE norm_ih;
  float *SRT_NULLABLE norm_hh;
  float *SRT_NULLABLE norm_c;
  float *SRT_NULLABLE bias_c;
} srt_cell_gradients;

// States, h (B, S) and c (B, H): NULL for zeros, and for c of a cell without one.
typedef struct {
  const float *SRT_NULLABLE h;
  const float *SRT_NULLABLE c;
} srt_states;

// States that are written; NULL where nobody asks.
typedef struct {
  float *SRT_NULLABLE h;
  float *SRT_NULLABLE c;
} srt_new_states;

// Which parameters a cell has besides weight_ih and bias_ih.
enum {
  SRT_HAS_WEIGHT_HH = 1,
  SRT_HAS_BIAS_HH = 2,
  SRT_HAS_WEIGHT_HR = 4,
  SRT_HAS_WEIGHT_CH = 8,
  SRT_HAS_NORM = 16,    // norm_ih, norm_hh
  SRT_HAS_NORM_C = 32,  // norm_c, bias_c
};

// What follows from a cell and a batch.
typedef struct {
  ptrdiff_t gates, state_size, cell_size;  // G, S, and H, or 0 without c
  ptrdiff_t state_columns;                 // of weight_hh
  int32_t parameters;                      // SRT_HAS_*
  // Floats of opaque memory: packed weights; those for the backward pass, and without the input gradient's; a cache row
  // (0: the cell has no cache); scratch.
  ptrdiff_t packed, packed_backward, packed_state, cache_stride, forward_scratch, backward_scratch;
} srt_recurrent_sizes;

// rate: in [0, 1]; 0 for none; below 0: states are mixed in the proportion -rate, in training too. seed, offset: of the
// random mask, which depends on them and on the element's place alone.
typedef struct {
  float rate;
  uint64_t seed, offset;
} srt_zoneout;

// What a layer reads and writes, forward.
typedef struct {
  float *y;  // (N, S), row stride output_stride >= S
  ptrdiff_t output_stride;
  srt_new_states final_states;  // each sequence's own last ones (reverse: those at its first step)
  float *SRT_NULLABLE cache;    // (N, cache_stride), or NULL in inference
  const float *x;               // (N, I)
  const int64_t *batch_sizes;   // (steps,)
  ptrdiff_t steps;
  srt_states initial_states;
  const float *packed;  // from srt_recurrent_pack
  int32_t reverse;      // not 0: from each sequence's last step to its first
  int32_t training;     // whether zoneout is random, and a cell with a cache has it
  srt_zoneout zoneout;
  float *scratch;
} srt_recurrent_call;

// What a layer reads and writes, backward. y to reverse: as in the forward call.
typedef struct {
  float *SRT_NULLABLE grad_x;  // (N, I): added to when accumulate_x is not 0
  srt_new_states grad_initial_states;
  srt_cell_gradients gradients;  // added to when accumulate is not 0
  int32_t accumulate, accumulate_x;
  const float *SRT_NULLABLE grad_y;  // (N, S), row stride grad_output_stride; NULL for zeros
  ptrdiff_t grad_output_stride;
  srt_states grad_final_states;
  float *SRT_NULLABLE cache;  // OVERWRITTEN with the gates' gradients
  const float *x;
  const float *y;
  ptrdiff_t output_stride;
  const int64_t *batch_sizes;
  ptrdiff_t steps;
  srt_states initial_states;
  const float *packed;  // from srt_recurrent_pack_backward, with weight_ih if grad_x is wanted
  int32_t reverse;
  srt_zoneout zoneout;
  float *scratch;
} srt_recurrent_gradient_call;

int32_t srt_recurrent_measure(const srt_cell *cell, ptrdiff_t batch, ptrdiff_t rows, ptrdiff_t steps, int32_t training,
                              srt_recurrent_sizes *sizes);

// packed: sizes.packed floats, or sizes.packed_backward, or without weight_ih sizes.packed_state: then grad_x cannot be had.
int32_t srt_recurrent_pack(const srt_cell *cell, float *packed, const srt_cell_weights *weights,
                           const srt_cell_scales *scales);
int32_t srt_recurrent_pack_backward(const srt_cell *cell, float *packed, const srt_cell_weights *weights);

int32_t srt_recurrent_forward(const srt_cell *cell, const srt_recurrent_call *call);
int32_t srt_recurrent_backward(const srt_cell *cell, const srt_recurrent_gradient_call *call);

// ---- Streams (Stream+C.swift): a network over sequences, as stages that run one after another
//
// Stages before SRT_GATHERED work on rows, one a frame; SRT_LAST, SRT_POOL and SRT_ATTENTION let rows pass as they are and
// write columns of the features, one row a sequence. SRT_GATHERED turns from rows to features, and stages behind it work on
// those. Without it a network puts out a row a frame.
//
// A stream keeps what it has seen in `state`; frames of B streams may come at different times: of a call, sequence b of the
// packed batch belongs to stream order[b]. Whatever calls the frames come in, the outputs have the same bits.
enum {
  SRT_WINDOW,  // the last `count` frames side by side, of which the last `ahead` are still to come; zeros beyond the ends
  SRT_LINEAR,      // y = x W^T + bias
  SRT_BATCH_NORM,  // in evaluation
  SRT_ACTIVATION,  // `option`, `number`: as in srt_activation_forward
  SRT_SOFTMAX,     // `option` not 0: its logarithm
  SRT_RECURRENT,   // a layer; one with a second direction only over whole sequences
  SRT_LAST,        // the last states of the recurrent layer before it
  SRT_POOL,        // of `option`: 1 mean, 2 greatest, 4 share above 0, side by side in this order
  SRT_ATTENTION,   // context of the last state over the frames, and a GRU's step on it: [c, a], 2 `in` columns
  SRT_GATHERED,
  SRT_STAGES
};

// Pointers are NULL where a stage has no use for them, `bias`, `scale` and `shift` also where there is none.
typedef struct {
  int32_t kind, option;               // SRT_LINEAR: 0, SRT_BFLOAT16 or SRT_INT8
  ptrdiff_t in, out;                  // columns before and behind it
  srt_cell cell;                      // of SRT_RECURRENT, and the GRU of SRT_ATTENTION
  const float *SRT_NULLABLE weights;  // packed: SRT_LINEAR's, SRT_RECURRENT's, SRT_ATTENTION's W (without bias)
  const float *SRT_NULLABLE second;   // packed: of SRT_RECURRENT's second direction, of SRT_ATTENTION's GRU
  const float *SRT_NULLABLE bias;     // (out,): SRT_LINEAR's
  const float *SRT_NULLABLE mean, *SRT_NULLABLE variance, *SRT_NULLABLE scale,
      *SRT_NULLABLE shift;  // (in,): SRT_BATCH_NORM
  float number;      // SRT_BATCH_NORM: epsilon; SRT_RECURRENT: zoneout's rate, as its negative; SRT_ACTIVATION: slope
  ptrdiff_t column;  // first of the features that are written
  ptrdiff_t count;   // SRT_WINDOW: frames, of SRT_ATTENTION: the most that are looked back at, 0 for all
  ptrdiff_t ahead;   // SRT_WINDOW: not 0 only over whole sequences
} srt_stage;

// Of B streams and a call of at most N rows: floats of state; floats of scratch; columns of the features and of what is put
// out; H of the frames that SRT_ATTENTION keeps, 0 for none.
typedef struct {
  ptrdiff_t state, scratch, features, outputs, history;
} srt_stream_sizes;

// What a call reads and writes.
typedef struct {
  float *y;        // (N, outputs), packed as x; without `every` (and with SRT_GATHERED) (B', outputs), of each
                   // of the call's sequences, behind its last frame
  const float *x;  // (N, in), packed
  const int64_t *batch_sizes;         // (steps,), the first at most B
  ptrdiff_t steps, batch;             // batch: B
  const int64_t *SRT_NULLABLE order;  // (B',): streams, each once, or NULL for 0, 1, ...
  int32_t every;                      // whether features become outputs after every frame
  // What streams keep, changed in place; zeros where nothing has been seen. NULL, all three: x has whole sequences.
  // `frames` is for the caller to count on, behind the call.
  float *SRT_NULLABLE state;  // stage by stage; of SRT_RECURRENT h (B, S), c (B, C); of SRT_WINDOW the last frames
  // (B, count - 1, in); of SRT_POOL sums (2, B, in) for the mean, the greatest (B, in), counts (B, in)
  const int64_t *SRT_NULLABLE frames;  // (B,): how many each stream had seen before the call
  float *SRT_NULLABLE history;         // (B, capacity, H): frame f of a stream at place f mod capacity
  ptrdiff_t capacity;  // at least the most frames that a stream has then seen, or that are looked back at
  float *scratch;
} srt_stream_call;

int32_t srt_stream_measure(const srt_stage *stages, ptrdiff_t count, ptrdiff_t batch, ptrdiff_t rows, ptrdiff_t steps,
                           ptrdiff_t capacity, int32_t every, srt_stream_sizes *sizes);
int32_t srt_stream_run(const srt_stage *stages, ptrdiff_t count, const srt_stream_call *call);

// ---- Convolution (Convolution+C.swift): 2-D, torch's rules
//
// sizes: 14 numbers: N, C, height, width, K, kernel height, kernel width, stride y, x, padding y, x, dilation y, x, groups.
// x: (N, C, height, width); y: (N, K, out height, out width), out = (size + 2 padding - dilation (kernel - 1) - 1) / stride
// + 1; weight: (K, C / groups, kernel height, kernel width).

// Floats of packed weights, and of scratch for the current thread limit; transposed != 0: for the input gradient. Packed
// weights do not depend on N, height, width, stride and padding as long as the stride is 1; else they depend on the stride
// and padding.
ptrdiff_t srt_convolution_packed_size(const ptrdiff_t *sizes, int32_t transposed);
ptrdiff_t srt_convolution_scratch(const ptrdiff_t *sizes, int32_t transposed);
ptrdiff_t srt_convolution_gradient_scratch(const ptrdiff_t *sizes);

// packed: srt_convolution_packed_size.
int32_t srt_convolution_pack(float *packed, const float *weight, const ptrdiff_t *sizes, int32_t transposed);

// y = activation(bias + convolution). bias: (K,) or NULL. activation, slope: as in srt_activation_forward.
int32_t srt_convolution_forward(float *y, const float *x, const float *packed, const float *SRT_NULLABLE bias,
                                const ptrdiff_t *sizes, int32_t activation, float slope, float *scratch);

// grad_x: like x, overwritten. packed: packed with transposed != 0.
int32_t srt_convolution_input_gradient(float *grad_x, const float *grad_y, const float *packed, const ptrdiff_t *sizes,
                                       float *scratch);

// grad_weight: like weight, grad_bias: (K,), or NULL: added to when accumulate != 0.
int32_t srt_convolution_weight_gradient(float *SRT_NULLABLE grad_weight, float *SRT_NULLABLE grad_bias,
                                        int32_t accumulate, const float *grad_y, const float *x, const ptrdiff_t *sizes,
                                        float *scratch);

// ---- Convolutional recurrences (ConvRecurrent+C.swift)
//
// T = steps, B = batch, H = hidden channels, P = height * width. States are (B, H, P), those of all steps (T, B, H, P).
// G = 3 gates for GRU: r, z, n; 4 for LSTM: i, f, o, g; 1 for RNN. weight: (G H, H, kernel, kernel). bias: (G H,).
// GRU: h' = (1 - z) h + z n, n = tanh(x + W (r h)): reset before the convolution, and z weighs the candidate.

enum { SRT_CONV_GRU = 0, SRT_CONV_LSTM = 1, SRT_CONV_RNN = 2 };

typedef struct {
  int32_t kind;
  int32_t hard;                                           // GRU, LSTM: gates of straight lines
  int32_t activation;                                     // RNN: as in srt_activation_forward, without a slope
  ptrdiff_t steps, batch, hidden, height, width, kernel;  // the kernel is odd
} srt_conv_cell;

// Floats of packed weights and of scratch.
typedef struct {
  ptrdiff_t packed, packed_backward, forward_scratch, backward_scratch;
} srt_conv_sizes;

// Of the pairs the second is the LSTM's cell and not read otherwise.
typedef struct {
  float *gates;                   // (T, B, G H, P): the convolved input; becomes what backward needs, the RNN's states
  float *SRT_NULLABLE states[2];  // written: the states of all steps; not the RNN's
  const float *SRT_NULLABLE initial[2];  // NULL for zeros
  const float *packed;
  const float *SRT_NULLABLE bias;
  float *scratch;
} srt_conv_forward;

typedef struct {
  float *gates;  // as forward left it, becomes the gradient of the convolved input; the RNN's: written only
  float *SRT_NULLABLE grad_initial[2];  // overwritten; they mean nothing if the state was NULL
  float *SRT_NULLABLE grad_weight;      // added to when accumulate != 0
  float *SRT_NULLABLE grad_bias;
  int32_t accumulate;
  const float *grad_y;
  const float *SRT_NULLABLE grad_final[2];  // besides grad_y's; NULL for zeros
  const float *SRT_NULLABLE states[2];
  const float *SRT_NULLABLE initial[2];  // NULL for zeros
  const float *packed;                   // packed with backward != 0
  float *scratch;
} srt_conv_backward;

int32_t srt_conv_recurrent_sizes(srt_conv_sizes *sizes, const srt_conv_cell *cell);
int32_t srt_conv_recurrent_pack(float *packed, const float *weight, const srt_conv_cell *cell, int32_t backward);
int32_t srt_conv_recurrent_forward(const srt_conv_cell *cell, const srt_conv_forward *arguments);
int32_t srt_conv_recurrent_backward(const srt_conv_cell *cell, const srt_conv_backward *arguments);

// ---- Pooling (Pooling+C.swift), torch's rules
//
// sizes: 13 numbers: planes, height, width, out height, out width, kernel y, x, stride y, x, padding y, x, dilation y, x.
// x: (planes, height, width); y: (planes, out height, out width). Gradients of x are overwritten.

// index: like y, the place of each maximum in its plane; or NULL.
int32_t srt_max_pool_forward(float *y, int32_t *SRT_NULLABLE index, const float *x, const ptrdiff_t *sizes);
int32_t srt_max_pool_backward(float *grad_x, const float *grad_y, const int32_t *index, const ptrdiff_t *sizes);

// divisor: below 0 the padded window, 0 what of it is inside, else this number. The dilations must be 1.
int32_t srt_average_pool_forward(float *y, const float *x, const ptrdiff_t *sizes, float divisor);
int32_t srt_average_pool_backward(float *grad_x, const float *grad_y, const ptrdiff_t *sizes, float divisor);

// Windows that share out the plane.
int32_t srt_adaptive_pool_forward(float *y, const float *x, ptrdiff_t planes, ptrdiff_t height, ptrdiff_t width,
                                  ptrdiff_t out_height, ptrdiff_t out_width);
int32_t srt_adaptive_pool_backward(float *grad_x, const float *grad_y, ptrdiff_t planes, ptrdiff_t height,
                                   ptrdiff_t width, ptrdiff_t out_height, ptrdiff_t out_width);

// ---- Upsampling (Upsample+C.swift)
//
// sizes: 5 numbers: planes, height, width, out height, out width. x: (planes, height, width); y: (planes, out height,
// out width). rows: (out height,), from 0 to below height, columns: (out width,), from 0 to below width: the input that
// an output is of. row_weights, column_weights: alike; how much of the input behind that one is in it; or both NULL.
int32_t srt_upsample_forward(float *y, const float *x, const ptrdiff_t *sizes, const int32_t *rows,
                             const int32_t *columns, const float *SRT_NULLABLE row_weights,
                             const float *SRT_NULLABLE column_weights);
int32_t srt_upsample_backward(float *grad_x, const float *grad_y, const ptrdiff_t *sizes, const int32_t *rows,
                              const int32_t *columns, const float *SRT_NULLABLE row_weights,
                              const float *SRT_NULLABLE column_weights);

// ---- Ragged data (Ragged+C.swift): preprocessing
//
// Sequences behind each other: sequence s of `count` is rows offsets[s] to offsets[s + 1] of x (rows, features);
// offsets (count + 1,) grow from 0 to the number of rows.

// mean, spread, least, greatest: (count, features); spread, the population's standard deviation, may be NULL. Zeros for a
// sequence without rows.
int32_t srt_ragged_moments(float *mean, float *SRT_NULLABLE spread, const float *x, const int64_t *offsets,
                           ptrdiff_t count, ptrdiff_t features);
int32_t srt_ragged_extrema(float *least, float *greatest, const float *x, const int64_t *offsets, ptrdiff_t count,
                           ptrdiff_t features);

// y = (x - shift) * scale; shift, scale: (count, features). y may be x.
int32_t srt_ragged_scale(float *y, const float *x, const int64_t *offsets, ptrdiff_t count, ptrdiff_t features,
                         const float *shift, const float *scale);

// The same in double, of any magnitude: nothing overflows or vanishes in a square, and no offset costs the spread a bit.
int32_t srt_ragged_moments_double(double *mean, double *SRT_NULLABLE spread, const double *x, const int64_t *offsets,
                                  ptrdiff_t count, ptrdiff_t features);
int32_t srt_ragged_scale_double(double *y, const double *x, const int64_t *offsets, ptrdiff_t count, ptrdiff_t features,
                                const double *shift, const double *scale);

// y: like x, not x itself: means or medians of windows of `width` rows. scratch: srt_ragged_filter_scratch floats.
ptrdiff_t srt_ragged_filter_scratch(ptrdiff_t width, int32_t is_median);
int32_t srt_ragged_filter(float *y, const float *x, const int64_t *offsets, ptrdiff_t count, ptrdiff_t features,
                          ptrdiff_t width, int32_t is_median, float *scratch);

// y: rows of `features` floats, `stride` apart, not in x: slopes over `reach` rows to either side.
int32_t srt_ragged_deltas(float *y, ptrdiff_t stride, const float *x, const int64_t *offsets, ptrdiff_t count,
                          ptrdiff_t features, ptrdiff_t reach);

// y: like x, not x itself; points of 3 features each are multiplied by their sequence's matrix. matrices: (count, 3, 3).
int32_t srt_rotate_points(float *y, const float *x, const int64_t *offsets, ptrdiff_t count, ptrdiff_t features,
                          const float *matrices);

// y: (rows, columns), column d between columns index[s, d] and the next of x. index, weight: (count, columns).
int32_t srt_interpolate_columns(float *y, const float *x, const int64_t *offsets, ptrdiff_t count, ptrdiff_t features,
                                ptrdiff_t columns, const int64_t *index, const float *weight);

// y: (rows, features), row i between rows index[i] and the next of x. index, weight: (rows,); with a weight of 0 the next
// row is not read.
int32_t srt_interpolate_rows(float *y, const float *x, ptrdiff_t features, const int64_t *index, const float *weight,
                             ptrdiff_t rows);

// ---- Attention (Attention+C.swift): softmax over each sequence's own steps of query . h_t

// context: (B, size). weights: (N,), packed like h. query: (B, size). h: (N, size).
int32_t srt_attention_forward(float *context, float *weights, const float *query, const float *h,
                              const int64_t *batch_sizes, ptrdiff_t steps, ptrdiff_t size);

// grad_query: (B, size), grad_h: (N, size): overwritten. weights: from the forward call. scratch: (N,).
int32_t srt_attention_backward(float *grad_query, float *grad_h, const float *grad_context, const float *query,
                               const float *h, const float *weights, const int64_t *batch_sizes, ptrdiff_t steps,
                               ptrdiff_t size, float *scratch);

// ---- Pooling over time (SequencePooling+C.swift): the mean, the greatest and the share above 0 of a sequence's own steps

// mean, greatest, positive: (B, size), rows `stride` floats apart, or NULL: not wanted. h: (N, size), packed.
int32_t srt_sequence_pool_forward(float *SRT_NULLABLE mean, float *SRT_NULLABLE greatest, float *SRT_NULLABLE positive,
                                  ptrdiff_t stride, const float *h, const int64_t *batch_sizes, ptrdiff_t steps,
                                  ptrdiff_t size);

// grad_h: (N, size): overwritten. grad_mean, grad_greatest, greatest: (B, size), rows `stride` floats apart; NULL for what
// was not wanted; greatest is the forward call's. scratch: (2, B, size). A tie's gradient goes to its first step.
int32_t srt_sequence_pool_backward(float *grad_h, const float *SRT_NULLABLE grad_mean,
                                   const float *SRT_NULLABLE grad_greatest, const float *SRT_NULLABLE greatest,
                                   ptrdiff_t stride, const float *h, const int64_t *batch_sizes, ptrdiff_t steps,
                                   ptrdiff_t size, float *scratch);

// ---- Batch normalisation (BatchNorm+C.swift)

// y, x: (rows, columns). mean, inverse: (columns,), kept for backward. running_*: (columns,): updated in place when
// training != 0 (or NULL: not kept), read otherwise. weight, bias: (columns,) or NULL for 1 and 0. Without y, in training
// alone, mean is that of the rows and inverse the sum of squared differences to it; nothing else is written.
int32_t srt_batch_norm_forward(float *SRT_NULLABLE y, float *mean, float *inverse, float *SRT_NULLABLE running_mean,
                               float *SRT_NULLABLE running_variance, const float *x, const float *SRT_NULLABLE weight,
                               const float *SRT_NULLABLE bias, ptrdiff_t rows, ptrdiff_t columns, int32_t training,
                               float momentum, float epsilon);

// grad_x: (rows, columns) or NULL. grad_weight, grad_bias: (columns,) or NULL: added to when accumulate != 0. shift, slope:
// (columns,) or both NULL: the means of dy and dy (x - mean) inverse that grad_x is made by, those of the rows if NULL.
int32_t srt_batch_norm_backward(float *SRT_NULLABLE grad_x, float *SRT_NULLABLE grad_weight,
                                float *SRT_NULLABLE grad_bias, int32_t accumulate, const float *grad_y, const float *x,
                                const float *mean, const float *inverse, const float *SRT_NULLABLE weight,
                                ptrdiff_t rows, ptrdiff_t columns, int32_t training, const float *SRT_NULLABLE shift,
                                const float *SRT_NULLABLE slope);

// The same for images: y, x: (images, channels, pixels); the others: (channels,).
int32_t srt_image_norm_forward(float *SRT_NULLABLE y, float *mean, float *inverse, float *SRT_NULLABLE running_mean,
                               float *SRT_NULLABLE running_variance, const float *x, const float *SRT_NULLABLE weight,
                               const float *SRT_NULLABLE bias, ptrdiff_t images, ptrdiff_t channels, ptrdiff_t pixels,
                               int32_t training, float momentum, float epsilon);
int32_t srt_image_norm_backward(float *SRT_NULLABLE grad_x, float *SRT_NULLABLE grad_weight,
                                float *SRT_NULLABLE grad_bias, int32_t accumulate, const float *grad_y, const float *x,
                                const float *mean, const float *inverse, const float *SRT_NULLABLE weight,
                                ptrdiff_t images, ptrdiff_t channels, ptrdiff_t pixels, int32_t training,
                                const float *SRT_NULLABLE shift, const float *SRT_NULLABLE slope);

// ---- Dropout (Dropout+C.swift)

// y = x * scale where the element's Philox word is >= threshold, else 0; scale = 1 / (1 - p), threshold =
// floor(p 2^32). y, x: (count,); y may be x. seed: the generator's key. offset: the number of the call.
int32_t srt_dropout(float *y, const float *x, ptrdiff_t count, uint32_t threshold, float scale, uint64_t seed,
                    uint64_t offset);

// ---- Activations (Activation+C.swift)

// activation: 0 identity, 1 relu, 2 leaky relu (slope below 0), 3 elu (slope (e^x - 1) below 0), 4 sigmoid, 5 tanh.
// y, x: (count,); y may be x.
int32_t srt_activation_forward(float *y, const float *x, ptrdiff_t count, int32_t activation, float slope);

// grad_x, grad_y: (count,), may be the same. x, y: of the forward call.
int32_t srt_activation_backward(float *grad_x, const float *grad_y, const float *x, const float *y, ptrdiff_t count,
                                int32_t activation, float slope);

// softmax, or its logarithm, of every row. y, x: (rows, columns); y may be x.
int32_t srt_softmax_forward(float *y, const float *x, ptrdiff_t rows, ptrdiff_t columns, int32_t logarithm);

// y: the forward output. (rows, columns); grad_x may be grad_y.
int32_t srt_softmax_backward(float *grad_x, const float *grad_y, const float *y, ptrdiff_t rows, ptrdiff_t columns,
                             int32_t logarithm);

// ---- Losses (Loss+C.swift)

// What is wished for of rows of log-probabilities: labels, each within [0, classes) or `ignored`, whose row then has no
// loss, or a probability of every class.
typedef struct {
  const int64_t *SRT_NULLABLE labels;       // (rows,), or NULL with
  const float *SRT_NULLABLE probabilities;  // (rows, classes)
  const float *SRT_NULLABLE class_weight;   // (classes,), or NULL for 1
  const float *SRT_NULLABLE sample_weight;  // (rows,), or NULL for 1
  float smoothing;                          // in [0, 1], spread over all classes
  int64_t ignored;
  ptrdiff_t rows, classes;
} srt_label_targets;

// losses, weights: (rows,): w_i * -log_probabilities[i, labels[i]] and w_i = class_weight[labels[i]] * sample_weight[i];
// of probabilities the sum over classes, and w_i = sample_weight[i]. totals: 2 doubles, the sums of both.
int32_t srt_nll_forward(float *losses, float *weights, double *totals, const float *log_probabilities,
                        const srt_label_targets *wish);

// grad: (rows, classes), overwritten; without smoothing -weights[i] * scale at the label, 0 elsewhere. weights: from
// the forward call. scale: one float, or (rows,) if scale_per_row.
int32_t srt_nll_backward(float *grad, const float *weights, const float *scale, int32_t scale_per_row,
                         const srt_label_targets *wish);

// losses, grad, prediction, target: (count,); positive: (count,), the weight of positives, or NULL. kind: 0 squared error,
// 1 binary cross-entropy of logits, 2 absolute error, 3 Huber's within `bound`, 4 the same divided by it, 5 binary
// cross-entropy of probabilities, 6 divergence from probabilities, 7 from their logarithms. grad is the derivative of each
// loss. bound: positive.
int32_t srt_point_loss(float *losses, float *grad, const float *prediction, const float *target,
                       const float *SRT_NULLABLE positive, float bound, ptrdiff_t count, int32_t kind);

// Floats of scratch for the next.
ptrdiff_t srt_ctc_scratch(ptrdiff_t steps, ptrdiff_t batch, ptrdiff_t most_labels);

// losses: (batch,), infinity where no path spells the target. grad: (rows, classes), with respect to what
// log_probabilities (rows, classes) is the log-softmax of. batch_sizes: (steps,). lengths: (batch,), from 0 to what
// batch_sizes says. A sequence's labels are targets[starts[i]] and the counts[i] - 1 behind it, each within [0, classes).
// most_labels: the largest of counts.
int32_t srt_ctc_loss(float *losses, float *grad, const float *log_probabilities, const int64_t *batch_sizes,
                     const int64_t *lengths, const int64_t *targets, const int64_t *starts, const int64_t *counts,
                     ptrdiff_t steps, ptrdiff_t batch, ptrdiff_t classes, ptrdiff_t blank, ptrdiff_t most_labels,
                     float *scratch, ptrdiff_t scratch_size);

// ---- Optimisers (Optimizer+C.swift): flat buffers, updated in place

// g = gradients + decay * p; p *= shrink; first += (1 - beta1)(g - first); second = beta2 second + (1 - beta2) g^2;
// p -= step_size * first / (sqrt(second) * second_scale + epsilon). All (count,).
int32_t srt_adam_step(float *parameters, float *first, float *second, const float *gradients, ptrdiff_t count,
                      float step_size, float second_scale, float beta1, float beta2, float epsilon, float decay,
                      float shrink);

// torch's SGD. momentum_buffer: (count,), or NULL without momentum; is_first: it holds nothing yet.
int32_t srt_sgd_step(float *parameters, float *SRT_NULLABLE momentum_buffer, const float *gradients, ptrdiff_t count,
                     float learning_rate, float momentum, float dampening, float decay, int32_t nesterov,
                     int32_t is_first);

// g = gradients + decay * p; square += weight (g^2 - square), mean += weight (g - mean); the direction is
// g / (sqrt(square - mean^2) + epsilon), and with momentum the buffer: momentum * buffer + direction. p -= learning_rate
// * direction. momentum_buffer: (count,), or NULL without momentum; mean: (count,), or NULL unless centred, then taken as
// zeros; the others (count,). weight: 1 - alpha.
int32_t srt_rmsprop_step(float *parameters, float *square, float *SRT_NULLABLE momentum_buffer,
                         float *SRT_NULLABLE mean, const float *gradients, ptrdiff_t count, float learning_rate,
                         float weight, float epsilon, float decay, float momentum);

// average += weight (data - average). Both (count,), apart from each other. weight: 1 - decay.
int32_t srt_average_step(float *average, const float *data, ptrdiff_t count, float weight);

// Floats of scratch for the next.
ptrdiff_t srt_sum_of_squares_scratch(ptrdiff_t count);

// result: one double, the sum of the squares of x (count,).
int32_t srt_sum_of_squares(double *result, const float *x, ptrdiff_t count, float *scratch);

// x *= factor. (count,)
int32_t srt_scale(float *x, float factor, ptrdiff_t count);

// ---- Collation (Collate+C.swift)
//
// sources: (batch,) pointers to the first rows of the sequences, in the order of the batch; rows are row_stride elements
// apart and hold `features` float32, or float64 if is_double.

// packed: (N, features). sources: sorted by length, descending, as batch_sizes says.
int32_t srt_collate_packed(float *packed, const void *SRT_NONNULL const *SRT_NONNULL sources, ptrdiff_t row_stride,
                           int32_t is_double, ptrdiff_t features, const int64_t *batch_sizes, ptrdiff_t steps);

// Row (b, t) is written at padded + b * batch_stride + t * step_stride, for t < length; `padding` where t >= lengths[b].
int32_t srt_collate_padded(float *padded, ptrdiff_t batch_stride, ptrdiff_t step_stride, ptrdiff_t length,
                           float padding, const void *SRT_NONNULL const *SRT_NONNULL sources, ptrdiff_t row_stride,
                           int32_t is_double, ptrdiff_t features, const int64_t *lengths, ptrdiff_t batch);

// The padded batch of a packed one: sequence b of packed becomes sequence order[b]. packed: (N, features).
int32_t srt_unpack(float *padded, ptrdiff_t batch_stride, ptrdiff_t step_stride, ptrdiff_t length, float padding,
                   const float *packed, const int64_t *batch_sizes, ptrdiff_t steps, const int64_t *order,
                   ptrdiff_t features);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif

#endif
