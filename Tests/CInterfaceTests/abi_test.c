/* SPDX-License-Identifier: Apache-2.0
 * The binary contract: sizes and offsets, NULL everywhere, messages, statuses, options of both ages, odd arrays.
 * abi_test MODEL.onnx, a model with one 4-D input and class scores. */
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnnlens.h"

static int passed, failed;

static void check(int is_true, const char *claim, int line)
{
    if (is_true) {
        passed++;
    } else {
        failed++;
        printf("abi_test.c:%d: not true: %s (last error: \"%s\")\n", line, claim, cnnlens_last_error());
    }
}

#define CHECK(claim) check((claim) != 0, #claim, __LINE__)
#define FAILS_WITH(status, call) CHECK((call) == (status))

/* ---- layout: pinned, because programs in the field have it compiled in (x86-64 and arm64) */

static void layout_is_pinned(void)
{
    CHECK(sizeof(cnnlens_array) == 80);
    CHECK(offsetof(cnnlens_array, rank) == 8 && offsetof(cnnlens_array, shape) == 16);
    CHECK(sizeof(cnnlens_preprocessing_options) == 48);
    CHECK(offsetof(cnnlens_preprocessing_options, order) == 4);
    CHECK(offsetof(cnnlens_preprocessing_options, channels) == 8);
    CHECK(offsetof(cnnlens_preprocessing_options, scale) == 12);
    CHECK(offsetof(cnnlens_preprocessing_options, mean) == 16);
    CHECK(offsetof(cnnlens_preprocessing_options, deviation) == 32);
    CHECK(sizeof(cnnlens_gradient_options) == 8 && offsetof(cnnlens_gradient_options, rule) == 4);
    CHECK(sizeof(cnnlens_attribution_options) == 8 && offsetof(cnnlens_attribution_options, reduction) == 4);
    CHECK(sizeof(cnnlens_cam_options) == 40 && offsetof(cnnlens_cam_options, variant) == 20);
    CHECK(sizeof(cnnlens_smoothgrad_options) == 64 && offsetof(cnnlens_smoothgrad_options, noise) == 24);
    CHECK(offsetof(cnnlens_smoothgrad_options, layer) == 40 && offsetof(cnnlens_smoothgrad_options, progress) == 48);
    CHECK(sizeof(cnnlens_path_options) == 64 && offsetof(cnnlens_path_options, picture) == 24);
    CHECK(offsetof(cnnlens_path_options, reduction) == 40 && offsetof(cnnlens_path_options, progress) == 48);
    CHECK(offsetof(cnnlens_cam_options, progress) == 24 && offsetof(cnnlens_cam_options, keeps_positive) == 4);
    CHECK(offsetof(cnnlens_cam_options, layer) == 8 && offsetof(cnnlens_cam_options, upsample) == 16);
    CHECK(sizeof(cnnlens_occlusion_options) == 64 && offsetof(cnnlens_occlusion_options, window) == 8);
    CHECK(offsetof(cnnlens_occlusion_options, value) == 40 && offsetof(cnnlens_occlusion_options, progress) == 48);
    CHECK(sizeof(cnnlens_rise_options) == 72 && offsetof(cnnlens_rise_options, picture) == 40);
    CHECK(offsetof(cnnlens_rise_options, value) == 48 && offsetof(cnnlens_rise_options, progress) == 56);
    CHECK(sizeof(cnnlens_curve_options) == 72 && offsetof(cnnlens_curve_options, map) == 8);
    CHECK(offsetof(cnnlens_curve_options, fractions) == 32 && offsetof(cnnlens_curve_options, value) == 48);
    CHECK(sizeof(cnnlens_segment_options) == 88 && offsetof(cnnlens_segment_options, segments) == 8);
    CHECK(offsetof(cnnlens_segment_options, samples) == 32 && offsetof(cnnlens_segment_options, value) == 64);
    CHECK(sizeof(cnnlens_lrp_options) == 56 && offsetof(cnnlens_lrp_options, epsilon) == 16);
    CHECK(offsetof(cnnlens_lrp_options, low) == 32 && offsetof(cnnlens_lrp_options, reduction) == 48);
    CHECK(sizeof(cnnlens_attack_goal) == 64 && offsetof(cnnlens_attack_goal, labels) == 8);
    CHECK(offsetof(cnnlens_attack_goal, is_clamped) == 24 && offsetof(cnnlens_attack_goal, levels) == 28);
    CHECK(offsetof(cnnlens_attack_goal, low) == 32 && offsetof(cnnlens_attack_goal, seed) == 40);
    CHECK(offsetof(cnnlens_attack_goal, progress) == 48 && offsetof(cnnlens_attack_goal, payload) == 56);
    CHECK(sizeof(cnnlens_fgsm_options) == 32 && offsetof(cnnlens_fgsm_options, norm) == 4);
    CHECK(offsetof(cnnlens_fgsm_options, epsilon) == 8 && offsetof(cnnlens_fgsm_options, epsilons) == 16);
    CHECK(sizeof(cnnlens_pgd_options) == 48 && offsetof(cnnlens_pgd_options, steps) == 32);
    CHECK(sizeof(cnnlens_lbfgs_attack_options) == 32 && sizeof(cnnlens_deepfool_options) == 32);
    CHECK(sizeof(cnnlens_cw_options) == 48 && sizeof(cnnlens_fool_options) == 32);
    CHECK(sizeof(cnnlens_evolve_fool_options) == 32 && sizeof(cnnlens_one_pixel_options) == 40);
    CHECK(sizeof(cnnlens_square_options) == 32 && sizeof(cnnlens_nes_options) == 48);
    CHECK(sizeof(cnnlens_boundary_options) == 40 && sizeof(cnnlens_hop_skip_jump_options) == 40);
    CHECK(sizeof(cnnlens_view_options) == 48 && offsetof(cnnlens_view_options, change) == 32);
    CHECK(sizeof(cnnlens_visualize_options) == 80 && offsetof(cnnlens_visualize_options, checkpoint) == 48);
    CHECK(sizeof(cnnlens_class_model_options) == 88 && sizeof(cnnlens_invert_options) == 96);
    CHECK(offsetof(cnnlens_invert_options, checkpoint) == 64);
    CHECK(sizeof(cnnlens_deepdream_options) == 72 && offsetof(cnnlens_deepdream_options, progress) == 56);
    CHECK(sizeof(cnnlens_style_transfer_options) == 192 && offsetof(cnnlens_style_transfer_options, payload) == 184);
    CHECK(sizeof(cnnlens_summary_row) == 160 && offsetof(cnnlens_summary_row, name) == 8);
    CHECK(offsetof(cnnlens_summary_row, shape) == 24 && offsetof(cnnlens_summary_row, parameters) == 88);
    CHECK(offsetof(cnnlens_summary_row, receptive_field) == 112);
}

