/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures made by optimisation. Each call takes its options as a dict; a table says where each goes. A call gives
 * True, or False where it was stopped and the output holds the picture reached.
 */
#include <stddef.h>
#include <string.h>

#include "native.h"

typedef enum {
    INT,      /* int32_t */
    LONG,     /* int64_t or uint64_t */
    FLOAT,    /* float */
    DOUBLE,   /* double */
    COLOUR,   /* float[3] */
    FLOATS,   /* const float *, then int64_t */
    DOUBLES,  /* const double *, then int64_t */
    STRINGS,  /* const char *const *, then int64_t */
    BYTES,    /* const void *, then int64_t */
    ARRAY,    /* const cnnlens_array * */
    ARRAYS,   /* const cnnlens_array *, then int64_t */
    PROGRESS, /* cnnlens_progress, then void * */
} kind;

typedef struct {
    const char *name;
    kind kind;
    size_t offset;
} field;

#define FIELD(type, name, kind) { #name, kind, offsetof(type, name) }

enum { MOST_KEPT = 16 };

/* What the options point to. */
typedef struct {
    int count;
    struct {
        void *memory;
        native_arrays arrays;
        native_strings strings;
    } items[MOST_KEPT];
} kept;

static void release(kept *kept)
{
    while (kept->count > 0) {
        kept->count--;
        PyMem_Free(kept->items[kept->count].memory);
        native_arrays_release(&kept->items[kept->count].arrays);
        if (kept->items[kept->count].strings.owner)
            native_strings_release(&kept->items[kept->count].strings);
    }
}

/* Numbers of a sequence as float or double; NULL with an exception set. */
static void *numbers(PyObject *sequence, int is_double, Py_ssize_t *count)
{
    *count = PySequence_Size(sequence);
    if (*count < 0)
        return NULL;
    char *memory = PyMem_Calloc((size_t)*count + 1, sizeof(double));
    if (!memory) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t index = 0; index < *count && !PyErr_Occurred(); index++) {
        PyObject *item = PySequence_GetItem(sequence, index);
        double number = item ? PyFloat_AsDouble(item) : 0;
        float narrow = (float)number;
        Py_XDECREF(item);
        if (is_double)
            memcpy(memory + (size_t)index * sizeof number, &number, sizeof number);
        else
            memcpy(memory + (size_t)index * sizeof narrow, &narrow, sizeof narrow);
    }
    if (!PyErr_Occurred())
        return memory;
    PyMem_Free(memory);
    return NULL;
}

static void put_list(char *place, const void *pointer, Py_ssize_t count)
{
    int64_t wide = count;
    memcpy(place, &pointer, sizeof pointer);
    memcpy(place + sizeof pointer, &wide, sizeof wide);
}

