// Memory of results and scratch. Blocks of 64 KB and more are aligned for the kernels and kept for the next call when
// their array goes, so that a training loop asks the system for nothing large after its first batch.
#ifndef SRT_MEMORY_H
#define SRT_MEMORY_H

#include <Python.h>
#include <stddef.h>

#include "arrays.h"

// A new float32 array, not initialised, kept by the call as well; NULL with MemoryError. `data` gets its memory.
PyObject *srt_new_floats(srt_call *call, float **data, int dimensions, ...);

// The same with the shape of `array`.
PyObject *srt_new_like(srt_call *call, PyObject *array, float **data);

// Memory for the time of the call; false with MemoryError. 0 floats give a pointer that must not be used.
bool srt_scratch(srt_call *call, float **data, ptrdiff_t count);

// The block's memory goes back to the cache, or to the system.
void srt_free_block(void *block);

// Prepares the cache for fork(). Called once at import.
void srt_memory_setup(void);

#endif
