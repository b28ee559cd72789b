// What the worker pool needs from the operating system. Embedded Swift has no Glibc module, so the few calls are declared
// here, together with the atomic operations that C11 gives and Swift reaches only through a library.
#ifndef SERIATIM_SYSTEM_H
#define SERIATIM_SYSTEM_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Sequentially consistent: the pool is not hot enough for anything subtler to pay.
static inline uint64_t srt_atomic_load(const uint64_t *value) {
  return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}
static inline void srt_atomic_store(uint64_t *value, uint64_t desired) {
  __atomic_store_n(value, desired, __ATOMIC_SEQ_CST);
}
static inline uint64_t srt_atomic_add(uint64_t *value, uint64_t amount) {
  return __atomic_add_fetch(value, amount, __ATOMIC_SEQ_CST);
}
// True when `*value` was `expected` and is now `desired`.
static inline _Bool srt_atomic_exchange_if(uint64_t *value, uint64_t expected, uint64_t desired) {
  return __atomic_compare_exchange_n(value, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// Tells the core that this is a spin loop.
static inline void srt_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// What the calling thread does with denormal numbers, as srt_flush_denormals() found it.
typedef uint64_t srt_float_state;

// Makes the calling thread take denormal numbers for zero, as operands and as results, and gives the state before. A
// core handles each denormal by an assist of some hundred cycles; gradients that vanish over time and states that fade
// in silence are full of them.
static inline srt_float_state srt_flush_denormals(void) {
#if defined(__x86_64__)
  // MXCSR: bit 15 flushes results to zero, bit 6 reads operands as zero.
  const uint32_t state = _mm_getcsr();
  _mm_setcsr(state | 0x8040);
  return state;
#elif defined(__aarch64__)
  // FPCR: bit 24, FZ, does both.
  uint64_t state;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(state));
  __asm__ __volatile__("msr fpcr, %0" : : "r"(state | (UINT64_C(1) << 24)) : "memory");
  return state;
#else
  return 0;
#endif
}

// Puts the calling thread's state back, flags of exceptions included.
static inline void srt_restore_denormals(srt_float_state state) {
#if defined(__x86_64__)
  _mm_setcsr((uint32_t)state);
#elif defined(__aarch64__)
  __asm__ __volatile__("msr fpcr, %0" : : "r"(state) : "memory");
#else
  (void)state;
#endif
}

// Asks for a line that will be read soon.
static inline void srt_prefetch(const float *line) { __builtin_prefetch(line); }

// Starts a detached thread with every signal blocked, so that Python's handlers run in Python's threads only.
// Returns 0, or an error number.
int srt_start_thread(void *(*body)(void *), void *argument);

// Whether kernels that the calling thread calls run on it alone: a thread that is one of several workers of a larger job
// says so, since they would wait for each other's workers. False in a new thread.
_Bool srt_thread_is_alone(void);
void srt_mark_thread_alone(_Bool alone);

// The threads that the calling thread's call may use, whatever the limit becomes meanwhile; 0: there is no such call.
ptrdiff_t srt_threads_of_call(void);
void srt_keep_threads_of_call(ptrdiff_t count);

// Memory of the worker pool, zeros at first: there is one pool, and nobody has to ask the system for it.
enum { SRT_POOL_SIZE = 512, SRT_MOST_THREADS = 256, SRT_COUNTERS_PER_LINE = 8 };
void *srt_pool_memory(void) __attribute__((returns_nonnull));
uint64_t *srt_pool_progress(void) __attribute__((returns_nonnull));

// A function of Swift that somebody else may call as long as the one that lent it has not returned: its two words, which
// stay on the stack. (What Swift itself makes of such a function, to pass it on, is allocated.) srt_lend_task and
// srt_lend_pass make it; called by Swift's convention, they are declared where they are used.
struct srt_lent {
  void *function, *context;
};
__attribute__((nonnull)) void srt_call_task(void *lent, ptrdiff_t task, ptrdiff_t tasks);
__attribute__((nonnull)) _Bool srt_call_pass(const struct srt_lent *lent, ptrdiff_t position, ptrdiff_t pass, ptrdiff_t group, ptrdiff_t groups,
                    ptrdiff_t member, ptrdiff_t members);

// Whether a call goes on. It belongs to one call of one thread: others at the same time know nothing of it.
struct srt_watch {
  // Called by the thread that made the call, and between two loops of a kernel, some 20 ms after the last time: false ends the
  // call. It may take long, and call kernels.
  _Bool (*goes_on)(struct srt_watch *watch);
  uint64_t asked, interval;  // of a clock, 0 at first
  uint64_t cancelled;        // not 0: every thread of the call leaves its loops
};

// Watches the kernels that the calling thread calls from now on; NULL: none. Gives the watch before.
struct srt_watch *srt_set_watch(struct srt_watch *watch);

// The watch of the calling thread's call; and for a worker, that its task belongs to such a call.
struct srt_watch *srt_watch_of_call(void);
void srt_follow(struct srt_watch *watch);

// Whether the call that the calling thread works for is cancelled: asks `goes_on` if it is time to, and it made the call.
_Bool srt_is_cancelled(void);

// The CPU that the calling thread runs on, or -1.
int srt_current_cpu(void);

// Moves the calling thread to another CPU that it may use, if there is one. It is not kept from coming back.
void srt_leave_cpu(int cpu);

// ---- Caches (caches.c)

// The data caches of a machine in bytes: a core's first, its second, and the one that is shared beyond them (0: there is
// none). Cores are hardware threads; where there are cores of two kinds, those with less.
struct srt_caches {
  long first, second, shared;
  int cores_per_second, cores_per_shared;
  int line;
};

// Reads this machine's: sysfs; where that is masked cpuid, or sysctl on Darwin; where nothing is said 32 KB, 1 MB and
// 8 MB. Never fails, and no size is absurd.
void srt_read_caches(struct srt_caches *caches);

// Its parts. What one CPU's folder in a directory like /sys/devices/system/cpu says, added to what is known ...
void srt_read_cpu_caches(const char *directory, int cpu, struct srt_caches *caches);
// ... what one answer of cpuid's leaf 4 or 0x8000001D says; false behind the last ...
_Bool srt_note_cpuid_cache(uint32_t a, uint32_t b, uint32_t c, struct srt_caches *caches);
// ... and assumptions in place of what is missing (0) or cannot be, on a machine of so many CPUs.
void srt_check_caches(struct srt_caches *caches, int cpus);

// Takes "48K,2M,300M", or with the cores that share one "128K,16M/4,0". False, and nothing changed, if it is anything else.
_Bool srt_parse_caches(const char *text, struct srt_caches *caches);

#endif
