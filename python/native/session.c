/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "native.h"

typedef struct {
    PyObject_HEAD cnnlens_session *session;
    PyObject *model; /* whose change of pictures may be called */
    double asked;    /* when signals were last looked at, in seconds */
    int holds;       /* whether what a signal handler raises waits in `held` */
    struct {
        PyObject *type, *value, *traceback;
    } held;
} Session;

static PyTypeObject *session_type;

/* ---- Ctrl-C */

static const double between_looks = 0.05;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void drop_held(Session *self)
{
    Py_CLEAR(self->held.type);
    Py_CLEAR(self->held.value);
    Py_CLEAR(self->held.traceback);
}

void native_hold_signals(PyObject *self)
{
    ((Session *)self)->holds = 1;
}

void native_raise_held(PyObject *self)
{
    Session *session = (Session *)self;
    session->holds = 0;
    if (PyErr_Occurred()) {
        drop_held(session);
    } else if (session->held.type) {
        PyErr_Restore(session->held.type, session->held.value, session->held.traceback);
        memset(&session->held, 0, sizeof session->held);
    }
}

/* Called between layers, without the GIL. Takes it now and then to let Python's signal handlers run; what they
 * raise stays set on this thread and is found by native_fail, or is held for native_raise_held. */
static int32_t look_for_signals(void *payload)
{
    Session *self = payload;
    double time = now();
    if (time - self->asked < between_looks)
        return 0;
    PyGILState_STATE state = PyGILState_Ensure();
    int raised = PyErr_CheckSignals();
    if (raised && self->holds) {
        drop_held(self);
        PyErr_Fetch(&self->held.type, &self->held.value, &self->held.traceback);
    }
    PyGILState_Release(state);
    self->asked = now();
    return raised != 0;
}

/* Runs a call into the library without the GIL. */
#define COMPUTE(self, call)                                                                                            \
    do {                                                                                                               \
        (self)->asked = now();                                                                                         \
        Py_BEGIN_ALLOW_THREADS status = call;                                                                          \
        Py_END_ALLOW_THREADS                                                                                           \
    } while (0)

cnnlens_session *native_session(PyObject *self)
{
    ((Session *)self)->asked = now();
    return ((Session *)self)->session;
}

/* (What a change of pictures raised stands even where the call went well.) */
static PyObject *none(cnnlens_status status)
{
    if (status != CNNLENS_OK || PyErr_Occurred())
        return native_fail(status);
    Py_RETURN_NONE;
}

/* ---- life */

static PyObject *new_session(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)keywords;
    PyObject *object;
    cnnlens_model *model;
    if (!PyArg_ParseTuple(args, "O", &object) || !(model = native_model(object)))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Session *self = (Session *)allocate(type, 0);
    if (!self)
        return NULL;
    self->model = Py_NewRef(object);
    cnnlens_status status = cnnlens_session_new(&self->session, model);
    if (status == CNNLENS_OK)
        status = cnnlens_session_set_interrupt(self->session, look_for_signals, self);
    if (status == CNNLENS_OK)
        return (PyObject *)self;
    Py_DECREF(self);
    return native_fail(status);
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    cnnlens_session_free(((Session *)self)->session);
    Py_XDECREF(((Session *)self)->model);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- calls */

static PyObject *shapes(PyObject *object, PyObject *args)
{
    Session *self = (Session *)object;
    PyObject *names, *sizes, *result = NULL;
    native_strings layers;
    native_arrays inputs;
    if (!PyArg_ParseTuple(args, "OO", &names, &sizes) || native_strings_get(&layers, names) < 0)
        return NULL;
    if (native_shapes_get(&inputs, sizes, "inputs") < 0) {
        native_strings_release(&layers);
        return NULL;
    }
    cnnlens_array *out = PyMem_Calloc((size_t)layers.count + 1, sizeof *out);
    cnnlens_status status = CNNLENS_ENOMEM;
    if (out)
        COMPUTE(self, cnnlens_layer_shape(out, self->session, layers.items, layers.count, inputs.arrays, inputs.count));
    if (status == CNNLENS_OK)
        result = PyList_New(0);
    else
        native_fail(status);
    for (Py_ssize_t index = 0; result && index < layers.count; index++) {
        PyObject *shape = native_shape(&out[index]);
        if (!shape || PyList_Append(result, shape) < 0)
            Py_CLEAR(result);
        Py_XDECREF(shape);
    }
    PyMem_Free(out);
    native_strings_release(&layers);
    native_arrays_release(&inputs);
    return result;
}

