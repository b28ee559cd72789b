// The memory of NumPy's arrays (NEP 49): each ends where a page begins that nobody may touch, and 64 bytes before it are
// looked at when it goes. Under a sanitizer malloc does that better.
#include "fuzz.h"

#include <sys/mman.h>

enum { PAGE = 4096, ROOM = 8 * PAGE, SLOTS = 4096, BEFORE = 64, CANARY = 0xA5 };
static const size_t MOST = (size_t)64 << 20;

int64_t live_blocks, fail_in = -1;
uint8_t fill_byte = 0xFF;

static char *arena;
static int32_t free_slots[SLOTS], free_count;

static bool refuses(size_t bytes) { return bytes > MOST || (fail_in >= 0 && fail_in-- == 0); }

static void *with_guard(char *end, size_t bytes) {
  char *begin = end - bytes;
  memset(begin - BEFORE, CANARY, BEFORE);
  memset(begin, fill_byte, bytes);
  live_blocks++;
  return begin;
}

static void *guarded_malloc(void *context, size_t bytes) {
  (void)context;
  bytes = bytes ? (bytes + 3) / 4 * 4 : 4;
  if (refuses(bytes)) return NULL;
  if (bytes + BEFORE <= ROOM) {
    if (!free_count) return NULL;
    return with_guard(arena + (size_t)free_slots[--free_count] * (ROOM + PAGE) + ROOM, bytes);
  }
  const size_t whole = (bytes + BEFORE + PAGE - 1) / PAGE * PAGE;
  char *mapped = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return NULL;
  mprotect(mapped + whole, PAGE, PROT_NONE);
  return with_guard(mapped + whole, bytes);
}

static void guarded_free(void *context, void *memory, size_t bytes) {
  (void)context;
  if (!memory) return;
  bytes = bytes ? (bytes + 3) / 4 * 4 : 4;
  const uint8_t *before = (uint8_t *)memory - BEFORE;
  for (int i = 0; i < BEFORE; i++) {
    if (before[i] == CANARY) continue;
    fprintf(stderr, "wrote %d bytes before an array of %zu bytes\n", BEFORE - i, bytes);
    abort();
  }
  live_blocks--;
  if ((char *)memory >= arena && (char *)memory < arena + (size_t)SLOTS * (ROOM + PAGE)) {
    free_slots[free_count++] = (int32_t)(((char *)memory - arena) / (ROOM + PAGE));
    return;
  }
  const size_t whole = (bytes + BEFORE + PAGE - 1) / PAGE * PAGE;
  munmap((char *)memory + bytes - whole, whole + PAGE);
}

static void *guarded_calloc(void *context, size_t count, size_t each) {
  void *memory = each && count > MOST / each ? NULL : guarded_malloc(context, count * each);
  return memory ? memset(memory, 0, count * each) : NULL;
}

static void *system_malloc(void *context, size_t bytes) {
  (void)context;
  void *memory = refuses(bytes) ? NULL : malloc(bytes ? bytes : 1);
  if (memory) memset(memory, fill_byte, bytes);
  live_blocks += memory != NULL;
  return memory;
}

static void system_free(void *context, void *memory, size_t bytes) {
  (void)context;
  (void)bytes;
  live_blocks -= memory != NULL;
  free(memory);
}

static void *system_calloc(void *context, size_t count, size_t each) {
  void *memory = each && count > MOST / each ? NULL : system_malloc(context, count * each);
  return memory ? memset(memory, 0, count * each) : NULL;
}

// NumPy grows arrays by it in resize() and when it reads files: not here.
static void *no_realloc(void *context, void *memory, size_t bytes) {
  (void)context;
  (void)memory;
  (void)bytes;
  return NULL;
}

bool use_guards(bool system) {
  static PyDataMem_Handler handler = {.name = "srt_fuzz", .version = 1};
  handler.allocator = system ? (PyDataMemAllocator){NULL, system_malloc, system_calloc, no_realloc, system_free}
                             : (PyDataMemAllocator){NULL, guarded_malloc, guarded_calloc, no_realloc, guarded_free};
  if (!system && !arena) {
    const size_t bytes = (size_t)SLOTS * (ROOM + PAGE);
    arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED) return false;
    for (int i = 0; i < SLOTS; i++) {
      mprotect(arena + (size_t)i * (ROOM + PAGE) + ROOM, PAGE, PROT_NONE);
      free_slots[free_count++] = SLOTS - 1 - i;
    }
  }
  PyObject *capsule = PyCapsule_New(&handler, "mem_handler", NULL);
  PyObject *before = capsule ? PyDataMem_SetHandler(capsule) : NULL;
  Py_XDECREF(capsule);
  Py_XDECREF(before);
  return before != NULL;
}
