// The data caches of this machine: from sysfs, from what that leaves open by cpuid, and at last by assumption.
#define _GNU_SOURCE
#include "SeriatimSystem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

enum { KIB = 1024, MIB = 1024 * 1024 };

// What is assumed of a machine that says nothing: no CPU of the last ten years has less, but for the first cache's line.
static const struct srt_caches assumed = {32 * KIB, MIB, 8 * MIB, 1, 1, 64};

static void keep_smaller(long *kept, long found) {
  if (found > 0 && (*kept == 0 || found < *kept)) *kept = found;
}

// Notes a cache of a level. Of several caches of one level the smallest counts: a CPU may have cores of two kinds.
static void note(struct srt_caches *caches, int level, long size, int cores, int line) {
  if (level < 1 || level > 3 || size <= 0) return;
  if (level == 1) {
    keep_smaller(&caches->first, size);
    if (line >= 16 && line <= 1024) caches->line = line;
    return;
  }
  long *const kept = level == 2 ? &caches->second : &caches->shared;
  int *const sharers = level == 2 ? &caches->cores_per_second : &caches->cores_per_shared;
  const long before = *kept;
  const int count = cores > 0 ? cores : 1;
  keep_smaller(kept, size);
  if (*kept != before || (size == before && count > *sharers)) *sharers = count;
}

// ---- sysfs

static _Bool read_text(const char *directory, int cpu, int index, const char *name, char text[256]) {
  char path[512];
  snprintf(path, sizeof path, "%s/cpu%d/cache/index%d/%s", directory, cpu, index, name);
  FILE *const file = fopen(path, "r");
  if (!file) return 0;
  const size_t count = fread(text, 1, 255, file);
  fclose(file);
  text[count] = 0;
  return count > 0;
}

// The bytes that "48K" or "2M" names, and where it ends; 0, and `end` at its beginning, when it is no size.
static long parse_size(const char *text, const char **end) {
  long value = 0;
  const char *at = text;
  for (; *at >= '0' && *at <= '9'; at++) {
    if (value > 1 << 28) return *end = text, 0;
    value = 10 * value + (*at - '0');
  }
  if (at == text) return *end = text, 0;
  long unit = 1;
  if (*at == 'K' || *at == 'k') unit = KIB;
  if (*at == 'M' || *at == 'm') unit = MIB;
  if (*at == 'G' || *at == 'g') unit = 1024L * MIB;
  *end = at + (unit > 1);
  return value * unit;
}

// How many CPUs "0-3,64-67" names; 0 when it is no list.
static int count_cpus(const char *list) {
  long count = 0;
  while (*list >= '0' && *list <= '9') {
    char *end;
    const long first = strtol(list, &end, 10);
    const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
    if (last < first || last > 1 << 20) return 0;
    count += last - first + 1;
    list = *end == ',' ? end + 1 : end;
  }
  return (int)count;
}

void srt_read_cpu_caches(const char *directory, int cpu, struct srt_caches *caches) {
  char level[256], type[256], size[256], cpus[256], line[256];
  for (int index = 0; index < 16; index++) {
    if (!read_text(directory, cpu, index, "level", level)) return;
    if (!read_text(directory, cpu, index, "type", type) || strncmp(type, "Instruction", 11) == 0) continue;
    if (!read_text(directory, cpu, index, "size", size)) continue;
    const int cores = read_text(directory, cpu, index, "shared_cpu_list", cpus) ? count_cpus(cpus) : 1;
    const int bytes = read_text(directory, cpu, index, "coherency_line_size", line) ? atoi(line) : 0;
    const char *end;
    note(caches, atoi(level), parse_size(size, &end), cores, bytes);
  }
}

// ---- cpuid

_Bool srt_note_cpuid_cache(uint32_t a, uint32_t b, uint32_t c, struct srt_caches *caches) {
  const uint32_t type = a & 31;
  if (type == 0) return 0;
  const uint64_t line = (b & 0xFFF) + 1, parts = ((b >> 12) & 0x3FF) + 1, ways = (b >> 22) + 1, sets = (uint64_t)c + 1;
  const uint64_t size = line * parts * ways * sets;
  // Sharers are counted in numbers set aside for them, so there may be fewer: srt_check_caches knows how many CPUs there are.
  if (type != 2 && size < 1ull << 40) note(caches, (a >> 5) & 7, (long)size, (int)((a >> 14) & 0xFFF) + 1, (int)line);
  return 1;
}