/* last_spatial_layer(input shape) -> name */
static PyObject *last_spatial_layer(PyObject *object, PyObject *args)
{
    Session *self = (Session *)object;
    PyObject *size, *sizes;
    native_arrays input;
    if (!PyArg_ParseTuple(args, "O", &size) || !(sizes = PyTuple_Pack(1, size)))
        return NULL;
    int failed = native_shapes_get(&input, sizes, "the input") < 0;
    Py_DECREF(sizes);
    if (failed)
        return NULL;
    const char *name = NULL;
    cnnlens_status status;
    COMPUTE(self, cnnlens_last_spatial_layer(&name, self->session, input.arrays, input.count));
    native_arrays_release(&input);
    return status == CNNLENS_OK ? PyUnicode_FromString(name) : native_fail(status);
}

/* run and gradient: layers, inputs and outputs as sequences. */
static PyObject *run_or_gradient(Session *self, PyObject *names, PyObject *given, PyObject *wanted, int is_gradient,
                                 const cnnlens_objective *objective, int rule)
{
    native_strings layers;
    native_arrays inputs = { 0 }, outputs = { 0 };
    if (native_strings_get(&layers, names) < 0)
        return NULL;
    PyObject *result = NULL;
    if (native_arrays_get(&inputs, given, 0, "the input") < 0 ||
        native_arrays_get(&outputs, wanted, 1, "the output") < 0)
        goto done;
    if (outputs.count != layers.count) {
        native_invalid("%zd layers but %zd outputs", layers.count, outputs.count);
        goto done;
    }
    cnnlens_status status;
    cnnlens_gradient_options options = CNNLENS_GRADIENT_OPTIONS_INIT;
    options.rule = rule;
    if (is_gradient)
        COMPUTE(self, cnnlens_gradient(outputs.arrays, self->session, layers.items, layers.count, inputs.arrays,
                                       inputs.count, objective, &options));
    else
        COMPUTE(self,
                cnnlens_run(outputs.arrays, self->session, layers.items, layers.count, inputs.arrays, inputs.count));
    result = none(status);
done:
    native_arrays_release(&inputs);
    native_arrays_release(&outputs);
    native_strings_release(&layers);
    return result;
}

static PyObject *run(PyObject *self, PyObject *args)
{
    PyObject *names, *given, *wanted;
    if (!PyArg_ParseTuple(args, "OOO", &names, &given, &wanted))
        return NULL;
    return run_or_gradient((Session *)self, names, given, wanted, 0, NULL, 0);
}

static PyObject *gradient(PyObject *self, PyObject *args)
{
    PyObject *names, *given, *wanted, *goal;
    cnnlens_objective *objective;
    int rule;
    if (!PyArg_ParseTuple(args, "OOOOi", &names, &given, &wanted, &goal, &rule) ||
        native_objective(&objective, goal) < 0)
        return NULL;
    return run_or_gradient((Session *)self, names, given, wanted, 1, objective, rule);
}

/* predict(image, indices, probabilities): N x top of int64 and of float32. */
static PyObject *predict(PyObject *object, PyObject *args)
{
    Session *self = (Session *)object;
    PyObject *given, *wanted;
    Py_buffer indices;
    if (!PyArg_ParseTuple(args, "Ow*O", &given, &indices, &wanted))
        return NULL;
    PyObject *result = NULL;
    native_arrays image = { 0 }, probabilities = { 0 };
    if (native_array_get(&image, given, 0, "the image") < 0 ||
        native_array_get(&probabilities, wanted, 1, "the output") < 0)
        goto done;
    const cnnlens_array *out = probabilities.arrays;
    if (out->rank != 2 || image.arrays->rank < 1 || out->shape[0] != image.arrays->shape[0] ||
        indices.len != 8 * out->shape[0] * out->shape[1]) {
        native_invalid("the results must be N x top");
        goto done;
    }
    cnnlens_status status;
    COMPUTE(self, cnnlens_predict(indices.buf, out->data, out->shape[1], self->session, image.arrays));
    result = none(status);
done:
    native_arrays_release(&image);
    native_arrays_release(&probabilities);
    PyBuffer_Release(&indices);
    return result;
}

/* ---- what the last call saw */

