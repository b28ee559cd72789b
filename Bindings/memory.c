#include "binding.h"
#include "cgroups.h"

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

// An eighth of the memory that this process may have, at most 1 GiB: a training step's blocks, not everything that ever
// was.
static size_t fair_share(long long group) {
  const size_t eighth = (size_t)sysconf(_SC_PHYS_PAGES) / 8 * (size_t)sysconf(_SC_PAGESIZE);
  const size_t most = eighth < ((size_t)1 << 30) ? eighth : (size_t)1 << 30;
  return group && (size_t)group / 8 < most ? (size_t)group / 8 : most;
}

void srt_memory_setup(void) {
  // The module may be imported again, and blocks be kept: once for a process.
  static bool is_done;
  if (is_done) return;
  is_done = true;
  by_age = (ring){&by_age, &by_age};
  for (int i = 0; i < SIZE_CLASSES; i++) of_size[i] = (ring){&of_size[i], &of_size[i]};
  bound = fair_share(srt_group_memory(""));
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

// Tests let requests fail: so many are answered yet, and so many behind them are not.
static size_t answered, refused;

static bool is_refused(void) {
  if (__builtin_expect(!__atomic_load_n(&refused, __ATOMIC_RELAXED), 1)) return false;
  if (answered) return answered--, false;
  return refused--, true;
}

// Large blocks are the system's own pages, not malloc's: what is freed goes back at once, wherever it lies.
static block *new_block(size_t size, size_t class) {
  const size_t bytes = size + sizeof(block);
  void *memory = NULL;
  if (is_refused()) return NULL;
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
#ifdef MADV_HUGEPAGE
    madvise(memory, whole, MADV_HUGEPAGE);
#endif
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

bool srt_give_back(void) {
  const size_t released = shrink_cache(0);
#ifdef __GLIBC__
  // Blocks of less than 32 MB may lie inside of the heap, which keeps what is freed.
  if (released) malloc_trim(0);
#endif
  return released > 0;
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
    do found = new_block(size, class);
    while (!found && srt_give_back());
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
  if (call->keeps_threads) srt->keep_thread_limit(0);
  call->keeps_threads = false;
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

static void *no_memory(const char *name, size_t bytes) {
  if (bytes == SIZE_MAX) return PyErr_Format(PyExc_MemoryError, "%s: no memory for 2**63 bytes and more", name);
  return PyErr_Format(PyExc_MemoryError, "%s: no memory for %zu bytes, though what was kept for reuse went back", name,
                      bytes);
}

bool srt_scratch(srt_call *call, float **data, ptrdiff_t count) {
  const size_t bytes = count <= PTRDIFF_MAX / 8 ? (size_t)count * sizeof(float) : SIZE_MAX;
  void *memory = allocate(bytes);
  if (!memory) return no_memory("scratch", bytes);
  call->scratch[call->scratch_count++] = memory;
  *data = memory;
  return true;
}

static void free_capsule(PyObject *capsule) { free_block(PyCapsule_GetPointer(capsule, NULL)); }

// An array over a block, which goes with it.
static PyObject *block_array(int type, int dimensions, const npy_intp *shape, size_t bytes) {
  void *memory = allocate(bytes);
  if (!memory) return NULL;
  PyObject *capsule = PyCapsule_New(memory, NULL, free_capsule);
  if (!capsule) {
    free_block(memory);
    return NULL;
  }
  PyObject *array = PyArray_SimpleNewFromData(dimensions, shape, type, memory);
  if (!array) {
    Py_DECREF(capsule);
  } else if (PyArray_SetBaseObject((PyArrayObject *)array, capsule) < 0) {
    // The array has taken the capsule's reference all the same.
    Py_CLEAR(array);
  }
  return array;
}

static PyObject *small_array(int type, int dimensions, const npy_intp *shape) {
  PyObject *array;
  do {
    PyErr_Clear();
    array = is_refused() ? PyErr_NoMemory() : PyArray_SimpleNew(dimensions, shape, type);
  } while (!array && PyErr_ExceptionMatches(PyExc_MemoryError) && srt_give_back());
  return array;
}

PyObject *srt_new_array(srt_call *call, const char *name, void **data, int type, int dimensions,
                        const npy_intp *shape) {
  const bool is_wide = type == NPY_INT64 || type == NPY_FLOAT64;
  ptrdiff_t count = is_wide ? sizeof(int64_t) : sizeof(float);
  bool is_too_large = false;
  for (int i = 0; i < dimensions; i++) is_too_large |= __builtin_mul_overflow(count, shape[i], &count);
  const size_t bytes = is_too_large ? SIZE_MAX : (size_t)count;
  PyObject *array =
      bytes < SMALLEST_CACHED ? small_array(type, dimensions, shape) : block_array(type, dimensions, shape, bytes);
  if (!array && (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_MemoryError))) return no_memory(name, bytes);
  if (!srt_keep(call, array)) return NULL;
  *data = PyArray_DATA((PyArrayObject *)array);
  return array;
}

// ---- What Python can ask

enum { KEPT = 1, ANSWERED, REFUSED };

static const char *const symbols[] = {[KEPT] = "kept", [ANSWERED] = "answered", [REFUSED] = "refused"};

typedef struct {
  srt_frame frame;
  PyObject *info, *released, *root;
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
  if (released || !most) malloc_trim(0);
#endif
  return released;
}

SRT_SIGNATURE(release_memory, "Gives memory that is kept for reuse back to the system, all but so many bytes of it.",
              .zero = SRT_BIT(KEPT), TABLE(SIZE(KEPT), OBJECT(RESULT_OBJECT, released, "int")))
SRT_PLAIN(release_memory, srt_keep(&a.frame.call, a.released = PyLong_FromSize_t(release((size_t)n[KEPT]))))

static void refuse(size_t after, size_t count) {
  answered = after;
  __atomic_store_n(&refused, count, __ATOMIC_RELAXED);
}

SRT_SIGNATURE(refuse_memory, "For tests: lets requests for memory fail, so many, after so many that are answered.",
              .zero = SRT_BIT(ANSWERED) | SRT_BIT(REFUSED), TABLE(SIZE(ANSWERED), SIZE(REFUSED)))
SRT_PLAIN(refuse_memory, refuse((size_t)n[ANSWERED], (size_t)n[REFUSED]))

static PyObject *limits(PyObject *object) {
  const char *root = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, NULL) : NULL;
  if (!root && PyErr_Occurred()) return NULL;
  if (!root) return PyErr_Format(PyExc_TypeError, "root: expected a string, got %S", Py_TYPE(object));
  const long long memory = srt_group_memory(root);
  return Py_BuildValue("{s:L,s:L,s:n}", "memory", memory, "cpus", srt_group_cpus(root), "most_cached",
                       (Py_ssize_t)fair_share(memory));
}

SRT_SIGNATURE(group_limits,
              "Bytes and CPUs that control groups let a process have, 0 without a limit, and the most bytes kept then.",
              TABLE(OBJECT(OBJECT, root, "str"), OBJECT(RESULT_OBJECT, info, "dict[str, int]")))
SRT_PLAIN(group_limits, srt_keep(&a.frame.call, a.info = limits(a.root)))

const srt_operator srt_memory_operators[] = {
    SRT_ENTRY(memory_info), SRT_ENTRY(release_memory), SRT_ENTRY(refuse_memory), SRT_ENTRY(group_limits), {0}};
