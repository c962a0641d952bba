/* SPDX-License-Identifier: Apache-2.0
 *
 * Attribution methods, and what measures their maps, all have one form: (out, session, image, objective, options). This
 * file is the table of them: a method, its options, and the fields of those options that Python may set by name.
 */
#include <stddef.h>
#include <string.h>

#include "native.h"

typedef struct {
    const char *name;
    cnnlens_status (*call)(cnnlens_array *, cnnlens_session *, const cnnlens_array *, const cnnlens_objective *,
                           const void *);
    const void *defaults;
    size_t size;
    const native_field *fields; /* ends with a field without a name */
} method;

/* The function with its options behind a pointer without a type, and the options that it starts from. */
#define METHOD(name, options, initial)                                                                                 \
    static const options name##_defaults = initial;                                                                    \
    static cnnlens_status call_##name(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,        \
                                      const cnnlens_objective *objective, const void *given)                           \
    {                                                                                                                  \
        return cnnlens_##name(out, session, image, objective, given);                                                  \
    }

#define ENTRY(name, fields) { #name, call_##name, &name##_defaults, sizeof name##_defaults, fields }

/* ---- the methods */

METHOD(saliency, cnnlens_attribution_options, CNNLENS_ATTRIBUTION_OPTIONS_INIT)
METHOD(grad_x_input, cnnlens_attribution_options, CNNLENS_ATTRIBUTION_OPTIONS_INIT)
METHOD(guided_backprop, cnnlens_attribution_options, CNNLENS_ATTRIBUTION_OPTIONS_INIT)
METHOD(deconvnet, cnnlens_attribution_options, CNNLENS_ATTRIBUTION_OPTIONS_INIT)
METHOD(grad_cam, cnnlens_cam_options, CNNLENS_CAM_OPTIONS_INIT)
METHOD(guided_grad_cam, cnnlens_cam_options, CNNLENS_CAM_OPTIONS_INIT)
METHOD(occlusion, cnnlens_occlusion_options, CNNLENS_OCCLUSION_OPTIONS_INIT)
METHOD(rise, cnnlens_rise_options, CNNLENS_RISE_OPTIONS_INIT)
METHOD(feature_ablation, cnnlens_segment_options, CNNLENS_SEGMENT_OPTIONS_INIT)
METHOD(lime, cnnlens_segment_options, CNNLENS_SEGMENT_OPTIONS_INIT)
METHOD(kernel_shap, cnnlens_segment_options, CNNLENS_SEGMENT_OPTIONS_INIT)
METHOD(shapley, cnnlens_segment_options, CNNLENS_SEGMENT_OPTIONS_INIT)

METHOD(smoothgrad, cnnlens_smoothgrad_options, CNNLENS_SMOOTHGRAD_OPTIONS_INIT)
METHOD(integrated_gradients, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(layer_grad_x_activation, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(layer_integrated_gradients, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(internal_influence, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(conductance, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(deletion, cnnlens_curve_options, CNNLENS_DELETION_OPTIONS_INIT)
METHOD(insertion, cnnlens_curve_options, CNNLENS_INSERTION_OPTIONS_INIT)
METHOD(lrp, cnnlens_lrp_options, CNNLENS_LRP_OPTIONS_INIT)

/* Methods without options. */
#define PLAIN_METHOD(name)                                                                                             \
    static const char name##_defaults = 0;                                                                             \
    static cnnlens_status call_##name(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,        \
                                      const cnnlens_objective *objective, const void *given)                           \
    {                                                                                                                  \
        (void)given;                                                                                                   \
        return cnnlens_##name(out, session, image, objective);                                                         \
    }

PLAIN_METHOD(cam)
PLAIN_METHOD(fullgrad)

static const native_field no_fields[] = { { 0 } };

static const native_field attribution_fields[] = {
    { "reduction", NATIVE_INT, offsetof(cnnlens_attribution_options, reduction) },
    { 0 },
};

static const native_field cam_fields[] = {
    { "layer", NATIVE_STRING, offsetof(cnnlens_cam_options, layer) },
    { "keeps_positive", NATIVE_INT, offsetof(cnnlens_cam_options, keeps_positive) },
    { "upsample", NATIVE_INT, offsetof(cnnlens_cam_options, upsample) },
    { "variant", NATIVE_INT, offsetof(cnnlens_cam_options, variant) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_cam_options, progress) },
    { 0 },
};

static const native_field occlusion_fields[] = {
    { "fill", NATIVE_INT, offsetof(cnnlens_occlusion_options, fill) },
    { "value", NATIVE_FLOAT, offsetof(cnnlens_occlusion_options, value) },
    { "exact", NATIVE_INT, offsetof(cnnlens_occlusion_options, exact) },
    { "window", NATIVE_PAIR, offsetof(cnnlens_occlusion_options, window) },
    { "stride", NATIVE_PAIR, offsetof(cnnlens_occlusion_options, stride) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_occlusion_options, progress) },
    { 0 },
};

static const native_field rise_fields[] = {
    { "fill", NATIVE_INT, offsetof(cnnlens_rise_options, fill) },
    { "masks", NATIVE_LONG, offsetof(cnnlens_rise_options, masks) },
    { "cells", NATIVE_LONG, offsetof(cnnlens_rise_options, cells) },
    { "p", NATIVE_DOUBLE, offsetof(cnnlens_rise_options, p) },
    { "seed", NATIVE_LONG, offsetof(cnnlens_rise_options, seed) },
    { "picture", NATIVE_ARRAY, offsetof(cnnlens_rise_options, picture) },
    { "value", NATIVE_FLOAT, offsetof(cnnlens_rise_options, value) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_rise_options, progress) },
    { 0 },
};

static const native_field segment_fields[] = {
    { "fill", NATIVE_INT, offsetof(cnnlens_segment_options, fill) },
    { "segments", NATIVE_ARRAY, offsetof(cnnlens_segment_options, segments) },
    { "picture", NATIVE_ARRAY, offsetof(cnnlens_segment_options, picture) },
    { "model", NATIVE_ARRAY, offsetof(cnnlens_segment_options, model) }, /* written */
    { "samples", NATIVE_LONG, offsetof(cnnlens_segment_options, samples) },
    { "seed", NATIVE_LONG, offsetof(cnnlens_segment_options, seed) },
    { "kernel_width", NATIVE_DOUBLE, offsetof(cnnlens_segment_options, kernel_width) },
    { "ridge", NATIVE_DOUBLE, offsetof(cnnlens_segment_options, ridge) },
    { "value", NATIVE_FLOAT, offsetof(cnnlens_segment_options, value) },
    { "exact", NATIVE_INT, offsetof(cnnlens_segment_options, exact) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_segment_options, progress) },
    { 0 },
};

