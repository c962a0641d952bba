// SPDX-License-Identifier: Apache-2.0
// fma THREADS MILLISECONDS: GFLOP/s of fused multiply-adds that never leave the registers.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#define REGISTER "v"
#elif defined(__AVX__)
#define BYTES 32
#define REGISTER "x"
#elif defined(__x86_64__)
#define BYTES 16
#define REGISTER "x"
#else
#define BYTES 16
#define REGISTER "w"
#endif
typedef float vector __attribute__((vector_size(BYTES)));

// Latency times throughput is 8 to 10 on what is sold today; 12 and two operands fit into 16 registers.
enum { CHAINS = 12, STEPS = 20000 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static vector run(vector a, vector b)
{
    vector x0 = a, x1 = a, x2 = a, x3 = a, x4 = a, x5 = a, x6 = a, x7 = a, x8 = a, x9 = a, x10 = a, x11 = a;
    for (int step = 0; step < STEPS; step++) {
        x0 = x0 * a + b, x1 = x1 * a + b, x2 = x2 * a + b, x3 = x3 * a + b;
        x4 = x4 * a + b, x5 = x5 * a + b, x6 = x6 * a + b, x7 = x7 * a + b;
        x8 = x8 * a + b, x9 = x9 * a + b, x10 = x10 * a + b, x11 = x11 * a + b;
        // Keeps the twelve equal chains apart.
        __asm__ volatile(""
                         : "+" REGISTER(x0), "+" REGISTER(x1), "+" REGISTER(x2), "+" REGISTER(x3), "+" REGISTER(x4),
                           "+" REGISTER(x5));
        __asm__ volatile(""
                         : "+" REGISTER(x6), "+" REGISTER(x7), "+" REGISTER(x8), "+" REGISTER(x9), "+" REGISTER(x10),
                           "+" REGISTER(x11));
    }
    return x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11;
}

static double duration;
static pthread_barrier_t start;

static void *work(void *rate)
{
    volatile float zero = 0;
    vector a = (vector){ 0 } + 0.5f + zero, b = (vector){ 0 } + 1.0f + zero, sum = { 0 };
    // Cores change their clock when wide registers are first used.
    for (double end = seconds() + 0.2 * duration; seconds() < end;)
        sum += run(a, b);
    pthread_barrier_wait(&start);
    double begin = seconds(), flops = 0;
    while (seconds() - begin < duration) {
        sum += run(a, b);
        flops += 2.0 * CHAINS * STEPS * (BYTES / sizeof(float));
    }
    *(double *)rate = flops / (seconds() - begin);
    volatile float sink = sum[0];
    (void)sink;
    return NULL;
}

int main(int count, char **arguments)
{
    int threads = count > 1 ? atoi(arguments[1]) : 1;
    duration = 1e-3 * (count > 2 ? atof(arguments[2]) : 100);
    if (threads < 1 || threads > 1024)
        return 1;
    pthread_t thread[1024];
    double rates[1024], total = 0;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++)
        pthread_create(&thread[i], NULL, work, &rates[i]);
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        total += rates[i];
    }
    printf("%.1f\n", 1e-9 * total);
    return 0;
}