static int set(kept *kept, char *place, const field *field, PyObject *value)
{
    if (value == Py_None)
        return 0;
    if (kept->count == MOST_KEPT)
        return -1;
    Py_ssize_t count = 0;
    switch (field->kind) {
    case INT:
    case LONG: {
        int overflow = 0;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        uint64_t wide = (uint64_t)number;
        if (overflow > 0 && field->kind == LONG)
            wide = PyLong_AsUnsignedLongLong(value); /* a seed */
        else if (overflow || (field->kind == INT && (number < INT32_MIN || number > INT32_MAX))) {
            native_invalid("%s is out of range", field->name);
            return -1;
        }
        int32_t narrow = (int32_t)number;
        memcpy(place, field->kind == INT ? (void *)&narrow : (void *)&wide, field->kind == INT ? 4 : 8);
        break;
    }
    case FLOAT: {
        float number = (float)PyFloat_AsDouble(value);
        memcpy(place, &number, sizeof number);
        break;
    }
    case DOUBLE: {
        double number = PyFloat_AsDouble(value);
        memcpy(place, &number, sizeof number);
        break;
    }
    case COLOUR: {
        float *list = numbers(value, 0, &count);
        if (list && count != 3)
            native_invalid("%s has %zd numbers; it needs 3", field->name, count);
        else if (list)
            memcpy(place, list, 3 * sizeof *list);
        PyMem_Free(list);
        break;
    }
    case FLOATS:
    case DOUBLES: {
        void *list = numbers(value, field->kind == DOUBLES, &count);
        if (list) {
            kept->items[kept->count++].memory = list;
            put_list(place, list, count);
        }
        break;
    }
    case STRINGS: {
        native_strings *strings = &kept->items[kept->count].strings;
        if (native_strings_get(strings, value) == 0) {
            kept->count++;
            put_list(place, strings->items, strings->count);
        }
        break;
    }
    case BYTES: {
        char *bytes;
        if (PyBytes_AsStringAndSize(value, &bytes, &count) == 0)
            put_list(place, bytes, count); /* the dict holds it */
        break;
    }
    case ARRAY:
    case ARRAYS: {
        native_arrays *arrays = &kept->items[kept->count].arrays;
        int failed = field->kind == ARRAY ? native_array_get(arrays, value, 0, field->name)
                                          : native_arrays_get(arrays, value, 0, field->name);
        if (failed)
            break;
        kept->count++;
        if (field->kind == ARRAYS)
            put_list(place, arrays->arrays, arrays->count);
        else
            memcpy(place, &arrays->arrays, sizeof arrays->arrays);
        break;
    }
    case PROGRESS: {
        struct {
            cnnlens_progress call;
            void *payload;
        } progress = { native_report, value };
        memcpy(place, &progress, sizeof progress);
        break;
    }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Lays the dict over `options`. What it points to lives until `release`. */
static int fill(kept *kept, void *options, const field *fields, PyObject *given)
{
    memset(kept, 0, sizeof *kept);
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(given, &position, &key, &value)) {
        const char *name = PyUnicode_AsUTF8AndSize(key, NULL);
        if (!name)
            return -1;
        const field *field = fields;
        while (field->name && strcmp(field->name, name) != 0)
            field++;
        if (!field->name) {
            native_invalid("there is no option '%s'", name);
            return -1;
        }
        if (set(kept, (char *)options + field->offset, field, value) < 0)
            return -1;
    }
    return 0;
}

/* Ctrl-C and progress stop a walk; the picture reached is its result. Any other exception stands. */
static PyObject *finish(cnnlens_status status)
{
    if (status == CNNLENS_OK)
        Py_RETURN_TRUE;
    if (status != CNNLENS_ECANCELLED || (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)))
        return native_fail(status);
    PyErr_Clear();
    Py_RETURN_FALSE;
}

/* ---- the calls */

static const field visualize_fields[] = {
    FIELD(cnnlens_visualize_options, parameterization, INT),
    FIELD(cnnlens_visualize_options, decorrelates, INT),
    FIELD(cnnlens_visualize_options, transforms, INT),
    FIELD(cnnlens_visualize_options, optimizer, INT),
    FIELD(cnnlens_visualize_options, redirected_steps, INT),
    FIELD(cnnlens_visualize_options, rate, FLOAT),
    FIELD(cnnlens_visualize_options, deviation, FLOAT),
    FIELD(cnnlens_visualize_options, steps, LONG),
    FIELD(cnnlens_visualize_options, seed, LONG),
    FIELD(cnnlens_visualize_options, checkpoint, BYTES),
    FIELD(cnnlens_visualize_options, progress, PROGRESS),
    { 0 },
};

/* visualize(out, objective, options) */
PyObject *native_visualize(PyObject *self, PyObject *args)
{
    PyObject *wanted, *goal, *dictionary, *result = NULL;
    cnnlens_objective *objective;
    if (!PyArg_ParseTuple(args, "OOO!", &wanted, &goal, &PyDict_Type, &dictionary) ||
        native_objective(&objective, goal) < 0)
        return NULL;
    cnnlens_visualize_options options = CNNLENS_VISUALIZE_OPTIONS_INIT;
    native_arrays out = { 0 };
    kept kept;
    if (fill(&kept, &options, visualize_fields, dictionary) == 0 &&
        native_array_get(&out, wanted, 1, "the output") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        Py_BEGIN_ALLOW_THREADS status = cnnlens_visualize(out.arrays, session, objective, &options);
        Py_END_ALLOW_THREADS result = finish(status);
    }
    release(&kept);
    native_arrays_release(&out);
    return result;
}

static const field class_model_fields[] = {
    FIELD(cnnlens_class_model_options, preset, INT),        FIELD(cnnlens_class_model_options, steps, LONG),
    FIELD(cnnlens_class_model_options, seed, LONG),         FIELD(cnnlens_class_model_options, rate, FLOAT),
    FIELD(cnnlens_class_model_options, penalty, FLOAT),     FIELD(cnnlens_class_model_options, center, COLOUR),
    FIELD(cnnlens_class_model_options, is_clamped, INT),    FIELD(cnnlens_class_model_options, low, FLOAT),
    FIELD(cnnlens_class_model_options, high, FLOAT),        FIELD(cnnlens_class_model_options, checkpoint, BYTES),
    FIELD(cnnlens_class_model_options, progress, PROGRESS), { 0 },
};

