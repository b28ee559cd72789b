// The C ABI of the kernels, implemented in Sources/SeriatimC.
//
// Everything here holds for every function unless its comment says otherwise:
//   - All matrices are float32, row-major, and dense: row stride = number of columns. A stride argument counts floats.
//   - The caller owns all memory and keeps it alive for the call; nothing is allocated or kept.
//   - Outputs must not overlap inputs or each other. Pointers need the alignment of a float; 64 bytes are faster.
//   - Sizes are checked by the caller (Bindings/): a wrong size is undefined behaviour, not an error.
//   - A function returns a status: SRT_OK, or the reason why nothing was written.
//   - Functions are thread-safe; results do not depend on the number of threads.
//
// Packed ragged batches: `data` is (N, D), one row per observation, time-major: step t's rows are those of the
// batch_sizes[t] longest sequences, in descending order of length. N = sum(batch_sizes); batch_sizes never grows.
#ifndef SERIATIM_H
#define SERIATIM_H

#include <stddef.h>
#include <stdint.h>

enum {
  SRT_OK = 0,
  SRT_BAD_SIZE = 1,         // a size is not positive, or two sizes do not fit together
  SRT_MISSING_POINTER = 2,  // a pointer is NULL that these arguments need
};

// ---- Every function below, once. dispatch.c makes a table per instruction-set level of this list, and setup.py
//      renames exactly these symbols: add a function here and in its section.
#define SRT_FUNCTIONS(X) \
  X(thread_limit)              \
  X(set_thread_limit)          \
  X(set_runs_alone)            \
  X(packed_size)               \
  X(gradient_scratch)          \
  X(linear_pack)               \
  X(linear_pack_backward)      \
  X(linear_forward)            \
  X(linear_backward)           \
  X(gru_packed_size)           \
  X(gru_packed_backward_size)  \
  X(gru_cache_stride)          \
  X(gru_forward_scratch)       \
  X(gru_backward_scratch)      \
  X(gru_pack)                  \
  X(gru_pack_backward)         \
  X(gru_forward)               \
  X(gru_backward)              \
  X(lstm_packed_size)          \
  X(lstm_packed_backward_size) \
  X(lstm_cache_stride)         \
  X(lstm_forward_scratch)      \
  X(lstm_backward_scratch)     \
  X(lstm_pack)                 \
  X(lstm_pack_backward)        \
  X(lstm_forward)              \
  X(lstm_backward)             \
  X(rnn_packed_size)           \
  X(rnn_packed_backward_size)  \
  X(rnn_forward_scratch)       \
  X(rnn_backward_scratch)      \
  X(rnn_pack)                  \
  X(rnn_pack_backward)         \
  X(rnn_forward)               \
  X(rnn_backward)              \
  X(convolution_packed_size)   \
  X(convolution_scratch)       \
  X(convolution_gradient_scratch) \
  X(convolution_pack)          \
  X(convolution_forward)       \
  X(convolution_input_gradient) \
  X(convolution_weight_gradient) \
  X(conv_recurrent_sizes)      \
  X(conv_recurrent_pack)       \
  X(conv_recurrent_forward)    \
  X(conv_recurrent_backward)   \
  X(max_pool_forward)          \
  X(max_pool_backward)         \
  X(average_pool_forward)      \
  X(average_pool_backward)     \
  X(adaptive_pool_forward)     \
  X(adaptive_pool_backward)    \
  X(ragged_moments)            \
  X(ragged_extrema)            \
  X(ragged_scale)              \
  X(ragged_filter_scratch)     \
  X(ragged_filter)             \
  X(ragged_deltas)             \
  X(rotate_points)             \
  X(interpolate_columns)       \
  X(interpolate_rows)          \
  X(attention_forward)         \
  X(attention_backward)        \
  X(sequence_pool_forward)     \
  X(sequence_pool_backward)    \
  X(batch_norm_forward)        \
  X(batch_norm_backward)       \
  X(image_norm_forward)        \
  X(image_norm_backward)       \
  X(dropout)                   \
  X(activation_forward)        \
  X(activation_backward)       \
  X(softmax_forward)           \
  X(softmax_backward)          \
  X(nll_forward)               \
  X(nll_backward)              \
  X(point_loss)                \
  X(adam_step)                 \
  X(sgd_step)                  \
  X(rmsprop_step)              \
  X(average_step)              \
  X(sum_of_squares_scratch)    \
  X(sum_of_squares)            \
  X(scale)                     \
  X(collate_packed)            \
  X(collate_padded)            \
  X(unpack)

