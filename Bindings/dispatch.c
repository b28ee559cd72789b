// setup.py compiles the kernels once per level and appends the level to their names; here is one table for each, and the
// choice between them.
#include "dispatch.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

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

#if defined(__x86_64__)
// Whether `bits` has all of `wanted`.
static int has(unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; }

// The highest of levels 2, 3 and 4 that the CPU and the system can run. Asked of the CPU itself: not every compiler's
// run-time library answers __builtin_cpu_supports.
static int highest_level(void) {
  unsigned a, b, c, d, extended, low, high;
  if (!__get_cpuid(0x80000001, &a, &b, &extended, &d) || !has(extended, bit_LZCNT)) return 2;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 2;
  if (!has(c, bit_FMA | bit_MOVBE | bit_POPCNT | bit_OSXSAVE | bit_AVX | bit_F16C)) return 2;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, bit_BMI | bit_AVX2 | bit_BMI2)) return 2;
  // Which registers the system keeps for a thread: bits 1 and 2 are those of AVX, 5 to 7 those of AVX-512.
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if (!has(low, 0x06)) return 2;
  return has(low, 0xe6) && has(b, bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL) ? 4 : 3;
}
#endif

// Writes the tables that this CPU can run, best first, and gives their number.
static int runnable(const srt_kernels *tables[4]) {
  int count = 0;
#if defined(__x86_64__)
  const int highest = highest_level();
  (void)highest;
#ifdef SRT_HAS_V4
  if (highest >= 4) tables[count++] = &kernels_v4;
#endif
#ifdef SRT_HAS_V3
  if (highest >= 3) tables[count++] = &kernels_v3;
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