/* [floats] -> a list, or NULL with an exception set */
static PyObject *float_list(const float *values, int64_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t index = 0; list && index < count; index++) {
        PyObject *item = PyFloat_FromDouble(values[index]);
        if (!item || PyList_SetItem(list, (Py_ssize_t)index, item) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* seen() -> (scores, targets, layer or None, gaps or None) */
static PyObject *seen(PyObject *object, PyObject *args)
{
    (void)args;
    const cnnlens_session *session = ((Session *)object)->session;
    int64_t count = cnnlens_session_image_count(session);
    if (count < 0)
        return native_fail((cnnlens_status)count);
    float *scores = PyMem_Calloc((size_t)count + 1, sizeof *scores),
          *gaps = PyMem_Calloc((size_t)count + 1, sizeof *gaps);
    int64_t *targets = PyMem_Calloc((size_t)count + 1, sizeof *targets);
    PyObject *score_list = NULL, *target_list = NULL, *gap_list = NULL, *result = NULL;
    cnnlens_status status = scores && gaps && targets ? CNNLENS_OK : CNNLENS_ENOMEM;
    if (status == CNNLENS_OK)
        status = cnnlens_session_scores(scores, count, session);
    if (status == CNNLENS_OK)
        status = cnnlens_session_targets(targets, count, session);
    if (status != CNNLENS_OK) {
        native_fail(status);
        goto done;
    }
    int has_gaps = cnnlens_session_gaps(gaps, count, session) == CNNLENS_OK;
    score_list = float_list(scores, count);
    gap_list = has_gaps ? float_list(gaps, count) : Py_NewRef(Py_None);
    target_list = PyList_New(0);
    for (int64_t index = 0; target_list && index < count; index++) {
        PyObject *target = PyLong_FromLongLong(targets[index]);
        if (!target || PyList_Append(target_list, target) < 0)
            Py_CLEAR(target_list);
        Py_XDECREF(target);
    }
    if (score_list && target_list && gap_list)
        result = Py_BuildValue("OOzO", score_list, target_list, cnnlens_session_layer(session), gap_list);
done:
    Py_XDECREF(score_list);
    Py_XDECREF(target_list);
    Py_XDECREF(gap_list);
    PyMem_Free(scores);
    PyMem_Free(gaps);
    PyMem_Free(targets);
    return result;
}

static PyObject *native_size(PyObject *object, PyObject *args)
{
    (void)args;
    cnnlens_array array = { 0 };
    cnnlens_status status = cnnlens_session_native(&array, ((Session *)object)->session);
    return status == CNNLENS_OK ? native_shape(&array) : native_fail(status);
}

static PyObject *native_map(PyObject *object, PyObject *args)
{
    PyObject *wanted;
    native_arrays out;
    if (!PyArg_ParseTuple(args, "O", &wanted) || native_array_get(&out, wanted, 1, "the output") < 0)
        return NULL;
    cnnlens_status status = cnnlens_session_native(out.arrays, ((Session *)object)->session);
    native_arrays_release(&out);
    return none(status);
}

/* ---- the type */

static PyMethodDef methods[] = {
    { "shapes", shapes, METH_VARARGS, NULL },
    { "last_spatial_layer", last_spatial_layer, METH_VARARGS, NULL },
    { "run", run, METH_VARARGS, NULL },
    { "gradient", gradient, METH_VARARGS, NULL },
    { "predict", predict, METH_VARARGS, NULL },
    { "attribute", native_attribute, METH_VARARGS, NULL },
    { "explain", native_explain, METH_VARARGS, NULL },
    { "select", native_select, METH_VARARGS, NULL },
    { "attack", native_attack, METH_VARARGS, NULL },
    { "seen", seen, METH_NOARGS, NULL },
    { "native_size", native_size, METH_NOARGS, NULL },
    { "native_map", native_map, METH_VARARGS, NULL },
    { "visualize", native_visualize, METH_VARARGS, NULL },
    { "class_model", native_class_model, METH_VARARGS, NULL },
    { "invert", native_invert, METH_VARARGS, NULL },
    { "deepdream", native_deepdream, METH_VARARGS, NULL },
    { "style_transfer", native_style_transfer, METH_VARARGS, NULL },
    { "history", native_history, METH_NOARGS, NULL },
    { "checkpoint", native_checkpoint, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_new, new_session },
    { Py_tp_dealloc, dealloc },
    { Py_tp_methods, methods },
    { Py_tp_doc, (void *)"A model's memory for one call at a time." },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "cnnlens._native.Session",
    .basicsize = sizeof(Session),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int native_add_session(PyObject *module)
{
    session_type = (PyTypeObject *)PyType_FromSpec(&spec);
    if (!session_type)
        return -1;
    return PyModule_AddObjectRef(module, "Session", (PyObject *)session_type);
}
