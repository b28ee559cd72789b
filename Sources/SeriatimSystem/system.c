#define _GNU_SOURCE
#include "SeriatimSystem.h"

#include <time.h>

int srt_start_thread(void *(*body)(void *), void *argument) {
  sigset_t all, previous;
  pthread_attr_t attributes;
  pthread_t thread;
  int error = pthread_attr_init(&attributes);
  if (error) return error;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  error = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

static _Thread_local struct {
  ptrdiff_t threads_of_call;
  _Bool runs_alone;
} own;

_Bool srt_thread_is_alone(void) { return own.runs_alone; }

void srt_mark_thread_alone(_Bool alone) { own.runs_alone = alone; }

ptrdiff_t srt_threads_of_call(void) { return own.threads_of_call; }

void srt_keep_threads_of_call(ptrdiff_t count) { own.threads_of_call = count; }

static struct {
  _Alignas(64) unsigned char pool[SRT_POOL_SIZE];
  uint64_t progress[SRT_MOST_THREADS * SRT_COUNTERS_PER_LINE];
} memory;

void *srt_pool_memory(void) { return memory.pool; }

uint64_t *srt_pool_progress(void) { return memory.progress; }

// Calls a function by Swift's convention, which is C's but for one more register, that of the context.
#ifdef __clang__
static ptrdiff_t call_swift(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c, ptrdiff_t d, ptrdiff_t e, ptrdiff_t f,
                            const struct srt_lent *lent) {
  typedef __attribute__((swiftcall)) ptrdiff_t function(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t,
                                                        __attribute__((swift_context)) void *);
  return ((function *)lent->function)(a, b, c, d, e, f, lent->context);
}
#else
// Others do not know the convention. The first six arguments are where they must be.
#if defined(__x86_64__)
__asm__(
    ".pushsection .text\n"
    ".type srt_call_swift, @function\n"
    "srt_call_swift:\n"
    ".cfi_startproc\n"
    "push %r13\n"
    ".cfi_adjust_cfa_offset 8\n"
    ".cfi_rel_offset r13, 0\n"
    "mov 16(%rsp), %rax\n"
    "mov 8(%rax), %r13\n"
    "call *(%rax)\n"
    "pop %r13\n"
    ".cfi_adjust_cfa_offset -8\n"
    ".cfi_restore r13\n"
    "ret\n"
    ".cfi_endproc\n"
    ".size srt_call_swift, . - srt_call_swift\n"
    ".popsection\n");
#elif defined(__aarch64__)
__asm__(
    ".pushsection .text\n"
    ".type srt_call_swift, %function\n"
    "srt_call_swift:\n"
    ".cfi_startproc\n"
    "stp x20, x30, [sp, #-16]!\n"
    ".cfi_def_cfa_offset 16\n"
    ".cfi_offset x20, -16\n"
    ".cfi_offset x30, -8\n"
    "ldp x9, x20, [x6]\n"
    "blr x9\n"
    "ldp x20, x30, [sp], #16\n"
    ".cfi_def_cfa_offset 0\n"
    ".cfi_restore x20\n"
    ".cfi_restore x30\n"
    "ret\n"
    ".cfi_endproc\n"
    ".size srt_call_swift, . - srt_call_swift\n"
    ".popsection\n");
#else
#error "compile this with clang: it knows how Swift's functions are called"
#endif
__attribute__((visibility("hidden"))) ptrdiff_t call_swift(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t,
                                                           ptrdiff_t, const struct srt_lent *) __asm__("srt_call_swift");
#endif

void srt_lend_task(void *function, void *context, ptrdiff_t tasks, void (*use)(void *lent, ptrdiff_t tasks)) {
  struct srt_lent lent = {function, context};
  use(&lent, tasks);
}

void srt_lend_pass(void *function, void *context, void *argument,
                   void (*use)(const struct srt_lent *lent, void *argument)) {
  const struct srt_lent lent = {function, context};
  use(&lent, argument);
}

void srt_call_task(void *lent, ptrdiff_t task, ptrdiff_t tasks) { (void)call_swift(task, tasks, 0, 0, 0, 0, lent); }

_Bool srt_call_pass(const struct srt_lent *lent, ptrdiff_t position, ptrdiff_t pass, ptrdiff_t group, ptrdiff_t groups,
                    ptrdiff_t member, ptrdiff_t members) {
  return call_swift(position, pass, group, groups, member, members, lent) & 1;
}

#ifdef __linux__

int srt_current_cpu(void) { return sched_getcpu(); }

void srt_leave_cpu(int cpu) {
  cpu_set_t allowed, others;
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  others = allowed;
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
}

#else

// Darwin neither says where a thread runs nor takes orders.
int srt_current_cpu(void) { return -1; }

void srt_leave_cpu(int cpu) { (void)cpu; }

#endif

// A worker has `followed` alone.
static _Thread_local struct {
  struct srt_watch *own, *followed;
} watch;

struct srt_watch *srt_set_watch(struct srt_watch *new) {
  struct srt_watch *const before = watch.own;
  watch.own = watch.followed = new;
  return before;
}

struct srt_watch *srt_watch_of_call(void) { return watch.own; }

void srt_follow(struct srt_watch *followed) { watch.followed = followed; }

// A clock that costs no call: about 25 ms are so many of its ticks.
#if defined(__x86_64__)
// Of 1.3 to 5.4 GHz.
static uint64_t ticks(void) { return __rdtsc(); }
static uint64_t ticks_between(void) { return UINT64_C(1) << 26; }
#elif defined(__aarch64__)
static uint64_t ticks(void) {
  uint64_t count;
  __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(count));
  return count;
}
static uint64_t ticks_between(void) {
  uint64_t frequency;
  __asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(frequency));
  return frequency / 40;
}
#else
static uint64_t ticks(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
static uint64_t ticks_between(void) { return 25000; }
#endif

static void __attribute__((noinline)) ask(struct srt_watch *own, uint64_t now) {
  const uint64_t least = ticks_between();
  if (own->interval) {
    if (!own->goes_on(own)) __atomic_store_n(&own->cancelled, 1, __ATOMIC_RELAXED);
    // Where other threads keep Python's lock, asking means to wait for it: then less often, up to three times.
    const uint64_t took = ticks() - now;
    own->interval = took >= least / 8 ? 3 * least : took <= least / 24 ? least : 24 * took;
  } else {
    own->interval = least;
  }
  own->asked = ticks();
}

_Bool srt_is_cancelled(void) {
  struct srt_watch *const followed = watch.followed;
  if (!followed) return 0;
  if (watch.own) {
    // A clock that went back asks too often, not never.
    const uint64_t now = ticks();
    if (now - followed->asked >= followed->interval) ask(followed, now);
  }
  return __atomic_load_n(&followed->cancelled, __ATOMIC_RELAXED) != 0;
}
