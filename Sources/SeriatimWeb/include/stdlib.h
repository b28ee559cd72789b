// Kernels take no memory from the system.
#include <stddef.h>