/* class_model(out, classes, options) */
PyObject *native_class_model(PyObject *self, PyObject *args)
{
    PyObject *wanted, *sequence, *dictionary, *result = NULL;
    if (!PyArg_ParseTuple(args, "OOO!", &wanted, &sequence, &PyDict_Type, &dictionary))
        return NULL;
    Py_ssize_t count = 0;
    int64_t *classes = native_integers(sequence, &count);
    if (!classes)
        return NULL;
    cnnlens_class_model_options options = CNNLENS_CLASS_MODEL_OPTIONS_INIT;
    native_arrays out = { 0 };
    kept kept;
    if (fill(&kept, &options, class_model_fields, dictionary) == 0 &&
        native_array_get(&out, wanted, 1, "the output") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        Py_BEGIN_ALLOW_THREADS status = cnnlens_class_model(out.arrays, session, classes, count, &options);
        Py_END_ALLOW_THREADS result = finish(status);
    }
    release(&kept);
    native_arrays_release(&out);
    PyMem_Free(classes);
    return result;
}

static const field invert_fields[] = {
    FIELD(cnnlens_invert_options, optimizer, INT),     FIELD(cnnlens_invert_options, steps, LONG),
    FIELD(cnnlens_invert_options, seed, LONG),         FIELD(cnnlens_invert_options, alpha, FLOAT),
    FIELD(cnnlens_invert_options, beta, FLOAT),        FIELD(cnnlens_invert_options, strength, FLOAT),
    FIELD(cnnlens_invert_options, rate, FLOAT),        FIELD(cnnlens_invert_options, center, COLOUR),
    FIELD(cnnlens_invert_options, deviation, FLOAT),   FIELD(cnnlens_invert_options, parameterization, INT),
    FIELD(cnnlens_invert_options, decorrelates, INT),  FIELD(cnnlens_invert_options, checkpoint, BYTES),
    FIELD(cnnlens_invert_options, progress, PROGRESS), { 0 },
};

/* invert(out, layer, code, options) */
PyObject *native_invert(PyObject *self, PyObject *args)
{
    PyObject *wanted, *given, *dictionary, *result = NULL;
    const char *layer;
    if (!PyArg_ParseTuple(args, "OsOO!", &wanted, &layer, &given, &PyDict_Type, &dictionary))
        return NULL;
    cnnlens_invert_options options = CNNLENS_INVERT_OPTIONS_INIT;
    native_arrays out = { 0 }, code = { 0 };
    kept kept;
    if (fill(&kept, &options, invert_fields, dictionary) == 0 && native_array_get(&out, wanted, 1, "the output") == 0 &&
        native_array_get(&code, given, 0, "the code") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        Py_BEGIN_ALLOW_THREADS status = cnnlens_invert(out.arrays, session, layer, code.arrays, &options);
        Py_END_ALLOW_THREADS result = finish(status);
    }
    release(&kept);
    native_arrays_release(&out);
    native_arrays_release(&code);
    return result;
}

static const field deepdream_fields[] = {
    FIELD(cnnlens_deepdream_options, octaves, INT),       FIELD(cnnlens_deepdream_options, steps, LONG),
    FIELD(cnnlens_deepdream_options, seed, LONG),         FIELD(cnnlens_deepdream_options, octave_scale, DOUBLE),
    FIELD(cnnlens_deepdream_options, step_size, FLOAT),   FIELD(cnnlens_deepdream_options, jitter, INT),
    FIELD(cnnlens_deepdream_options, is_clamped, INT),    FIELD(cnnlens_deepdream_options, low, FLOAT),
    FIELD(cnnlens_deepdream_options, high, FLOAT),        FIELD(cnnlens_deepdream_options, tile, INT),
    FIELD(cnnlens_deepdream_options, progress, PROGRESS), { 0 },
};

/* deepdream(out, image, objective, options) */
PyObject *native_deepdream(PyObject *self, PyObject *args)
{
    PyObject *wanted, *given, *goal, *dictionary, *result = NULL;
    cnnlens_objective *objective;
    if (!PyArg_ParseTuple(args, "OOOO!", &wanted, &given, &goal, &PyDict_Type, &dictionary) ||
        native_objective(&objective, goal) < 0)
        return NULL;
    cnnlens_deepdream_options options = CNNLENS_DEEPDREAM_OPTIONS_INIT;
    native_arrays out = { 0 }, image = { 0 };
    kept kept;
    if (fill(&kept, &options, deepdream_fields, dictionary) == 0 &&
        native_array_get(&out, wanted, 1, "the output") == 0 && native_array_get(&image, given, 0, "the image") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        Py_BEGIN_ALLOW_THREADS status = cnnlens_deepdream(out.arrays, session, image.arrays, objective, &options);
        Py_END_ALLOW_THREADS result = finish(status);
    }
    release(&kept);
    native_arrays_release(&out);
    native_arrays_release(&image);
    return result;
}