static void statuses_are_pinned(void)
{
    CHECK(CNNLENS_OK == 0 && CNNLENS_EINVALID == -1 && CNNLENS_ENOTFOUND == -2 && CNNLENS_EIO == -3);
    CHECK(CNNLENS_EMODEL == -4 && CNNLENS_EUNSUPPORTED == -5 && CNNLENS_ESHAPE == -6 && CNNLENS_ENOMEM == -7);
    CHECK(CNNLENS_ECANCELLED == -8 && CNNLENS_EINTERNAL == -99);
}

/* ---- errors */

static void null_is_freed_quietly(void)
{
    cnnlens_model_free(NULL);
    cnnlens_session_free(NULL);
    cnnlens_objective_free(NULL);
    cnnlens_summary_free(NULL);
    CHECK(1);
}

static void *other_thread(void *result)
{
    /* Nothing has failed here yet. */
    *(int *)result = strcmp(cnnlens_last_error(), "") == 0;
    cnnlens_model_open(NULL, NULL);
    *(int *)result += strcmp(cnnlens_last_error(), "") != 0;
    return NULL;
}

static void messages_are_per_thread(void)
{
    pthread_t thread;
    int result = 0;
    cnnlens_model *model = NULL;
    FAILS_WITH(CNNLENS_ENOTFOUND, cnnlens_model_open(&model, "/nonexistent/model.onnx"));
    CHECK(model == NULL);
    CHECK(strstr(cnnlens_last_error(), "model.onnx") != NULL);
    pthread_create(&thread, NULL, other_thread, &result);
    pthread_join(thread, NULL);
    CHECK(result == 2);
    CHECK(strstr(cnnlens_last_error(), "model.onnx") != NULL);
}

static void broken_bytes_are_a_model_error(void)
{
    cnnlens_model *model = NULL;
    cnnlens_status status = cnnlens_model_open_bytes(&model, "\x08\x07garbage", 9, "garbage");
    CHECK(status == CNNLENS_EMODEL || status == CNNLENS_EUNSUPPORTED);
    CHECK(model == NULL && strstr(cnnlens_last_error(), "garbage") != NULL);
    CHECK(cnnlens_model_open_bytes(&model, "", 0, NULL) < 0);
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_model_open_bytes(&model, NULL, 5, NULL));
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_model_open_bytes(&model, "x", -1, NULL));
}

