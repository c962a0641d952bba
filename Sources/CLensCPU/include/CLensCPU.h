// SPDX-License-Identifier: Apache-2.0
// The few things about the processor that Swift has no words for.
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

// Sixteen numbers and a bit for each: compares into a mask register, or a move of the comparison's signs.

typedef float lens_vector __attribute__((ext_vector_type(16)));
typedef int lens_integers __attribute__((ext_vector_type(16)));
typedef union {
    _Bool __attribute__((ext_vector_type(16))) bits;
    unsigned short number;
} lens_bits;

/// Bit i: lower < x[i] < upper.
static inline __attribute__((always_inline)) unsigned short lens_bits_between(lens_vector x, lens_vector lower,
                                                                              lens_vector upper)
{
    lens_integers between = (lower < x) & (x < upper);
#if defined(__AVX__) && !defined(__AVX512F__)
    // Two moves of eight signs; left to itself clang packs all sixteen into bytes first.
    typedef float half __attribute__((ext_vector_type(8)));
    return __builtin_ia32_movmskps256((half)between.lo) | __builtin_ia32_movmskps256((half)between.hi) << 8;
#else
    lens_bits all = { __builtin_convertvector(between, __typeof__(all.bits)) };
    return all.number;
#endif
}

/// x[i] where bit i is set, else 0.
static inline __attribute__((always_inline)) lens_vector lens_where(lens_vector x, unsigned short number)
{
    lens_bits wanted = { .number = number };
    return (lens_vector)((lens_integers)x & -__builtin_convertvector(wanted.bits, lens_integers));
}

#endif
