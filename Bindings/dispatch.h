// The kernels of the instruction-set level that was chosen at import: srt->recurrent_forward(...).
#ifndef SRT_DISPATCH_H
#define SRT_DISPATCH_H

#include "seriatim.h"

typedef struct {
  const char *level;
#define SRT_MEMBER(name) __typeof__(&srt_##name) name;
  SRT_FUNCTIONS(SRT_MEMBER)
#undef SRT_MEMBER
} srt_kernels;

extern const srt_kernels *srt;

// Chooses the best level of this CPU, or the one that `wanted` names if it is not NULL. Returns 0, or -1 when there is no
// such level here.
int srt_choose_level(const char *wanted);

// The names of the levels that this CPU can run, best first; NULL past the end.
const char *srt_level_name(int index);

#endif
