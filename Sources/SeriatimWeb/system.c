// SeriatimSystem for a web page: one thread, no clock, no libc. What a call would share out, it does itself.
#include "SeriatimSystem.h"

int srt_start_thread(void *(*body)(void *), void *argument) {
  (void)body, (void)argument;
  return -1;
}

_Bool srt_thread_is_alone(void) { return 1; }

void srt_mark_thread_alone(_Bool alone) { (void)alone; }

ptrdiff_t srt_threads_of_call(void) { return 1; }

void srt_keep_threads_of_call(ptrdiff_t count) { (void)count; }

static struct {
  _Alignas(64) unsigned char pool[SRT_POOL_SIZE];
  uint64_t progress[SRT_MOST_THREADS * SRT_COUNTERS_PER_LINE];
} memory;

void *srt_pool_memory(void) { return memory.pool; }

uint64_t *srt_pool_progress(void) { return memory.progress; }

int srt_current_cpu(void) { return -1; }

void srt_leave_cpu(int cpu) { (void)cpu; }

// Nobody interrupts a call.
struct srt_watch *srt_set_watch(struct srt_watch *watch) {
  (void)watch;
  return NULL;
}

struct srt_watch *srt_watch_of_call(void) { return NULL; }

void srt_follow(struct srt_watch *watch) { (void)watch; }

_Bool srt_is_cancelled(void) { return 0; }

// Functions of Swift, lent. WebAssembly checks at each call that both sides mean the same signature: they are spelled out.
#define SWIFT __attribute__((swiftcall))
#define CONTEXT __attribute__((swift_context))

SWIFT void srt_lend_task(void *function, void *context, ptrdiff_t tasks, void (*use)(void *lent, ptrdiff_t tasks)) {
  struct srt_lent lent = {function, context};
  use(&lent, tasks);
}

SWIFT void srt_lend_pass(void *function, void *context, void *argument,
                         void (*use)(const struct srt_lent *lent, void *argument)) {
  const struct srt_lent lent = {function, context};
  use(&lent, argument);
}

void srt_call_task(void *lent, ptrdiff_t task, ptrdiff_t tasks) {
  typedef SWIFT void body(ptrdiff_t, ptrdiff_t, CONTEXT void *);
  const struct srt_lent *const lends = lent;
  ((body *)lends->function)(task, tasks, lends->context);
}

_Bool srt_call_pass(const struct srt_lent *lent, ptrdiff_t position, ptrdiff_t pass, ptrdiff_t group, ptrdiff_t groups,
                    ptrdiff_t member, ptrdiff_t members) {
  typedef SWIFT _Bool body(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, CONTEXT void *);
  return ((body *)lent->function)(position, pass, group, groups, member, members, lent->context);
}
