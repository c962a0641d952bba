// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLensCPU.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

int lens_cpu_level(void)
{
#if defined(__x86_64__)
    // The compiler's runtime reads XCR0 before it believes CPUID.
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
        return 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        return 2;
    return 1;
#else
    return 0;
#endif
}

_Bool lens_cpu_allows_tiles(void)
{
#if defined(__x86_64__) && defined(__linux__)
    enum { request_permission = 0x1023, tile_data = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & 1u << 22) || !(d & 1u << 24))
        return 0;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & 1u << 5)) // vectors to bfloat16
        return 0;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return 0;
#endif
}

int lens_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int count = CPU_COUNT(&set);
        if (count > 0)
            return count;
    }
    long count = sysconf(_SC_NPROCESSORS_ONLN); // more than 1024 CPUs
    return count > 0 ? (int)count : 1;
}

unsigned char lens_set_bits[256][8];

__attribute__((constructor)) static void list_set_bits(void)
{
    for (int number = 0; number < 256; number++) {
        int count = 0;
        for (int bit = 0; bit < 8; bit++)
            if (number >> bit & 1)
                lens_set_bits[number][count++] = bit;
    }
}
