/* SPDX-License-Identifier: Apache-2.0
 *
 * Attribution methods all have one form: (out, session, image, objective, options). This file is the table of them:
 * a method, its options, and the fields of those options that Python may set by name.
 */
#include <stddef.h>
#include <string.h>

#include "native.h"

typedef enum { INT, LONG, DOUBLE, FLOAT, STRING, PAIR, ARRAY, PROGRESS } kind;

typedef struct {
    const char *name;
    kind kind;
    size_t offset;
} field;

typedef struct {
    const char *name;
    cnnlens_status (*call)(cnnlens_array *, cnnlens_session *, const cnnlens_array *, const cnnlens_objective *,
                           const void *);
    const void *defaults;
    size_t size;
    const field *fields; /* ends with a field without a name */
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

METHOD(smoothgrad, cnnlens_smoothgrad_options, CNNLENS_SMOOTHGRAD_OPTIONS_INIT)
METHOD(integrated_gradients, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(layer_grad_x_activation, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(layer_integrated_gradients, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(internal_influence, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)
METHOD(conductance, cnnlens_path_options, CNNLENS_PATH_OPTIONS_INIT)

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

static const field no_fields[] = { { 0 } };

static const field attribution_fields[] = {
    { "reduction", INT, offsetof(cnnlens_attribution_options, reduction) },
    { 0 },
};

static const field cam_fields[] = {
    { "layer", STRING, offsetof(cnnlens_cam_options, layer) },
    { "keeps_positive", INT, offsetof(cnnlens_cam_options, keeps_positive) },
    { "upsample", INT, offsetof(cnnlens_cam_options, upsample) },
    { "variant", INT, offsetof(cnnlens_cam_options, variant) },
    { "progress", PROGRESS, offsetof(cnnlens_cam_options, progress) },
    { 0 },
};

static const field occlusion_fields[] = {
    { "fill", INT, offsetof(cnnlens_occlusion_options, fill) },
    { "value", FLOAT, offsetof(cnnlens_occlusion_options, value) },
    { "window", PAIR, offsetof(cnnlens_occlusion_options, window) },
    { "stride", PAIR, offsetof(cnnlens_occlusion_options, stride) },
    { "progress", PROGRESS, offsetof(cnnlens_occlusion_options, progress) },
    { 0 },
};

static const field smoothgrad_fields[] = {
    { "method", INT, offsetof(cnnlens_smoothgrad_options, method) },
    { "samples", LONG, offsetof(cnnlens_smoothgrad_options, samples) },
    { "seed", LONG, offsetof(cnnlens_smoothgrad_options, seed) },
    { "noise", DOUBLE, offsetof(cnnlens_smoothgrad_options, noise) },
    { "summary", INT, offsetof(cnnlens_smoothgrad_options, summary) },
    { "reduction", INT, offsetof(cnnlens_smoothgrad_options, reduction) },
    { "layer", STRING, offsetof(cnnlens_smoothgrad_options, layer) },
    { "progress", PROGRESS, offsetof(cnnlens_smoothgrad_options, progress) },
    { 0 },
};

static const field path_fields[] = {
    { "rule", INT, offsetof(cnnlens_path_options, rule) },
    { "steps", LONG, offsetof(cnnlens_path_options, steps) },
    { "baseline", INT, offsetof(cnnlens_path_options, baseline) },
    { "value", FLOAT, offsetof(cnnlens_path_options, value) },
    { "picture", ARRAY, offsetof(cnnlens_path_options, picture) },
    { "layer", STRING, offsetof(cnnlens_path_options, layer) },
    { "reduction", INT, offsetof(cnnlens_path_options, reduction) },
    { "progress", PROGRESS, offsetof(cnnlens_path_options, progress) },
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
    ENTRY(smoothgrad, smoothgrad_fields),
    ENTRY(integrated_gradients, path_fields),
    ENTRY(layer_grad_x_activation, path_fields),
    ENTRY(layer_integrated_gradients, path_fields),
    ENTRY(internal_influence, path_fields),
    ENTRY(conductance, path_fields),
    ENTRY(fullgrad, no_fields),
};

static const method *find_method(const char *name)
{
    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++)
        if (strcmp(methods[index].name, name) == 0)
            return &methods[index];
    native_invalid("no attribution method '%s'", name);
    return NULL;
}

/* ---- options from a dict */

enum { MAXIMUM_ARRAYS = 4, MAXIMUM_SIZE = 256 };

typedef struct {
    _Alignas(16) char bytes[MAXIMUM_SIZE];
    native_arrays arrays[MAXIMUM_ARRAYS];
    int array_count;
} options;

static void release(options *options)
{
    while (options->array_count > 0)
        native_arrays_release(&options->arrays[--options->array_count]);
}

/* Calls a Python function between steps, without the GIL on entry; stops where it gives False or raises. */
int32_t native_report(int64_t step, int64_t steps, float value, void *payload)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *answer = PyObject_CallFunction(payload, "LLf", (long long)step, (long long)steps, (double)value);
    int32_t stops = !answer || answer == Py_False;
    Py_XDECREF(answer);
    PyGILState_Release(state);
    return stops;
}

static int set_integer(void *place, size_t size, PyObject *value, const char *name)
{
    long long number = PyLong_AsLongLong(value);
    if (PyErr_Occurred())
        return -1;
    if (size == sizeof(int32_t) && (number < INT32_MIN || number > INT32_MAX)) {
        native_invalid("%s is %lld, which is out of range", name, number);
        return -1;
    }
    int32_t narrow = (int32_t)number;
    int64_t wide = number;
    memcpy(place, size == sizeof narrow ? (void *)&narrow : (void *)&wide, size);
    return 0;
}

static int set_real(void *place, kind kind, PyObject *value)
{
    double number = PyFloat_AsDouble(value);
    if (PyErr_Occurred())
        return -1;
    float narrow = (float)number;
    memcpy(place, kind == FLOAT ? (void *)&narrow : (void *)&number, kind == FLOAT ? sizeof narrow : sizeof number);
    return 0;
}

static int set_pair(char *place, PyObject *value, const char *name)
{
    for (Py_ssize_t index = 0; index < 2; index++) {
        PyObject *item = PySequence_GetItem(value, index);
        int failed = !item || set_integer(place + index * 8, 8, item, name) < 0;
        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    return 0;
}

static int set(options *options, const field *field, PyObject *value)
{
    char *place = options->bytes + field->offset;
    switch (field->kind) {
    case INT: return set_integer(place, 4, value, field->name);
    case LONG: return set_integer(place, 8, value, field->name);
    case DOUBLE:
    case FLOAT: return set_real(place, field->kind, value);
    case PAIR: return set_pair(place, value, field->name);
    case STRING: {
        const char *text = value == Py_None ? NULL : PyUnicode_AsUTF8AndSize(value, NULL);
        memcpy(place, &text, sizeof text);
        return PyErr_Occurred() ? -1 : 0;
    }
    case ARRAY: {
        if (value == Py_None)
            return 0;
        native_arrays *array = &options->arrays[options->array_count];
        if (options->array_count == MAXIMUM_ARRAYS || native_array_get(array, value, 0, field->name) < 0)
            return -1;
        options->array_count++;
        memcpy(place, &array->arrays, sizeof array->arrays);
        return 0;
    }
    case PROGRESS: {
        if (value == Py_None)
            return 0;
        struct {
            cnnlens_progress call;
            void *payload;
        } progress = { native_report, value };
        memcpy(place, &progress, sizeof progress);
        return 0;
    }
    }
    return 0;
}

static int fill(options *options, const method *method, PyObject *given)
{
    memset(options, 0, sizeof *options);
    memcpy(options->bytes, method->defaults, method->size);
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(given, &position, &key, &value)) {
        const char *name = PyUnicode_AsUTF8AndSize(key, NULL);
        const field *field = method->fields;
        while (name && field->name && strcmp(field->name, name) != 0)
            field++;
        if (!name || !field->name) {
            if (name)
                native_invalid("%s has no option '%s'", method->name, name);
            return -1;
        }
        if (set(options, field, value) < 0)
            return -1;
    }
    return 0;
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
    options options;
    native_arrays image = { 0 }, out = { 0 };
    if (fill(&options, method, dictionary) == 0 && native_array_get(&image, given, 0, "the image") == 0 &&
        native_array_get(&out, wanted, 1, "the output") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        Py_BEGIN_ALLOW_THREADS status = method->call(out.arrays, session, image.arrays, objective, options.bytes);
        Py_END_ALLOW_THREADS if (status == CNNLENS_OK) result = Py_NewRef(Py_None);
        else native_fail(status);
    }
    release(&options);
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
