// What the extension has besides under AddressSanitizer: scratch memory of just the size, in place of memory.c's srt_scratch,
// and a way for counters of edges to libFuzzer, if that is there (the sanitizer's own functions would keep them).
#include <Python.h>
#include <stdlib.h>

#include "memory.h"

static void drop(PyObject *capsule) { free(PyCapsule_GetPointer(capsule, NULL)); }

bool __wrap_srt_scratch(srt_call *call, float **data, ptrdiff_t count);
bool __wrap_srt_scratch(srt_call *call, float **data, ptrdiff_t count) {
  // Kernels' scratch begins at a cache line.
  void *memory = NULL;
  if (count > PTRDIFF_MAX / 8 || posix_memalign(&memory, 64, count ? (size_t)count * sizeof(float) : 4)) {
    PyErr_NoMemory();
    return false;
  }
  PyObject *capsule = PyCapsule_New(memory, NULL, drop);
  if (!capsule) free(memory);
  *data = memory;
  return srt_keep(call, capsule);
}

void srt_fuzz_counters(char *begin, char *end) __attribute__((weak));
void srt_fuzz_places(const uintptr_t *begin, const uintptr_t *end) __attribute__((weak));

__attribute__((visibility("hidden"))) void __sanitizer_cov_8bit_counters_init(char *begin, char *end) {
  if (srt_fuzz_counters) srt_fuzz_counters(begin, end);
}

__attribute__((visibility("hidden"))) void __sanitizer_cov_pcs_init(const uintptr_t *begin, const uintptr_t *end) {
  if (srt_fuzz_places) srt_fuzz_places(begin, end);
}
