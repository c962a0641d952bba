/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "native.h"

static int is_float32(const Py_buffer *view)
{
    const char *format = view->format ? view->format : "B";
    if (*format == '=' || *format == '@' || *format == '<')
        format++;
    return strcmp(format, "f") == 0 && view->itemsize == 4;
}

static int get(Py_buffer *view, cnnlens_array *array, PyObject *object, int is_writable, const char *name)
{
    if (PyObject_GetBuffer(object, view, PyBUF_ND | PyBUF_FORMAT | PyBUF_STRIDES) < 0)
        return -1;
    const char *fault = NULL;
    if (!is_float32(view))
        fault = "is not float32";
    else if (!PyBuffer_IsContiguous(view, 'C'))
        fault = "is not C-contiguous";
    else if (is_writable && view->readonly)
        fault = "is read-only";
    else if (view->ndim > CNNLENS_MAX_RANK)
        fault = "has more than 8 dimensions";
    if (fault) {
        PyBuffer_Release(view);
        native_invalid("%s %s", name, fault);
        return -1;
    }
    array->data = view->buf;
    array->rank = view->ndim;
    for (int axis = 0; axis < view->ndim; axis++)
        array->shape[axis] = view->shape[axis];
    return 0;
}

static int allocate(native_arrays *result, Py_ssize_t count)
{
    memset(result, 0, sizeof *result);
    result->views = PyMem_Calloc((size_t)count + 1, sizeof *result->views);
    result->arrays = PyMem_Calloc((size_t)count + 1, sizeof *result->arrays);
    if (result->views && result->arrays)
        return 0;
    native_arrays_release(result);
    PyErr_NoMemory();
    return -1;
}

int native_arrays_get(native_arrays *result, PyObject *sequence, int is_writable, const char *name)
{
    Py_ssize_t count = PySequence_Size(sequence);
    if (count < 0 || allocate(result, count) < 0)
        return -1;
    for (; result->count < count; result->count++) {
        Py_ssize_t index = result->count;
        PyObject *item = PySequence_GetItem(sequence, index);
        int failed = !item || get(&result->views[index], &result->arrays[index], item, is_writable, name) < 0;
        Py_XDECREF(item); /* the view holds its own reference */
        if (failed) {
            native_arrays_release(result);
            return -1;
        }
    }
    return 0;
}

int native_array_get(native_arrays *result, PyObject *object, int is_writable, const char *name)
{
    if (allocate(result, 1) < 0)
        return -1;
    if (get(result->views, result->arrays, object, is_writable, name) < 0) {
        native_arrays_release(result);
        return -1;
    }
    result->count = 1;
    return 0;
}

void native_arrays_release(native_arrays *arrays)
{
    for (Py_ssize_t index = 0; index < arrays->count; index++)
        if (arrays->views[index].obj)
            PyBuffer_Release(&arrays->views[index]);
    PyMem_Free(arrays->views);
    PyMem_Free(arrays->arrays);
    memset(arrays, 0, sizeof *arrays);
}

int native_shapes_get(native_arrays *result, PyObject *sequence, const char *name)
{
    Py_ssize_t count = PySequence_Size(sequence);
    if (count < 0 || allocate(result, count) < 0)
        return -1;
    for (; result->count < count; result->count++) {
        cnnlens_array *array = &result->arrays[result->count];
        PyObject *item = PySequence_GetItem(sequence, result->count);
        Py_ssize_t rank = 0;
        int64_t *sizes = item ? native_integers(item, &rank) : NULL;
        Py_XDECREF(item);
        if (sizes && rank <= CNNLENS_MAX_RANK) {
            array->rank = rank;
            memcpy(array->shape, sizes, (size_t)rank * sizeof *sizes);
        } else if (sizes) {
            native_invalid("%s has a shape of %zd dimensions; at most %d are possible", name, rank, CNNLENS_MAX_RANK);
        }
        PyMem_Free(sizes);
        if (PyErr_Occurred()) {
            native_arrays_release(result);
            return -1;
        }
    }
    return 0;
}

PyObject *native_shape(const cnnlens_array *array)
{
    PyObject *shape = PyTuple_New((Py_ssize_t)array->rank);
    for (int64_t axis = 0; shape && axis < array->rank; axis++) {
        PyObject *size = PyLong_FromLongLong(array->shape[axis]);
        if (!size || PyTuple_SetItem(shape, (Py_ssize_t)axis, size) < 0)
            Py_CLEAR(shape);
    }
    return shape;
}

int native_strings_get(native_strings *result, PyObject *sequence)
{
    memset(result, 0, sizeof *result);
    result->owner = PySequence_Tuple(sequence);
    if (!result->owner)
        return -1;
    result->count = PyTuple_Size(result->owner);
    result->items = PyMem_Calloc((size_t)result->count + 1, sizeof *result->items);
    if (!result->items)
        PyErr_NoMemory();
    for (Py_ssize_t index = 0; result->items && index < result->count; index++) {
        result->items[index] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(result->owner, index), NULL);
        if (!result->items[index])
            break;
    }
    if (!PyErr_Occurred())
        return 0;
    native_strings_release(result);
    return -1;
}

void native_strings_release(native_strings *strings)
{
    PyMem_Free((void *)strings->items);
    Py_XDECREF(strings->owner);
    memset(strings, 0, sizeof *strings);
}

int64_t *native_integers(PyObject *sequence, Py_ssize_t *count)
{
    *count = PySequence_Size(sequence);
    if (*count < 0)
        return NULL;
    int64_t *numbers = PyMem_Calloc((size_t)*count + 1, sizeof *numbers);
    if (!numbers) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t index = 0; index < *count; index++) {
        PyObject *item = PySequence_GetItem(sequence, index);
        numbers[index] = item ? PyLong_AsLongLong(item) : 0;
        Py_XDECREF(item);
        if (PyErr_Occurred()) {
            PyMem_Free(numbers);
            return NULL;
        }
    }
    return numbers;
}
