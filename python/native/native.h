/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of cnnlens._native share. Limited API, buffer protocol, no NumPy headers: one binary serves
 * every CPython from 3.11 on. NumPy arrays are made by the Python side; this side writes into them.
 */
#ifndef CNNLENS_NATIVE_H
#define CNNLENS_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cnnlens.h"

/* ---- errors (_native.c) */

/* Sets the exception that belongs to `status`; gives NULL, to be returned. If a signal handler has raised
 * already (Ctrl-C), that exception stands. */
PyObject *native_fail(cnnlens_status status);

/* Sets cnnlens.InvalidArgument. */
PyObject *native_invalid(const char *format, ...);

/* ---- buffers.c */

/* float32 arrays behind the buffers of Python objects, held until released. */
typedef struct {
    Py_ssize_t count;
    Py_buffer *views;
    cnnlens_array *arrays;
} native_arrays;

/* -1 with an exception set, unless every object is a C-contiguous float32 buffer (and writable, if asked). */
int native_arrays_get(native_arrays *result, PyObject *sequence, int is_writable, const char *name);
int native_array_get(native_arrays *result, PyObject *object, int is_writable, const char *name);
void native_arrays_release(native_arrays *arrays);

/* Arrays without data, from a sequence of tuples of ints. Release as above. */
int native_shapes_get(native_arrays *result, PyObject *sequence, const char *name);
PyObject *native_shape(const cnnlens_array *array);

/* UTF-8 strings that live as long as `owner`. */
typedef struct {
    PyObject *owner;
    Py_ssize_t count;
    const char **items;
} native_strings;

int native_strings_get(native_strings *result, PyObject *sequence);
void native_strings_release(native_strings *strings);

/* A PyMem array of 64-bit integers, or NULL with an exception set. */
int64_t *native_integers(PyObject *sequence, Py_ssize_t *count);

/* ---- handles: model.c, session.c, objective.c */

int native_add_model(PyObject *module);
int native_add_session(PyObject *module);
int native_add_objective(PyObject *module);

/* The C object behind a Python one; NULL with TypeError set if it is something else. */
cnnlens_model *native_model(PyObject *object);
/* The same, but None is no error: *result is NULL then. 0 or -1. */
int native_objective(cnnlens_objective **result, PyObject *object);

/* The C object of a Session, about to be used. */
cnnlens_session *native_session(PyObject *self);

/* From the first to the second, what signal handlers raise asks the session to stop but is no exception yet, so that
 * Python functions can still be called. */
void native_hold_signals(PyObject *self);
void native_raise_held(PyObject *self);

/* ---- attribution.c */

/* Session.attribute(method, image, out, objective or None, {option: value}) */
PyObject *native_attribute(PyObject *self, PyObject *args);

/* Session.explain([method], image, [out], objective or None, layer or None), Session.select(index) */
PyObject *native_explain(PyObject *self, PyObject *args);
PyObject *native_select(PyObject *self, PyObject *args);

/* ---- options.c */

/* What a field of an options struct is: 32 and 64 bit numbers, a string, two numbers of 64 bits, an array, a list of
 * numbers with its length behind it, a progress function with its payload behind it. */
typedef enum {
    NATIVE_INT,
    NATIVE_LONG,
    NATIVE_DOUBLE,
    NATIVE_FLOAT,
    NATIVE_STRING,
    NATIVE_PAIR,
    NATIVE_ARRAY,
    NATIVE_LONGS,
    NATIVE_DOUBLES,
    NATIVE_PROGRESS
} native_kind;

typedef struct {
    const char *name;
    native_kind kind;
    size_t offset;
} native_field;

enum { NATIVE_MAXIMUM_ARRAYS = 4, NATIVE_MAXIMUM_LISTS = 4, NATIVE_MAXIMUM_SIZE = 256 };

/* An options struct and what it points to. */
typedef struct {
    _Alignas(16) char bytes[NATIVE_MAXIMUM_SIZE];
    native_arrays arrays[NATIVE_MAXIMUM_ARRAYS];
    void *lists[NATIVE_MAXIMUM_LISTS];
    int array_count, list_count;
} native_options;

/* `defaults` with what the dict `given` sets. `fields` end with one without a name. 0 or -1; release in any case. */
int native_options_get(native_options *options, const char *name, const void *defaults, size_t size,
                       const native_field *fields, PyObject *given);
void native_options_release(native_options *options);

/* A cnnlens_progress whose payload is a Python function; may be called without the GIL. */
int32_t native_report(int64_t step, int64_t steps, float value, void *payload);

/* ---- attack.c */

/* Session.attack(name, image, [outs], {goal's field: value}, {option: value}) */
PyObject *native_attack(PyObject *self, PyObject *args);

/* ---- synthesis.c: methods of Session */

PyObject *native_visualize(PyObject *self, PyObject *args);
PyObject *native_class_model(PyObject *self, PyObject *args);
PyObject *native_invert(PyObject *self, PyObject *args);
PyObject *native_deepdream(PyObject *self, PyObject *args);
PyObject *native_style_transfer(PyObject *self, PyObject *args);
PyObject *native_history(PyObject *self, PyObject *args);
PyObject *native_checkpoint(PyObject *self, PyObject *args);

#endif
