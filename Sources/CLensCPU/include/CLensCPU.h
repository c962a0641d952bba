// SPDX-License-Identifier: Apache-2.0
// The few things about the processor that Swift has no words for.
#ifndef CLENS_CPU_H
#define CLENS_CPU_H

/// 2: AVX-512 F, BW, DQ, VL, CD; 1: AVX2 and FMA; 0: neither. The system must save the registers, too.
int lens_cpu_level(void);

/// Whether there is AMX with bfloat16 for this process. Asks Linux for the room to save its registers, 8 KB a thread.
_Bool lens_cpu_allows_tiles(void);

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

/// What is loaded before stays before: the compiler would load everything first, and have no registers left.
static inline __attribute__((always_inline)) void lens_in_order(void)
{
    __asm__ volatile("" ::: "memory");
}

/// Asks for `size` bytes to come into the second cache, without waiting for them.
static inline void lens_fetch_ahead(const void *p, long size)
{
    for (long i = 0; i < size; i += 64)
        __builtin_prefetch((const char *)p + i, 0, 2);
}

// Sixteen numbers and a bit for each: compares into a mask register, or a move of the comparison's signs.

typedef float lens_vector __attribute__((ext_vector_type(16)));
typedef int lens_integers __attribute__((ext_vector_type(16)));
typedef union {
    _Bool __attribute__((ext_vector_type(16))) bits;
    unsigned short number;
} lens_bits;

/// sum + a · b, rounded once. Swift's `addingProduct` is one multiplication for each lane, which the compiler does not
/// always make one instruction of again.
static inline __attribute__((always_inline)) lens_vector lens_fused(lens_vector sum, lens_vector a, lens_vector b)
{
    return __builtin_elementwise_fma(a, b, sum);
}

typedef float lens_half __attribute__((ext_vector_type(8)));

/// The same for half as many, one register of AVX2.
static inline __attribute__((always_inline)) lens_half lens_fused_half(lens_half sum, lens_half a, lens_half b)
{
    return __builtin_elementwise_fma(a, b, sum);
}

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

typedef unsigned char __attribute__((ext_vector_type(16))) lens_bytes;

/// The lowest byte of each: one instruction of AVX-512, where Swift's conversion takes twelve.
static inline __attribute__((always_inline)) lens_bytes lens_low_bytes(lens_integers x)
{
    return __builtin_convertvector(x, lens_bytes);
}

/// Row m: which bits of m are set, the lowest first.
extern unsigned char lens_set_bits[256][8];

/// The numbers that are not 0, side by side, and for each its place, counted from `first`; what lies behind them, up to
/// 16 numbers, is overwritten.
///
/// \return how many they are
static inline __attribute__((always_inline)) long lens_collect(lens_vector x, unsigned char first, float *values,
                                                               unsigned char *places)
{
#if defined(__AVX512F__)
    lens_bits wanted = { __builtin_convertvector(x != 0, __typeof__(wanted.bits)) };
    lens_integers all = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    all = (lens_integers)__builtin_ia32_compresssi512_mask(all + first, all, wanted.number);
    x = (lens_vector)__builtin_ia32_compresssf512_mask(x, x, wanted.number);
    lens_bytes bytes = lens_low_bytes(all);
    __builtin_memcpy(values, &x, 64);
    __builtin_memcpy(places, &bytes, 16);
    return __builtin_popcount(wanted.number);
#elif defined(__AVX2__)
    typedef float half __attribute__((ext_vector_type(8)));
    typedef int order __attribute__((ext_vector_type(8)));
    typedef unsigned char bytes __attribute__((ext_vector_type(8)));
    long count = 0;
    half halves[2] = { x.lo, x.hi };
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++) {
        unsigned mask = __builtin_ia32_movmskps256((half)(halves[i] != 0));
        bytes row;
        __builtin_memcpy(&row, lens_set_bits[mask], 8);
        half kept = __builtin_ia32_permvarsf256(halves[i], __builtin_convertvector(row, order));
        __builtin_memcpy(values + count, &kept, 32);
        row += (unsigned char)(first + 8 * i);
        __builtin_memcpy(places + count, &row, 8);
        count += __builtin_popcount(mask);
    }
    return count;
#else
    long count = 0;
    for (int i = 0; i < 16; i++) {
        values[count] = x[i];
        places[count] = first + i;
        count += x[i] != 0;
    }
    return count;
#endif
}

/// Four floats of each of eight pixels, which are 16 floats apart, to four rows of eight.
static inline __attribute__((always_inline)) void lens_transpose(const float *pixels, float *rows, long row_step)
{
    typedef float half __attribute__((ext_vector_type(4)));
    typedef float row __attribute__((ext_vector_type(8)));
    half in[8];
    __builtin_memcpy(&in[0], pixels, 16);
    __builtin_memcpy(&in[1], pixels + 16, 16);
    __builtin_memcpy(&in[2], pixels + 32, 16);
    __builtin_memcpy(&in[3], pixels + 48, 16);
    __builtin_memcpy(&in[4], pixels + 64, 16);
    __builtin_memcpy(&in[5], pixels + 80, 16);
    __builtin_memcpy(&in[6], pixels + 96, 16);
    __builtin_memcpy(&in[7], pixels + 112, 16);
    row a = __builtin_shufflevector(in[0], in[4], 0, 1, 2, 3, 4, 5, 6, 7);
    row b = __builtin_shufflevector(in[1], in[5], 0, 1, 2, 3, 4, 5, 6, 7);
    row c = __builtin_shufflevector(in[2], in[6], 0, 1, 2, 3, 4, 5, 6, 7);
    row d = __builtin_shufflevector(in[3], in[7], 0, 1, 2, 3, 4, 5, 6, 7);
    row ab = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    row cd = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13);
    row first = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13);
    row second = __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    ab = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    cd = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
    row third = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13);
    row fourth = __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    __builtin_memcpy(rows, &first, 32);
    __builtin_memcpy(rows + row_step, &second, 32);
    __builtin_memcpy(rows + 2 * row_step, &third, 32);
    __builtin_memcpy(rows + 3 * row_step, &fourth, 32);
}

