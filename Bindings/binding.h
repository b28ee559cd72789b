// What every operator's binding includes: signature.h says what a binding is made of.
#ifndef SRT_BINDING_H
#define SRT_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define PY_ARRAY_UNIQUE_SYMBOL srt_numpy_api
#ifndef SRT_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <stdbool.h>

#include "dispatch.h"
#include "memory.h"
#include "signature.h"
#include "SeriatimSystem.h"

// Raises ValueError unless all are whole numbers that int8 has: kernels convert them without a look. In linear.c.
bool srt_are_int8(const char *name, const float *data, ptrdiff_t count);

// Calls one kernel with the GIL released, denormal numbers being zero for so long. The thread that gets Python's signals can
// be interrupted, if `can_end`: then the status is SRT_INTERRUPTED, and the exception of the signal's handler is set.
#define SRT_RUN(status, can_end, call) \
  srt_running running;                 \
  srt_start(&running, can_end);        \
  const int32_t status = srt_end(&running, (call))

// A kernel's call (running.c).
typedef struct {
  struct srt_watch watch;
  struct srt_watch *watch_before;
  PyThreadState *thread;
  srt_float_state floats;
  bool is_watched;
} srt_running;
void srt_start(srt_running *running, bool can_end);
int32_t srt_end(srt_running *running, int32_t status);

// Notes which thread gets Python's signals. Once at import; false with an exception.
bool srt_running_setup(void);

// The functions of each operator, ended by an empty entry; module.c gathers them.
extern const srt_operator srt_activation_operators[], srt_attention_operators[], srt_batch_norm_operators[],
    srt_collate_operators[], srt_conv_recurrent_operators[], srt_convolution_operators[], srt_dropout_operators[],
    srt_linear_operators[], srt_loss_operators[], srt_memory_operators[], srt_optimizer_operators[],
    srt_pooling_operators[], srt_ragged_operators[], srt_recurrent_operators[], srt_sequence_pooling_operators[],
    srt_stream_operators[], srt_upsample_operators[];

#endif
