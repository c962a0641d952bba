// SPDX-License-Identifier: Apache-2.0
// The few facts about the processor that Swift has no words for.
#ifndef CLENS_CPU_H
#define CLENS_CPU_H

/// 2: AVX-512 F, BW, DQ, VL, CD; 1: AVX2 and FMA; 0: neither. The system must save the registers, too.
int lens_cpu_level(void);

/// CPUs on which this process may be scheduled.
int lens_cpu_count(void);

/// Tells the core that this is a spin loop.
static inline void lens_cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
