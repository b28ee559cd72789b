// What the bindings of the convolutional recurrences share.
#ifndef SRT_CONV_RECURRENT_H
#define SRT_CONV_RECURRENT_H

#include "binding.h"

// The sizes of the C ABI.
enum { STEPS, BATCH, HIDDEN, HEIGHT, WIDTH, KERNEL, SIZES };

// Arguments of srt_floats for a state (B, H, height, width) and for one of every step.
#define SRT_STATE(sizes) \
  4, &(sizes)[BATCH], "batch", &(sizes)[HIDDEN], "hidden_size", &(sizes)[HEIGHT], "height", &(sizes)[WIDTH], "width"
#define SRT_STATES(sizes) 5, &(sizes)[STEPS], "steps", &(sizes)[BATCH], "batch", &(sizes)[HIDDEN], "hidden_size", \
  &(sizes)[HEIGHT], "height", &(sizes)[WIDTH], "width"

// A new array of either shape.
#define SRT_NEW_STATE(call, data, sizes) \
  srt_new_floats(call, data, 4, (sizes)[BATCH], (sizes)[HIDDEN], (sizes)[HEIGHT], (sizes)[WIDTH])
#define SRT_NEW_STATES(call, data, sizes) \
  srt_new_floats(call, data, 5, (sizes)[STEPS], (sizes)[BATCH], (sizes)[HIDDEN], (sizes)[HEIGHT], (sizes)[WIDTH])

// The gates of all steps (T, B, gates * hidden_size, height, width), written in place; sets the sizes but the kernel's.
static inline bool srt_gates(srt_call *call, PyObject *object, const char *name, float **gates, int count,
                             ptrdiff_t *sizes) {
  ptrdiff_t channels = -1;
  sizes[STEPS] = sizes[BATCH] = sizes[HEIGHT] = sizes[WIDTH] = -1;
  if (!srt_output(call, object, name, gates, 5, &sizes[STEPS], "steps", &sizes[BATCH], "batch", &channels,
                  "gates * hidden_size", &sizes[HEIGHT], "height", &sizes[WIDTH], "width"))
    return false;
  sizes[HIDDEN] = channels / count;
  if (channels % count || channels == 0 || sizes[STEPS] == 0 || sizes[BATCH] == 0 || sizes[HEIGHT] == 0 ||
      sizes[WIDTH] == 0) {
    PyErr_Format(PyExc_ValueError, "%s: expected %d maps for each hidden one and no empty axis, got %zd channels", name,
                 count, channels);
    return false;
  }
  return true;
}

// weight (gates * hidden_size, hidden_size, kernel, kernel), backward -> packed
#define SRT_CONV_PACK(stem, gates)                                                                                      \
  SRT_FUNCTION(stem##_pack) {                                                                                           \
    SRT_TAKES(stem##_pack, 2);                                                                                          \
    srt_call call = {0};                                                                                                \
    const float *weight;                                                                                                \
    float *packed;                                                                                                      \
    ptrdiff_t sizes[SIZES] = {1, 1, -1, 1, 1, -1}, rows = -1;                                                           \
    int32_t backward;                                                                                                   \
    if (!(srt_flag(args[1], "backward", &backward) &&                                                                   \
          srt_floats(&call, args[0], "weight", &weight, 4, &rows, "gates * hidden_size", &sizes[HIDDEN], "hidden_size", \
                     &sizes[KERNEL], "kernel_size", &sizes[KERNEL], "kernel_size")))                                    \
      return srt_fail(&call);                                                                                           \
    if (rows != (gates)*sizes[HIDDEN] || rows == 0 || sizes[KERNEL] % 2 == 0) {                                         \
      PyErr_Format(PyExc_ValueError,                                                                                    \
                   "weight: expected %d kernels of odd size for each pair of hidden channels, got shape (%zd, %zd, %zd, %zd)", \
                   gates, rows, sizes[HIDDEN], sizes[KERNEL], sizes[KERNEL]);                                           \
      return srt_fail(&call);                                                                                           \
    }                                                                                                                   \
    PyObject *result = srt_new_floats(&call, &packed, 1, srt->stem##_packed_size(sizes, backward));                     \
    if (!result) return srt_fail(&call);                                                                                \
    SRT_RUN(status, srt->stem##_pack(packed, weight, sizes, backward));                                                 \
    return srt_finish(&call, status, Py_NewRef(result));                                                                \
  }

#endif
