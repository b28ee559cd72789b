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

// Calls one kernel with the GIL released, denormal numbers being zero for so long.
#define SRT_RUN(status, call)                                                       \
  int32_t status;                                                                   \
  Py_BEGIN_ALLOW_THREADS const srt_float_state float_state = srt_flush_denormals(); \
  status = (call);                                                                  \
  srt_restore_denormals(float_state);                                               \
  Py_END_ALLOW_THREADS

// The functions of each operator, ended by an empty entry; module.c gathers them.
extern const srt_operator srt_activation_operators[], srt_attention_operators[], srt_batch_norm_operators[],
    srt_collate_operators[], srt_conv_recurrent_operators[], srt_convolution_operators[], srt_dropout_operators[],
    srt_linear_operators[], srt_loss_operators[], srt_memory_operators[], srt_optimizer_operators[],
    srt_pooling_operators[], srt_ragged_operators[], srt_recurrent_operators[], srt_sequence_pooling_operators[],
    srt_upsample_operators[];

#endif
