/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "native.h"

typedef struct {
    PyObject_HEAD cnnlens_session *session;
    double asked; /* when signals were last looked at, in seconds */
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

/* Called between layers, without the GIL. Takes it now and then to let Python's signal handlers run; what they
 * raise stays set on this thread and is found by native_fail. */
static int32_t look_for_signals(void *payload)
{
    Session *self = payload;
    double time = now();
    if (time - self->asked < between_looks)
        return 0;
    PyGILState_STATE state = PyGILState_Ensure();
    int raised = PyErr_CheckSignals();
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

static PyObject *none(cnnlens_status status)
{
    if (status != CNNLENS_OK)
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

enum { SALIENCY, GRAD_X_INPUT, GUIDED_BACKPROP, DECONVNET, CAM, GRAD_CAM, GUIDED_GRAD_CAM };

static cnnlens_status attribution(int method, cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                  const cnnlens_objective *objective, int reduction, const cnnlens_cam_options *cam)
{
    cnnlens_attribution_options options = CNNLENS_ATTRIBUTION_OPTIONS_INIT;
    options.reduction = reduction;
    switch (method) {
    case SALIENCY: return cnnlens_saliency(out, session, image, objective, &options);
    case GRAD_X_INPUT: return cnnlens_grad_x_input(out, session, image, objective, &options);
    case GUIDED_BACKPROP: return cnnlens_guided_backprop(out, session, image, objective, &options);
    case DECONVNET: return cnnlens_deconvnet(out, session, image, objective, &options);
    case CAM: return cnnlens_cam(out, session, image, objective);
    case GRAD_CAM: return cnnlens_grad_cam(out, session, image, objective, cam);
    default: return cnnlens_guided_grad_cam(out, session, image, objective, cam);
    }
}

/* attribute(method, image, out, objective, reduction, layer, keeps_positive, upsample) */
static PyObject *attribute(PyObject *object, PyObject *args)
{
    Session *self = (Session *)object;
    PyObject *given, *wanted, *goal, *result = NULL;
    cnnlens_objective *objective;
    cnnlens_cam_options cam = CNNLENS_CAM_OPTIONS_INIT;
    int method, reduction;
    if (!PyArg_ParseTuple(args, "iOOOizii", &method, &given, &wanted, &goal, &reduction, &cam.layer,
                          &cam.keeps_positive, &cam.upsample) ||
        native_objective(&objective, goal) < 0)
        return NULL;
    native_arrays image = { 0 }, out = { 0 };
    if (native_array_get(&image, given, 0, "the image") == 0 && native_array_get(&out, wanted, 1, "the output") == 0) {
        cnnlens_status status;
        COMPUTE(self, attribution(method, out.arrays, self->session, image.arrays, objective, reduction, &cam));
        result = none(status);
    }
    native_arrays_release(&image);
    native_arrays_release(&out);
    return result;
}

/* Calls a Python function between steps, without the GIL on entry; stops where it gives False or raises. */
static int32_t report(int64_t step, int64_t steps, float value, void *payload)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *answer = PyObject_CallFunction(payload, "LLf", (long long)step, (long long)steps, (double)value);
    int32_t stops = !answer || answer == Py_False;
    Py_XDECREF(answer);
    PyGILState_Release(state);
    return stops;
}

/* occlude(image, out, objective, (height, width), (down, across), fill, value, progress or None) */
static PyObject *occlude(PyObject *object, PyObject *args)
{
    Session *self = (Session *)object;
    PyObject *given, *wanted, *goal, *progress, *result = NULL;
    cnnlens_objective *objective;
    cnnlens_occlusion_options options = CNNLENS_OCCLUSION_OPTIONS_INIT;
    long long window[2], stride[2];
    if (!PyArg_ParseTuple(args, "OOO(LL)(LL)ifO", &given, &wanted, &goal, &window[0], &window[1], &stride[0],
                          &stride[1], &options.fill, &options.value, &progress) ||
        native_objective(&objective, goal) < 0)
        return NULL;
    for (int axis = 0; axis < 2; axis++) {
        options.window[axis] = window[axis];
        options.stride[axis] = stride[axis];
    }
    if (progress != Py_None) {
        options.progress = report;
        options.payload = progress;
    }
    native_arrays image = { 0 }, out = { 0 };
    if (native_array_get(&image, given, 0, "the image") == 0 && native_array_get(&out, wanted, 1, "the output") == 0) {
        cnnlens_status status;
        COMPUTE(self, cnnlens_occlusion(out.arrays, self->session, image.arrays, objective, &options));
        result = none(status);
    }
    native_arrays_release(&image);
    native_arrays_release(&out);
    return result;
}

/* fgsm(image, out, labels or None, epsilon, targeted, norm, is_clamped, low, high) */
static PyObject *fgsm(PyObject *object, PyObject *args)
{
    Session *self = (Session *)object;
    PyObject *given, *wanted, *labels, *result = NULL;
    cnnlens_fgsm_options options = CNNLENS_FGSM_OPTIONS_INIT;
    if (!PyArg_ParseTuple(args, "OOOdiiiff", &given, &wanted, &labels, &options.epsilon, &options.is_targeted,
                          &options.norm, &options.is_clamped, &options.low, &options.high))
        return NULL;
    Py_ssize_t count = 0;
    int64_t *classes = labels == Py_None ? NULL : native_integers(labels, &count);
    if (PyErr_Occurred())
        return NULL;
    native_arrays image = { 0 }, out = { 0 };
    if (native_array_get(&image, given, 0, "the image") == 0 && native_array_get(&out, wanted, 1, "the output") == 0) {
        cnnlens_status status;
        COMPUTE(self, cnnlens_fgsm(out.arrays, self->session, image.arrays, classes, count, &options));
        result = none(status);
    }
    native_arrays_release(&image);
    native_arrays_release(&out);
    PyMem_Free(classes);
    return result;
}

/* ---- what the last call saw */

/* seen() -> (scores, targets, layer or None) */
static PyObject *seen(PyObject *object, PyObject *args)
{
    (void)args;
    const cnnlens_session *session = ((Session *)object)->session;
    int64_t count = cnnlens_session_image_count(session);
    if (count < 0)
        return native_fail((cnnlens_status)count);
    float *scores = PyMem_Calloc((size_t)count + 1, sizeof *scores);
    int64_t *targets = PyMem_Calloc((size_t)count + 1, sizeof *targets);
    PyObject *score_list = PyList_New(0), *target_list = PyList_New(0);
    cnnlens_status status = scores && targets ? CNNLENS_OK : CNNLENS_ENOMEM;
    if (status == CNNLENS_OK)
        status = cnnlens_session_scores(scores, count, session);
    if (status == CNNLENS_OK)
        status = cnnlens_session_targets(targets, count, session);
    if (status != CNNLENS_OK)
        native_fail(status);
    for (int64_t index = 0; status == CNNLENS_OK && index < count && !PyErr_Occurred(); index++) {
        PyObject *score = PyFloat_FromDouble(scores[index]), *target = PyLong_FromLongLong(targets[index]);
        if (score && target && PyList_Append(score_list, score) == 0)
            PyList_Append(target_list, target);
        Py_XDECREF(score);
        Py_XDECREF(target);
    }
    PyMem_Free(scores);
    PyMem_Free(targets);
    if (!PyErr_Occurred())
        return Py_BuildValue("NNz", score_list, target_list, cnnlens_session_layer(session));
    Py_XDECREF(score_list);
    Py_XDECREF(target_list);
    return NULL;
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
    { "run", run, METH_VARARGS, NULL },
    { "gradient", gradient, METH_VARARGS, NULL },
    { "predict", predict, METH_VARARGS, NULL },
    { "attribute", attribute, METH_VARARGS, NULL },
    { "occlude", occlude, METH_VARARGS, NULL },
    { "fgsm", fgsm, METH_VARARGS, NULL },
    { "seen", seen, METH_NOARGS, NULL },
    { "native_size", native_size, METH_NOARGS, NULL },
    { "native_map", native_map, METH_VARARGS, NULL },
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