static const native_field smoothgrad_fields[] = {
    { "method", NATIVE_INT, offsetof(cnnlens_smoothgrad_options, method) },
    { "samples", NATIVE_LONG, offsetof(cnnlens_smoothgrad_options, samples) },
    { "seed", NATIVE_LONG, offsetof(cnnlens_smoothgrad_options, seed) },
    { "noise", NATIVE_DOUBLE, offsetof(cnnlens_smoothgrad_options, noise) },
    { "summary", NATIVE_INT, offsetof(cnnlens_smoothgrad_options, summary) },
    { "reduction", NATIVE_INT, offsetof(cnnlens_smoothgrad_options, reduction) },
    { "layer", NATIVE_STRING, offsetof(cnnlens_smoothgrad_options, layer) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_smoothgrad_options, progress) },
    { 0 },
};

static const native_field path_fields[] = {
    { "rule", NATIVE_INT, offsetof(cnnlens_path_options, rule) },
    { "steps", NATIVE_LONG, offsetof(cnnlens_path_options, steps) },
    { "baseline", NATIVE_INT, offsetof(cnnlens_path_options, baseline) },
    { "value", NATIVE_FLOAT, offsetof(cnnlens_path_options, value) },
    { "picture", NATIVE_ARRAY, offsetof(cnnlens_path_options, picture) },
    { "layer", NATIVE_STRING, offsetof(cnnlens_path_options, layer) },
    { "reduction", NATIVE_INT, offsetof(cnnlens_path_options, reduction) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_path_options, progress) },
    { 0 },
};

static const native_field lrp_fields[] = {
    { "convolution", NATIVE_INT, offsetof(cnnlens_lrp_options, convolution) },
    { "dense", NATIVE_INT, offsetof(cnnlens_lrp_options, dense) },
    { "first", NATIVE_INT, offsetof(cnnlens_lrp_options, first) },
    { "epsilon", NATIVE_FLOAT, offsetof(cnnlens_lrp_options, epsilon) },
    { "gamma", NATIVE_FLOAT, offsetof(cnnlens_lrp_options, gamma) },
    { "alpha", NATIVE_FLOAT, offsetof(cnnlens_lrp_options, alpha) },
    { "counts_biases", NATIVE_INT, offsetof(cnnlens_lrp_options, counts_biases) },
    { "low", NATIVE_ARRAY, offsetof(cnnlens_lrp_options, low) },
    { "high", NATIVE_ARRAY, offsetof(cnnlens_lrp_options, high) },
    { "reduction", NATIVE_INT, offsetof(cnnlens_lrp_options, reduction) },
    { 0 },
};

static const native_field curve_fields[] = {
    { "fill", NATIVE_INT, offsetof(cnnlens_curve_options, fill) },
    { "map", NATIVE_ARRAY, offsetof(cnnlens_curve_options, map) },
    { "steps", NATIVE_LONG, offsetof(cnnlens_curve_options, steps) },
    { "picture", NATIVE_ARRAY, offsetof(cnnlens_curve_options, picture) },
    { "fractions", NATIVE_ARRAY, offsetof(cnnlens_curve_options, fractions) }, /* written */
    { "value", NATIVE_FLOAT, offsetof(cnnlens_curve_options, value) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_curve_options, progress) },
    { 0 },
};