static void ask_cpu(struct srt_caches *caches) {
#if defined(__x86_64__)
  // Leaf 4 is Intel's; AMD has the same under another number, and answers the first with nothing.
  const uint32_t leaves[] = {4, 0x8000001D};
  for (int i = 0; i < 2 && caches->first == 0; i++) {
    if (__get_cpuid_max(leaves[i] & 0x80000000, NULL) < leaves[i]) continue;
    uint32_t a, b, c, d;
    for (uint32_t index = 0; index < 16; index++) {
      __cpuid_count(leaves[i], index, a, b, c, d);
      if (!srt_note_cpuid_cache(a, b, c, caches)) break;
    }
  }
#elif defined(__APPLE__)
  // Level 0 are the fast cores. A number may have 4 or 8 bytes.
  const char *const names[] = {"hw.perflevel0.l1dcachesize", "hw.perflevel0.l2cachesize", "hw.perflevel0.cpusperl2",
                               "hw.cachelinesize"};
  int64_t values[4];
  for (int i = 0; i < 4; i++) {
    size_t size = sizeof values[i];
    values[i] = 0;
    if (sysctlbyname(names[i], &values[i], &size, NULL, 0) != 0) values[i] = 0;
    if (size == 4) values[i] = *(const int32_t *)&values[i];
  }
  note(caches, 1, (long)values[0], 1, (int)values[3]);
  note(caches, 2, (long)values[1], (int)values[2], 0);
#else
  (void)caches;
#endif
}

// ---- What is kept

static void limit_sharers(int *count, int cpus) {
  if (*count > cpus) *count = cpus;
  if (*count < 1) *count = 1;
}

void srt_check_caches(struct srt_caches *caches, int cpus) {
  struct srt_caches *const c = caches;
  const _Bool silent = c->second == 0 && c->shared == 0;
  // What QEMU shows of a machine unless it is told to show the machine's own.
  if (c->second == 4 * MIB && c->cores_per_second == 1 && c->shared == 16 * MIB) c->second = MIB;
  // Sizes that no core has: a hypervisor's invention. Of shared caches 1.1 GB is the largest there is, for a whole socket.
  if (c->first < 8 * KIB || c->first > MIB) c->first = assumed.first;
  if (c->second < 64 * KIB || c->second > 64 * MIB || c->second < c->first) c->second = assumed.second;
  if (c->shared > 1536L * MIB || silent) c->shared = assumed.shared;
  // A shared cache that is smaller than the cores' own holds nothing beyond them, as no cache at all.
  if (c->shared < c->second) c->shared = 0;
  if (c->line == 0) c->line = assumed.line;
  limit_sharers(&c->cores_per_second, cpus);
  limit_sharers(&c->cores_per_shared, cpus);
  if (c->shared == 0) c->cores_per_shared = c->cores_per_second;
}

void srt_read_caches(struct srt_caches *caches) {
  *caches = (struct srt_caches){0};
#if defined(__linux__)
  // Of the CPUs that this process may use the first and the last: where there are small cores they come last.
  cpu_set_t allowed;
  int first = 0, last = 0;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed)) first++;
    last = CPU_SETSIZE - 1;
    while (last > first && !CPU_ISSET(last, &allowed)) last--;
  }
  srt_read_cpu_caches("/sys/devices/system/cpu", first, caches);
  if (last != first) srt_read_cpu_caches("/sys/devices/system/cpu", last, caches);
#endif
  if (caches->first == 0 || caches->second == 0) {
    *caches = (struct srt_caches){0};
    ask_cpu(caches);
  }
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  srt_check_caches(caches, cpus > 0 && cpus < 1 << 20 ? (int)cpus : 1);
}

// ---- By hand

// One field of "128K,16M/4,0": a size of `least` to `most`, and behind a slash how many cores share it, if `cores`.
static _Bool parse_field(const char **text, long least, long most, long *size, int *cores) {
  const char *end;
  *size = parse_size(*text, &end);
  if (end == *text || *size < least || *size > most) return 0;
  *text = end;
  if (!cores || **text != '/') return 1;
  const long count = parse_size(*text + 1, &end);
  if (count < 1 || count > 4096 || end == *text + 1) return 0;
  *cores = (int)count;
  *text = end;
  return 1;
}

_Bool srt_parse_caches(const char *text, struct srt_caches *caches) {
  struct srt_caches c = *caches;
  if (!parse_field(&text, KIB, 16 * MIB, &c.first, NULL) || *text++ != ',') return 0;
  if (!parse_field(&text, c.first, 1024L * MIB, &c.second, &c.cores_per_second) || *text++ != ',') return 0;
  if (!parse_field(&text, 0, 64L * 1024 * MIB, &c.shared, &c.cores_per_shared) || *text != 0) return 0;
  if (c.shared != 0 && c.shared < c.second) return 0;
  if (c.shared == 0) c.cores_per_shared = c.cores_per_second;
  *caches = c;
  return 1;
}
