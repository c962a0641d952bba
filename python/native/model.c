/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "native.h"

typedef struct {
    PyObject_HEAD cnnlens_model *model;
    PyObject *change; /* called with pictures before the network sees them; or NULL */
} Model;

static PyTypeObject *model_type;

cnnlens_model *native_model(PyObject *object)
{
    if (!PyObject_TypeCheck(object, model_type)) {
        PyErr_SetString(PyExc_TypeError, "expected a Model");
        return NULL;
    }
    return ((Model *)object)->model;
}

static PyObject *wrap(cnnlens_model *model)
{
    Model *self = PyObject_New(Model, model_type);
    if (self) {
        self->model = model;
        self->change = NULL;
    } else
        cnnlens_model_free(model);
    return (PyObject *)self;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    cnnlens_model_free(((Model *)self)->model);
    Py_XDECREF(((Model *)self)->change);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ---- reading */

static PyObject *open_model(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *path;
    if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path))
        return NULL;
    cnnlens_model *model = NULL;
    cnnlens_status status;
    const char *bytes = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS status = cnnlens_model_open(&model, bytes);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    return status == CNNLENS_OK ? wrap(model) : native_fail(status);
}

static PyObject *open_model_bytes(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer bytes;
    const char *name;
    if (!PyArg_ParseTuple(args, "y*s", &bytes, &name))
        return NULL;
    cnnlens_model *model = NULL;
    cnnlens_status status;
    Py_BEGIN_ALLOW_THREADS status = cnnlens_model_open_bytes(&model, bytes.len > 0 ? bytes.buf : "", bytes.len, name);
    Py_END_ALLOW_THREADS PyBuffer_Release(&bytes);
    return status == CNNLENS_OK ? wrap(model) : native_fail(status);
}

/* ---- what is in it */

static PyObject *text(const char *string)
{
    return string ? PyUnicode_DecodeUTF8(string, (Py_ssize_t)strlen(string), "replace")
                  : native_fail(CNNLENS_EINTERNAL);
}

static PyObject *list(PyObject *self, int64_t count_of(const cnnlens_model *),
                      const char *name_of(const cnnlens_model *, int64_t))
{
    const cnnlens_model *model = ((Model *)self)->model;
    int64_t count = count_of(model);
    if (count < 0)
        return native_fail((cnnlens_status)count);
    PyObject *result = PyList_New((Py_ssize_t)count);
    for (int64_t index = 0; result && index < count; index++) {
        PyObject *name = text(name_of(model, index));
        if (!name || PyList_SetItem(result, (Py_ssize_t)index, name) < 0)
            Py_CLEAR(result);
    }
    return result;
}

static PyObject *get_name(PyObject *self, void *closure)
{
    (void)closure;
    return text(cnnlens_model_name(((Model *)self)->model));
}

static PyObject *get_inputs(PyObject *self, void *closure)
{
    (void)closure;
    return list(self, cnnlens_model_input_count, cnnlens_model_input_name);
}

static PyObject *get_input_shapes(PyObject *self, void *closure)
{
    (void)closure;
    const cnnlens_model *model = ((Model *)self)->model;
    int64_t count = cnnlens_model_input_count(model);
    PyObject *result = PyList_New(0);
    for (int64_t index = 0; result && index < count; index++) {
        cnnlens_array array = { 0 };
        cnnlens_status status = cnnlens_model_input_shape(&array, model, index);
        PyObject *shape = status == CNNLENS_OK ? native_shape(&array) : native_fail(status);
        if (!shape || PyList_Append(result, shape) < 0)
            Py_CLEAR(result);
        Py_XDECREF(shape);
    }
    return result;
}

static PyObject *get_outputs(PyObject *self, void *closure)
{
    (void)closure;
    return list(self, cnnlens_model_output_count, cnnlens_model_output_name);
}

static PyObject *get_layers(PyObject *self, void *closure)
{
    (void)closure;
    return list(self, cnnlens_model_layer_count, cnnlens_model_layer_name);
}

static PyObject *get_labels(PyObject *self, void *closure)
{
    (void)closure;
    return list(self, cnnlens_model_label_count, cnnlens_model_label);
}

static PyObject *metadata(PyObject *self, PyObject *args)
{
    const char *key;
    if (!PyArg_ParseTuple(args, "s", &key))
        return NULL;
    const char *value = cnnlens_model_metadata(((Model *)self)->model, key);
    if (!value)
        Py_RETURN_NONE;
    return text(value);
}

static PyObject *resolve(PyObject *self, PyObject *args)
{
    const char *name, *result = NULL;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    cnnlens_status status = cnnlens_model_resolve(&result, ((Model *)self)->model, name);
    return status == CNNLENS_OK ? text(result) : native_fail(status);
}

