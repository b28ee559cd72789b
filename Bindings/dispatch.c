// setup.py compiles the kernels once per level and appends the level to their names; here is one table for each, and the
// choice between them.
#include "dispatch.h"

#include <string.h>

#define SRT_TABLE(level_name)             \
  SRT_FUNCTIONS(SRT_DECLARE_##level_name) \
  static const srt_kernels kernels_##level_name = {.level = #level_name, SRT_FUNCTIONS(SRT_ENTRY_##level_name)};

#ifdef SRT_HAS_V4
#define SRT_DECLARE_v4(name) extern __typeof__(srt_##name) srt_##name##_v4;
#define SRT_ENTRY_v4(name) .name = srt_##name##_v4,
SRT_TABLE(v4)
#endif
#ifdef SRT_HAS_V3
#define SRT_DECLARE_v3(name) extern __typeof__(srt_##name) srt_##name##_v3;
#define SRT_ENTRY_v3(name) .name = srt_##name##_v3,
SRT_TABLE(v3)
#endif
#ifdef SRT_HAS_BASELINE
#define SRT_DECLARE_baseline(name) extern __typeof__(srt_##name) srt_##name##_baseline;
#define SRT_ENTRY_baseline(name) .name = srt_##name##_baseline,
SRT_TABLE(baseline)
#endif
#ifdef SRT_HAS_NEON
#define SRT_DECLARE_neon(name) extern __typeof__(srt_##name) srt_##name##_neon;
#define SRT_ENTRY_neon(name) .name = srt_##name##_neon,
SRT_TABLE(neon)
#endif

const srt_kernels *srt;

// Writes the tables that this CPU can run, best first, and gives their number.
static int runnable(const srt_kernels *tables[4]) {
  int count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  (void)v4;
#ifdef SRT_HAS_V4
  if (v4) tables[count++] = &kernels_v4;
#endif
#ifdef SRT_HAS_V3
  if (v3) tables[count++] = &kernels_v3;
#endif
#endif
#ifdef SRT_HAS_BASELINE
  tables[count++] = &kernels_baseline;
#endif
#ifdef SRT_HAS_NEON
  tables[count++] = &kernels_neon;
#endif
  return count;
}

int srt_choose_level(const char *wanted) {
  const srt_kernels *tables[4];
  int count = runnable(tables);
  for (int i = 0; i < count; i++) {
    if (!wanted || strcmp(wanted, tables[i]->level) == 0) {
      srt = tables[i];
      return 0;
    }
  }
  return -1;
}

const char *srt_level_name(int index) {
  const srt_kernels *tables[4];
  return index < runnable(tables) ? tables[index]->level : NULL;
}
