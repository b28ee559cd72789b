#define _GNU_SOURCE
#include "SeriatimSystem.h"

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

static _Thread_local _Bool runs_alone;

_Bool srt_thread_is_alone(void) { return runs_alone; }

void srt_mark_thread_alone(_Bool alone) { runs_alone = alone; }

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
