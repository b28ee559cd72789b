// How gru.c, lstm.c and rnn.c check arguments by hand. All of arrays.c and arrays.h goes with them: signature.h is the way.
//
// Dimensions are given as pairs (ptrdiff_t *size, const char *name). A size of -1 is learned from the array, any other
// must match: so `rows` of one argument is checked against `rows` of the next. The name appears in messages.
#ifndef SRT_ARRAYS_H
#define SRT_ARRAYS_H

#include "memory.h"

// Input arrays. Any array or nested list of numbers will do: what is not C-contiguous, aligned and native in the wanted
// type is converted once; what is right is used without a copy. Inputs are never written to.
bool srt_floats(srt_call *call, PyObject *object, const char *name, const float **data, int dimensions, ...);
bool srt_integers(srt_call *call, PyObject *object, const char *name, const int64_t **data, int dimensions, ...);

// The same, where None gives NULL.
bool srt_maybe_floats(srt_call *call, PyObject *object, const char *name, const float **data, int dimensions, ...);

// A float32 input of any shape, as a flat one. `array` is borrowed.
bool srt_flat(srt_call *call, PyObject *object, const char *name, const float **data, ptrdiff_t *size,
              PyObject **array);

// A matrix whose rows may lie apart: a column slice of a wider one is used without a copy. `stride` counts floats.
bool srt_rows(srt_call *call, PyObject *object, const char *name, const float **data, ptrdiff_t *stride,
              ptrdiff_t *rows, ptrdiff_t *columns);

// Arrays that the call writes to: must already be float32, aligned, writeable and C-contiguous (srt_output_rows: with
// rows that may lie apart). None gives NULL with srt_maybe_output.
bool srt_output(srt_call *call, PyObject *object, const char *name, float **data, int dimensions, ...);
bool srt_maybe_output(srt_call *call, PyObject *object, const char *name, float **data, int dimensions, ...);
bool srt_output_rows(srt_call *call, PyObject *object, const char *name, float **data, ptrdiff_t *stride,
                     ptrdiff_t *rows, ptrdiff_t *columns);

// A matrix to write to: `object`, or a new one for None. Borrowed; NULL with an exception.
PyObject *srt_output_or_new(srt_call *call, PyObject *object, const char *name, float **data, ptrdiff_t rows,
                            const char *rows_name, ptrdiff_t columns, const char *columns_name);

// Numbers.
bool srt_size(PyObject *object, const char *name, ptrdiff_t *value);   // 1 or more
bool srt_count(PyObject *object, const char *name, ptrdiff_t *value);  // 0 or more
bool srt_sizes(PyObject *object, const char *name, ptrdiff_t *values, int count);  // a tuple of counts
bool srt_flag(PyObject *object, const char *name, int32_t *value);
bool srt_number(PyObject *object, const char *name, double *value);
bool srt_word(PyObject *object, const char *name, uint64_t *value);

// batch_sizes of a packed ragged batch of `rows` rows (-1: learned): positive, never growing, summing up to rows.
bool srt_batch_sizes(srt_call *call, PyObject *object, const int64_t **data, ptrdiff_t *steps, ptrdiff_t *rows);

#endif
