#include "binding.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// In front of every block: what it is, and its place in the list of free ones. One cache line, so the memory behind it
// stays aligned.
typedef struct block {
  size_t size;  // of the memory behind the header
  struct block *next;
  char unused[48];
} block;

enum { LINE = 64, SMALLEST_CACHED = 64 << 10, HUGE_FROM = 4 << 20, HUGE_PAGE = 2 << 20, SLACK = 64 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *free_blocks;  // most recently used first
static size_t bytes_cached, bound;
static size_t most_used;                     // the most bytes in use at a time since memory was released last
static size_t bytes_used, blocks_allocated;  // atomic: small blocks come and go without the lock

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

void srt_memory_setup(void) {
  // An eighth of the machine's memory, at most 1 GiB: a training step's blocks, not everything that ever was.
  size_t eighth = (size_t)sysconf(_SC_PHYS_PAGES) / 8 * (size_t)sysconf(_SC_PAGESIZE);
  bound = eighth < ((size_t)1 << 30) ? eighth : (size_t)1 << 30;
  pthread_atfork(before_fork, after_fork, after_fork);
}

// Sizes in steps of an eighth of a power of two, so that batches of nearly the same size find each other's blocks.
static size_t size_class(size_t bytes) {
  size_t step = LINE;
  while (step * 16 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

// The most recently used block of the size or, where there is none, of at most an eighth more.
static block *take_cached(size_t size) {
  block **best = NULL;
  for (block **link = &free_blocks; *link; link = &(*link)->next) {
    const size_t found = (*link)->size;
    if (found < size || found > size + size / 8 || (best && found >= (*best)->size)) continue;
    best = link;
    if (found == size) break;
  }
  if (!best) return NULL;
  block *taken = *best;
  *best = taken->next;
  bytes_cached -= taken->size;
  return taken;
}

// Large blocks are the system's own pages, not malloc's: what is freed goes back at once, wherever it lies.
static block *new_block(size_t size) {
  const size_t bytes = size + sizeof(block);
  void *memory = NULL;
  if (size < HUGE_FROM) {
    if (posix_memalign(&memory, LINE, bytes)) return NULL;
  } else {
    // Aligned for huge pages: what is mapped too much goes back.
    char *mapped = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return NULL;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), before = -(uintptr_t)mapped % HUGE_PAGE;
    const size_t whole = (bytes + page - 1) / page * page;
    if (before) munmap(mapped, before);
    munmap(mapped + before + whole, HUGE_PAGE - before);
    memory = mapped + before;
    madvise(memory, whole, MADV_HUGEPAGE);
  }
  block *made = memory;
  made->size = size;
  return made;
}

static void drop_block(block *dropped) {
  if (dropped->size < HUGE_FROM) {
    free(dropped);
  } else {
    munmap(dropped, dropped->size + sizeof(block));
  }
}

// Frees the least recently used blocks until at most `most` bytes are cached; returns how many bytes these were.
static size_t shrink_cache(size_t most) {
  const size_t before = bytes_cached;
  while (free_blocks && bytes_cached > most) {
    block **link = &free_blocks;
    while ((*link)->next) link = &(*link)->next;
    block *last = *link;
    *link = NULL;
    bytes_cached -= last->size;
    drop_block(last);
  }
  return before - bytes_cached;
}

// Before a new block: what is kept beside what is in use is never more than was in use at a time, and some slack.
// Otherwise batches of ever other lengths would leave a block of every size behind.
static void make_room(size_t size) {
  const size_t used = __atomic_load_n(&bytes_used, __ATOMIC_RELAXED) + size;
  if (used > most_used) most_used = used;
  shrink_cache(most_used - used + SLACK);
}

static void *allocate(size_t bytes) {
  if (bytes > PTRDIFF_MAX / 2) return NULL;
  size_t size = size_class(bytes ? bytes : 1);
  block *found = NULL;
  if (size >= SMALLEST_CACHED) {
    pthread_mutex_lock(&lock);
    found = take_cached(size);
    if (!found) make_room(size);
    pthread_mutex_unlock(&lock);
  }
  if (!found) {
    found = new_block(size);
    if (!found) return NULL;
    if (size >= SMALLEST_CACHED) __atomic_fetch_add(&blocks_allocated, 1, __ATOMIC_RELAXED);
  }
  __atomic_fetch_add(&bytes_used, found->size, __ATOMIC_RELAXED);
  return found + 1;
}

static void free_block(void *memory) {
  block *freed = (block *)memory - 1;
  __atomic_fetch_sub(&bytes_used, freed->size, __ATOMIC_RELAXED);
  if (freed->size < SMALLEST_CACHED || freed->size > bound) {
    drop_block(freed);
    return;
  }
  pthread_mutex_lock(&lock);
  freed->next = free_blocks;
  free_blocks = freed;
  bytes_cached += freed->size;
  shrink_cache(bound);
  pthread_mutex_unlock(&lock);
}

// ---- What a call holds

bool srt_keep(srt_call *call, PyObject *object) {
  if (!object) return false;
  if (call->owned_count == (int)(sizeof call->owned / sizeof *call->owned)) {
    Py_DECREF(object);
    PyErr_SetString(PyExc_SystemError, "seriatim: a binding holds more arrays than srt_call has room for");
    return false;
  }
  call->owned[call->owned_count++] = object;
  return true;
}

void srt_release(srt_call *call) {
  while (call->owned_count) Py_DECREF(call->owned[--call->owned_count]);
  while (call->scratch_count) free_block(call->scratch[--call->scratch_count]);
}

PyObject *srt_fail(srt_call *call) {
  srt_release(call);
  return NULL;
}

PyObject *srt_finish(srt_call *call, int32_t status, PyObject *result) {
  srt_release(call);
  if (status == SRT_OK && result) return result;
  Py_XDECREF(result);
  if (!PyErr_Occurred()) {
    // The binding checks every argument: a kernel that refuses one is a bug here, not the caller's.
    PyErr_Format(PyExc_SystemError, "seriatim: a kernel refused its arguments: %s",
                 status == SRT_BAD_SIZE ? "a size does not fit" : "a pointer is missing");
  }
  return NULL;
}

bool srt_scratch(srt_call *call, float **data, ptrdiff_t count) {
  void *memory = count <= PTRDIFF_MAX / 8 ? allocate((size_t)count * sizeof(float)) : NULL;
  if (!memory) {
    PyErr_NoMemory();
    return false;
  }
  call->scratch[call->scratch_count++] = memory;
  *data = memory;
  return true;
}

static void free_capsule(PyObject *capsule) { free_block(PyCapsule_GetPointer(capsule, NULL)); }

PyObject *srt_new_array(srt_call *call, void **data, int type, int dimensions, const npy_intp *shape) {
  const bool is_wide = type == NPY_INT64 || type == NPY_FLOAT64;
  const size_t item = is_wide ? sizeof(int64_t) : sizeof(float), most = PTRDIFF_MAX;
  size_t bytes = item;
  for (int i = 0; i < dimensions; i++) {
    if (shape[i] && bytes > most / (size_t)shape[i]) return PyErr_NoMemory();
    bytes *= (size_t)shape[i];
  }
  PyObject *array, *capsule = NULL;
  if (bytes < SMALLEST_CACHED) {
    array = PyArray_SimpleNew(dimensions, shape, type);
  } else {
    void *memory = allocate(bytes);
    if (!memory) return PyErr_NoMemory();
    capsule = PyCapsule_New(memory, NULL, free_capsule);
    if (!capsule) {
      free_block(memory);
      return NULL;
    }
    array = PyArray_SimpleNewFromData(dimensions, shape, type, memory);
  }
  if (!srt_keep(call, array)) {
    Py_XDECREF(capsule);
    return NULL;
  }
  // The array takes the capsule's reference, even when this fails.
  if (capsule && PyArray_SetBaseObject((PyArrayObject *)array, capsule) < 0) return NULL;
  *data = PyArray_DATA((PyArrayObject *)array);
  return array;
}

// ---- What Python can ask

enum { KEPT = 1 };

static const char *const symbols[] = {[KEPT] = "kept"};

typedef struct {
  srt_frame frame;
  PyObject *info, *released;
} arguments;

static PyObject *information(void) {
  return Py_BuildValue("{s:n,s:n,s:n}", "blocks_allocated", (Py_ssize_t)blocks_allocated, "bytes_used",
                       (Py_ssize_t)bytes_used, "bytes_cached", (Py_ssize_t)bytes_cached);
}

SRT_SIGNATURE(memory_info, "Large blocks asked from the system since import, and bytes in use and kept for reuse.",
              TABLE(OBJECT(RESULT_OBJECT, info, "dict[str, int]")))
SRT_PLAIN(memory_info, srt_keep(&a.frame.call, a.info = information()))

static size_t release(size_t most) {
  pthread_mutex_lock(&lock);
  size_t released = shrink_cache(most);
  most_used = __atomic_load_n(&bytes_used, __ATOMIC_RELAXED);
  pthread_mutex_unlock(&lock);
#ifdef __GLIBC__
  // Blocks of less than 32 MB may lie inside of the heap, which keeps what is freed.
  if (released || !most) malloc_trim(0);
#endif
  return released;
}

SRT_SIGNATURE(release_memory, "Gives memory that is kept for reuse back to the system, all but so many bytes of it.",
              .zero = SRT_BIT(KEPT), TABLE(SIZE(KEPT), OBJECT(RESULT_OBJECT, released, "int")))
SRT_PLAIN(release_memory, srt_keep(&a.frame.call, a.released = PyLong_FromSize_t(release((size_t)n[KEPT]))))

const srt_operator srt_memory_operators[] = {SRT_ENTRY(memory_info), SRT_ENTRY(release_memory), {0}};