static int floats(float out[4], PyObject *sequence, Py_ssize_t count)
{
    if (PySequence_Size(sequence) != count) {
        native_invalid("mean and std need one number per channel each");
        return -1;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = PySequence_GetItem(sequence, index);
        out[index] = item ? (float)PyFloat_AsDouble(item) : 0;
        Py_XDECREF(item);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* From order, scale, mean and deviation. */
static int preprocessing(cnnlens_preprocessing_options *options, int order, float scale, PyObject *mean,
                         PyObject *deviation)
{
    *options = (cnnlens_preprocessing_options)CNNLENS_PREPROCESSING_OPTIONS_INIT;
    options->order = order;
    options->scale = scale;
    Py_ssize_t channels = PySequence_Size(mean);
    if (channels != 1 && channels != 3) {
        if (channels >= 0)
            native_invalid("mean has %zd numbers; it needs 3, or 1 for grey pictures", channels);
        return -1;
    }
    options->channels = (int32_t)channels;
    return floats(options->mean, mean, channels) < 0 || floats(options->deviation, deviation, channels) < 0 ? -1 : 0;
}

static PyObject *seeing_images(PyObject *self, PyObject *args)
{
    PyObject *mean, *deviation;
    cnnlens_preprocessing_options options;
    int order;
    float scale;
    if (!PyArg_ParseTuple(args, "ifOO", &order, &scale, &mean, &deviation) ||
        preprocessing(&options, order, scale, mean, deviation) < 0)
        return NULL;
    cnnlens_model *model = NULL;
    cnnlens_status status = cnnlens_model_seeing_images(&model, ((Model *)self)->model, &options);
    return status == CNNLENS_OK ? wrap(model) : native_fail(status);
}

/* Calls a Python function with a writable buffer of float32 and its shape. What it raises is found after the call. */
static void change(float *pictures, const int64_t shape[4], void *payload)
{
    PyGILState_STATE state = PyGILState_Ensure();
    if (!PyErr_Occurred()) {
        Py_ssize_t bytes = (Py_ssize_t)(shape[0] * shape[1] * shape[2] * shape[3]) * (Py_ssize_t)sizeof *pictures;
        PyObject *memory = PyMemoryView_FromMemory((char *)pictures, bytes, PyBUF_WRITE);
        PyObject *answer = memory ? PyObject_CallFunction(payload, "O(LLLL)", memory, (long long)shape[0],
                                                          (long long)shape[1], (long long)shape[2], (long long)shape[3])
                                  : NULL;
        Py_XDECREF(answer);
        Py_XDECREF(memory);
    }
    PyGILState_Release(state);
}

/* seeing_pictures(order, scale, mean, deviation, channels, rows, columns, opacity or None, change or None) */
static PyObject *seeing_pictures(PyObject *self, PyObject *args)
{
    PyObject *mean, *deviation, *rows, *columns, *opacity, *function, *result = NULL;
    cnnlens_preprocessing_options options;
    cnnlens_view_options view = CNNLENS_VIEW_OPTIONS_INIT;
    int order;
    float scale;
    if (!PyArg_ParseTuple(args, "ifOOiOOOO", &order, &scale, &mean, &deviation, &view.channels, &rows, &columns,
                          &opacity, &function) ||
        preprocessing(&options, order, scale, mean, deviation) < 0)
        return NULL;
    native_arrays row_matrix = { 0 }, column_matrix = { 0 }, opacity_map = { 0 };
    if (native_array_get(&row_matrix, rows, 0, "rows") < 0 ||
        native_array_get(&column_matrix, columns, 0, "columns") < 0 ||
        (opacity != Py_None && native_array_get(&opacity_map, opacity, 0, "opacity") < 0))
        goto done;
    view.rows = row_matrix.arrays;
    view.columns = column_matrix.arrays;
    view.opacity = opacity_map.arrays;
    if (function != Py_None) {
        view.change = change;
        view.payload = function;
    }
    cnnlens_model *model = NULL;
    cnnlens_status status = cnnlens_model_seeing_pictures(&model, ((Model *)self)->model, &options, &view);
    result = status == CNNLENS_OK ? wrap(model) : native_fail(status);
    if (result && function != Py_None)
        ((Model *)result)->change = Py_NewRef(function);
done:
    native_arrays_release(&row_matrix);
    native_arrays_release(&column_matrix);
    native_arrays_release(&opacity_map);
    return result;
}

/* ---- summary */

static PyObject *row_tuple(const cnnlens_summary *summary, int64_t index)
{
    cnnlens_summary_row row = CNNLENS_SUMMARY_ROW_INIT;
    cnnlens_status status = cnnlens_summary_get_row(&row, summary, index);
    if (status != CNNLENS_OK)
        return native_fail(status);
    cnnlens_array array = { .rank = row.rank };
    memcpy(array.shape, row.shape, sizeof row.shape);
    PyObject *shape = native_shape(&array);
    if (!shape)
        return NULL;
    return Py_BuildValue("ssNLLL(dd)(dd)(dd)", row.name, row.kind, shape, (long long)row.parameters,
                         (long long)row.multiply_adds, (long long)row.activation_bytes, row.receptive_field[0],
                         row.receptive_field[1], row.stride[0], row.stride[1], row.padding[0], row.padding[1]);
}

static PyObject *summary(PyObject *self, PyObject *args)
{
    PyObject *given;
    native_arrays shapes;
    if (!PyArg_ParseTuple(args, "O", &given) || native_shapes_get(&shapes, given, "size") < 0)
        return NULL;
    cnnlens_summary *summary = NULL;
    cnnlens_status status;
    cnnlens_model *model = ((Model *)self)->model;
    Py_BEGIN_ALLOW_THREADS status = cnnlens_summary_new(&summary, model, shapes.arrays, shapes.count);
    Py_END_ALLOW_THREADS native_arrays_release(&shapes);
    if (status != CNNLENS_OK)
        return native_fail(status);
    PyObject *rows = PyList_New(0);
    int64_t count = cnnlens_summary_row_count(summary);
    for (int64_t index = 0; rows && index < count; index++) {
        PyObject *row = row_tuple(summary, index);
        if (!row || PyList_Append(rows, row) < 0)
            Py_CLEAR(rows);
        Py_XDECREF(row);
    }
    PyObject *total = rows ? row_tuple(summary, -1) : NULL;
    PyObject *table = total ? text(cnnlens_summary_text(summary)) : NULL;
    cnnlens_summary_free(summary);
    if (table)
        return Py_BuildValue("NNN", rows, total, table);
    Py_XDECREF(rows);
    Py_XDECREF(total);
    return NULL;
}

/* ---- the same network, changed */

/* randomized(layers, seed) */
static PyObject *randomized(PyObject *self, PyObject *args)
{
    PyObject *names;
    long long seed;
    native_strings layers;
    if (!PyArg_ParseTuple(args, "OL", &names, &seed) || native_strings_get(&layers, names) < 0)
        return NULL;
    cnnlens_model *model = NULL;
    cnnlens_status status;
    const cnnlens_model *own = ((Model *)self)->model;
    Py_BEGIN_ALLOW_THREADS status = cnnlens_model_randomized(&model, own, layers.items, layers.count, (uint64_t)seed);
    Py_END_ALLOW_THREADS native_strings_release(&layers);
    return status == CNNLENS_OK ? wrap(model) : native_fail(status);
}

/* fully_convolutional(height, width) */
static PyObject *fully_convolutional(PyObject *self, PyObject *args)
{
    long long height, width;
    if (!PyArg_ParseTuple(args, "LL", &height, &width))
        return NULL;
    cnnlens_model *model = NULL;
    cnnlens_status status;
    const cnnlens_model *own = ((Model *)self)->model;
    Py_BEGIN_ALLOW_THREADS status = cnnlens_model_fully_convolutional(&model, own, height, width);
    Py_END_ALLOW_THREADS return status == CNNLENS_OK ? wrap(model) : native_fail(status);
}

/* ---- the type */

static PyGetSetDef properties[] = {
    { "name", get_name, NULL, NULL, NULL },
    { "inputs", get_inputs, NULL, NULL, NULL },
    { "input_shapes", get_input_shapes, NULL, NULL, NULL },
    { "outputs", get_outputs, NULL, NULL, NULL },
    { "layers", get_layers, NULL, NULL, NULL },
    { "labels", get_labels, NULL, NULL, NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef methods[] = {
    { "metadata", metadata, METH_VARARGS, NULL },
    { "resolve", resolve, METH_VARARGS, NULL },
    { "seeing_images", seeing_images, METH_VARARGS, NULL },
    { "seeing_pictures", seeing_pictures, METH_VARARGS, NULL },
    { "randomized", randomized, METH_VARARGS, NULL },
    { "fully_convolutional", fully_convolutional, METH_VARARGS, NULL },
    { "summary", summary, METH_VARARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_dealloc, dealloc },
    { Py_tp_getset, properties },
    { Py_tp_methods, methods },
    { Py_tp_doc, (void *)"A network read from a file. Never changes." },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "cnnlens._native.Model",
    .basicsize = sizeof(Model),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static PyMethodDef functions[] = {
    { "open_model", open_model, METH_VARARGS, NULL },
    { "open_model_bytes", open_model_bytes, METH_VARARGS, NULL },
    { NULL, NULL, 0, NULL },
};

int native_add_model(PyObject *module)
{
    model_type = (PyTypeObject *)PyType_FromSpec(&spec);
    if (!model_type || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "Model", (PyObject *)model_type);
}
