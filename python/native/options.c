/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of the C interface from a dict of Python's: tables of fields that may be set by name.
 */
#include <string.h>

#include "native.h"

/* Calls a Python function between steps, without the GIL on entry; stops where it gives False or raises. */
int32_t native_report(int64_t step, int64_t steps, float value, void *payload)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *answer = PyErr_Occurred()
                           ? NULL
                           : PyObject_CallFunction(payload, "LLf", (long long)step, (long long)steps, (double)value);
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

static int set_real(void *place, native_kind kind, PyObject *value)
{
    double number = PyFloat_AsDouble(value);
    if (PyErr_Occurred())
        return -1;
    float narrow = (float)number;
    memcpy(place, kind == NATIVE_FLOAT ? (void *)&narrow : (void *)&number,
           kind == NATIVE_FLOAT ? sizeof narrow : sizeof number);
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

/* A pointer to numbers of eight bytes, and behind it how many there are. */
static int set_list(native_options *options, char *place, native_kind kind, PyObject *value, const char *name)
{
    if (value == Py_None)
        return 0;
    Py_ssize_t count = PySequence_Size(value);
    if (count < 0 || options->list_count == NATIVE_MAXIMUM_LISTS)
        return -1;
    char *numbers = PyMem_Calloc((size_t)count + 1, 8);
    if (!numbers) {
        PyErr_NoMemory();
        return -1;
    }
    options->lists[options->list_count++] = numbers;
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = PySequence_GetItem(value, index);
        int failed = !item || (kind == NATIVE_LONGS ? set_integer(numbers + index * 8, 8, item, name)
                                                    : set_real(numbers + index * 8, NATIVE_DOUBLE, item)) < 0;
        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    struct {
        const void *numbers;
        int64_t count;
    } list = { numbers, count };
    memcpy(place, &list, sizeof list);
    return 0;
}

static int set(native_options *options, const native_field *field, PyObject *value)
{
    char *place = options->bytes + field->offset;
    switch (field->kind) {
    case NATIVE_INT: return set_integer(place, 4, value, field->name);
    case NATIVE_LONG: return set_integer(place, 8, value, field->name);
    case NATIVE_DOUBLE:
    case NATIVE_FLOAT: return set_real(place, field->kind, value);
    case NATIVE_PAIR: return set_pair(place, value, field->name);
    case NATIVE_LONGS:
    case NATIVE_DOUBLES: return set_list(options, place, field->kind, value, field->name);
    case NATIVE_STRING: {
        const char *text = value == Py_None ? NULL : PyUnicode_AsUTF8AndSize(value, NULL);
        memcpy(place, &text, sizeof text);
        return PyErr_Occurred() ? -1 : 0;
    }
    case NATIVE_ARRAY: {
        if (value == Py_None)
            return 0;
        native_arrays *array = &options->arrays[options->array_count];
        if (options->array_count == NATIVE_MAXIMUM_ARRAYS || native_array_get(array, value, 0, field->name) < 0)
            return -1;
        options->array_count++;
        memcpy(place, &array->arrays, sizeof array->arrays);
        return 0;
    }
    case NATIVE_PROGRESS: {
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

int native_options_get(native_options *options, const char *name, const void *defaults, size_t size,
                       const native_field *fields, PyObject *given)
{
    memset(options, 0, sizeof *options);
    memcpy(options->bytes, defaults, size);
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(given, &position, &key, &value)) {
        const char *wanted = PyUnicode_AsUTF8AndSize(key, NULL);
        const native_field *field = fields;
        while (wanted && field->name && strcmp(field->name, wanted) != 0)
            field++;
        if (!wanted || !field->name) {
            if (wanted)
                native_invalid("%s has no option '%s'", name, wanted);
            return -1;
        }
        if (set(options, field, value) < 0)
            return -1;
    }
    return 0;
}

void native_options_release(native_options *options)
{
    while (options->array_count > 0)
        native_arrays_release(&options->arrays[--options->array_count]);
    while (options->list_count > 0)
        PyMem_Free(options->lists[--options->list_count]);
}
