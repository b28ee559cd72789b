// A group's limit holds for all groups below it: this process's path is gone up to the root of its hierarchy. Inside a
// container the path may be the host's, of which there is the root alone.
#include "cgroups.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 1024 };

static bool is_among(const char *names, const char *wanted) {
  const size_t length = strlen(wanted);
  for (const char *name = names; name; name = strchr(name, ',') ? strchr(name, ',') + 1 : NULL) {
    if (strcspn(name, ",") == length && strncmp(name, wanted, length) == 0) return true;
  }
  return false;
}

// The group of this process in the hierarchy of a controller, "" in that of version 2; "/" if it is not said.
static void find_group(const char *root, const char *controller, char group[LONGEST]) {
  char line[LONGEST];
  snprintf(group, LONGEST, "/");
  snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
  FILE *file = fopen(line, "r");
  // Lines are "number:controllers:group", with commas between controllers.
  while (file && fgets(line, sizeof line, file)) {
    char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
    if (!path) continue;
    *path++ = 0;
    char *end = strchr(path, '\n');
    if (end) *end = 0;
    if (is_among(names + 1, controller)) snprintf(group, LONGEST, "%s", path);
  }
  if (file) fclose(file);
}

// The first numbers of a file: how many there are. "max" is none.
static int read_numbers(const char *directory, const char *name, long long *first, long long *second) {
  char path[3 * LONGEST];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  const int count = fscanf(file, "%lld %lld", first, second);
  fclose(file);
  return count;
}

// Each gives what one group is let have; LLONG_MAX without a limit.
static long long memory_2(const char *directory) {
  long long most = LLONG_MAX, high = LLONG_MAX, unused;
  if (read_numbers(directory, "memory.max", &most, &unused) < 1) most = LLONG_MAX;
  if (read_numbers(directory, "memory.high", &high, &unused) < 1) high = LLONG_MAX;
  return most < high ? most : high;
}

static long long memory_1(const char *directory) {
  long long most, unused;
  return read_numbers(directory, "memory.limit_in_bytes", &most, &unused) < 1 ? LLONG_MAX : most;
}

static long long cpus(long long quota, long long period) {
  return quota > 0 && period > 0 ? quota / period + (quota % period != 0) : LLONG_MAX;
}

static long long cpus_2(const char *directory) {
  long long quota, period;
  return read_numbers(directory, "cpu.max", &quota, &period) < 2 ? LLONG_MAX : cpus(quota, period);
}

static long long cpus_1(const char *directory) {
  long long quota, period, unused;
  if (read_numbers(directory, "cpu.cfs_quota_us", &quota, &unused) < 1) return LLONG_MAX;
  return read_numbers(directory, "cpu.cfs_period_us", &period, &unused) < 1 ? LLONG_MAX : cpus(quota, period);
}

static long long least(const char *root, const char *mount, const char *controller,
                       long long (*limit)(const char *directory)) {
  char group[LONGEST], directory[2 * LONGEST];
  long long found = LLONG_MAX;
  find_group(root, controller, group);
  for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
    *end = 0;
    snprintf(directory, sizeof directory, "%s/sys/fs/cgroup%s%s", root, mount, group);
    const long long here = limit(directory);
    if (here > 0 && here < found) found = here;
  }
  return found;
}

// Version 1 says "no limit" by the largest whole number of pages.
static long long smaller(long long a, long long b) {
  const long long found = a < b ? a : b;
  return found < LLONG_MAX >> 2 ? found : 0;
}

long long srt_group_memory(const char *root) {
  return smaller(least(root, "", "", memory_2), least(root, "/memory", "memory", memory_1));
}

long long srt_group_cpus(const char *root) {
  return smaller(least(root, "", "", cpus_2), least(root, "/cpu", "cpu", cpus_1));
}