// ---- Threads (Parallel+C.swift)

// The number of threads a call may use, the caller's included.
ptrdiff_t srt_thread_limit(void);

// Sets it, at least 1. Called once at import before any other function, and by set_num_threads.
int32_t srt_set_thread_limit(ptrdiff_t count);

// Says whether functions that the calling thread calls run on it alone, whatever the limit; 0 in a new thread.
int32_t srt_set_runs_alone(int32_t alone);

// ---- Sizes of opaque memory, in floats (GEMM+C.swift)

// A packed (depth, columns) matrix.
ptrdiff_t srt_packed_size(ptrdiff_t depth, ptrdiff_t columns);

// The scratch of a weight-gradient product, for the current thread limit.
ptrdiff_t srt_gradient_scratch(void);

// ---- Linear (Linear+C.swift): y = x W^T + b

// packed: srt_packed_size(in_features, out_features). weight: (out_features, in_features).
int32_t srt_linear_pack(float *packed, const float *weight, ptrdiff_t in_features, ptrdiff_t out_features);

// The same weight for the input gradient. packed: srt_packed_size(out_features, in_features).
int32_t srt_linear_pack_backward(float *packed, const float *weight, ptrdiff_t in_features, ptrdiff_t out_features);

// y: (rows, out_features). x: (rows, in_features). packed: from srt_linear_pack. bias: (out_features,) or NULL.
int32_t srt_linear_forward(float *y, const float *x, const float *packed, const float *bias, ptrdiff_t rows,
                           ptrdiff_t in_features, ptrdiff_t out_features);

// grad_x: (rows, in_features) or NULL; then packed_backward (from srt_linear_pack_backward) may be NULL too.
// grad_weight: (out_features, in_features) or NULL; grad_bias: (out_features,) or NULL: added to when accumulate is not 0.
// grad_y: (rows, out_features). x: (rows, in_features). scratch: srt_gradient_scratch().
int32_t srt_linear_backward(float *grad_x, float *grad_weight, float *grad_bias, int32_t accumulate,
                            const float *grad_y, const float *x, const float *packed_backward, ptrdiff_t rows,
                            ptrdiff_t in_features, ptrdiff_t out_features, float *scratch);

// ---- GRU (GRU+C.swift): one direction of one layer over a packed ragged batch
//
// H = hidden_size, I = input_size, B = batch_sizes[0], N = sum(batch_sizes). Rows of weights and biases: r, z, n.
// reset_after != 0: n = tanh(W_in x + b_in + r * (W_hn h + b_hn)), torch's. Else W_hn (r * h) + b_hn.
// reverse != 0: the recurrence runs from each sequence's last step to its first.

// Floats of packed weights; for the backward pass with those of the input gradient; and of one frame's cache row.
ptrdiff_t srt_gru_packed_size(ptrdiff_t input_size, ptrdiff_t hidden_size);
ptrdiff_t srt_gru_packed_backward_size(ptrdiff_t input_size, ptrdiff_t hidden_size);
ptrdiff_t srt_gru_cache_stride(ptrdiff_t hidden_size);

// Floats of scratch. batch = B, rows = N. training: a cache is given.
ptrdiff_t srt_gru_forward_scratch(ptrdiff_t hidden_size, ptrdiff_t batch, ptrdiff_t rows, ptrdiff_t steps,
                                  int32_t training);
ptrdiff_t srt_gru_backward_scratch(ptrdiff_t hidden_size, ptrdiff_t batch, ptrdiff_t rows);

// packed: srt_gru_packed_size. weight_ih: (3H, I). weight_hh: (3H, H). biases: (3H,) or NULL.
int32_t srt_gru_pack(float *packed, const float *weight_ih, const float *weight_hh, const float *bias_ih,
                     const float *bias_hh, ptrdiff_t input_size, ptrdiff_t hidden_size, int32_t reset_after);

