/* SPDX-License-Identifier: Apache-2.0
 *
 * Attacks all have one form: (out, session, image, goal, options). This file is the table of them.
 */
#include <stddef.h>
#include <string.h>

#include "native.h"

typedef struct {
    const char *name;
    cnnlens_status (*call)(cnnlens_array *, cnnlens_session *, const cnnlens_array *, const cnnlens_attack_goal *,
                           const void *);
    const void *defaults;
    size_t size;
    const native_field *fields; /* ends with a field without a name */
} attack;

/* The function with its options behind a pointer without a type, and the options that it starts from. */
#define ATTACK(name, initial)                                                                                          \
    static const cnnlens_##name##_options name##_defaults = initial;                                                   \
    static cnnlens_status call_##name(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,        \
                                      const cnnlens_attack_goal *goal, const void *given)                              \
    {                                                                                                                  \
        return cnnlens_##name(out, session, image, goal, given);                                                       \
    }

#define FIELD(name, kind, field) { #field, NATIVE_##kind, offsetof(cnnlens_##name##_options, field) }
#define ENTRY(name) { #name, call_##name, &name##_defaults, sizeof name##_defaults, name##_fields }

/* ---- the attacks */

ATTACK(fgsm, CNNLENS_FGSM_OPTIONS_INIT)
static const native_field fgsm_fields[] = {
    FIELD(fgsm, INT, norm),
    FIELD(fgsm, DOUBLES, epsilons),
    { 0 },
};

ATTACK(pgd, CNNLENS_PGD_OPTIONS_INIT)
static const native_field pgd_fields[] = {
    FIELD(pgd, INT, norm),
    FIELD(pgd, DOUBLE, epsilon),
    FIELD(pgd, DOUBLE, step),
    FIELD(pgd, DOUBLE, momentum),
    FIELD(pgd, LONG, steps),
    FIELD(pgd, INT, random_start),
    { 0 },
};

ATTACK(lbfgs_attack, CNNLENS_LBFGS_ATTACK_OPTIONS_INIT)
static const native_field lbfgs_attack_fields[] = {
    FIELD(lbfgs_attack, DOUBLE, weight),
    FIELD(lbfgs_attack, LONG, steps),
    FIELD(lbfgs_attack, LONG, searches),
    { 0 },
};

ATTACK(deepfool, CNNLENS_DEEPFOOL_OPTIONS_INIT)
static const native_field deepfool_fields[] = {
    FIELD(deepfool, INT, norm),
    FIELD(deepfool, DOUBLE, overshoot),
    FIELD(deepfool, LONG, candidates),
    FIELD(deepfool, LONG, steps),
    { 0 },
};

ATTACK(cw, CNNLENS_CW_OPTIONS_INIT)
static const native_field cw_fields[] = {
    FIELD(cw, DOUBLE, confidence), FIELD(cw, DOUBLE, rate),   FIELD(cw, DOUBLE, weight),
    FIELD(cw, LONG, steps),        FIELD(cw, LONG, searches), { 0 },
};

ATTACK(fool, CNNLENS_FOOL_OPTIONS_INIT)
static const native_field fool_fields[] = {
    FIELD(fool, DOUBLE, confidence),
    FIELD(fool, DOUBLE, step),
    FIELD(fool, LONG, steps),
    { 0 },
};

static const cnnlens_evolve_fool_options evolve_fool_defaults = CNNLENS_EVOLVE_FOOL_OPTIONS_INIT;
static cnnlens_status call_evolve_fool(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                       const cnnlens_attack_goal *goal, const void *given)
{
    (void)image;
    return cnnlens_evolve_fool(out, session, goal, given);
}
static const native_field evolve_fool_fields[] = {
    FIELD(evolve_fool, INT, encoding),
    FIELD(evolve_fool, DOUBLE, confidence),
    FIELD(evolve_fool, LONG, population),
    FIELD(evolve_fool, LONG, generations),
    { 0 },
};

ATTACK(one_pixel, CNNLENS_ONE_PIXEL_OPTIONS_INIT)
static const native_field one_pixel_fields[] = {
    FIELD(one_pixel, DOUBLE, difference),
    FIELD(one_pixel, LONG, pixels),
    FIELD(one_pixel, LONG, population),
    FIELD(one_pixel, LONG, generations),
    { 0 },
};

ATTACK(square, CNNLENS_SQUARE_OPTIONS_INIT)
static const native_field square_fields[] = {
    FIELD(square, DOUBLE, epsilon),
    FIELD(square, DOUBLE, share),
    FIELD(square, LONG, steps),
    { 0 },
};

