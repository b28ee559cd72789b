// What control groups, versions 1 and 2, let this process use.
#ifndef SRT_CGROUPS_H
#define SRT_CGROUPS_H

// Bytes of memory, and CPUs rounded up; 0 without a limit. `root` stands in front of /proc and /sys: "" but in tests.
long long srt_group_memory(const char *root);
long long srt_group_cpus(const char *root);

#endif