// packed: srt_gru_packed_backward_size; without weight_ih (NULL) its part is not written and grad_x cannot be had.
int32_t srt_gru_pack_backward(float *packed, const float *weight_ih, const float *weight_hh, ptrdiff_t input_size,
                              ptrdiff_t hidden_size, int32_t reset_after);

// y: (N, H), row stride output_stride >= H. final_state: (B, H), each sequence's own last state. cache: (N, cache_stride),
// or NULL in inference. x: (N, I). batch_sizes: (steps,). initial_state: (B, H) or NULL for zeros.
// scratch: srt_gru_forward_scratch floats.
int32_t srt_gru_forward(float *y, ptrdiff_t output_stride, float *final_state, float *cache, const float *x,
                        const int64_t *batch_sizes, ptrdiff_t steps, const float *initial_state, const float *packed,
                        ptrdiff_t input_size, ptrdiff_t hidden_size, int32_t reset_after, int32_t reverse,
                        float *scratch);

// grad_x: (N, I) or NULL: added to when accumulate_x != 0. grad_initial_state: (B, H) or NULL. grad_weight_ih: (3H, I),
// grad_weight_hh: (3H, H), grad_bias_*: (3H,) or NULL: added to when accumulate != 0. grad_y: (N, H), row stride grad_output_stride, or NULL for
// zeros. grad_final_state: (B, H) or NULL for zeros. cache: of the forward call, OVERWRITTEN with the gates' gradients.
// x, y, output_stride, batch_sizes, steps, initial_state, reset_after, reverse: as in the forward call.
// packed: from srt_gru_pack_backward. scratch: srt_gru_backward_scratch floats.
int32_t srt_gru_backward(float *grad_x, float *grad_initial_state, float *grad_weight_ih, float *grad_weight_hh,
                         float *grad_bias_ih, float *grad_bias_hh, int32_t accumulate, int32_t accumulate_x,
                         const float *grad_y, ptrdiff_t grad_output_stride, const float *grad_final_state, float *cache,
                         const float *x, const float *y, ptrdiff_t output_stride, const int64_t *batch_sizes,
                         ptrdiff_t steps, const float *initial_state, const float *packed, ptrdiff_t input_size,
                         ptrdiff_t hidden_size, int32_t reset_after, int32_t reverse, float *scratch);

// ---- LSTM (LSTM+C.swift): one direction of one layer over a packed ragged batch
//
// H = hidden_size, P = projection_size (0: none), S = P or else H: the size of the output and of the recurrent state.
// I, B, N, reverse: as for GRU. Rows of weights and biases: i, f, g, o.

// Floats of packed weights; for the backward pass with those of the input gradient; and of one frame's cache row.
ptrdiff_t srt_lstm_packed_size(ptrdiff_t input_size, ptrdiff_t hidden_size, ptrdiff_t projection_size);
ptrdiff_t srt_lstm_packed_backward_size(ptrdiff_t input_size, ptrdiff_t hidden_size, ptrdiff_t projection_size);
ptrdiff_t srt_lstm_cache_stride(ptrdiff_t hidden_size, ptrdiff_t projection_size);

// Floats of scratch. batch = B, rows = N. training: a cache is given.
ptrdiff_t srt_lstm_forward_scratch(ptrdiff_t hidden_size, ptrdiff_t projection_size, ptrdiff_t batch, ptrdiff_t rows,
                                   ptrdiff_t steps, int32_t training);
ptrdiff_t srt_lstm_backward_scratch(ptrdiff_t hidden_size, ptrdiff_t projection_size, ptrdiff_t batch, ptrdiff_t rows);

// packed: srt_lstm_packed_size. weight_ih: (4H, I). weight_hh: (4H, S). biases: (4H,) or NULL. weight_hr: (P, H), or NULL
// when P is 0.
int32_t srt_lstm_pack(float *packed, const float *weight_ih, const float *weight_hh, const float *bias_ih,
                      const float *bias_hh, const float *weight_hr, ptrdiff_t input_size, ptrdiff_t hidden_size,
                      ptrdiff_t projection_size);