ATTACK(nes, CNNLENS_NES_OPTIONS_INIT)
static const native_field nes_fields[] = {
    FIELD(nes, DOUBLE, epsilon), FIELD(nes, DOUBLE, step),  FIELD(nes, DOUBLE, deviation),
    FIELD(nes, LONG, steps),     FIELD(nes, LONG, samples), { 0 },
};

ATTACK(boundary, CNNLENS_BOUNDARY_OPTIONS_INIT)
static const native_field boundary_fields[] = {
    FIELD(boundary, ARRAY, start),
    FIELD(boundary, DOUBLE, orthogonal),
    FIELD(boundary, DOUBLE, towards),
    FIELD(boundary, LONG, steps),
    { 0 },
};

ATTACK(hop_skip_jump, CNNLENS_HOP_SKIP_JUMP_OPTIONS_INIT)
static const native_field hop_skip_jump_fields[] = {
    FIELD(hop_skip_jump, INT, norm),     FIELD(hop_skip_jump, ARRAY, start),       FIELD(hop_skip_jump, LONG, steps),
    FIELD(hop_skip_jump, LONG, samples), FIELD(hop_skip_jump, LONG, most_samples), { 0 },
};

static const attack attacks[] = {
    ENTRY(fgsm),        ENTRY(pgd),       ENTRY(lbfgs_attack), ENTRY(deepfool), ENTRY(cw),       ENTRY(fool),
    ENTRY(evolve_fool), ENTRY(one_pixel), ENTRY(square),       ENTRY(nes),      ENTRY(boundary), ENTRY(hop_skip_jump),
};

static const cnnlens_attack_goal goal_defaults = CNNLENS_ATTACK_GOAL_INIT;
static const native_field goal_fields[] = {
    { "is_targeted", NATIVE_INT, offsetof(cnnlens_attack_goal, is_targeted) },
    { "labels", NATIVE_LONGS, offsetof(cnnlens_attack_goal, labels) },
    { "is_clamped", NATIVE_INT, offsetof(cnnlens_attack_goal, is_clamped) },
    { "levels", NATIVE_INT, offsetof(cnnlens_attack_goal, levels) },
    { "low", NATIVE_FLOAT, offsetof(cnnlens_attack_goal, low) },
    { "high", NATIVE_FLOAT, offsetof(cnnlens_attack_goal, high) },
    { "seed", NATIVE_LONG, offsetof(cnnlens_attack_goal, seed) },
    { "progress", NATIVE_PROGRESS, offsetof(cnnlens_attack_goal, progress) },
    { 0 },
};

static const attack *find_attack(const char *name)
{
    for (size_t index = 0; index < sizeof attacks / sizeof *attacks; index++)
        if (strcmp(attacks[index].name, name) == 0)
            return &attacks[index];
    native_invalid("no attack '%s'", name);
    return NULL;
}

/* attack(name, image, [outs], {goal's field: value}, {option: value}) -> whether it ran to its end
 *
 * Ctrl-C stops an attack, and the pictures reached are its result. Any other exception stands. */
PyObject *native_attack(PyObject *self, PyObject *args)
{
    const char *name;
    PyObject *given, *wanted, *goals, *dictionary, *result = NULL;
    if (!PyArg_ParseTuple(args, "sOOO!O!", &name, &given, &wanted, &PyDict_Type, &goals, &PyDict_Type, &dictionary))
        return NULL;
    const attack *attack = find_attack(name);
    if (!attack)
        return NULL;
    native_options goal = { 0 }, options = { 0 };
    native_arrays image = { 0 }, outs = { 0 };
    if (native_options_get(&goal, "the goal", &goal_defaults, sizeof goal_defaults, goal_fields, goals) == 0 &&
        native_options_get(&options, name, attack->defaults, attack->size, attack->fields, dictionary) == 0 &&
        native_array_get(&image, given, 0, "the image") == 0 &&
        native_arrays_get(&outs, wanted, 1, "the output") == 0) {
        cnnlens_session *session = native_session(self);
        cnnlens_status status;
        native_hold_signals(self);
        Py_BEGIN_ALLOW_THREADS status =
            attack->call(outs.arrays, session, image.arrays, (const void *)goal.bytes, options.bytes);
        Py_END_ALLOW_THREADS native_raise_held(self);
        if (status != CNNLENS_OK || (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)))
            result = native_fail(status);
        else
            result = PyBool_FromLong(!PyErr_Occurred());
        if (result)
            PyErr_Clear();
    }
    native_options_release(&goal);
    native_options_release(&options);
    native_arrays_release(&image);
    native_arrays_release(&outs);
    return result;
}
