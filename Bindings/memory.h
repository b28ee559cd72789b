// Memory of results and scratch. Blocks of 64 KB and more are aligned for the kernels and kept for the next call when
// their array goes, so that a training loop asks the system for nothing large after its first batch.
#ifndef SRT_MEMORY_H
#define SRT_MEMORY_H

#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a call holds: references to arrays that its pointers point into, and scratch memory.
typedef struct {
  PyObject *owned[96];  // more than two for each row of the longest table
  int owned_count;
  void *scratch[3];
  int scratch_count;
  bool keeps_threads;  // and the limit of threads that the scratch is for
} srt_call;

// Gives everything back. srt_fail returns NULL with the exception that is set. srt_finish returns `result` (whose
// reference it takes), or NULL with an exception if `status` is not SRT_OK or one is set.
void srt_release(srt_call *call);
PyObject *srt_fail(srt_call *call);
PyObject *srt_finish(srt_call *call, int32_t status, PyObject *result);

// Keeps a reference until the call ends; false if `object` is NULL.
bool srt_keep(srt_call *call, PyObject *object);

// A new array, not initialised, kept by the call as well; NULL with MemoryError, for which it has a name. `data` gets its
// memory.
PyObject *srt_new_array(srt_call *call, const char *name, void **data, int type, int dimensions,
                        const Py_ssize_t *shape);

// Memory for the time of the call; false with MemoryError. 0 floats give a pointer that must not be used.
bool srt_scratch(srt_call *call, float **data, ptrdiff_t count);

// Gives all memory that is kept back to the system; false if there was none. A request that failed is then tried again.
bool srt_give_back(void);

// Prepares the cache for fork(). Called once at import.
void srt_memory_setup(void);

#endif