// packed: srt_lstm_packed_backward_size; without weight_ih (NULL) its part is not written and grad_x cannot be had.
int32_t srt_lstm_pack_backward(float *packed, const float *weight_ih, const float *weight_hh, const float *weight_hr,
                               ptrdiff_t input_size, ptrdiff_t hidden_size, ptrdiff_t projection_size);

// y: (N, S), row stride output_stride >= S. final_state: (B, S), final_cell: (B, H): each sequence's own last states.
// cache: (N, cache_stride), or NULL in inference. x: (N, I). batch_sizes: (steps,). initial_state: (B, S), initial_cell:
// (B, H), or NULL for zeros. scratch: srt_lstm_forward_scratch floats.
int32_t srt_lstm_forward(float *y, ptrdiff_t output_stride, float *final_state, float *final_cell, float *cache,
                         const float *x, const int64_t *batch_sizes, ptrdiff_t steps, const float *initial_state,
                         const float *initial_cell, const float *packed, ptrdiff_t input_size, ptrdiff_t hidden_size,
                         ptrdiff_t projection_size, int32_t reverse, float *scratch);

// grad_x: (N, I) or NULL: added to when accumulate_x != 0. grad_initial_state: (B, S), grad_initial_cell: (B, H), or NULL.
// grad_weight_ih: (4H, I), grad_weight_hh: (4H, S), grad_bias_*: (4H,) or NULL, grad_weight_hr: (P, H) or NULL: added to
// when accumulate != 0. grad_y: (N, S), row stride grad_output_stride, or NULL for zeros. grad_final_state: (B, S),
// grad_final_cell: (B, H), or NULL for zeros. cache: of the forward call, OVERWRITTEN with the gates' gradients.
// The rest as in the forward call. packed: from srt_lstm_pack_backward. scratch: srt_lstm_backward_scratch floats.
int32_t srt_lstm_backward(float *grad_x, float *grad_initial_state, float *grad_initial_cell, float *grad_weight_ih,
                          float *grad_weight_hh, float *grad_bias_ih, float *grad_bias_hh, float *grad_weight_hr,
                          int32_t accumulate, int32_t accumulate_x, const float *grad_y, ptrdiff_t grad_output_stride,
                          const float *grad_final_state, const float *grad_final_cell, float *cache, const float *x,
                          const float *y, ptrdiff_t output_stride, const int64_t *batch_sizes, ptrdiff_t steps,
                          const float *initial_state, const float *initial_cell, const float *packed,
                          ptrdiff_t input_size, ptrdiff_t hidden_size, ptrdiff_t projection_size, int32_t reverse,
                          float *scratch);

// ---- RNN (RNN+C.swift): one direction of one layer over a packed ragged batch
//
// H, I, B, N, reverse: as for GRU. rectifies != 0: relu, else tanh. There is no cache: backward reads the output.

// Floats of packed weights, and for the backward pass with those of the input gradient.
ptrdiff_t srt_rnn_packed_size(ptrdiff_t input_size, ptrdiff_t hidden_size);
ptrdiff_t srt_rnn_packed_backward_size(ptrdiff_t input_size, ptrdiff_t hidden_size);

// Floats of scratch. batch = B, rows = N.
ptrdiff_t srt_rnn_forward_scratch(ptrdiff_t rows);
ptrdiff_t srt_rnn_backward_scratch(ptrdiff_t hidden_size, ptrdiff_t batch, ptrdiff_t rows);

// packed: srt_rnn_packed_size. weight_ih: (H, I). weight_hh: (H, H). biases: (H,) or NULL.
int32_t srt_rnn_pack(float *packed, const float *weight_ih, const float *weight_hh, const float *bias_ih,
                     const float *bias_hh, ptrdiff_t input_size, ptrdiff_t hidden_size);

// packed: srt_rnn_packed_backward_size; without weight_ih (NULL) its part is not written and grad_x cannot be had.
int32_t srt_rnn_pack_backward(float *packed, const float *weight_ih, const float *weight_hh, ptrdiff_t input_size,
                              ptrdiff_t hidden_size);

// y: (N, H), row stride output_stride >= H. final_state: (B, H), each sequence's own last state. x: (N, I).
// batch_sizes: (steps,). initial_state: (B, H) or NULL for zeros. scratch: srt_rnn_forward_scratch floats.
int32_t srt_rnn_forward(float *y, ptrdiff_t output_stride, float *final_state, const float *x,
                        const int64_t *batch_sizes, ptrdiff_t steps, const float *initial_state, const float *packed,
                        ptrdiff_t input_size, ptrdiff_t hidden_size, int32_t rectifies, int32_t reverse,
                        float *scratch);