/// The way back: four rows of eight to four floats of each of eight pixels, or added to them.
static inline __attribute__((always_inline)) void lens_transpose_back(const float *rows, long row_step, float *pixels,
                                                                      long pixel_step, _Bool adds)
{
    typedef float half __attribute__((ext_vector_type(4)));
    typedef float row __attribute__((ext_vector_type(8)));
    row in[4];
    __builtin_memcpy(&in[0], rows, 32);
    __builtin_memcpy(&in[1], rows + row_step, 32);
    __builtin_memcpy(&in[2], rows + 2 * row_step, 32);
    __builtin_memcpy(&in[3], rows + 3 * row_step, 32);
    row a = __builtin_shufflevector(in[0], in[1], 0, 8, 1, 9, 4, 12, 5, 13);
    row b = __builtin_shufflevector(in[2], in[3], 0, 8, 1, 9, 4, 12, 5, 13);
    row c = __builtin_shufflevector(in[0], in[1], 2, 10, 3, 11, 6, 14, 7, 15);
    row d = __builtin_shufflevector(in[2], in[3], 2, 10, 3, 11, 6, 14, 7, 15);
    row out[4] = {
        __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13),
        __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15),
        __builtin_shufflevector(c, d, 0, 1, 8, 9, 4, 5, 12, 13),
        __builtin_shufflevector(c, d, 2, 3, 10, 11, 6, 7, 14, 15),
    };
    for (int i = 0; i < 4; i++) {
        float *first = pixels + pixel_step * i, *second = pixels + pixel_step * (i + 4);
        half low = out[i].lo, high = out[i].hi;
        if (adds) {
            half old;
            __builtin_memcpy(&old, first, 16);
            low += old;
            __builtin_memcpy(&old, second, 16);
            high += old;
        }
        __builtin_memcpy(first, &low, 16);
        __builtin_memcpy(second, &high, 16);
    }
}

#if defined(__AMX_BF16__)
// The eight tile registers of AMX, of 64 bytes a row. Their numbers must be constants where these are inlined.

/// Registers 0, 1 and 4 get `first` rows, 2, 3 and 5 `second`, 6 and 7 sixteen. All become 0.
static inline __attribute__((always_inline)) void lens_tiles_configure(long first, long second)
{
    struct {
        unsigned char palette, start, unused[14];
        unsigned short row_bytes[16];
        unsigned char rows[16];
    } shape = { .palette = 1 };
    for (int i = 0; i < 8; i++)
        shape.row_bytes[i] = 64;
    shape.rows[0] = shape.rows[1] = shape.rows[4] = first;
    shape.rows[2] = shape.rows[3] = shape.rows[5] = second;
    shape.rows[6] = shape.rows[7] = 16;
    __builtin_ia32_tile_loadconfig(&shape);
}

/// The registers are free; the system no longer saves them.
static inline __attribute__((always_inline)) void lens_tiles_release(void)
{
    __builtin_ia32_tilerelease();
}

#define LENS_EACH_TILE(call)                                                                                           \
    switch (tile) {                                                                                                    \
    case 0: call(0); break;                                                                                            \
    case 1: call(1); break;                                                                                            \
    case 2: call(2); break;                                                                                            \
    case 3: call(3); break;                                                                                            \
    case 4: call(4); break;                                                                                            \
    case 5: call(5); break;                                                                                            \
    case 6: call(6); break;                                                                                            \
    case 7: call(7); break;                                                                                            \
    }

static inline __attribute__((always_inline)) void lens_tile_zero(int tile)
{
#define LENS_CALL(t) __builtin_ia32_tilezero(t)
    LENS_EACH_TILE(LENS_CALL)
#undef LENS_CALL
}

/// `step`: bytes from row to row.
static inline __attribute__((always_inline)) void lens_tile_load(int tile, const void *p, long step)
{
#define LENS_CALL(t) __builtin_ia32_tileloadd64(t, p, step)
    LENS_EACH_TILE(LENS_CALL)
#undef LENS_CALL
}

static inline __attribute__((always_inline)) void lens_tile_store(int tile, void *p, long step)
{
#define LENS_CALL(t) __builtin_ia32_tilestored64(t, p, step)
    LENS_EACH_TILE(LENS_CALL)
#undef LENS_CALL
}

/// Tile 2i + j += tile 4 + i · tile 6 + j: rows of 32 numbers times columns of 32.
static inline __attribute__((always_inline)) void lens_tile_multiply(int tile)
{
    switch (tile) {
    case 0: __builtin_ia32_tdpbf16ps(0, 4, 6); break;
    case 1: __builtin_ia32_tdpbf16ps(1, 4, 7); break;
    case 2: __builtin_ia32_tdpbf16ps(2, 5, 6); break;
    case 3: __builtin_ia32_tdpbf16ps(3, 5, 7); break;
    }
}

/// 32 floats as bfloat16, to 64 bytes.
static inline __attribute__((always_inline)) void lens_store_halves(void *p, lens_vector first, lens_vector second)
{
    __typeof__(__builtin_ia32_cvtne2ps2bf16_512(second, first)) halves =
        __builtin_ia32_cvtne2ps2bf16_512(second, first);
    __builtin_memcpy(p, &halves, 64);
}
#endif

#endif
