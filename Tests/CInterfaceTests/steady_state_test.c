/* SPDX-License-Identifier: Apache-2.0
 * A walk along a gradient keeps its buffers: after its first steps no memory of a picture's size is asked for.
 * steady_state_test MODEL.onnx, a model with one 4-D input and class scores.
 *
 * The program's own malloc stands in front of the C library's, for the library as well, and counts. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnnlens.h"

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

/* Half a plane of the picture; tables with an entry for each row or column are below it. L-BFGS collects ten pairs first. */
enum { SIDE = 64, LARGE = SIDE * SIDE * 4 / 2, WARM_UP = 12, STEPS = 24 };
static volatile int64_t large_blocks;

static void count(size_t size)
{
    if (size >= LARGE)
        __atomic_add_fetch(&large_blocks, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    count(size);
    return __libc_realloc(old, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count(size);
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(size);
    return __libc_memalign(alignment, size);
}

typedef struct {
    int64_t at_warm_up, at_end, calls, warm_up, least_calls;
} tally;

#define TALLY { 0, 0, 0, WARM_UP, STEPS }

static int32_t watch(int64_t step, int64_t steps, float value, void *payload)
{
    tally *it = payload;
    (void)steps, (void)value;
    it->calls++;
    if (step == it->warm_up)
        it->at_warm_up = large_blocks;
    it->at_end = large_blocks;
    return 0;
}

/* Ends an attack that would go on. */
static int32_t watch_and_stop(int64_t step, int64_t steps, float value, void *payload)
{
    return watch(step, steps, value, payload) || step >= STEPS;
}

static int failed;

static void judge(const char *name, cnnlens_status status, const tally *it)
{
    int64_t new_blocks = it->at_end - it->at_warm_up;
    if (status != CNNLENS_OK || it->calls < it->least_calls || it->at_warm_up == 0 || new_blocks != 0) {
        printf("steady_state_test: %s: status %d (\"%s\"), %lld calls, %lld blocks of %d bytes or more after step %d\n",
               name, (int)status, cnnlens_last_error(), (long long)it->calls, (long long)new_blocks, LARGE,
               (int)it->warm_up);
        failed++;
    }
}

int main(int argc, char **argv)
{
    cnnlens_model *network, *model;
    cnnlens_session *session;
    cnnlens_objective *objective;
    cnnlens_array picture = { NULL, 0, { 0 } }, out, code = { NULL, 0, { 0 } };
    const char *layers[1] = { "logits" };
    int64_t class = 1, axis, pixel, pixels = 1;

    if (argc != 2 || cnnlens_model_open(&network, argv[1]) != CNNLENS_OK) {
        fprintf(stderr, "usage: steady_state_test MODEL.onnx (%s)\n", cnnlens_last_error());
        return 2;
    }
    if (cnnlens_model_seeing_images(&model, network, NULL) != CNNLENS_OK ||
        cnnlens_model_input_shape(&picture, model, 0) != CNNLENS_OK ||
        cnnlens_session_new(&session, model) != CNNLENS_OK ||
        cnnlens_objective_logit(&objective, &class, 1) != CNNLENS_OK) {
        fprintf(stderr, "steady_state_test: %s\n", cnnlens_last_error());
        return 2;
    }
    for (axis = 0; axis < 4; axis++) {
        if (picture.shape[axis] < 0)
            picture.shape[axis] = axis >= 2 ? SIDE : 1;
        pixels *= picture.shape[axis];
    }
    picture.data = malloc(sizeof(float) * (size_t)pixels);
    for (pixel = 0; pixel < pixels; pixel++)
        picture.data[pixel] = (float)(pixel * 37 % 101) / 255.0f;
    out = picture;
    out.data = malloc(sizeof(float) * (size_t)pixels);

    for (int preset = CNNLENS_CLASS_MODEL_SIMONYAN; preset <= CNNLENS_CLASS_MODEL_YOSINSKI4; preset++) {
        cnnlens_class_model_options options = CNNLENS_CLASS_MODEL_OPTIONS_INIT;
        tally it = TALLY;
        (options.preset = preset, options.steps = STEPS, options.progress = watch, options.payload = &it);
        judge("class model", cnnlens_class_model(&out, session, &class, 1, &options), &it);
    }
    for (int parameterization = CNNLENS_PARAM_PIXELS; parameterization <= CNNLENS_PARAM_CPPN; parameterization++) {
        for (int optimizer = CNNLENS_OPTIMIZER_GRADIENT; optimizer <= CNNLENS_OPTIMIZER_LBFGS; optimizer++) {
            cnnlens_visualize_options options = CNNLENS_VISUALIZE_OPTIONS_INIT;
            tally it = TALLY;
            (options.parameterization = parameterization, options.optimizer = optimizer, options.steps = STEPS);
            (options.transforms = optimizer != CNNLENS_OPTIMIZER_LBFGS, options.redirected_steps = 2);
            (options.progress = watch, options.payload = &it);
            judge("visualisation", cnnlens_visualize(&out, session, objective, &options), &it);
        }
    }
    if (cnnlens_layer_shape(&code, session, layers, 1, &picture, 1) == CNNLENS_OK) {
        cnnlens_invert_options options = CNNLENS_INVERT_OPTIONS_INIT;
        tally it = TALLY;
        code.data = malloc(sizeof(float) * (size_t)(code.shape[0] * code.shape[1]));
        (options.steps = STEPS, options.progress = watch, options.payload = &it);
        if (cnnlens_run(&code, session, layers, 1, &picture, 1) != CNNLENS_OK)
            failed++;
        judge("inversion", cnnlens_invert(&out, session, "logits", &code, &options), &it);
    }
    {
        cnnlens_deepdream_options options = CNNLENS_DEEPDREAM_OPTIONS_INIT;
        tally it = TALLY;
        (options.octaves = 1, options.steps = STEPS, options.jitter = 4, options.progress = watch,
         options.payload = &it);
        judge("dream", cnnlens_deepdream(&out, session, &picture, objective, &options), &it);
    }
    for (int optimizer = CNNLENS_OPTIMIZER_ADAM; optimizer <= CNNLENS_OPTIMIZER_LBFGS; optimizer++) {
        cnnlens_style_transfer_options options = CNNLENS_STYLE_TRANSFER_OPTIONS_INIT;
        const char *first = cnnlens_model_layer_name(model, 0);
        tally it = TALLY;
        (options.optimizer = optimizer, options.steps = STEPS, options.progress = watch, options.payload = &it);
        (options.content_layers = options.style_layers = &first);
        (options.content_layer_count = options.style_layer_count = 1);
        judge("style", cnnlens_style_transfer(&out, session, &picture, &picture, 1, &options), &it);
    }
    for (int norm = CNNLENS_NORM_MAXIMUM; norm <= CNNLENS_NORM_ABSOLUTE; norm++) {
        cnnlens_attack_goal goal = CNNLENS_ATTACK_GOAL_INIT;
        cnnlens_pgd_options options = CNNLENS_PGD_OPTIONS_INIT;
        tally it = TALLY;
        (goal.progress = watch, goal.payload = &it, options.norm = norm, options.steps = STEPS);
        (options.momentum = norm / 2.0, goal.levels = norm == CNNLENS_NORM_MAXIMUM ? 255 : 0);
        judge("PGD", cnnlens_pgd(&out, session, &picture, &goal, &options), &it);
    }
    {
        cnnlens_attack_goal goal = CNNLENS_ATTACK_GOAL_INIT;
        cnnlens_fool_options options = CNNLENS_FOOL_OPTIONS_INIT;
        tally it = TALLY;
        (goal.progress = watch, goal.payload = &it, goal.labels = &class, goal.label_count = 1);
        /* Steps too small to get there. */
        (options.confidence = 1 - 1e-12, options.step = 1e-6, options.steps = STEPS);
        judge("fooling image", cnnlens_fool(&out, session, &picture, &goal, &options), &it);
    }
    for (int attack = 0; attack < 7; attack++) {
        static const char *const names[] = { "Carlini & Wagner", "DeepFool", "L-BFGS attack", "Square", "NES",
                                             "HopSkipJump",      "Boundary" };
        cnnlens_attack_goal goal = CNNLENS_ATTACK_GOAL_INIT;
        cnnlens_cw_options cw = CNNLENS_CW_OPTIONS_INIT;
        cnnlens_deepfool_options deepfool = CNNLENS_DEEPFOOL_OPTIONS_INIT;
        cnnlens_lbfgs_attack_options lbfgs = CNNLENS_LBFGS_ATTACK_OPTIONS_INIT;
        cnnlens_square_options square = CNNLENS_SQUARE_OPTIONS_INIT;
        cnnlens_nes_options nes = CNNLENS_NES_OPTIONS_INIT;
        cnnlens_hop_skip_jump_options hop = CNNLENS_HOP_SKIP_JUMP_OPTIONS_INIT;
        cnnlens_boundary_options boundary = CNNLENS_BOUNDARY_OPTIONS_INIT;
        cnnlens_status status = CNNLENS_OK;
        tally it = TALLY;

        (goal.progress = watch_and_stop, goal.payload = &it);
        /* None gets there, or is content, before its steps are over. */
        (cw.confidence = 1e6, cw.steps = STEPS, lbfgs.weight = 1e-12, lbfgs.steps = 2 * STEPS);
        (deepfool.steps = STEPS, square.epsilon = nes.epsilon = 1e-6, nes.samples = 10, hop.samples = 10,
         hop.steps = STEPS);
        switch (attack) {
        case 0: status = cnnlens_cw(&out, session, &picture, &goal, &cw); break;
        case 1: /* It is there soon. */
            (it.warm_up = 1, it.least_calls = 3);
            status = cnnlens_deepfool(&out, session, &picture, &goal, &deepfool);
            break;
        case 2: status = cnnlens_lbfgs_attack(&out, session, &picture, &goal, &lbfgs); break;
        case 3: status = cnnlens_square(&out, session, &picture, &goal, &square); break;
        case 4: status = cnnlens_nes(&out, session, &picture, &goal, &nes); break;
        case 5: status = cnnlens_hop_skip_jump(&out, session, &picture, &goal, &hop); break;
        case 6: status = cnnlens_boundary(&out, session, &picture, &goal, &boundary); break;
        }
        judge(names[attack], status, &it);
    }
    cnnlens_objective_free(objective);
    cnnlens_session_free(session);
    cnnlens_model_free(model);
    cnnlens_model_free(network);
    return failed != 0;
}