// grad_x: (N, I) or NULL: added to when accumulate_x != 0. grad_initial_state: (B, H) or NULL. grad_weight_ih: (H, I),
// grad_weight_hh: (H, H), grad_bias_*: (H,) or NULL: added to when accumulate != 0. grad_y: (N, H), row stride
// grad_output_stride, or NULL for zeros. grad_final_state: (B, H) or NULL for zeros. The rest as in the forward call.
// packed: from srt_rnn_pack_backward. scratch: srt_rnn_backward_scratch floats.
int32_t srt_rnn_backward(float *grad_x, float *grad_initial_state, float *grad_weight_ih, float *grad_weight_hh,
                         float *grad_bias_ih, float *grad_bias_hh, int32_t accumulate, int32_t accumulate_x,
                         const float *grad_y, ptrdiff_t grad_output_stride, const float *grad_final_state,
                         const float *x, const float *y, ptrdiff_t output_stride, const int64_t *batch_sizes,
                         ptrdiff_t steps, const float *initial_state, const float *packed, ptrdiff_t input_size,
                         ptrdiff_t hidden_size, int32_t rectifies, int32_t reverse, float *scratch);

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
int32_t srt_convolution_forward(float *y, const float *x, const float *packed, const float *bias,
                                const ptrdiff_t *sizes, int32_t activation, float slope, float *scratch);

// grad_x: like x, overwritten. packed: packed with transposed != 0.
int32_t srt_convolution_input_gradient(float *grad_x, const float *grad_y, const float *packed, const ptrdiff_t *sizes,
                                       float *scratch);

// grad_weight: like weight, grad_bias: (K,), or NULL: added to when accumulate != 0.
int32_t srt_convolution_weight_gradient(float *grad_weight, float *grad_bias, int32_t accumulate, const float *grad_y,
                                        const float *x, const ptrdiff_t *sizes, float *scratch);

// ---- Convolutional recurrences (ConvRecurrent+C.swift)
//
// T = steps, B = batch, H = hidden channels, P = height * width. States are (B, H, P), those of all steps (T, B, H, P).
// G = 3 gates for GRU: r, z, n; 4 for LSTM: i, f, o, g; 1 for RNN. weight: (G H, H, kernel, kernel). bias: (G H,).
// GRU: h' = (1 - z) h + z n, n = tanh(x + W (r h)): reset before the convolution, and z weighs the candidate.

enum { SRT_CONV_GRU = 0, SRT_CONV_LSTM = 1, SRT_CONV_RNN = 2 };

typedef struct {
  int32_t kind;
  int32_t hard;        // GRU, LSTM: gates of straight lines
  int32_t activation;  // RNN: as in srt_activation_forward, without a slope
  ptrdiff_t steps, batch, hidden, height, width, kernel;  // the kernel is odd
} srt_conv_cell;

// Floats of packed weights and of scratch.
typedef struct {
  ptrdiff_t packed, packed_backward, forward_scratch, backward_scratch;
} srt_conv_sizes;

// Of the pairs the second is the LSTM's cell and not read otherwise. What may be NULL is marked [].
typedef struct {
  float *gates;      // (T, B, G H, P): the convolved input; becomes what backward needs, the RNN's states
  float *states[2];         // written: the states of all steps; not the RNN's
  const float *initial[2];          // [zeros]
  const float *packed;
  const float *bias;                // []
  float *scratch;
} srt_conv_forward;

