// What the pool's sources ask of pthreads, for a module that has one thread: nobody waits for a lock.
#ifndef SERIATIM_WEB_PTHREAD_H
#define SERIATIM_WEB_PTHREAD_H

typedef struct {
  int unused;
} pthread_mutex_t;
typedef struct {
  int unused;
} pthread_cond_t;

static inline int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes) { return 0; }
static inline int pthread_mutex_lock(pthread_mutex_t *mutex) { return 0; }
static inline int pthread_mutex_trylock(pthread_mutex_t *mutex) { return 0; }
static inline int pthread_mutex_unlock(pthread_mutex_t *mutex) { return 0; }
static inline int pthread_cond_init(pthread_cond_t *condition, const void *attributes) { return 0; }
static inline int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) { return 0; }
static inline int pthread_cond_broadcast(pthread_cond_t *condition) { return 0; }

// Refused: then the pool starts no workers.
static inline int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) { return -1; }

#endif
