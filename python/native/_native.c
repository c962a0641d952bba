/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "native.h"

/* ---- errors: one tree, defined in cnnlens._errors */

static PyObject *error_class, *invalid_argument, *not_found, *model_error, *cancelled, *out_of_memory;

static PyObject *class_of(cnnlens_status status)
{
    switch (status) {
    case CNNLENS_EINVALID:
    case CNNLENS_ESHAPE: return invalid_argument;
    case CNNLENS_ENOTFOUND: return not_found;
    case CNNLENS_EIO:
    case CNNLENS_EMODEL:
    case CNNLENS_EUNSUPPORTED: return model_error;
    case CNNLENS_ECANCELLED: return cancelled;
    case CNNLENS_ENOMEM: return out_of_memory;
    default: return error_class;
    }
}

PyObject *native_fail(cnnlens_status status)
{
    if (!PyErr_Occurred())
        PyErr_SetString(class_of(status), cnnlens_last_error());
    return NULL;
}

PyObject *native_invalid(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PyErr_FormatV(invalid_argument, format, arguments);
    va_end(arguments);
    return NULL;
}

static int import_errors(void)
{
    struct {
        PyObject **place;
        const char *name;
    } classes[] = {
        { &error_class, "Error" },   { &invalid_argument, "InvalidArgument" },
        { &not_found, "NotFound" },  { &model_error, "ModelError" },
        { &cancelled, "Cancelled" }, { &out_of_memory, "OutOfMemory" },
    };
    PyObject *module = PyImport_ImportModule("cnnlens._errors");
    if (!module)
        return -1;
    for (size_t index = 0; index < sizeof classes / sizeof *classes; index++) {
        *classes[index].place = PyObject_GetAttrString(module, classes[index].name);
        if (!*classes[index].place)
            break;
    }
    Py_DECREF(module);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- the module */

static PyObject *set_thread_count(PyObject *module, PyObject *args)
{
    (void)module;
    long long count;
    if (!PyArg_ParseTuple(args, "L", &count))
        return NULL;
    cnnlens_status status = cnnlens_set_thread_count(count);
    if (status != CNNLENS_OK)
        return native_fail(status);
    Py_RETURN_NONE;
}

static PyObject *thread_count(PyObject *module, PyObject *args)
{
    (void)module;
    (void)args;
    return PyLong_FromLongLong(cnnlens_thread_count());
}

static PyObject *set_precision(PyObject *module, PyObject *args)
{
    (void)module;
    int number;
    if (!PyArg_ParseTuple(args, "i", &number))
        return NULL;
    cnnlens_status status = cnnlens_set_precision(number);
    if (status != CNNLENS_OK)
        return native_fail(status);
    Py_RETURN_NONE;
}

static PyObject *precision(PyObject *module, PyObject *args)
{
    (void)module;
    (void)args;
    return PyLong_FromLong(cnnlens_precision());
}

static PyObject *version(PyObject *module, PyObject *args)
{
    (void)module;
    (void)args;
    return PyUnicode_FromString(cnnlens_version());
}

static PyMethodDef functions[] = {
    { "set_thread_count", set_thread_count, METH_VARARGS, NULL },
    { "thread_count", thread_count, METH_NOARGS, NULL },
    { "set_precision", set_precision, METH_VARARGS, NULL },
    { "precision", precision, METH_NOARGS, NULL },
    { "version", version, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cnnlens._native",
    .m_doc = "The C interface of cnnlens, for the package's own use.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__native(void)
{
    if (import_errors() < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module || native_add_model(module) < 0 || native_add_session(module) < 0 || native_add_objective(module) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