typedef struct {
  float *gates;      // as forward left it, becomes the gradient of the convolved input; the RNN's: written only
  float *grad_initial[2];   // overwritten; they mean nothing if the state was NULL
  float *grad_weight, *grad_bias;  // []; added to when accumulate != 0
  int32_t accumulate;
  const float *grad_y;
  const float *grad_final[2];       // [zeros]: besides grad_y's
  const float *states[2];
  const float *initial[2];          // [zeros]
  const float *packed;               // packed with backward != 0
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
int32_t srt_max_pool_forward(float *y, int32_t *index, const float *x, const ptrdiff_t *sizes);
int32_t srt_max_pool_backward(float *grad_x, const float *grad_y, const int32_t *index, const ptrdiff_t *sizes);

// divisor: below 0 the padded window, 0 what of it is inside, else this number. The dilations must be 1.
int32_t srt_average_pool_forward(float *y, const float *x, const ptrdiff_t *sizes, float divisor);
int32_t srt_average_pool_backward(float *grad_x, const float *grad_y, const ptrdiff_t *sizes, float divisor);

// Windows that share out the plane.
int32_t srt_adaptive_pool_forward(float *y, const float *x, ptrdiff_t planes, ptrdiff_t height, ptrdiff_t width,
                                  ptrdiff_t out_height, ptrdiff_t out_width);
int32_t srt_adaptive_pool_backward(float *grad_x, const float *grad_y, ptrdiff_t planes, ptrdiff_t height,
                                   ptrdiff_t width, ptrdiff_t out_height, ptrdiff_t out_width);

// ---- Ragged data (Ragged+C.swift): preprocessing
//
// Sequences behind each other: sequence s of `count` is rows offsets[s] to offsets[s + 1] of x (rows, features);
// offsets (count + 1,) grow from 0 to the number of rows.

// mean, spread, least, greatest: (count, features); spread, the population's standard deviation, may be NULL. Zeros for a
// sequence without rows.
int32_t srt_ragged_moments(float *mean, float *spread, const float *x, const int64_t *offsets, ptrdiff_t count,
                           ptrdiff_t features);
int32_t srt_ragged_extrema(float *least, float *greatest, const float *x, const int64_t *offsets, ptrdiff_t count,
                           ptrdiff_t features);

// y = (x - shift) * scale; shift, scale: (count, features). y may be x.
int32_t srt_ragged_scale(float *y, const float *x, const int64_t *offsets, ptrdiff_t count, ptrdiff_t features,
                         const float *shift, const float *scale);

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
int32_t srt_sequence_pool_forward(float *mean, float *greatest, float *positive, ptrdiff_t stride, const float *h,
                                  const int64_t *batch_sizes, ptrdiff_t steps, ptrdiff_t size);

// grad_h: (N, size): overwritten. grad_mean, grad_greatest, greatest: (B, size), rows `stride` floats apart; NULL for what
// was not wanted; greatest is the forward call's. scratch: (2, B, size). A tie's gradient goes to its first step.
int32_t srt_sequence_pool_backward(float *grad_h, const float *grad_mean, const float *grad_greatest,
                                   const float *greatest, ptrdiff_t stride, const float *h,
                                   const int64_t *batch_sizes, ptrdiff_t steps, ptrdiff_t size, float *scratch);

// ---- Batch normalisation (BatchNorm+C.swift)

// y, x: (rows, columns). mean, inverse: (columns,), kept for backward. running_*: (columns,): updated in place when
// training != 0 (or NULL: not kept), read otherwise. weight, bias: (columns,) or NULL for 1 and 0.
int32_t srt_batch_norm_forward(float *y, float *mean, float *inverse, float *running_mean, float *running_variance,
                               const float *x, const float *weight, const float *bias, ptrdiff_t rows,
                               ptrdiff_t columns, int32_t training, float momentum, float epsilon);

// grad_x: (rows, columns) or NULL. grad_weight, grad_bias: (columns,) or NULL: added to when accumulate != 0.
int32_t srt_batch_norm_backward(float *grad_x, float *grad_weight, float *grad_bias, int32_t accumulate,
                                const float *grad_y, const float *x, const float *mean, const float *inverse,
                                const float *weight, ptrdiff_t rows, ptrdiff_t columns, int32_t training);

// The same for images: y, x: (images, channels, pixels); the others: (channels,).
int32_t srt_image_norm_forward(float *y, float *mean, float *inverse, float *running_mean, float *running_variance,
                               const float *x, const float *weight, const float *bias, ptrdiff_t images,
                               ptrdiff_t channels, ptrdiff_t pixels, int32_t training, float momentum, float epsilon);
int32_t srt_image_norm_backward(float *grad_x, float *grad_weight, float *grad_bias, int32_t accumulate,
                                const float *grad_y, const float *x, const float *mean, const float *inverse,
                                const float *weight, ptrdiff_t images, ptrdiff_t channels, ptrdiff_t pixels,
                                int32_t training);

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

// losses, weights: (rows,): w_i * -log_probabilities[i, targets[i]] and w_i = class_weight[targets[i]] * sample_weight[i].
// totals: 2 doubles, the sums of both. targets: (rows,), each within [0, classes). class_weight: (classes,) or NULL.
// sample_weight: (rows,) or NULL. smoothing: in [0, 1), spread over all classes; losses are then those of both parts.
int32_t srt_nll_forward(float *losses, float *weights, double *totals, const float *log_probabilities,
                        const int64_t *targets, const float *class_weight, const float *sample_weight, float smoothing,
                        ptrdiff_t rows, ptrdiff_t classes);

// grad: (rows, classes), overwritten; without smoothing -weights[i] * scale at the target, 0 elsewhere. weights: from
// the forward call. scale: one float, or (rows,) if scale_per_row.
int32_t srt_nll_backward(float *grad, const float *weights, const int64_t *targets, const float *class_weight,
                         const float *sample_weight, float smoothing, const float *scale, int32_t scale_per_row,
                         ptrdiff_t rows, ptrdiff_t classes);

// losses, grad, prediction, target: (count,); positive: (count,), the weight of positives, or NULL. kind: 0 squared error,
// 1 binary cross-entropy of logits. grad is the derivative of each loss.
int32_t srt_point_loss(float *losses, float *grad, const float *prediction, const float *target, const float *positive,
                       ptrdiff_t count, int32_t kind);

// ---- Optimisers (Optimizer+C.swift): flat buffers, updated in place

// g = gradients + decay * p; p *= shrink; first += (1 - beta1)(g - first); second = beta2 second + (1 - beta2) g^2;
// p -= step_size * first / (sqrt(second) * second_scale + epsilon). All (count,).
int32_t srt_adam_step(float *parameters, float *first, float *second, const float *gradients, ptrdiff_t count,
                      float step_size, float second_scale, float beta1, float beta2, float epsilon, float decay,
                      float shrink);

// torch's SGD. momentum_buffer: (count,), or NULL without momentum; is_first: it holds nothing yet.
int32_t srt_sgd_step(float *parameters, float *momentum_buffer, const float *gradients, ptrdiff_t count,
                     float learning_rate, float momentum, float dampening, float decay, int32_t nesterov,
                     int32_t is_first);

// g = gradients + decay * p; square += weight (g^2 - square), mean += weight (g - mean); the direction is
// g / (sqrt(square - mean^2) + epsilon), and with momentum the buffer: momentum * buffer + direction. p -= learning_rate
// * direction. momentum_buffer: (count,), or NULL without momentum; mean: (count,), or NULL unless centred, then taken as
// zeros; the others (count,). weight: 1 - alpha.
int32_t srt_rmsprop_step(float *parameters, float *square, float *momentum_buffer, float *mean, const float *gradients,
                         ptrdiff_t count, float learning_rate, float weight, float epsilon, float decay, float momentum);

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
int32_t srt_collate_packed(float *packed, const void *const *sources, ptrdiff_t row_stride, int32_t is_double,
                           ptrdiff_t features, const int64_t *batch_sizes, ptrdiff_t steps);

// Row (b, t) is written at padded + b * batch_stride + t * step_stride, for t < length; `padding` where t >= lengths[b].
int32_t srt_collate_padded(float *padded, ptrdiff_t batch_stride, ptrdiff_t step_stride, ptrdiff_t length,
                           float padding, const void *const *sources, ptrdiff_t row_stride, int32_t is_double,
                           ptrdiff_t features, const int64_t *lengths, ptrdiff_t batch);

// The padded batch of a packed one: sequence b of packed becomes sequence order[b]. packed: (N, features).
int32_t srt_unpack(float *padded, ptrdiff_t batch_stride, ptrdiff_t step_stride, ptrdiff_t length, float padding,
                   const float *packed, const int64_t *batch_sizes, ptrdiff_t steps, const int64_t *order,
                   ptrdiff_t features);

#endif
