/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

typedef struct {
    PyObject_HEAD cnnlens_objective *objective;
} Objective;

static PyTypeObject *objective_type;

int native_objective(cnnlens_objective **result, PyObject *object)
{
    *result = NULL;
    if (object == Py_None)
        return 0;
    if (!PyObject_TypeCheck(object, objective_type)) {
        PyErr_SetString(PyExc_TypeError, "expected an Objective or None");
        return -1;
    }
    *result = ((Objective *)object)->objective;
    return 0;
}

static PyObject *wrap(cnnlens_status status, cnnlens_objective *objective)
{
    if (status != CNNLENS_OK)
        return native_fail(status);
    Objective *self = PyObject_New(Objective, objective_type);
    if (self)
        self->objective = objective;
    else
        cnnlens_objective_free(objective);
    return (PyObject *)self;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    cnnlens_objective_free(((Objective *)self)->objective);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *of_classes(PyObject *args, cnnlens_status make(cnnlens_objective **, const int64_t *, int64_t))
{
    PyObject *sequence;
    Py_ssize_t count;
    if (!PyArg_ParseTuple(args, "O", &sequence))
        return NULL;
    int64_t *classes = native_integers(sequence, &count);
    if (!classes)
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = make(&objective, classes, count);
    PyMem_Free(classes);
    return wrap(status, objective);
}

static PyObject *logit(PyObject *module, PyObject *args)
{
    (void)module;
    return of_classes(args, cnnlens_objective_logit);
}

static PyObject *probability(PyObject *module, PyObject *args)
{
    (void)module;
    return of_classes(args, cnnlens_objective_probability);
}

static PyObject *cross_entropy(PyObject *module, PyObject *args)
{
    (void)module;
    return of_classes(args, cnnlens_objective_cross_entropy);
}

static PyObject *top(PyObject *module, PyObject *args)
{
    (void)module;
    (void)args;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_top(&objective);
    return wrap(status, objective);
}

static PyObject *unit(PyObject *module, PyObject *args)
{
    (void)module;
    const char *layer;
    long long channel, y, x;
    if (!PyArg_ParseTuple(args, "sLLL", &layer, &channel, &y, &x))
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_unit(&objective, layer, channel, y, x);
    return wrap(status, objective);
}

static PyObject *channel(PyObject *module, PyObject *args)
{
    (void)module;
    const char *layer;
    long long number;
    if (!PyArg_ParseTuple(args, "sL", &layer, &number))
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_channel(&objective, layer, number);
    return wrap(status, objective);
}

static PyObject *layer(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_layer(&objective, name);
    return wrap(status, objective);
}

static PyObject *direction(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    PyObject *object;
    native_arrays vector;
    if (!PyArg_ParseTuple(args, "sO", &name, &object) || native_array_get(&vector, object, 0, "vector") < 0)
        return NULL;
    cnnlens_objective *objective = NULL;
    int64_t count = vector.arrays->rank == 1 ? vector.arrays->shape[0] : 0;
    cnnlens_status status = cnnlens_objective_direction(&objective, name, vector.arrays->data, count);
    native_arrays_release(&vector);
    return wrap(status, objective);
}

static PyObject *group(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    PyObject *object;
    native_arrays mask;
    if (!PyArg_ParseTuple(args, "sO", &name, &object) || native_array_get(&mask, object, 0, "mask") < 0)
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_group(&objective, name, mask.arrays);
    native_arrays_release(&mask);
    return wrap(status, objective);
}

static PyObject *region(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    long long number, top, left, height, width;
    if (!PyArg_ParseTuple(args, "sLLLLL", &name, &number, &top, &left, &height, &width))
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_region(&objective, name, number, top, left, height, width);
    return wrap(status, objective);
}

/* direction_at(layer, vector, y, x) */
static PyObject *direction_at(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    PyObject *object;
    native_arrays vector;
    long long y, x;
    if (!PyArg_ParseTuple(args, "sOLL", &name, &object, &y, &x) || native_array_get(&vector, object, 0, "vector") < 0)
        return NULL;
    cnnlens_objective *objective = NULL;
    int64_t count = vector.arrays->rank == 1 ? vector.arrays->shape[0] : 0;
    cnnlens_status status = cnnlens_objective_direction_at(&objective, name, vector.arrays->data, count, y, x);
    native_arrays_release(&vector);
    return wrap(status, objective);
}

/* distance(layer, target, scale) */
static PyObject *distance(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    PyObject *object;
    native_arrays target;
    int scale;
    if (!PyArg_ParseTuple(args, "sOi", &name, &object, &scale) || native_array_get(&target, object, 0, "target") < 0)
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_distance(&objective, name, target.arrays, scale);
    native_arrays_release(&target);
    return wrap(status, objective);
}

/* gram_distance(layer, target, mask or None) */
static PyObject *gram_distance(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    PyObject *object, *weights, *result = NULL;
    native_arrays target = { 0 }, mask = { 0 };
    if (!PyArg_ParseTuple(args, "sOO", &name, &object, &weights))
        return NULL;
    if (native_array_get(&target, object, 0, "target") == 0 &&
        (weights == Py_None || native_array_get(&mask, weights, 0, "mask") == 0)) {
        cnnlens_objective *objective = NULL;
        cnnlens_status status =
            cnnlens_objective_gram_distance(&objective, name, target.arrays, weights == Py_None ? NULL : mask.arrays);
        result = wrap(status, objective);
    }
    native_arrays_release(&target);
    native_arrays_release(&mask);
    return result;
}

/* total_variation(layer, beta) */
static PyObject *total_variation(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    float beta;
    if (!PyArg_ParseTuple(args, "sf", &name, &beta))
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_total_variation(&objective, name, beta);
    return wrap(status, objective);
}

/* norm(layer, p, center) */
static PyObject *norm(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    PyObject *object;
    float p;
    native_arrays center;
    if (!PyArg_ParseTuple(args, "sfO", &name, &p, &object) || native_array_get(&center, object, 0, "center") < 0)
        return NULL;
    cnnlens_objective *objective = NULL;
    int64_t count = center.arrays->rank == 1 ? center.arrays->shape[0] : 0;
    cnnlens_status status = cnnlens_objective_norm(&objective, name, p, center.arrays->data, count);
    native_arrays_release(&center);
    return wrap(status, objective);
}

static PyObject *diversity(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_diversity(&objective, name);
    return wrap(status, objective);
}

/* alignment(layer, decay) */
static PyObject *alignment(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    float decay;
    if (!PyArg_ParseTuple(args, "sf", &name, &decay))
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_alignment(&objective, name, decay);
    return wrap(status, objective);
}

/* guide(layer, activations of the guide) */
static PyObject *guide(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    PyObject *object;
    native_arrays code;
    if (!PyArg_ParseTuple(args, "sO", &name, &object) || native_array_get(&code, object, 0, "guide") < 0)
        return NULL;
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_guide(&objective, name, code.arrays);
    native_arrays_release(&code);
    return wrap(status, objective);
}

static PyObject *sum(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *terms, *weights, *result = NULL;
    if (!PyArg_ParseTuple(args, "OO", &terms, &weights))
        return NULL;
    Py_ssize_t count = PySequence_Size(terms);
    if (count < 0 || PySequence_Size(weights) != count)
        return PyErr_Occurred() ? NULL : native_invalid("there must be as many weights as terms");
    PyObject *owner = PySequence_Tuple(terms);
    const cnnlens_objective **handles = PyMem_Calloc((size_t)count + 1, sizeof *handles);
    float *factors = PyMem_Calloc((size_t)count + 1, sizeof *factors);
    if (!owner || !handles || !factors) {
        if (owner)
            PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        cnnlens_objective *handle;
        PyObject *weight = PySequence_GetItem(weights, index);
        factors[index] = weight ? (float)PyFloat_AsDouble(weight) : 0;
        Py_XDECREF(weight);
        if (PyErr_Occurred() || native_objective(&handle, PyTuple_GetItem(owner, index)) < 0)
            goto done;
        handles[index] = handle;
    }
    cnnlens_objective *objective = NULL;
    cnnlens_status status = cnnlens_objective_sum(&objective, handles, factors, count);
    result = wrap(status, objective);
done:
    PyMem_Free((void *)handles);
    PyMem_Free(factors);
    Py_XDECREF(owner);
    return result;
}

static PyMethodDef functions[] = {
    { "logit", logit, METH_VARARGS, NULL },
    { "top", top, METH_NOARGS, NULL },
    { "probability", probability, METH_VARARGS, NULL },
    { "cross_entropy", cross_entropy, METH_VARARGS, NULL },
    { "unit", unit, METH_VARARGS, NULL },
    { "channel", channel, METH_VARARGS, NULL },
    { "layer", layer, METH_VARARGS, NULL },
    { "direction", direction, METH_VARARGS, NULL },
    { "group", group, METH_VARARGS, NULL },
    { "region", region, METH_VARARGS, NULL },
    { "direction_at", direction_at, METH_VARARGS, NULL },
    { "distance", distance, METH_VARARGS, NULL },
    { "gram_distance", gram_distance, METH_VARARGS, NULL },
    { "total_variation", total_variation, METH_VARARGS, NULL },
    { "norm", norm, METH_VARARGS, NULL },
    { "diversity", diversity, METH_VARARGS, NULL },
    { "alignment", alignment, METH_VARARGS, NULL },
    { "guide", guide, METH_VARARGS, NULL },
    { "sum", sum, METH_VARARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_dealloc, dealloc },
    { Py_tp_doc, (void *)"A number that a network gives to each image." },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "cnnlens._native.Objective",
    .basicsize = sizeof(Objective),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int native_add_objective(PyObject *module)
{
    objective_type = (PyTypeObject *)PyType_FromSpec(&spec);
    if (!objective_type || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "Objective", (PyObject *)objective_type);
}