static const method methods[] = {
    ENTRY(saliency, attribution_fields),
    ENTRY(grad_x_input, attribution_fields),
    ENTRY(guided_backprop, attribution_fields),
    ENTRY(deconvnet, attribution_fields),
    ENTRY(cam, no_fields),
    ENTRY(grad_cam, cam_fields),
    ENTRY(guided_grad_cam, cam_fields),
    ENTRY(occlusion, occlusion_fields),
    ENTRY(rise, rise_fields),
    ENTRY(feature_ablation, segment_fields),
    ENTRY(lime, segment_fields),
    ENTRY(kernel_shap, segment_fields),
    ENTRY(shapley, segment_fields),
    ENTRY(smoothgrad, smoothgrad_fields),
    ENTRY(integrated_gradients, path_fields),
    ENTRY(layer_grad_x_activation, path_fields),
    ENTRY(layer_integrated_gradients, path_fields),
    ENTRY(internal_influence, path_fields),
    ENTRY(conductance, path_fields),
    ENTRY(fullgrad, no_fields),
    ENTRY(lrp, lrp_fields),
    ENTRY(deletion, curve_fields),
    ENTRY(insertion, curve_fields),
};

static const method *find_method(const char *name)
{
    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++)
        if (strcmp(methods[index].name, name) == 0)
            return &methods[index];
    native_invalid("no attribution method '%s'", name);
    return NULL;
}

/* ---- the call */

/* attribute(method, image, out, objective or None, {option: value}) */
PyObject *native_attribute(PyObject *self, PyObject *args)
{
    const char *name;
    PyObject *given, *wanted, *goal, *dictionary, *result = NULL;
    cnnlens_objective *objective;
    if (!PyArg_ParseTuple(args, "sOOOO!", &name, &given, &wanted, &goal, &PyDict_Type, &dictionary) ||
        native_objective(&objective, goal) < 0)
        return NULL;
    const method *method = find_method(name);
    if (!method)
        return NULL;
    native_options options = { 0 };
    native_arrays image = { 0 }, out = { 0 };
    if (native_options_get(&options, method->name, method->defaults, method->size, method->fields, dictionary) == 0 &&
        native_array_get(&image, given, 0, "the image") == 0 && native_array_get(&out, wanted, 1, "the output") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        Py_BEGIN_ALLOW_THREADS status = method->call(out.arrays, session, image.arrays, objective, options.bytes);
        Py_END_ALLOW_THREADS if (status == CNNLENS_OK) result = Py_NewRef(Py_None);
        else native_fail(status);
    }
    native_options_release(&options);
    native_arrays_release(&image);
    native_arrays_release(&out);
    return result;
}

/* explain([method numbers], image, [outs], objective or None, layer or None) */
PyObject *native_explain(PyObject *self, PyObject *args)
{
    PyObject *sequence, *given, *wanted, *goal, *result = NULL;
    const char *layer;
    cnnlens_objective *objective;
    if (!PyArg_ParseTuple(args, "OOOOz", &sequence, &given, &wanted, &goal, &layer) ||
        native_objective(&objective, goal) < 0)
        return NULL;
    Py_ssize_t count = 0;
    int64_t *numbers = native_integers(sequence, &count);
    int32_t *methods = PyMem_Calloc((size_t)count + 1, sizeof *methods);
    native_arrays image = { 0 }, outs = { 0 };
    if (!numbers || !methods) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
    } else if (native_array_get(&image, given, 0, "the image") == 0 &&
               native_arrays_get(&outs, wanted, 1, "the output") == 0) {
        for (Py_ssize_t index = 0; index < count; index++)
            methods[index] = (int32_t)numbers[index];
        cnnlens_session *session = native_session(self);
        cnnlens_status status = CNNLENS_EINVALID;
        if (outs.count != count) {
            native_invalid("%zd methods but %zd outputs", count, outs.count);
        } else {
            Py_BEGIN_ALLOW_THREADS status =
                cnnlens_explain(outs.arrays, session, image.arrays, objective, methods, count, layer);
            Py_END_ALLOW_THREADS result = status == CNNLENS_OK ? Py_NewRef(Py_None) : native_fail(status);
        }
    }
    PyMem_Free(numbers);
    PyMem_Free(methods);
    native_arrays_release(&image);
    native_arrays_release(&outs);
    return result;
}

/* select(index): what seen() and native_map() give is that of one method of the last explain() */
PyObject *native_select(PyObject *self, PyObject *args)
{
    long long index;
    if (!PyArg_ParseTuple(args, "L", &index))
        return NULL;
    cnnlens_status status = cnnlens_session_select(native_session(self), index);
    return status == CNNLENS_OK ? Py_NewRef(Py_None) : native_fail(status);
}