static const field style_transfer_fields[] = {
    FIELD(cnnlens_style_transfer_options, optimizer, INT),
    FIELD(cnnlens_style_transfer_options, steps, LONG),
    FIELD(cnnlens_style_transfer_options, seed, LONG),
    FIELD(cnnlens_style_transfer_options, content_weight, FLOAT),
    FIELD(cnnlens_style_transfer_options, style_weight, FLOAT),
    FIELD(cnnlens_style_transfer_options, tv_weight, FLOAT),
    FIELD(cnnlens_style_transfer_options, rate, FLOAT),
    FIELD(cnnlens_style_transfer_options, style_scale, DOUBLE),
    FIELD(cnnlens_style_transfer_options, unit, FLOAT),
    FIELD(cnnlens_style_transfer_options, deviation, FLOAT),
    FIELD(cnnlens_style_transfer_options, center, COLOUR),
    FIELD(cnnlens_style_transfer_options, memory, INT),
    FIELD(cnnlens_style_transfer_options, content_layers, STRINGS),
    FIELD(cnnlens_style_transfer_options, style_layers, STRINGS),
    FIELD(cnnlens_style_transfer_options, blend_weights, FLOATS),
    FIELD(cnnlens_style_transfer_options, masks, ARRAYS),
    FIELD(cnnlens_style_transfer_options, scales, DOUBLES),
    FIELD(cnnlens_style_transfer_options, start, ARRAY),
    FIELD(cnnlens_style_transfer_options, checkpoint, BYTES),
    FIELD(cnnlens_style_transfer_options, progress, PROGRESS),
    { 0 },
};

/* style_transfer(out, content or None, styles, options) */
PyObject *native_style_transfer(PyObject *self, PyObject *args)
{
    PyObject *wanted, *given, *pictures, *dictionary, *result = NULL;
    if (!PyArg_ParseTuple(args, "OOOO!", &wanted, &given, &pictures, &PyDict_Type, &dictionary))
        return NULL;
    cnnlens_style_transfer_options options = CNNLENS_STYLE_TRANSFER_OPTIONS_INIT;
    native_arrays out = { 0 }, content = { 0 }, styles = { 0 };
    kept kept;
    if (fill(&kept, &options, style_transfer_fields, dictionary) == 0 &&
        native_array_get(&out, wanted, 1, "the output") == 0 &&
        (given == Py_None || native_array_get(&content, given, 0, "the content") == 0) &&
        native_arrays_get(&styles, pictures, 0, "a style") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        Py_BEGIN_ALLOW_THREADS status = cnnlens_style_transfer(
            out.arrays, session, given == Py_None ? NULL : content.arrays, styles.arrays, styles.count, &options);
        Py_END_ALLOW_THREADS result = finish(status);
    }
    release(&kept);
    native_arrays_release(&out);
    native_arrays_release(&content);
    native_arrays_release(&styles);
    return result;
}

/* ---- what the last of them left behind */

/* history() -> bytes of float32, one for each step */
PyObject *native_history(PyObject *self, PyObject *args)
{
    (void)args;
    const cnnlens_session *session = native_session(self);
    int64_t count = cnnlens_session_history_count(session);
    if (count < 0)
        return native_fail((cnnlens_status)count);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count * 4);
    if (!bytes)
        return NULL;
    cnnlens_status status = cnnlens_session_history((float *)(void *)PyBytes_AsString(bytes), count, session);
    if (status == CNNLENS_OK)
        return bytes;
    Py_DECREF(bytes);
    return native_fail(status);
}

/* checkpoint() -> bytes */
PyObject *native_checkpoint(PyObject *self, PyObject *args)
{
    (void)args;
    const cnnlens_session *session = native_session(self);
    int64_t count = cnnlens_session_checkpoint_count(session);
    if (count < 0)
        return native_fail((cnnlens_status)count);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);
    if (!bytes)
        return NULL;
    cnnlens_status status = cnnlens_session_checkpoint(PyBytes_AsString(bytes), count, session);
    if (status == CNNLENS_OK)
        return bytes;
    Py_DECREF(bytes);
    return native_fail(status);
}