/* Every function with NULL, or nonsense, for everything. */
static void null_is_an_error_and_no_crash(const cnnlens_model *model)
{
    cnnlens_objective *objective = NULL;
    cnnlens_session *session = NULL;
    cnnlens_model *other = NULL;
    cnnlens_summary *summary = NULL;
    cnnlens_array array = { NULL, 0, { 0 } };
    const char *name = NULL;
    int64_t number = -1;
    float score = 0;

    CHECK(cnnlens_model_open(NULL, "x") < 0 && cnnlens_model_open(&other, NULL) < 0);
    CHECK(cnnlens_model_name(NULL) == NULL && cnnlens_model_input_name(NULL, 0) == NULL);
    CHECK(cnnlens_model_input_count(NULL) < 0 && cnnlens_model_output_count(NULL) < 0);
    CHECK(cnnlens_model_layer_count(NULL) < 0 && cnnlens_model_label_count(NULL) < 0);
    CHECK(cnnlens_model_input_name(model, -1) == NULL && cnnlens_model_input_name(model, 99) == NULL);
    CHECK(cnnlens_model_layer_name(model, INT64_MAX) == NULL && cnnlens_model_label(model, INT64_MIN) == NULL);
    CHECK(cnnlens_model_output_name(model, -1) == NULL && cnnlens_model_metadata(model, NULL) == NULL);
    CHECK(cnnlens_model_metadata(NULL, "x") == NULL);
    CHECK(cnnlens_model_input_shape(NULL, model, 0) < 0 && cnnlens_model_input_shape(&array, model, 7) < 0);
    CHECK(cnnlens_model_resolve(NULL, model, "input") < 0 && cnnlens_model_resolve(&name, model, NULL) < 0);
    FAILS_WITH(CNNLENS_ENOTFOUND, cnnlens_model_resolve(&name, model, "no such layer"));
    CHECK(cnnlens_model_seeing_images(NULL, model, NULL) < 0 && cnnlens_model_seeing_images(&other, NULL, NULL) < 0);
    CHECK(cnnlens_summary_new(NULL, model, NULL, 0) < 0 && cnnlens_summary_new(&summary, NULL, NULL, 0) < 0);
    CHECK(cnnlens_summary_new(&summary, model, NULL, 1) < 0 && cnnlens_summary_new(&summary, model, NULL, -1) < 0);
    CHECK(cnnlens_summary_row_count(NULL) < 0 && cnnlens_summary_text(NULL) == NULL);
    CHECK(cnnlens_summary_get_row(NULL, NULL, 0) < 0);
    CHECK(cnnlens_session_new(NULL, model) < 0 && cnnlens_session_new(&session, NULL) < 0);
    CHECK(cnnlens_session_set_interrupt(NULL, NULL, NULL) < 0);
    CHECK(cnnlens_layer_shape(NULL, NULL, NULL, 0, NULL, 0) < 0 && cnnlens_run(NULL, NULL, NULL, 0, NULL, 0) < 0);
    CHECK(cnnlens_gradient(NULL, NULL, NULL, 0, NULL, 0, NULL, NULL) < 0);
    CHECK(cnnlens_predict(NULL, NULL, 1, NULL, NULL) < 0);
    CHECK(cnnlens_session_image_count(NULL) < 0 && cnnlens_session_layer(NULL) == NULL);
    CHECK(cnnlens_session_scores(NULL, 0, NULL) < 0 && cnnlens_session_targets(NULL, 0, NULL) < 0);
    CHECK(cnnlens_session_native(NULL, NULL) < 0);
    CHECK(cnnlens_saliency(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_grad_x_input(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_guided_backprop(NULL, NULL, NULL, NULL, NULL) < 0 &&
          cnnlens_deconvnet(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_cam(NULL, NULL, NULL, NULL) < 0 && cnnlens_grad_cam(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_occlusion(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_rise(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_deletion(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_insertion(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_feature_ablation(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_lime(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_kernel_shap(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_shapley(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_model_randomized(&other, NULL, NULL, 0, 0) < 0 &&
          cnnlens_model_randomized(NULL, model, NULL, 0, 0) < 0);
    CHECK(cnnlens_model_randomized(&other, model, NULL, 1, 0) < 0);
    CHECK(cnnlens_model_fully_convolutional(&other, NULL, 0, 0) < 0 &&
          cnnlens_model_fully_convolutional(&other, model, -1, 0) < 0);
    CHECK(cnnlens_guided_grad_cam(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_fgsm(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_pgd(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_lbfgs_attack(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_deepfool(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_cw(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_fool(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_evolve_fool(NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_one_pixel(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_square(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_nes(NULL, NULL, NULL, NULL, NULL) < 0 && cnnlens_boundary(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_hop_skip_jump(NULL, NULL, NULL, NULL, NULL) < 0);
    CHECK(cnnlens_model_seeing_pictures(NULL, NULL, NULL, NULL) < 0);

    number = -1;
    CHECK(cnnlens_objective_logit(NULL, &number, 1) < 0 && cnnlens_objective_logit(&objective, NULL, 1) < 0);
    CHECK(cnnlens_objective_logit(&objective, &number, 1) < 0 && cnnlens_objective_logit(&objective, &number, 0) < 0);
    CHECK(cnnlens_objective_logit(&objective, &number, -5) < 0 && cnnlens_objective_top(NULL) < 0);
    CHECK(cnnlens_objective_probability(&objective, NULL, 1) < 0 &&
          cnnlens_objective_cross_entropy(&objective, NULL, 1) < 0);
    CHECK(cnnlens_objective_unit(&objective, NULL, 0, 0, 0) < 0 &&
          cnnlens_objective_unit(&objective, "x", -1, 0, 0) < 0);
    CHECK(cnnlens_objective_channel(&objective, NULL, 0) < 0 && cnnlens_objective_layer(&objective, NULL) < 0);
    CHECK(cnnlens_objective_direction(&objective, "x", NULL, 3) < 0 &&
          cnnlens_objective_direction(&objective, "x", &score, 0) < 0);
    CHECK(cnnlens_objective_group(&objective, "x", NULL) < 0 && cnnlens_objective_group(&objective, "x", &array) < 0);
    CHECK(cnnlens_objective_sum(&objective, NULL, NULL, 1) < 0 && cnnlens_objective_sum(&objective, NULL, NULL, 0) < 0);
    {
        const cnnlens_objective *none[1] = { NULL };
        CHECK(cnnlens_objective_sum(&objective, none, NULL, 1) < 0);
    }
    CHECK(objective == NULL && session == NULL && other == NULL && summary == NULL && name == NULL);
    CHECK(cnnlens_set_thread_count(-1) < 0 && cnnlens_set_thread_count(INT64_MAX) < 0);
    CHECK(cnnlens_set_precision(-1) < 0 && cnnlens_set_precision(3) < 0 &&
          cnnlens_precision() == CNNLENS_PRECISION_AUTOMATIC);
    CHECK(cnnlens_set_precision(CNNLENS_PRECISION_HIGH) == CNNLENS_OK && cnnlens_precision() == CNNLENS_PRECISION_HIGH);
    CHECK(cnnlens_set_precision(CNNLENS_PRECISION_AUTOMATIC) == CNNLENS_OK);
}

/* ---- calls */

typedef struct {
    const char *layers[1];
    cnnlens_array image, map, gradient;
    cnnlens_session *session;
} scene;

static int64_t count_of(const cnnlens_array *array)
{
    int64_t count = 1, axis;
    for (axis = 0; axis < array->rank; axis++)
        count *= array->shape[axis];
    return count;
}

static void fill(float *data, int64_t count)
{
    uint32_t state = 1;
    int64_t index;
    for (index = 0; index < count; index++) {
        state = state * 1664525u + 1013904223u;
        data[index] = (float)(state >> 8) / 16777216.0f;
    }
}

static void calls_write_into_the_callers_arrays(const cnnlens_model *model, scene *it)
{
    int64_t axis, target = -2, indices[2] = { -1, -1 };
    float score = NAN, probabilities[2] = { NAN, NAN };
    cnnlens_array shape = { NULL, 0, { 0 } };
    const char *logits[1] = { "logits" };

    memset(it, 0, sizeof *it);
    it->layers[0] = "input";
    CHECK(cnnlens_session_new(&it->session, model) == CNNLENS_OK);
    CHECK(cnnlens_session_image_count(it->session) < 0);
    CHECK(cnnlens_model_input_shape(&it->image, model, 0) == CNNLENS_OK && it->image.rank == 4);
    for (axis = 0; axis < 4; axis++)
        if (it->image.shape[axis] < 0)
            it->image.shape[axis] = axis >= 2 ? 32 : 1;
    it->gradient = it->image;
    it->image.data = malloc(sizeof(float) * (size_t)count_of(&it->image));
    it->gradient.data = malloc(sizeof(float) * (size_t)count_of(&it->image));
    fill(it->image.data, count_of(&it->image));
    it->map = it->image;
    it->map.rank = 3;
    it->map.shape[1] = it->image.shape[2];
    it->map.shape[2] = it->image.shape[3];
    it->map.data = malloc(sizeof(float) * (size_t)count_of(&it->map));

    CHECK(cnnlens_layer_shape(&shape, it->session, logits, 1, &it->image, 1) == CNNLENS_OK);
    CHECK(shape.rank >= 2 && shape.shape[0] == it->image.shape[0]);
    CHECK(cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, NULL, NULL) == CNNLENS_OK);
    CHECK(cnnlens_session_image_count(it->session) == 1);
    CHECK(cnnlens_session_scores(&score, 1, it->session) == CNNLENS_OK && isfinite(score));
    CHECK(cnnlens_session_targets(&target, 1, it->session) == CNNLENS_OK && target >= 0);
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_session_scores(&score, 2, it->session));
    CHECK(cnnlens_session_layer(it->session) == NULL);
    CHECK(cnnlens_saliency(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    {
        /* M = max over channels of |gradient| (Simonyan et al. 2013). */
        int64_t plane = it->map.shape[1] * it->map.shape[2], pixel, channel;
        int same = 1;
        for (pixel = 0; pixel < plane; pixel++) {
            float most = 0;
            for (channel = 0; channel < it->image.shape[1]; channel++)
                most = fmaxf(most, fabsf(it->gradient.data[channel * plane + pixel]));
            same &= most == it->map.data[pixel];
        }
        CHECK(same);
    }
    CHECK(cnnlens_predict(indices, probabilities, 2, it->session, &it->image) == CNNLENS_OK);
    CHECK(indices[0] == target && probabilities[0] >= probabilities[1] && probabilities[0] <= 1);
    CHECK(cnnlens_predict(indices, probabilities, 0, it->session, &it->image) < 0);
    CHECK(cnnlens_predict(indices, probabilities, 1000000, it->session, &it->image) < 0);
}

static void wrong_shapes_are_refused(scene *it)
{
    cnnlens_array odd = it->map;
    odd.shape[1] += 1;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_saliency(&odd, it->session, &it->image, NULL, NULL));
    odd = it->image;
    odd.shape[1] += 1;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_saliency(&it->map, it->session, &odd, NULL, NULL));
    odd = it->image;
    odd.shape[2] = -4;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_saliency(&it->map, it->session, &odd, NULL, NULL));
    odd.shape[2] = 0;
    CHECK(cnnlens_saliency(&it->map, it->session, &odd, NULL, NULL) < 0);
    odd.shape[2] = INT64_MAX;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_saliency(&it->map, it->session, &odd, NULL, NULL));
    odd.rank = 9;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_saliency(&it->map, it->session, &odd, NULL, NULL));
    odd.rank = -1;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_saliency(&it->map, it->session, &odd, NULL, NULL));
    odd = it->image;
    odd.data = NULL;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_saliency(&it->map, it->session, &odd, NULL, NULL));
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_saliency(&it->map, it->session, NULL, NULL, NULL));
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_saliency(NULL, it->session, &it->image, NULL, NULL));
}

static void misaligned_arrays_work(scene *it)
{
    size_t bytes = sizeof(float) * (size_t)count_of(&it->image);
    char *memory = malloc(bytes + 1), *result = malloc(bytes + 1);
    cnnlens_array image = it->image, gradient = it->gradient;
    memcpy(memory + 1, it->image.data, bytes);
    image.data = (float *)(void *)(memory + 1);
    gradient.data = (float *)(void *)(result + 1);
    CHECK(cnnlens_gradient(&gradient, it->session, it->layers, 1, &image, 1, NULL, NULL) == CNNLENS_OK);
    CHECK(memcmp(result + 1, it->gradient.data, bytes) == 0);
    free(memory);
    free(result);
}

static void options_of_both_ages_work(scene *it)
{
    struct {
        cnnlens_attribution_options known;
        int32_t unknown;
    } newer = { CNNLENS_ATTRIBUTION_OPTIONS_INIT, 0 };
    cnnlens_attribution_options options = CNNLENS_ATTRIBUTION_OPTIONS_INIT;
    cnnlens_cam_options cam = CNNLENS_CAM_OPTIONS_INIT;
    cnnlens_lrp_options lrp = CNNLENS_LRP_OPTIONS_INIT;
    cnnlens_gradient_options gradient = CNNLENS_GRADIENT_OPTIONS_INIT;

    /* An older program: its struct ends before a field that we know, which keeps its default. */
    options.struct_size = 4;
    options.reduction = 12345;
    CHECK(cnnlens_saliency(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    /* A newer program: fields we do not know are fine while they are 0. */
    newer.known.struct_size = sizeof newer;
    CHECK(cnnlens_saliency(&it->map, it->session, &it->image, NULL, &newer.known) == CNNLENS_OK);
    newer.unknown = 1;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_saliency(&it->map, it->session, &it->image, NULL, &newer.known));
    CHECK(strstr(cnnlens_last_error(), "does not know") != NULL);
    options.struct_size = 0;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_saliency(&it->map, it->session, &it->image, NULL, &options));
    options.struct_size = sizeof options;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_saliency(&it->map, it->session, &it->image, NULL, &options));
    gradient.rule = 99;
    FAILS_WITH(CNNLENS_EINVALID,
               cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, NULL, &gradient));
    cam.layer = "no such layer";
    FAILS_WITH(CNNLENS_ENOTFOUND, cnnlens_grad_cam(&it->map, it->session, &it->image, NULL, &cam));
    lrp.dense = CNNLENS_LRP_SAME;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_lrp(&it->map, it->session, &it->image, NULL, &lrp));
    CHECK(strstr(cnnlens_last_error(), "options.dense is 0") != NULL);
}

static int32_t stop(void *payload)
{
    ++*(int *)payload;
    return 1;
}

static int32_t call_again(void *payload)
{
    scene *it = payload;
    return cnnlens_saliency(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_EINVALID ? 1 : 0;
}

static void a_callback_can_stop(scene *it)
{
    int calls = 0;
    CHECK(cnnlens_session_set_interrupt(it->session, stop, &calls) == CNNLENS_OK);
    FAILS_WITH(CNNLENS_ECANCELLED, cnnlens_saliency(&it->map, it->session, &it->image, NULL, NULL));
    CHECK(calls == 1);
    /* A session in use refuses a second caller. */
    CHECK(cnnlens_session_set_interrupt(it->session, call_again, it) == CNNLENS_OK);
    FAILS_WITH(CNNLENS_ECANCELLED, cnnlens_saliency(&it->map, it->session, &it->image, NULL, NULL));
    CHECK(cnnlens_session_set_interrupt(it->session, NULL, NULL) == CNNLENS_OK);
    CHECK(cnnlens_saliency(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
}

static void relevance_says_what_is_missing(scene *it)
{
    float gap = 0, score = 0;
    CHECK(cnnlens_saliency(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    FAILS_WITH(CNNLENS_ENOTFOUND, cnnlens_session_gaps(&gap, 1, it->session));
    CHECK(cnnlens_lrp(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    CHECK(cnnlens_session_scores(&score, 1, it->session) == CNNLENS_OK);
    CHECK(cnnlens_session_gaps(&gap, 1, it->session) == CNNLENS_OK);
    double sum = 0;
    for (int64_t i = 0; i < count_of(&it->map); i++)
        sum += it->map.data[i];
    CHECK(sum + gap > score - 1e-3 && sum + gap < score + 1e-3);
}

static void cam_says_where_it_looked(scene *it)
{
    cnnlens_array native = { NULL, 0, { 0 } };
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_session_native(&native, it->session));
    CHECK(cnnlens_grad_cam(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    CHECK(cnnlens_session_layer(it->session) != NULL);
    CHECK(cnnlens_session_native(&native, it->session) == CNNLENS_OK && native.rank == 3);
    native.data = malloc(sizeof(float) * (size_t)count_of(&native));
    CHECK(cnnlens_session_native(&native, it->session) == CNNLENS_OK);
    free(native.data);
}

static int32_t count_steps(int64_t step, int64_t steps, float value, void *payload)
{
    int64_t *counts = payload;
    counts[0]++;
    counts[1] = step;
    return value != 0 || steps < step || counts[0] >= counts[2];
}

static void occlusion_checks_its_window_and_reports(scene *it)
{
    cnnlens_occlusion_options options = CNNLENS_OCCLUSION_OPTIONS_INIT;
    int64_t counts[3] = { 0, 0, 1000 }, side = it->image.shape[2];
    options.window[0] = options.window[1] = side / 2;
    options.stride[0] = options.stride[1] = side / 4;
    options.progress = count_steps;
    options.payload = counts;
    CHECK(cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(counts[0] > 0 && counts[1] >= 9 * it->image.shape[0]);
    counts[0] = 0, counts[2] = 1;
    FAILS_WITH(CNNLENS_ECANCELLED, cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options));
    options.progress = NULL;
    options.fill = CNNLENS_FILL_BLUR;
    CHECK(cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    options.exact = 1;
    CHECK(cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    options.exact = 2;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options));
    options.exact = 0;
    options.fill = 3;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options));
    options.fill = CNNLENS_FILL_MEAN;
    options.stride[1] = 0;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options));
    options.stride[1] = 1;
    options.window[0] = side + 1;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_occlusion(&it->map, it->session, &it->image, NULL, &options));
}

static void paths_report_and_say_what_is_missing(scene *it)
{
    cnnlens_path_options options = CNNLENS_PATH_OPTIONS_INIT;
    cnnlens_smoothgrad_options noisy = CNNLENS_SMOOTHGRAD_OPTIONS_INIT;
    int64_t counts[3] = { 0, 0, 1000 }, images = it->image.shape[0];
    float *gaps = malloc(sizeof(float) * (size_t)images);
    CHECK(cnnlens_saliency(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    FAILS_WITH(CNNLENS_ENOTFOUND, cnnlens_session_gaps(gaps, images, it->session));
    options.steps = noisy.samples = 3;
    options.progress = noisy.progress = count_steps;
    options.payload = noisy.payload = counts;
    CHECK(cnnlens_integrated_gradients(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(counts[1] == 3 * images);
    CHECK(cnnlens_session_gaps(gaps, images, it->session) == CNNLENS_OK);
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_session_gaps(gaps, images + 1, it->session));
    CHECK(cnnlens_conductance(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(cnnlens_internal_influence(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(cnnlens_layer_integrated_gradients(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(cnnlens_layer_grad_x_activation(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    CHECK(cnnlens_session_layer(it->session) != NULL);
    CHECK(cnnlens_fullgrad(&it->map, it->session, &it->image, NULL) == CNNLENS_OK);
    counts[0] = 0;
    CHECK(cnnlens_smoothgrad(&it->map, it->session, &it->image, NULL, &noisy) == CNNLENS_OK && counts[0] > 0);
    counts[0] = 0, counts[2] = 1;
    FAILS_WITH(CNNLENS_ECANCELLED, cnnlens_smoothgrad(&it->map, it->session, &it->image, NULL, &noisy));
    options.baseline = CNNLENS_FILL_PICTURE;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_integrated_gradients(&it->map, it->session, &it->image, NULL, &options));
    options.baseline = CNNLENS_FILL_VALUE, options.steps = -1;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_integrated_gradients(&it->map, it->session, &it->image, NULL, &options));
    options.steps = 3, options.rule = 9;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_integrated_gradients(&it->map, it->session, &it->image, NULL, &options));
    noisy.noise = -1;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_smoothgrad(&it->map, it->session, &it->image, NULL, &noisy));
    noisy.noise = 0, noisy.method = 99;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_smoothgrad(&it->map, it->session, &it->image, NULL, &noisy));
    free(gaps);
}

static void several_methods_share_a_pass(scene *it)
{
    int32_t methods[2] = { CNNLENS_METHOD_SALIENCY, CNNLENS_METHOD_GRAD_CAM };
    int64_t count = count_of(&it->map), index;
    cnnlens_array outs[2] = { it->map, it->map };
    int same = 1;
    outs[1].data = malloc(sizeof(float) * (size_t)count);
    CHECK(cnnlens_explain(outs, it->session, &it->image, NULL, methods, 2, NULL) == CNNLENS_OK);
    CHECK(cnnlens_session_select(it->session, 0) == CNNLENS_OK && !cnnlens_session_layer(it->session));
    CHECK(cnnlens_session_select(it->session, 1) == CNNLENS_OK && cnnlens_session_layer(it->session));
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_session_select(it->session, 2));
    CHECK(cnnlens_grad_cam(&it->map, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    for (index = 0; index < count; index++)
        same &= fabs(outs[1].data[index] - it->map.data[index]) <= 1e-5 * (1 + fabs(it->map.data[index]));
    CHECK(same);
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_explain(outs, it->session, &it->image, NULL, methods, 0, NULL));
    methods[0] = CNNLENS_METHOD_INTEGRATED_GRADIENTS;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_explain(outs, it->session, &it->image, NULL, methods, 2, NULL));
    free(outs[1].data);
}

/* Four quarters, and what a sum of them explains. */
static void segments_add_up(scene *it)
{
    cnnlens_segment_options options = CNNLENS_SEGMENT_OPTIONS_INIT;
    cnnlens_rise_options masks = CNNLENS_RISE_OPTIONS_INIT;
    int64_t h = it->image.shape[2], w = it->image.shape[3], n = it->image.shape[0], index, area = h * w;
    float *labels = malloc(sizeof(float) * (size_t)area), fit[64], score[32];
    cnnlens_array segments = { labels, 2, { h, w } }, model = { fit, 2, { n, 2 } };
    double sum;

    for (index = 0; index < area; index++)
        labels[index] = (float)(index / w * 2 / h * 2 + index % w * 2 / w);
    CHECK(n <= 32);
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_lime(&it->map, it->session, &it->image, NULL, &options));
    options.segments = &segments;
    options.model = &model;
    options.samples = 14;
    CHECK(cnnlens_kernel_shap(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(cnnlens_session_scores(score, n, it->session) == CNNLENS_OK);
    sum = it->map.data[0] + it->map.data[w - 1] + it->map.data[area - w] + it->map.data[area - 1];
    CHECK(fabs(sum - (score[0] - fit[0])) < 1e-3 * (1 + fabs(score[0])) && fit[1] <= 1);
    CHECK(cnnlens_feature_ablation(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    options.exact = -1;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_feature_ablation(&it->map, it->session, &it->image, NULL, &options));
    options.exact = 1;
    CHECK(cnnlens_feature_ablation(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(cnnlens_lime(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK && fit[1] <= 1);
    options.samples = 1;
    CHECK(cnnlens_shapley(&it->map, it->session, &it->image, NULL, &options) == CNNLENS_OK && isnan(fit[1]));
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_lime(&it->map, it->session, &it->image, NULL, &options));
    options.samples = INT64_MAX;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_shapley(&it->map, it->session, &it->image, NULL, &options));
    options.samples = 0;
    options.fill = CNNLENS_FILL_PICTURE;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_lime(&it->map, it->session, &it->image, NULL, &options));
    options.fill = CNNLENS_FILL_MEAN;
    model.shape[1] = 3;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_lime(&it->map, it->session, &it->image, NULL, &options));
    options.model = NULL;
    segments.shape[0] = h - 1;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_lime(&it->map, it->session, &it->image, NULL, &options));
    segments.shape[0] = h;
    labels[3] = NAN;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_lime(&it->map, it->session, &it->image, NULL, &options));
    masks.masks = 3;
    CHECK(cnnlens_rise(&it->map, it->session, &it->image, NULL, &masks) == CNNLENS_OK);
    masks.fill = CNNLENS_FILL_SEGMENT_MEAN;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_rise(&it->map, it->session, &it->image, NULL, &masks));
    free(labels);
}

/* What is hidden last is what is shown first, by the order turned round. */
static void curves_mirror_each_other(scene *it)
{
    enum { STEPS = 4 };
    cnnlens_curve_options options = CNNLENS_DELETION_OPTIONS_INIT;
    int64_t h = it->image.shape[2], w = it->image.shape[3], n = it->image.shape[0], index, area = h * w;
    float *order = malloc(sizeof(float) * (size_t)(n * area)), fractions[STEPS + 1], area_under[32];
    float hiding[32 * (STEPS + 1)], showing[32 * (STEPS + 1)], score[32];
    cnnlens_array map = { order, 3, { n, h, w } }, places = { fractions, 1, { STEPS + 1 } },
                  areas = { area_under, 1, { n } };
    cnnlens_array down = { hiding, 2, { n, STEPS + 1 } }, up = { showing, 2, { n, STEPS + 1 } };
    int same = 1;
    double sum = 0;

    CHECK(n <= 32);
    for (index = 0; index < n * area; index++)
        order[index] = (float)(index * 7919 % area);
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_deletion(&down, it->session, &it->image, NULL, &options));
    options.map = &map;
    options.steps = STEPS;
    options.fractions = &places;
    options.areas = &areas;
    CHECK(cnnlens_deletion(&down, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(cnnlens_session_scores(score, n, it->session) == CNNLENS_OK && score[0] == hiding[0]);
    CHECK(fractions[0] == 0 && fractions[STEPS] == 1);
    for (index = 0; index < STEPS; index++)
        sum += (fractions[index + 1] - fractions[index]) * ((double)hiding[index] + hiding[index + 1]) / 2;
    CHECK(fabs(sum - area_under[0]) <= 1e-5 * (1 + fabs(sum)));
    for (index = 0; index < n * area; index++)
        order[index] = -order[index];
    CHECK(cnnlens_insertion(&up, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    for (index = 0; index <= STEPS; index++)
        same &= hiding[index] == showing[STEPS - index];
    CHECK(area % STEPS == 0 && same);
    down.shape[1] = STEPS;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_deletion(&down, it->session, &it->image, NULL, &options));
    down.shape[1] = STEPS + 1;
    map.shape[1] = h - 1;
    FAILS_WITH(CNNLENS_ESHAPE, cnnlens_deletion(&down, it->session, &it->image, NULL, &options));
    map.shape[1] = h;
    order[1] = NAN;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_deletion(&down, it->session, &it->image, NULL, &options));
    order[1] = 0;
    options.steps = 0;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_deletion(&down, it->session, &it->image, NULL, &options));
    free(order);
}

static int is_within(const cnnlens_array *a, const cnnlens_array *b, double epsilon)
{
    int64_t index, count = count_of(a);
    int inside = 1;
    for (index = 0; index < count; index++)
        inside &=
            fabs((double)a->data[index] - b->data[index]) <= epsilon && a->data[index] >= 0 && a->data[index] <= 1;
    return inside;
}

static void attacks_stay_in_their_ball(scene *it)
{
    cnnlens_attack_goal goal = CNNLENS_ATTACK_GOAL_INIT;
    cnnlens_fgsm_options options = CNNLENS_FGSM_OPTIONS_INIT;
    cnnlens_pgd_options pgd = CNNLENS_PGD_OPTIONS_INIT;
    cnnlens_array several[2];
    const double sizes[2] = { 0, 8.0 / 255.0 };
    int64_t count = count_of(&it->image), label = 0, seen = -1;
    float *memory = malloc(sizeof(float) * (size_t)count);
    CHECK(cnnlens_fgsm(&it->gradient, it->session, &it->image, NULL, NULL) == CNNLENS_OK);
    CHECK(is_within(&it->gradient, &it->image, 8.0 / 255.0));
    CHECK(cnnlens_session_targets(&seen, 1, it->session) == CNNLENS_OK);
    several[0] = it->image;
    several[0].data = memory;
    several[1] = it->gradient;
    options.epsilons = sizes;
    options.epsilon_count = 2;
    CHECK(cnnlens_fgsm(several, it->session, &it->image, NULL, &options) == CNNLENS_OK);
    CHECK(memcmp(memory, it->image.data, sizeof(float) * (size_t)count) == 0);
    /* One step of projected gradients from the picture itself is the same. */
    pgd.steps = 1;
    pgd.random_start = 0;
    pgd.step = pgd.epsilon;
    CHECK(cnnlens_pgd(several, it->session, &it->image, NULL, &pgd) == CNNLENS_OK);
    CHECK(memcmp(memory, it->gradient.data, sizeof(float) * (size_t)count) == 0);
    pgd.step = 0;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_pgd(several, it->session, &it->image, NULL, &pgd));
    options.epsilons = NULL;
    options.epsilon = -1;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_fgsm(&it->gradient, it->session, &it->image, NULL, &options));
    options.epsilon = NAN;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_fgsm(&it->gradient, it->session, &it->image, NULL, &options));
    options.epsilon = 0;
    goal.is_targeted = 1;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_fgsm(&it->gradient, it->session, &it->image, &goal, &options));
    goal.labels = &label;
    goal.label_count = 1;
    label = seen;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_fgsm(&it->gradient, it->session, &it->image, &goal, &options));
    label = seen == 0 ? 1 : 0;
    CHECK(cnnlens_fgsm(&it->gradient, it->session, &it->image, &goal, &options) == CNNLENS_OK);
    CHECK(memcmp(it->gradient.data, it->image.data, sizeof(float) * (size_t)count) == 0);
    label = INT64_MAX;
    FAILS_WITH(CNNLENS_EINVALID, cnnlens_fgsm(&it->gradient, it->session, &it->image, &goal, &options));
    free(memory);
}

static void objectives_add_and_scale(scene *it)
{
    cnnlens_objective *logit = NULL, *sum = NULL, *wrong = NULL;
    const cnnlens_objective *terms[2];
    float weights[2] = { 3, -1 }, one = NAN, two = NAN;
    int64_t label = 0, far = 1000000;
    CHECK(cnnlens_objective_logit(&logit, &label, 1) == CNNLENS_OK);
    CHECK(cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, logit, NULL) == CNNLENS_OK);
    CHECK(cnnlens_session_scores(&one, 1, it->session) == CNNLENS_OK);
    terms[0] = terms[1] = logit;
    CHECK(cnnlens_objective_sum(&sum, terms, weights, 2) == CNNLENS_OK);
    cnnlens_objective_free(logit); /* the sum keeps what it needs */
    CHECK(cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, sum, NULL) == CNNLENS_OK);
    CHECK(cnnlens_session_scores(&two, 1, it->session) == CNNLENS_OK &&
          fabsf(two - 2 * one) <= 1e-4f * fabsf(one) + 1e-6f);
    CHECK(cnnlens_objective_logit(&wrong, &far, 1) == CNNLENS_OK);
    CHECK(cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, wrong, NULL) < 0);
    cnnlens_objective_free(wrong);
    CHECK(cnnlens_objective_unit(&wrong, "input", 99, 0, 0) == CNNLENS_OK);
    CHECK(cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, wrong, NULL) < 0);
    cnnlens_objective_free(wrong);
    CHECK(cnnlens_objective_unit(&wrong, "input", 0, INT64_MAX, 0) == CNNLENS_OK);
    CHECK(cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, wrong, NULL) < 0);
    cnnlens_objective_free(wrong);
    CHECK(cnnlens_objective_layer(&wrong, "no such layer") == CNNLENS_OK);
    FAILS_WITH(CNNLENS_ENOTFOUND,
               cnnlens_gradient(&it->gradient, it->session, it->layers, 1, &it->image, 1, wrong, NULL));
    cnnlens_objective_free(wrong);
    cnnlens_objective_free(sum);
}

static void summary_has_rows_and_totals(const cnnlens_model *model)
{
    cnnlens_summary *summary = NULL;
    cnnlens_summary_row row = CNNLENS_SUMMARY_ROW_INIT, total = CNNLENS_SUMMARY_ROW_INIT;
    int64_t index, parameters = 0;
    CHECK(cnnlens_summary_new(&summary, model, NULL, 0) == CNNLENS_OK);
    CHECK(cnnlens_summary_row_count(summary) > 0 && cnnlens_summary_text(summary) != NULL);
    for (index = 0; index < cnnlens_summary_row_count(summary); index++) {
        CHECK(cnnlens_summary_get_row(&row, summary, index) == CNNLENS_OK && row.name && row.kind);
        parameters += row.parameters;
    }
    CHECK(cnnlens_summary_get_row(&total, summary, -1) == CNNLENS_OK && total.parameters == parameters);
    CHECK(cnnlens_summary_get_row(&row, summary, index) < 0);
    row.struct_size = 0;
    CHECK(cnnlens_summary_get_row(&row, summary, 0) < 0);
    cnnlens_summary_free(summary);
}

int main(int argc, char **argv)
{
    cnnlens_model *model = NULL;
    scene it;
    if (argc != 2) {
        fprintf(stderr, "usage: abi_test MODEL.onnx\n");
        return 2;
    }
    CHECK(strcmp(cnnlens_last_error(), "") == 0);
    layout_is_pinned();
    statuses_are_pinned();
    null_is_freed_quietly();
    messages_are_per_thread();
    broken_bytes_are_a_model_error();
    if (cnnlens_model_open(&model, argv[1]) != CNNLENS_OK) {
        fprintf(stderr, "%s\n", cnnlens_last_error());
        return 1;
    }
    null_is_an_error_and_no_crash(model);
    summary_has_rows_and_totals(model);
    calls_write_into_the_callers_arrays(model, &it);
    cnnlens_model_free(model); /* the session keeps what it needs */
    wrong_shapes_are_refused(&it);
    misaligned_arrays_work(&it);
    options_of_both_ages_work(&it);
    a_callback_can_stop(&it);
    cam_says_where_it_looked(&it);
    relevance_says_what_is_missing(&it);
    occlusion_checks_its_window_and_reports(&it);
    paths_report_and_say_what_is_missing(&it);
    several_methods_share_a_pass(&it);
    segments_add_up(&it);
    curves_mirror_each_other(&it);
    attacks_stay_in_their_ball(&it);
    objectives_add_and_scale(&it);
    cnnlens_session_free(it.session);
    free(it.image.data);
    free(it.map.data);
    free(it.gradient.data);
    printf("abi_test: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
