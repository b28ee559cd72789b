#include "binding.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// A place in a list that is a ring: its head is one, too, whose `older` is the newest entry and `newer` the oldest.
typedef struct ring {
  struct ring *newer, *older;
} ring;

// In front of every block: what it is, and its places among the kept ones. One cache line, so the memory behind it stays
// aligned.
typedef struct {
  ring places[2];
  size_t size;  // of the memory behind the header
  size_t size_class;
  char unused[16];
} block;

enum { LINE = 64, SMALLEST_CACHED = 64 << 10, HUGE_FROM = 4 << 20, HUGE_PAGE = 2 << 20, SLACK = 64 << 20 };

enum { BY_AGE, OF_SIZE };  // places: among all, and among those of its size

// Sizes that there are, 8 to each power of two; blocks that one hold of the lock takes out of the lists.
enum { SIZE_CLASSES = 448, FEW = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ring by_age, of_size[SIZE_CLASSES];  // every kept block is in both
static size_t bytes_cached, bound;
static size_t most_used;                     // the most bytes in use at a time since memory was released last
static size_t bytes_used, blocks_allocated;  // atomic: small blocks come and go without the lock

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

void srt_memory_setup(void) {
  by_age = (ring){&by_age, &by_age};
  for (int i = 0; i < SIZE_CLASSES; i++) of_size[i] = (ring){&of_size[i], &of_size[i]};
  // An eighth of the machine's memory, at most 1 GiB: a training step's blocks, not everything that ever was.
  size_t eighth = (size_t)sysconf(_SC_PHYS_PAGES) / 8 * (size_t)sysconf(_SC_PAGESIZE);
  bound = eighth < ((size_t)1 << 30) ? eighth : (size_t)1 << 30;
  pthread_atfork(before_fork, after_fork, after_fork);
}

// Sizes in steps of an eighth of a power of two, so that batches of nearly the same size find each other's blocks. The
// next class is at most an eighth more, the one after it is not.
static size_t size_class(size_t bytes, size_t *size) {
  size_t step = LINE, octave = 0;
  for (; step * 16 < bytes; octave++) step *= 2;
  const size_t steps = (bytes + step - 1) / step;
  *size = steps * step;
  return octave * 8 + steps;
}

static void insert(ring *head, ring *entry) {
  *entry = (ring){.newer = head, .older = head->older};
  head->older->newer = entry;
  head->older = entry;
}

static void take_out(block *taken) {
  for (ring *place = taken->places; place < taken->places + 2; place++) {
    place->newer->older = place->older;
    place->older->newer = place->newer;
  }
  bytes_cached -= taken->size;
}

// The most recently used block of the size or, where there is none, of at most an eighth more.
static block *take_cached(size_t class) {
  for (ring *head = &of_size[class]; head <= &of_size[class + 1]; head++) {
    if (head->older == head) continue;
    block *taken = (block *)((char *)head->older - offsetof(block, places[OF_SIZE]));
    take_out(taken);
    return taken;
  }
  return NULL;
}

// Large blocks are the system's own pages, not malloc's: what is freed goes back at once, wherever it lies.
static block *new_block(size_t size, size_t class) {
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
  made->size_class = class;
  return made;
}

static void drop_block(block *dropped) {
  if (dropped->size < HUGE_FROM) {
    free(dropped);
  } else {
    munmap(dropped, dropped->size + sizeof(block));
  }
}

// Frees the least recently used blocks until at most `most` bytes are cached; returns how many bytes these were. The
// system's part of it, which may be slow, is done without the lock, and others get theirs in between.
static size_t shrink_cache(size_t most) {
  size_t released = 0;
  for (int count = FEW; count == FEW;) {
    block *dropped[FEW];
    pthread_mutex_lock(&lock);
    for (count = 0; count < FEW && bytes_cached > most; count++) {
      dropped[count] = (block *)by_age.newer;
      take_out(dropped[count]);
    }
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < count; i++) {
      // Each is another block: `take_out` has taken it out of the ring.
      released += dropped[i]->size;  // NOLINT(clang-analyzer-unix.Malloc)
      drop_block(dropped[i]);
    }
  }
  return released;
}

// Before a new block: what is kept beside what is in use is never more than was in use at a time, and some slack.
// Otherwise batches of ever other lengths would leave a block of every size behind.
static size_t room_beside(size_t size) {
  const size_t used = __atomic_load_n(&bytes_used, __ATOMIC_RELAXED) + size;
  if (used > most_used) most_used = used;
  return most_used - used + SLACK;
}

static block *cached_block(size_t size, size_t class) {
  pthread_mutex_lock(&lock);
  block *found = take_cached(class);
  const size_t most = found ? SIZE_MAX : room_beside(size);
  const bool is_full = bytes_cached > most;
  pthread_mutex_unlock(&lock);
  if (is_full) shrink_cache(most);
  return found;
}

static void *allocate(size_t bytes) {
  if (bytes > PTRDIFF_MAX / 2) return NULL;
  size_t size;
  const size_t class = size_class(bytes ? bytes : 1, &size);
  block *found = size >= SMALLEST_CACHED ? cached_block(size, class) : NULL;
  if (!found) {
    found = new_block(size, class);
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
  insert(&by_age, &freed->places[BY_AGE]);
  insert(&of_size[freed->size_class], &freed->places[OF_SIZE]);
  bytes_cached += freed->size;
  const bool is_full = bytes_cached > bound;
  pthread_mutex_unlock(&lock);
  if (is_full) shrink_cache(bound);
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
  pthread_mutex_lock(&lock);
  const size_t kept = bytes_cached;
  pthread_mutex_unlock(&lock);
  const size_t allocated = __atomic_load_n(&blocks_allocated, __ATOMIC_RELAXED);
  const size_t used = __atomic_load_n(&bytes_used, __ATOMIC_RELAXED);
  return Py_BuildValue("{s:n,s:n,s:n}", "blocks_allocated", (Py_ssize_t)allocated, "bytes_used", (Py_ssize_t)used,
                       "bytes_cached", (Py_ssize_t)kept);
}

SRT_SIGNATURE(memory_info, "Large blocks asked from the system since import, and bytes in use and kept for reuse.",
              TABLE(OBJECT(RESULT_OBJECT, info, "dict[str, int]")))
SRT_PLAIN(memory_info, srt_keep(&a.frame.call, a.info = information()))

static size_t release(size_t most) {
  const size_t released = shrink_cache(most);
  pthread_mutex_lock(&lock);
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
