/* SPDX-License-Identifier: Apache-2.0
 *
 * cnnlens: look inside convolutional networks, and attack them.
 *
 * Ownership  Models, summaries, sessions and objectives given through `out` are yours: free each with the *_free of
 *            its type (NULL is fine). A session keeps what it needs of its model alive, and
 *            an objective keeps what it needs of its terms, so they may be freed in any order.
 *            Arrays are always yours; the library writes into them and keeps no pointer to them after the call.
 *            Strings given as const char * are UTF-8 and belong to the object they came from.
 * Threads    A cnnlens_model or cnnlens_objective never changes: share it. A cnnlens_session is for one thread
 *            at a time: make one per thread (a second caller is refused, not mixed up with the first).
 *            The error message is per thread. Callbacks run on the calling thread, with no lock held.
 * Fork       In a forked child make new sessions; models may go on being used.
 * Errors     A function that can fail returns a cnnlens_status: 0, or negative. On failure what `out` points to
 *            is unchanged or, for the floats of an array, unspecified; cnnlens_last_error() says why.
 *            Functions that return a count give a negative cnnlens_status instead, those that return a string
 *            give NULL. The library never prints and never exits. NULL where something is needed is an error.
 * Options    NULL means the defaults. Start from the *_INIT macro; fields are only ever appended. A library that
 *            is older than the caller's header refuses fields it does not know, unless they are zero.
 * Arrays     float32, C-contiguous (last axis fastest), any alignment. Pictures are N x C x H x W, RGB,
 *            in [0, 1] for a model made by cnnlens_model_seeing_images, otherwise in the network's own units.
 *            The caller states the shape of every array; a result of another shape is refused (CNNLENS_ESHAPE).
 */
#ifndef CNNLENS_H
#define CNNLENS_H

#include <stdint.h>

#if defined(__GNUC__)
#define CNNLENS_API __attribute__((visibility("default")))
#else
#define CNNLENS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ------------------------------------------------------------------------------------------- */

#define CNNLENS_VERSION_MAJOR 0
#define CNNLENS_VERSION_MINOR 1
#define CNNLENS_VERSION_PATCH 0

/* The library's version, "0.1.0"; the macros above are the header's. Never fails, never freed. */
CNNLENS_API const char *cnnlens_version(void);

/* ---- Errors -------------------------------------------------------------------------------------------- */

typedef int32_t cnnlens_status;

enum {
    CNNLENS_OK = 0,
    CNNLENS_EINVALID = -1,     /* an argument is not allowed */
    CNNLENS_ENOTFOUND = -2,    /* no file, layer or class of that name */
    CNNLENS_EIO = -3,          /* a file cannot be read */
    CNNLENS_EMODEL = -4,       /* a model file is broken */
    CNNLENS_EUNSUPPORTED = -5, /* a model file uses operators that are not known here; all are named */
    CNNLENS_ESHAPE = -6,       /* shapes do not fit; both are named */
    CNNLENS_ENOMEM = -7,
    CNNLENS_ECANCELLED = -8, /* a callback asked to stop */
    CNNLENS_EINTERNAL = -99  /* a fault in cnnlens; please report it */
};

/* What went wrong in the last call on this thread that failed: one line, no full stop. "" if none has.
 * Valid until the next failing call on this thread. */
CNNLENS_API const char *cnnlens_last_error(void);

/* ---- Arrays -------------------------------------------------------------------------------------------- */

#define CNNLENS_MAX_RANK 8

typedef struct {
    float *data;                     /* not written through where an array is an input */
    int64_t rank;                    /* 0...8 */
    int64_t shape[CNNLENS_MAX_RANK]; /* the first `rank` count, outermost first */
} cnnlens_array;

/* ---- Callbacks ----------------------------------------------------------------------------------------- */

/* Polled between the layers of a network. Return 0 to go on, anything else to stop with CNNLENS_ECANCELLED. Attacks of
 * several steps finish the one they are at and hand back the pictures reached; if it asks to stop once more, having
 * returned 0 in between, they stop at once, too. */
typedef int32_t (*cnnlens_interrupt)(void *payload);

/* Called after each step of an iterative method. Return 0 to go on, anything else to stop. */
typedef int32_t (*cnnlens_progress)(int64_t step, int64_t steps, float value, void *payload);

/* ---- Threads ------------------------------------------------------------------------------------------- */

/* How many threads one call computes with; at first, the CPUs that this process may use, and never
   more: they would only wait for each other. 0 puts that back. */
CNNLENS_API cnnlens_status cnnlens_set_thread_count(int64_t count);
CNNLENS_API int64_t cnnlens_thread_count(void);

/* ---- Precision ----------------------------------------------------------------------------------------- */

/* How exactly convolutions multiply. */
enum {
    /* High for what walks along gradients (pictures, cnnlens_fgsm, cnnlens_pgd), highest for whatever is measured.
       So it is at first. */
    CNNLENS_PRECISION_AUTOMATIC = 0,
    /* As floats do. A network's output differs from that of float64 by 1e-7 to 2e-5 of its norm. */
    CNNLENS_PRECISION_HIGHEST = 1,
    /* 16 of a float's 24 digits, on processors with AMX and bfloat16, where most networks then take 0.55 to 0.95 of
       the time; the output differs by 5e-6 to 2e-4. Elsewhere the same as the highest. */
    CNNLENS_PRECISION_HIGH = 2
};

/* Of the calls that begin from now on, in the whole process. */
CNNLENS_API cnnlens_status cnnlens_set_precision(int32_t precision);
CNNLENS_API int32_t cnnlens_precision(void);

/* ---- Models -------------------------------------------------------------------------------------------- */

typedef struct cnnlens_model cnnlens_model;

/* Reads an ONNX file, and the files of external weights beside it. */
CNNLENS_API cnnlens_status cnnlens_model_open(cnnlens_model **out, const char *path);

/* Reads the bytes of an ONNX file; they are not needed afterwards. `name` (NULL: "model") is for messages. */
CNNLENS_API cnnlens_status cnnlens_model_open_bytes(cnnlens_model **out, const void *bytes, int64_t count,
                                                    const char *name);

CNNLENS_API void cnnlens_model_free(cnnlens_model *model);

CNNLENS_API const char *cnnlens_model_name(const cnnlens_model *model);

CNNLENS_API int64_t cnnlens_model_input_count(const cnnlens_model *model);
CNNLENS_API const char *cnnlens_model_input_name(const cnnlens_model *model, int64_t index);

/* Fills in out->rank and out->shape, -1 where any size will do; out->data is left alone. */
CNNLENS_API cnnlens_status cnnlens_model_input_shape(cnnlens_array *out, const cnnlens_model *model, int64_t index);

CNNLENS_API int64_t cnnlens_model_output_count(const cnnlens_model *model);
CNNLENS_API const char *cnnlens_model_output_name(const cnnlens_model *model, int64_t index);

/* Layers, in the order in which they are computed, under the names of the model file's nodes. */
CNNLENS_API int64_t cnnlens_model_layer_count(const cnnlens_model *model);
CNNLENS_API const char *cnnlens_model_layer_name(const cnnlens_model *model, int64_t index);

/* The layer that `name` means: a node's name, a tensor's name, or one of "input", "logits" (the class scores
 * before a trailing softmax) and "output". CNNLENS_ENOTFOUND proposes the nearest names. */
CNNLENS_API cnnlens_status cnnlens_model_resolve(const char **out, const cnnlens_model *model, const char *name);

/* Class names, if the file has them (metadata "cnnlens.labels"). */
CNNLENS_API int64_t cnnlens_model_label_count(const cnnlens_model *model);
CNNLENS_API const char *cnnlens_model_label(const cnnlens_model *model, int64_t index);

/* The value of one of the file's metadata properties; NULL and no error message if it has no such key. */
CNNLENS_API const char *cnnlens_model_metadata(const cnnlens_model *model, const char *key);

enum { CNNLENS_ORDER_RGB = 0, CNNLENS_ORDER_BGR = 1 };

/* How a network wants its pictures: input = (scale * picture - mean) / deviation, channel by channel. */
typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_preprocessing_options) */
    int32_t order;        /* CNNLENS_ORDER_*: the network's channel order */
    int32_t channels;     /* 3, or 1 for grey pictures; how many of the numbers below count */
    float scale;          /* 1, or 255 for networks trained on bytes */
    float mean[4];        /* in the network's channel order */
    float deviation[4];   /* in the network's channel order */
} cnnlens_preprocessing_options;

#define CNNLENS_PREPROCESSING_OPTIONS_INIT                                                                             \
    { sizeof(cnnlens_preprocessing_options), CNNLENS_ORDER_RGB, 3, 1.0f, { 0.485f, 0.456f, 0.406f, 0.0f },             \
      { 0.229f, 0.224f, 0.225f, 1.0f } }

/* The same network, seeing pictures: its input is RGB (or grey) in [0, 1], N x C x H x W, and gradients come
 * out in these units. `options` NULL: what the file's metadata says, else ImageNet's numbers, as in _INIT. */
CNNLENS_API cnnlens_status cnnlens_model_seeing_images(cnnlens_model **out, const cnnlens_model *model,
                                                       const cnnlens_preprocessing_options *options);

/* Changes N x C x H x W floats in place: a defence that runs before the network sees a picture. */
typedef void (*cnnlens_change)(float *pictures, const int64_t shape[4], void *payload);

/* What a network sees of a picture at the picture's own resolution: rows * picture * columns^T, channel by channel. */
typedef struct {
    uint32_t struct_size;         /* sizeof(cnnlens_view_options) */
    int32_t channels;             /* of the picture: 3, or 1 for grey; default 3 */
    const cnnlens_array *rows;    /* h x H; NULL: all rows as they are */
    const cnnlens_array *columns; /* w x W; NULL: all columns as they are */
    const cnnlens_array *opacity; /* H x W in [0, 1], the picture is laid on white; NULL: opaque */
    cnnlens_change change;        /* NULL: none. Gradients pass as if there were none (arXiv:1802.00420) */
    void *payload;                /* must live as long as the model and its sessions */
} cnnlens_view_options;

#define CNNLENS_VIEW_OPTIONS_INIT { sizeof(cnnlens_view_options), 3, 0, 0, 0, 0, 0 }

/* As cnnlens_model_seeing_images, but the input is the picture at its own resolution, N x C x H x W in [0, 1], and
 * so are gradients and attacks: resizing and cropping are part of the network. */
CNNLENS_API cnnlens_status cnnlens_model_seeing_pictures(cnnlens_model **out, const cnnlens_model *model,
                                                         const cnnlens_preprocessing_options *options,
                                                         const cnnlens_view_options *view);

/* The same network with the weights of some layers drawn anew, normal with the scale they had: what sanity checks compare
 * a trained network with. The layers are convolutions and matrix products with fixed weights; a layer's draw depends on
 * the seed and its name alone. Adebayo et al. 2018, arXiv:1810.03292 */
CNNLENS_API cnnlens_status cnnlens_model_randomized(cnnlens_model **out, const cnnlens_model *model,
                                                    const char *const *layers, int64_t layer_count, uint64_t seed);

/* The same network with all that is behind its last maps turned into convolutions. Run on a picture of any size at least
 * its own, its output is N x K x h x w: class scores at every position. `height` and `width`: the size it is made for; 0
 * where its file says. Long, Shelhamer & Darrell 2015, section 3.1, arXiv:1411.4038 */
CNNLENS_API cnnlens_status cnnlens_model_fully_convolutional(cnnlens_model **out, const cnnlens_model *model,
                                                             int64_t height, int64_t width);

/* ---- Summary ------------------------------------------------------------------------------------------- */

typedef struct cnnlens_summary cnnlens_summary;

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_summary_row), set by the caller */
    int32_t rank;         /* of `shape` */
    const char *name;     /* belongs to the summary */
    const char *kind;     /* "Conv"; belongs to the summary */
    int64_t shape[CNNLENS_MAX_RANK];
    int64_t parameters;
    int64_t multiply_adds;
    int64_t activation_bytes;
    double receptive_field[2]; /* height, width; -1: the whole picture, stride and padding then say nothing */
    double stride[2];          /* pixels of the input between neighbours */
    double padding[2];         /* pixels of the input that the first unit sees beyond its edge */
} cnnlens_summary_row;

#define CNNLENS_SUMMARY_ROW_INIT                                                                                       \
    { sizeof(cnnlens_summary_row), 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 }, 0, 0, 0, { 0, 0 }, { 0, 0 }, { 0, 0 } }

/* One row a layer at the given input shapes (`inputs[i].data` is not looked at). `input_count` 0: the model's
 * own input shape, a batch of one, 224 pixels where any size will do. */
CNNLENS_API cnnlens_status cnnlens_summary_new(cnnlens_summary **out, const cnnlens_model *model,
                                               const cnnlens_array *inputs, int64_t input_count);
CNNLENS_API void cnnlens_summary_free(cnnlens_summary *summary);
CNNLENS_API int64_t cnnlens_summary_row_count(const cnnlens_summary *summary);

/* Row `index`, or with index -1 the totals. Fills the first row->struct_size bytes. */
CNNLENS_API cnnlens_status cnnlens_summary_get_row(cnnlens_summary_row *row, const cnnlens_summary *summary,
                                                   int64_t index);

/* The whole as a table to print. */
CNNLENS_API const char *cnnlens_summary_text(const cnnlens_summary *summary);

/* ---- Sessions ------------------------------------------------------------------------------------------ */

typedef struct cnnlens_session cnnlens_session;

CNNLENS_API cnnlens_status cnnlens_session_new(cnnlens_session **out, const cnnlens_model *model);
CNNLENS_API void cnnlens_session_free(cnnlens_session *session);

/* `callback` NULL: none. */
CNNLENS_API cnnlens_status cnnlens_session_set_interrupt(cnnlens_session *session, cnnlens_interrupt callback,
                                                         void *payload);

/* The shapes that `layers` have for inputs of the given shapes (`inputs[i].data` is not looked at): fills in
 * out[i].rank and out[i].shape; out[i].data is left alone. */
CNNLENS_API cnnlens_status cnnlens_layer_shape(cnnlens_array *out, cnnlens_session *session, const char *const *layers,
                                               int64_t layer_count, const cnnlens_array *inputs, int64_t input_count);

/* The last layer before the class scores that has maps of more than one pixel, which the CAM family looks at unless it
 * is told another. The string belongs to the session, until this is called again. */
CNNLENS_API cnnlens_status cnnlens_last_spatial_layer(const char **out, cnnlens_session *session,
                                                      const cnnlens_array *inputs, int64_t input_count);

/* The activations of `layers`. Only the part of the network that they need is computed. */
CNNLENS_API cnnlens_status cnnlens_run(cnnlens_array *out, cnnlens_session *session, const char *const *layers,
                                       int64_t layer_count, const cnnlens_array *inputs, int64_t input_count);

/* The `top` most probable classes of each image, best first: `indices` and `probabilities` are
 * N x top. Probabilities are the softmax over the class scores; a network that ends in a softmax is taken
 * as it is. `top` may be at most the number of classes. */
CNNLENS_API cnnlens_status cnnlens_predict(int64_t *indices, float *probabilities, int64_t top,
                                           cnnlens_session *session, const cnnlens_array *image);

/* ---- Objectives: a number that a network gives to each image --------------------------------------------- */

typedef struct cnnlens_objective cnnlens_objective;

/* The class scores before the softmax. `classes` has one entry for all images, or one per image. */
CNNLENS_API cnnlens_status cnnlens_objective_logit(cnnlens_objective **out, const int64_t *classes, int64_t count);
/* The highest class score of each image. */
CNNLENS_API cnnlens_status cnnlens_objective_top(cnnlens_objective **out);
/* The softmax of the class scores. */
CNNLENS_API cnnlens_status cnnlens_objective_probability(cnnlens_objective **out, const int64_t *classes,
                                                         int64_t count);
/* -log of that: the loss that attacks raise. */
CNNLENS_API cnnlens_status cnnlens_objective_cross_entropy(cnnlens_objective **out, const int64_t *classes,
                                                           int64_t count);
/* One unit of a layer. y and x negative: the middle. */
CNNLENS_API cnnlens_status cnnlens_objective_unit(cnnlens_objective **out, const char *layer, int64_t channel,
                                                  int64_t y, int64_t x);
/* The mean of one channel of a layer. */
CNNLENS_API cnnlens_status cnnlens_objective_channel(cnnlens_objective **out, const char *layer, int64_t channel);
/* Half the sum of the squares of a layer. */
CNNLENS_API cnnlens_status cnnlens_objective_layer(cnnlens_objective **out, const char *layer);
/* The mean over positions of <activations, vector>; `vector` has one number per channel. */
CNNLENS_API cnnlens_status cnnlens_objective_direction(cnnlens_objective **out, const char *layer, const float *vector,
                                                       int64_t count);
/* <activations, mask>; `mask` has the shape of one image's activations. */
CNNLENS_API cnnlens_status cnnlens_objective_group(cnnlens_objective **out, const char *layer,
                                                   const cnnlens_array *mask);
/* The mean of a rectangle of a layer, of one channel or, with a negative channel, of all. */
CNNLENS_API cnnlens_status cnnlens_objective_region(cnnlens_objective **out, const char *layer, int64_t channel,
                                                    int64_t top, int64_t left, int64_t height, int64_t width);
/* <activations, vector> at one position. y and x negative: the middle. */
CNNLENS_API cnnlens_status cnnlens_objective_direction_at(cnnlens_objective **out, const char *layer,
                                                          const float *vector, int64_t count, int64_t y, int64_t x);

/* By what a sum of squares is divided: nothing, the number of values, the sum of squares of the target. */
enum { CNNLENS_DISTANCE_SUM = 0, CNNLENS_DISTANCE_MEAN = 1, CNNLENS_DISTANCE_RELATIVE = 2 };

/* The sum of squared differences to `target`: a layer's activations for one image, or for each of a batch. */
CNNLENS_API cnnlens_status cnnlens_objective_distance(cnnlens_objective **out, const char *layer,
                                                      const cnnlens_array *target, int32_t scale);
/* The mean squared difference between F F^T / (C P), F being a layer's C maps of P pixels, and `target`, C x C.
 * `mask` (NULL: none) has one weight a pixel of the layer. Gatys, Ecker & Bethge 2016. */
CNNLENS_API cnnlens_status cnnlens_objective_gram_distance(cnnlens_objective **out, const char *layer,
                                                           const cnnlens_array *target, const cnnlens_array *mask);
/* The sum over pixels of (dx^2 + dy^2)^(beta/2). `layer` NULL: the input. Mahendran & Vedaldi 2015,
 * arXiv:1412.0035 */
CNNLENS_API cnnlens_status cnnlens_objective_total_variation(cnnlens_objective **out, const char *layer, float beta);
/* The sum of |x - center|^p; `center` has one number per channel, or one, or (NULL) is 0. `layer` NULL: the input. */
CNNLENS_API cnnlens_status cnnlens_objective_norm(cnnlens_objective **out, const char *layer, float p,
                                                  const float *center, int64_t count);
/* Minus the mean cosine between the Gram matrices of a layer for the pictures of a batch. Olah et al. 2017,
 * doi:10.23915/distill.00007 */
CNNLENS_API cnnlens_status cnnlens_objective_diversity(cnnlens_objective **out, const char *layer);
/* Minus half the sum of |a_m - a_n|^2 / decay^|m - n| over the pictures of a batch. */
CNNLENS_API cnnlens_status cnnlens_objective_alignment(cnnlens_objective **out, const char *layer, float decay);
/* The sum over positions of the largest <activations, guide at q>: what a dream with a guide raises. `guide` is the
 * layer's activations for the guide, 1 x C x H x W of any H and W. */
CNNLENS_API cnnlens_status cnnlens_objective_guide(cnnlens_objective **out, const char *layer,
                                                   const cnnlens_array *guide);
/* weights[0] * terms[0] + ...; `weights` NULL: all 1. */
CNNLENS_API cnnlens_status cnnlens_objective_sum(cnnlens_objective **out, const cnnlens_objective *const *terms,
                                                 const float *weights, int64_t count);
CNNLENS_API void cnnlens_objective_free(cnnlens_objective *objective);

/* ---- Gradients ----------------------------------------------------------------------------------------- */

/* What a ReLU does on the way back. */
enum {
    CNNLENS_RULE_GRADIENT = 0,  /* the derivative */
    CNNLENS_RULE_DECONVNET = 1, /* Zeiler & Fergus 2014, arXiv:1311.2901 */
    CNNLENS_RULE_GUIDED = 2,    /* Springenberg et al. 2015, arXiv:1412.6806 */
    CNNLENS_RULE_REDIRECTED = 3 /* the derivative, or where an image has none, what would wake dead units:
                                   Olah, Mordvintsev & Schubert, Feature Visualization, Distill 2017 */
};

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_gradient_options) */
    int32_t rule;         /* CNNLENS_RULE_*; default CNNLENS_RULE_GRADIENT */
} cnnlens_gradient_options;

#define CNNLENS_GRADIENT_OPTIONS_INIT { sizeof(cnnlens_gradient_options), CNNLENS_RULE_GRADIENT }

/* The derivative of the objective (NULL: the highest class score) with respect to each of `layers`. */
CNNLENS_API cnnlens_status cnnlens_gradient(cnnlens_array *out, cnnlens_session *session, const char *const *layers,
                                            int64_t layer_count, const cnnlens_array *inputs, int64_t input_count,
                                            const cnnlens_objective *objective,
                                            const cnnlens_gradient_options *options);

/* What the session's last gradient, attribution or attack saw; CNNLENS_EINVALID before there was one. */

/* How many images it had: the length of the two lists below. */
CNNLENS_API int64_t cnnlens_session_image_count(const cnnlens_session *session);
/* The value of the objective for each image. */
CNNLENS_API cnnlens_status cnnlens_session_scores(float *out, int64_t count, const cnnlens_session *session);
/* The class that the objective named or chose for each image; -1 where it is not about one class. */
CNNLENS_API cnnlens_status cnnlens_session_targets(int64_t *out, int64_t count, const cnnlens_session *session);
/* The layer that a method of the CAM family looked at; NULL, without an error message, after the others. */
CNNLENS_API const char *cnnlens_session_layer(const cnnlens_session *session);
/* That method's map at the layer's own resolution, N x h x w. With out->data NULL only the shape is filled in. */
CNNLENS_API cnnlens_status cnnlens_session_native(cnnlens_array *out, const cnnlens_session *session);

/* For methods whose values should add up to something: what is missing, for each image; CNNLENS_ENOTFOUND after the
 * others. */
CNNLENS_API cnnlens_status cnnlens_session_gaps(float *out, int64_t count, const cnnlens_session *session);

/* ---- Attribution: `image` is N x C x H x W, objective NULL is the highest class score --------------------- */

/* One number a pixel from one number per channel. */
enum {
    CNNLENS_REDUCE_DEFAULT = 0,  /* MAXIMUM for saliency, SUM for the others */
    CNNLENS_REDUCE_MAXIMUM = 1,  /* of the absolute values */
    CNNLENS_REDUCE_ABSOLUTE = 2, /* the sum of the absolute values */
    CNNLENS_REDUCE_SUM = 3,      /* signed */
    CNNLENS_REDUCE_NONE = 4      /* out is N x C x H x W, otherwise N x H x W */
};

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_attribution_options) */
    int32_t reduction;    /* CNNLENS_REDUCE_* */
} cnnlens_attribution_options;

#define CNNLENS_ATTRIBUTION_OPTIONS_INIT { sizeof(cnnlens_attribution_options), CNNLENS_REDUCE_DEFAULT }

/* |gradient|. Simonyan, Vedaldi & Zisserman 2013, section 3, arXiv:1312.6034 */
CNNLENS_API cnnlens_status cnnlens_saliency(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                            const cnnlens_objective *objective,
                                            const cnnlens_attribution_options *options);
/* gradient * image. Shrikumar et al. 2016, arXiv:1605.01713 */
CNNLENS_API cnnlens_status cnnlens_grad_x_input(cnnlens_array *out, cnnlens_session *session,
                                                const cnnlens_array *image, const cnnlens_objective *objective,
                                                const cnnlens_attribution_options *options);
/* Springenberg et al. 2015, arXiv:1412.6806 */
CNNLENS_API cnnlens_status cnnlens_guided_backprop(cnnlens_array *out, cnnlens_session *session,
                                                   const cnnlens_array *image, const cnnlens_objective *objective,
                                                   const cnnlens_attribution_options *options);
/* Zeiler & Fergus 2014, arXiv:1311.2901 */
CNNLENS_API cnnlens_status cnnlens_deconvnet(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                             const cnnlens_objective *objective,
                                             const cnnlens_attribution_options *options);

enum { CNNLENS_UPSAMPLE_BILINEAR = 0, CNNLENS_UPSAMPLE_NEAREST = 1 };

/* How the maps of a layer are weighted. */
enum {
    CNNLENS_CAM_GRADCAM = 0,           /* Selvaraju et al. 2017, arXiv:1610.02391 */
    CNNLENS_CAM_GRADCAM_PLUS_PLUS = 1, /* Chattopadhay et al. 2018, arXiv:1710.11063 */
    CNNLENS_CAM_HIRESCAM = 2,          /* Draelos & Carin 2020, arXiv:2011.08891 */
    CNNLENS_CAM_XGRADCAM = 3,          /* Fu et al. 2020, arXiv:2008.02312 */
    CNNLENS_CAM_LAYERCAM = 4,          /* Jiang et al. 2021, doi:10.1109/TIP.2021.3089943 */
    CNNLENS_CAM_EIGENCAM = 5,          /* Muhammad & Yeasin 2020, arXiv:2008.00299; asks for no class */
    CNNLENS_CAM_SCORECAM = 6,          /* Wang et al. 2020, arXiv:1910.01279; a forward pass for each channel */
    CNNLENS_CAM_ABLATIONCAM = 7        /* Desai & Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360; the same */
};

typedef struct {
    uint32_t struct_size;      /* sizeof(cnnlens_cam_options) */
    int32_t keeps_positive;    /* 1: negative values become 0 (the paper's ReLU); 0: signed. Default 1 */
    const char *layer;         /* NULL: the last layer with a spatial map */
    int32_t upsample;          /* CNNLENS_UPSAMPLE_*; default bilinear */
    int32_t variant;           /* CNNLENS_CAM_*; default Grad-CAM */
    cnnlens_progress progress; /* NULL: none. Called by Score-CAM and Ablation-CAM with how many channels are done */
    void *payload;
} cnnlens_cam_options;

#define CNNLENS_CAM_OPTIONS_INIT                                                                                       \
    { sizeof(cnnlens_cam_options), 1, 0, CNNLENS_UPSAMPLE_BILINEAR, CNNLENS_CAM_GRADCAM, 0, 0 }

/* Zhou et al. 2016, arXiv:1512.04150. For networks that end in global average pooling and one dense layer.
 * out is N x H x W. */
CNNLENS_API cnnlens_status cnnlens_cam(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                       const cnnlens_objective *objective);
/* Selvaraju et al. 2017, arXiv:1610.02391. out is N x H x W. */
CNNLENS_API cnnlens_status cnnlens_grad_cam(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                            const cnnlens_objective *objective, const cnnlens_cam_options *options);
/* Grad-CAM times guided backprop summed over the channels, section 3.2 of the same paper. out is N x H x W.
 * Of the options only `layer` counts. */
CNNLENS_API cnnlens_status cnnlens_guided_grad_cam(cnnlens_array *out, cnnlens_session *session,
                                                   const cnnlens_array *image, const cnnlens_objective *objective,
                                                   const cnnlens_cam_options *options);

/* |dS/dx * x| plus what every bias contributes, each layer scaled to 0...1. Srinivas & Fleuret 2019,
 * arXiv:1905.00780. cnnlens_session_gaps: what the unscaled terms lack of the score. out is N x H x W. */
CNNLENS_API cnnlens_status cnnlens_fullgrad(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                            const cnnlens_objective *objective);

/* How a layer shares the relevance of its outputs out to its inputs x, through weights w. */
enum {
    CNNLENS_LRP_SAME = 0,       /* for `first` alone: as other layers of its kind */
    CNNLENS_LRP_EPSILON = 1,    /* x w / (z + epsilon sign(z)). Bach et al. 2015, doi:10.1371/journal.pone.0130140 */
    CNNLENS_LRP_GAMMA = 2,      /* the same with weights w + gamma w+. doi:10.1007/978-3-030-28954-6_10 */
    CNNLENS_LRP_Z_PLUS = 3,     /* what is positive in x w, over the sum of that */
    CNNLENS_LRP_ALPHA_BETA = 4, /* alpha of what is positive, minus alpha - 1 of what is negative */
    CNNLENS_LRP_FLAT = 5,       /* the same to all. Lapuschkin et al. 2019, arXiv:1902.10178 */
    CNNLENS_LRP_W_SQUARE = 6,   /* w^2. Montavon et al. 2017, arXiv:1512.02479 */
    CNNLENS_LRP_Z_BOX = 7       /* x w - low w+ - high w-; for `first` alone. The same paper */
};

typedef struct {
    uint32_t struct_size;      /* sizeof(cnnlens_lrp_options) */
    int32_t convolution;       /* CNNLENS_LRP_* for convolutions; default CNNLENS_LRP_Z_PLUS */
    int32_t dense;             /* for dense layers; default CNNLENS_LRP_EPSILON */
    int32_t first;             /* for layers that see the picture first; default CNNLENS_LRP_FLAT */
    float epsilon;             /* above 0; default 1e-6 */
    float gamma;               /* at least 0; default 0.25 */
    float alpha;               /* at least 1; default 2 */
    int32_t counts_biases;     /* 1: biases take their share, 0: they take none; default 1 */
    const cnnlens_array *low;  /* bounds of the image: one number, or one for each channel; NULL: 0 */
    const cnnlens_array *high; /* NULL: 1 */
    int32_t reduction;         /* CNNLENS_REDUCE_*; default the sum */
    int32_t reserved;          /* 0 */
} cnnlens_lrp_options;

#define CNNLENS_LRP_OPTIONS_INIT                                                                                       \
    { sizeof(cnnlens_lrp_options),                                                                                     \
      CNNLENS_LRP_Z_PLUS,                                                                                              \
      CNNLENS_LRP_EPSILON,                                                                                             \
      CNNLENS_LRP_FLAT,                                                                                                \
      1e-6f,                                                                                                           \
      0.25f,                                                                                                           \
      2.0f,                                                                                                            \
      1,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      CNNLENS_REDUCE_DEFAULT,                                                                                          \
      0 }

/* Layer-wise relevance propagation: the score handed down from layer to layer until it lies on the picture. The
 * defaults are the preset called epsilon-plus-flat (Kohlbrenner et al. 2020, arXiv:1910.09840).
 * cnnlens_session_gaps: the score minus the sum of the map, which biases took. */
CNNLENS_API cnnlens_status cnnlens_lrp(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                       const cnnlens_objective *objective, const cnnlens_lrp_options *options);

/* What a hidden part of the picture shows. */
enum {
    CNNLENS_FILL_VALUE = 0,       /* the same number in all channels */
    CNNLENS_FILL_MEAN = 1,        /* the mean of each channel of the picture */
    CNNLENS_FILL_BLUR = 2,        /* the picture under a Gaussian of 10 pixels */
    CNNLENS_FILL_PICTURE = 3,     /* another picture, where the options have one */
    CNNLENS_FILL_SEGMENT_MEAN = 4 /* the mean of each channel of each segment, where the options have segments */
};

typedef struct {
    uint32_t struct_size;      /* sizeof(cnnlens_occlusion_options) */
    int32_t fill;              /* CNNLENS_FILL_VALUE (default), _MEAN or _BLUR */
    int64_t window[2];         /* height, width in pixels, at most the picture's; default 32, 32 */
    int64_t stride[2];         /* steps down and across, 1...window; default 8, 8 */
    float value;               /* for CNNLENS_FILL_VALUE, in units of the image; default 0 */
    int32_t exact;             /* 1: scores have the bits of whole passes, which takes up to twice as long; default 0 */
    cnnlens_progress progress; /* NULL: none. Called with how many windows of all are done; its value is 0 */
    void *payload;
} cnnlens_occlusion_options;

#define CNNLENS_OCCLUSION_OPTIONS_INIT                                                                                 \
    { sizeof(cnnlens_occlusion_options), CNNLENS_FILL_VALUE, { 32, 32 }, { 8, 8 }, 0.0f, 0, 0, 0 }

/* How far the objective falls, on average, where a window that covers the pixel hides the picture: every window
 * is a forward pass of what it changes, in the order of additions that makes this fast; with `exact` in that of whole
 * passes. Zeiler & Fergus 2014, section 4.2, arXiv:1311.2901. out is N x H x W. */
CNNLENS_API cnnlens_status cnnlens_occlusion(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                             const cnnlens_objective *objective,
                                             const cnnlens_occlusion_options *options);

/* A method whose maps for noisy copies of the picture are averaged. */
enum {
    CNNLENS_METHOD_SALIENCY = 0,
    CNNLENS_METHOD_GRAD_X_INPUT = 1,
    CNNLENS_METHOD_GUIDED_BACKPROP = 2,
    CNNLENS_METHOD_DECONVNET = 3,
    CNNLENS_METHOD_INTEGRATED_GRADIENTS = 4,
    CNNLENS_METHOD_GRAD_CAM = 5,
    CNNLENS_METHOD_GUIDED_GRAD_CAM = 6,
    CNNLENS_METHOD_CAM = 7
};

enum {
    CNNLENS_NOISE_MEAN = 0,    /* SmoothGrad, arXiv:1706.03825 */
    CNNLENS_NOISE_SQUARE = 1,  /* the mean of the squares, arXiv:1806.10758 */
    CNNLENS_NOISE_VARIANCE = 2 /* VarGrad, arXiv:1810.03307 */
};

typedef struct {
    uint32_t struct_size;      /* sizeof(cnnlens_smoothgrad_options) */
    int32_t method;            /* CNNLENS_METHOD_*; default saliency */
    int64_t samples;           /* noisy copies; default 25 */
    uint64_t seed;             /* default 0 */
    double noise;              /* deviation as a share of the picture's range, max - min; default 0.15 */
    int32_t summary;           /* CNNLENS_NOISE_*; default the mean */
    int32_t reduction;         /* CNNLENS_REDUCE_*, for methods with one value per channel */
    const char *layer;         /* for methods that look at one; NULL: the last layer with a spatial map */
    cnnlens_progress progress; /* NULL: none. Called with how many copies of all are done; its value is 0 */
    void *payload;
} cnnlens_smoothgrad_options;

#define CNNLENS_SMOOTHGRAD_OPTIONS_INIT                                                                                \
    { sizeof(cnnlens_smoothgrad_options),                                                                              \
      CNNLENS_METHOD_SALIENCY,                                                                                         \
      25,                                                                                                              \
      0,                                                                                                               \
      0.15,                                                                                                            \
      CNNLENS_NOISE_MEAN,                                                                                              \
      CNNLENS_REDUCE_DEFAULT,                                                                                          \
      0,                                                                                                               \
      0,                                                                                                               \
      0 }

/* A method's maps for noisy copies of the picture, averaged. Smilkov et al. 2017, arXiv:1706.03825. */
CNNLENS_API cnnlens_status cnnlens_smoothgrad(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                              const cnnlens_objective *objective,
                                              const cnnlens_smoothgrad_options *options);

/* Where on the way from a baseline to the picture gradients are taken; the weights sum to one. */
enum {
    CNNLENS_PATH_GAUSS_LEGENDRE = 0,
    CNNLENS_PATH_LEFT = 1, /* ends of equal pieces */
    CNNLENS_PATH_RIGHT = 2,
    CNNLENS_PATH_MIDDLE = 3,
    CNNLENS_PATH_TRAPEZOID = 4
};

typedef struct {
    uint32_t struct_size;         /* sizeof(cnnlens_path_options) */
    int32_t rule;                 /* CNNLENS_PATH_*; default Gauss-Legendre; conductance is by the trapezoid rule */
    int64_t steps;                /* gradients on the way; default 50 */
    int32_t baseline;             /* CNNLENS_FILL_*; default a number */
    float value;                  /* for CNNLENS_FILL_VALUE, in units of the image; default 0 */
    const cnnlens_array *picture; /* for CNNLENS_FILL_PICTURE: 1 x C x H x W, or one for each image */
    const char *layer;            /* for methods at a layer; NULL: the last layer with a spatial map */
    int32_t reduction;            /* CNNLENS_REDUCE_*; default the sum. NONE at a layer: out has the layer's shape */
    int32_t reserved;             /* 0 */
    cnnlens_progress progress;    /* NULL: none. Called with how many steps of all are done; its value is 0 */
    void *payload;
} cnnlens_path_options;

#define CNNLENS_PATH_OPTIONS_INIT                                                                                      \
    { sizeof(cnnlens_path_options),                                                                                    \
      CNNLENS_PATH_GAUSS_LEGENDRE,                                                                                     \
      50,                                                                                                              \
      CNNLENS_FILL_VALUE,                                                                                              \
      0.0f,                                                                                                            \
      0,                                                                                                               \
      0,                                                                                                               \
      CNNLENS_REDUCE_DEFAULT,                                                                                          \
      0,                                                                                                               \
      0,                                                                                                               \
      0 }

/* The gradient averaged on the way from a baseline, times the difference; cnnlens_session_gaps: what the values lack
 * of S(picture) - S(baseline). Sundararajan, Taly & Yan 2017, arXiv:1703.01365. */
CNNLENS_API cnnlens_status cnnlens_integrated_gradients(cnnlens_array *out, cnnlens_session *session,
                                                        const cnnlens_array *image, const cnnlens_objective *objective,
                                                        const cnnlens_path_options *options);

/* At a layer: gradient * activation (of the options only `layer` and `reduction` count); integrated gradients of the
 * layer's values; the mean gradient on the way (Leino et al. 2018, arXiv:1802.03788); conductance (Dhamdhere,
 * Sundararajan & Yan 2018, arXiv:1805.12233). out is N x H x W, and cnnlens_session_native the layer's own map. */
CNNLENS_API cnnlens_status cnnlens_layer_grad_x_activation(cnnlens_array *out, cnnlens_session *session,
                                                           const cnnlens_array *image,
                                                           const cnnlens_objective *objective,
                                                           const cnnlens_path_options *options);
CNNLENS_API cnnlens_status cnnlens_layer_integrated_gradients(cnnlens_array *out, cnnlens_session *session,
                                                              const cnnlens_array *image,
                                                              const cnnlens_objective *objective,
                                                              const cnnlens_path_options *options);
CNNLENS_API cnnlens_status cnnlens_internal_influence(cnnlens_array *out, cnnlens_session *session,
                                                      const cnnlens_array *image, const cnnlens_objective *objective,
                                                      const cnnlens_path_options *options);
CNNLENS_API cnnlens_status cnnlens_conductance(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                               const cnnlens_objective *objective, const cnnlens_path_options *options);

/* Several methods from one forward pass: out[i] is what the method methods[i], one of saliency, grad_x_input,
 * guided_backprop, deconvnet, grad_cam, guided_grad_cam and cam with its defaults, gives alone, N x H x W. `layer` is
 * for Grad-CAM; NULL: the last with a spatial map. */
CNNLENS_API cnnlens_status cnnlens_explain(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                           const cnnlens_objective *objective, const int32_t *methods,
                                           int64_t method_count, const char *layer);
/* Makes the layer and the native map of the i-th method of the last cnnlens_explain those that
 * cnnlens_session_layer and cnnlens_session_native give. */
CNNLENS_API cnnlens_status cnnlens_session_select(cnnlens_session *session, int64_t index);

typedef struct {
    uint32_t struct_size;         /* sizeof(cnnlens_rise_options) */
    int32_t fill;                 /* CNNLENS_FILL_*; default a number */
    int64_t masks;                /* forward passes; default 4000 */
    int64_t cells;                /* of a mask along each axis, at most the pixels there are; default 7 */
    double p;                     /* the probability that a cell is shown, above 0 and at most 1; default 0.5 */
    uint64_t seed;                /* default 0 */
    const cnnlens_array *picture; /* for CNNLENS_FILL_PICTURE: 1 x C x H x W, or one for each image */
    float value;                  /* for CNNLENS_FILL_VALUE, in units of the image; default 0 */
    int32_t reserved;             /* 0 */
    cnnlens_progress progress;    /* NULL: none. Called with how many masks of all are done; its value is 0 */
    void *payload;
} cnnlens_rise_options;

#define CNNLENS_RISE_OPTIONS_INIT                                                                                      \
    { sizeof(cnnlens_rise_options), CNNLENS_FILL_VALUE, 4000, 7, 0.5, 0, 0, 0.0f, 0, 0, 0 }

/* Random masks, each weighted by the objective of what it shows. Petsiuk, Das & Saenko 2018, arXiv:1806.07421.
 * out is N x H x W. */
CNNLENS_API cnnlens_status cnnlens_rise(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                        const cnnlens_objective *objective, const cnnlens_rise_options *options);

/* The picture in pieces. `segments` must be given. */
typedef struct {
    uint32_t struct_size;          /* sizeof(cnnlens_segment_options) */
    int32_t fill;                  /* CNNLENS_FILL_*; default each segment's mean */
    const cnnlens_array *segments; /* H x W or N x H x W, whole numbers: pixels of one number are one segment */
    const cnnlens_array *picture;  /* for CNNLENS_FILL_PICTURE: 1 x C x H x W, or one for each image */
    cnnlens_array *model;          /* NULL, or N x 2: gets the intercept, and R^2 where there is a regression */
    int64_t samples;               /* 0: the method's default */
    uint64_t seed;                 /* default 0 */
    double kernel_width;           /* of cnnlens_lime; default 0.25 */
    double ridge;                  /* of cnnlens_lime; default 1 */
    float value;                   /* for CNNLENS_FILL_VALUE, in units of the image; default 0 */
    int32_t exact;                 /* of cnnlens_feature_ablation, as for cnnlens_occlusion; default 0 */
    cnnlens_progress progress;     /* NULL: none. Called with how many trials of all are done; its value is 0 */
    void *payload;
} cnnlens_segment_options;

#define CNNLENS_SEGMENT_OPTIONS_INIT                                                                                   \
    { sizeof(cnnlens_segment_options), CNNLENS_FILL_SEGMENT_MEAN, 0, 0, 0, 0, 0, 0.25, 1.0, 0.0f, 0, 0, 0 }

/* How far the objective falls where a segment is hidden. out is N x H x W, as for the three below: each pixel has its
 * segment's number. `model`, `samples`, `seed`, `kernel_width` and `ridge` do not count. */
CNNLENS_API cnnlens_status cnnlens_feature_ablation(cnnlens_array *out, cnnlens_session *session,
                                                    const cnnlens_array *image, const cnnlens_objective *objective,
                                                    const cnnlens_segment_options *options);
/* A ridge regression of the objective on which segments are shown, near the picture. `samples` trials, by default
 * 1000. Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938 */
CNNLENS_API cnnlens_status cnnlens_lime(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                        const cnnlens_objective *objective, const cnnlens_segment_options *options);
/* Shapley values by regression; the intercept is the objective with everything hidden. `samples` trials, by default
 * 1000. Lundberg & Lee 2017, arXiv:1705.07874 */
CNNLENS_API cnnlens_status cnnlens_kernel_shap(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                               const cnnlens_objective *objective,
                                               const cnnlens_segment_options *options);
/* Shapley values as means over random orders: `samples` of them, by default 25. There is no R^2.
 * Castro, Gomez & Tejada 2009, doi:10.1016/j.cor.2008.04.004 */
CNNLENS_API cnnlens_status cnnlens_shapley(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                           const cnnlens_objective *objective, const cnnlens_segment_options *options);

/* ---- Is a map right? -------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t struct_size;         /* sizeof(cnnlens_curve_options) */
    int32_t fill;                 /* CNNLENS_FILL_*; default a number for deletion, the blur for insertion */
    const cnnlens_array *map;     /* N x H x W, must be given: where it is large, pixels change first */
    int64_t steps;                /* how many times pixels change; default 50, no more than there are pixels */
    const cnnlens_array *picture; /* for CNNLENS_FILL_PICTURE: 1 x C x H x W, or one for each image */
    cnnlens_array *fractions;     /* NULL, or S numbers: gets the part of the pixels that has changed, from 0 to 1 */
    cnnlens_array *areas;         /* NULL, or N numbers: gets the area under each image's curve */
    float value;                  /* for CNNLENS_FILL_VALUE, in units of the image; default 0 */
    int32_t reserved;             /* 0 */
    cnnlens_progress progress;    /* NULL: none. Called with how many pictures of all are done; its value is 0 */
    void *payload;
} cnnlens_curve_options;

#define CNNLENS_DELETION_OPTIONS_INIT                                                                                  \
    { sizeof(cnnlens_curve_options), CNNLENS_FILL_VALUE, 0, 50, 0, 0, 0, 0.0f, 0, 0, 0 }
#define CNNLENS_INSERTION_OPTIONS_INIT                                                                                 \
    { sizeof(cnnlens_curve_options), CNNLENS_FILL_BLUR, 0, 50, 0, 0, 0, 0.0f, 0, 0, 0 }

/* How the objective falls as pixels are hidden, the map's largest first: a small area speaks for the map. out is N x S,
 * S = min(steps, H x W) + 1; `map` must be given. Petsiuk, Das & Saenko 2018, section 4.2, arXiv:1806.07421 */
CNNLENS_API cnnlens_status cnnlens_deletion(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                            const cnnlens_objective *objective, const cnnlens_curve_options *options);
/* How it rises as the pixels of a hidden picture are shown: a large area speaks for the map. */
CNNLENS_API cnnlens_status cnnlens_insertion(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                             const cnnlens_objective *objective, const cnnlens_curve_options *options);

/* ---- Attacks: `image` is N x C x H x W, out has its shape ------------------------------------------------- */

/* What an attack is to reach, and what its pictures may be; NULL: the defaults. */
typedef struct {
    uint32_t struct_size;  /* sizeof(cnnlens_attack_goal) */
    int32_t is_targeted;   /* 1: towards `labels`, 0: away from them; default 0 */
    const int64_t *labels; /* one for all images, or one per image; NULL: what the network sees now */
    int64_t label_count;
    int32_t is_clamped;        /* 1: results stay in low...high, where the image must be; default 1 */
    int32_t levels;            /* results are multiples of 1 / levels: 255 for bytes; 0: any float. Default 0 */
    float low;                 /* default 0 */
    float high;                /* default 1 */
    int64_t seed;              /* of random numbers, the same for every image of a batch; default 0 */
    cnnlens_progress progress; /* NULL: none. Where it stops an attack, out is what there is so far, and CNNLENS_OK */
    void *payload;
} cnnlens_attack_goal;

#define CNNLENS_ATTACK_GOAL_INIT { sizeof(cnnlens_attack_goal), 0, 0, 0, 1, 0, 0.0f, 1.0f, 0, 0, 0 }

/* After an attack cnnlens_session_targets gives the classes that were to be left or reached, and
 * cnnlens_session_scores how many pictures the network was shown for each image. */

/* How the size of a change is measured: the largest, the length, the sum of absolute values. */
enum { CNNLENS_NORM_MAXIMUM = 0, CNNLENS_NORM_EUCLIDEAN = 1, CNNLENS_NORM_ABSOLUTE = 2 };

typedef struct {
    uint32_t struct_size;   /* sizeof(cnnlens_fgsm_options) */
    int32_t norm;           /* CNNLENS_NORM_*, in which epsilon is measured; default the largest change */
    double epsilon;         /* in units of the input; default 8/255 */
    const double *epsilons; /* NULL, or several: `out` is then as many arrays, and the gradient is computed once */
    int64_t epsilon_count;
} cnnlens_fgsm_options;

#define CNNLENS_FGSM_OPTIONS_INIT { sizeof(cnnlens_fgsm_options), CNNLENS_NORM_MAXIMUM, 8.0 / 255.0, 0, 0 }

/* One step along the sign of the gradient of the loss. Goodfellow, Shlens & Szegedy 2015, arXiv:1412.6572 */
CNNLENS_API cnnlens_status cnnlens_fgsm(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                        const cnnlens_attack_goal *goal, const cnnlens_fgsm_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_pgd_options) */
    int32_t norm;         /* CNNLENS_NORM_*; default the largest change */
    double epsilon;       /* radius of the ball, in units of the input; default 8/255 */
    double step;          /* length of a step, in the same norm; default 2/255 */
    double momentum;      /* how much of the last direction stays; default 0 */
    int64_t steps;        /* default 10 */
    int32_t random_start; /* 1: at a random point of the ball; default 1 */
    int32_t reserved;     /* 0 */
} cnnlens_pgd_options;

#define CNNLENS_PGD_OPTIONS_INIT                                                                                       \
    { sizeof(cnnlens_pgd_options), CNNLENS_NORM_MAXIMUM, 8.0 / 255.0, 2.0 / 255.0, 0.0, 10, 1, 0 }

/* Such steps, each brought back into the ball. Madry et al. 2018, arXiv:1706.06083; without the random start Kurakin
 * et al. 2017, arXiv:1607.02533; with momentum Dong et al. 2018, arXiv:1710.06081 */
CNNLENS_API cnnlens_status cnnlens_pgd(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                       const cnnlens_attack_goal *goal, const cnnlens_pgd_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_lbfgs_attack_options) */
    int32_t reserved;     /* 0 */
    double weight;        /* the first weight of the loss; default 0.1 */
    int64_t steps;        /* of L-BFGS for each weight; default 20 */
    int64_t searches;     /* bisections of the weight; default 6 */
} cnnlens_lbfgs_attack_options;

#define CNNLENS_LBFGS_ATTACK_OPTIONS_INIT { sizeof(cnnlens_lbfgs_attack_options), 0, 0.1, 20, 6 }

/* The smallest change, by L-BFGS. Szegedy et al. 2014, section 4.1, arXiv:1312.6199 */
CNNLENS_API cnnlens_status cnnlens_lbfgs_attack(cnnlens_array *out, cnnlens_session *session,
                                                const cnnlens_array *image, const cnnlens_attack_goal *goal,
                                                const cnnlens_lbfgs_attack_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_deepfool_options) */
    int32_t norm;         /* what is kept small: CNNLENS_NORM_MAXIMUM or CNNLENS_NORM_EUCLIDEAN (default) */
    double overshoot;     /* beyond the border, relative to the way; default 0.02 */
    int64_t candidates;   /* classes that are looked at; default 10 */
    int64_t steps;        /* at most; default 50 */
} cnnlens_deepfool_options;

#define CNNLENS_DEEPFOOL_OPTIONS_INIT { sizeof(cnnlens_deepfool_options), CNNLENS_NORM_EUCLIDEAN, 0.02, 10, 50 }

/* The shortest way to another class of the network made linear. Moosavi-Dezfooli et al. 2016, arXiv:1511.04599 */
CNNLENS_API cnnlens_status cnnlens_deepfool(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                            const cnnlens_attack_goal *goal, const cnnlens_deepfool_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_cw_options) */
    int32_t reserved;     /* 0 */
    double confidence;    /* by how much the wrong class must win, in units of the scores; default 0 */
    double rate;          /* of Adam; default 0.01 */
    double weight;        /* the first c; default 1 */
    int64_t steps;        /* of Adam for each c; default 100 */
    int64_t searches;     /* how many c; default 5 */
} cnnlens_cw_options;

#define CNNLENS_CW_OPTIONS_INIT { sizeof(cnnlens_cw_options), 0, 0.0, 0.01, 1.0, 100, 5 }

/* The smallest change in the Euclidean norm, by Adam. Carlini & Wagner 2017, arXiv:1608.04644 */
CNNLENS_API cnnlens_status cnnlens_cw(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                      const cnnlens_attack_goal *goal, const cnnlens_cw_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_fool_options) */
    int32_t reserved;     /* 0 */
    double confidence;    /* the probability to reach; default 0.99 */
    double step;          /* the Euclidean length of a step, in units of the input; default 0.5 */
    int64_t steps;        /* at most; default 500 */
} cnnlens_fool_options;

#define CNNLENS_FOOL_OPTIONS_INIT { sizeof(cnnlens_fool_options), 0, 0.99, 0.5, 500 }

/* Noise or a photograph, changed until the network is sure of goal->labels. Nguyen, Yosinski & Clune 2015, section 3.3,
 * arXiv:1412.1897 */
CNNLENS_API cnnlens_status cnnlens_fool(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                        const cnnlens_attack_goal *goal, const cnnlens_fool_options *options);

enum { CNNLENS_ENCODING_DIRECT = 0, CNNLENS_ENCODING_PATTERN = 1 };

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_evolve_fool_options) */
    int32_t encoding;     /* CNNLENS_ENCODING_*; default the pattern-producing network */
    double confidence;    /* the probability to reach; default 0.99 */
    int64_t population;   /* parents, and children of each generation; default 16 */
    int64_t generations;  /* at most; default 500 */
} cnnlens_evolve_fool_options;

#define CNNLENS_EVOLVE_FOOL_OPTIONS_INIT                                                                               \
    { sizeof(cnnlens_evolve_fool_options), CNNLENS_ENCODING_PATTERN, 0.99, 16, 500 }

/* Pictures bred until the network is sure of goal->labels; out has the shape of the pictures. Nguyen, Yosinski & Clune
 * 2015, section 2.3, arXiv:1412.1897 */
CNNLENS_API cnnlens_status cnnlens_evolve_fool(cnnlens_array *out, cnnlens_session *session,
                                               const cnnlens_attack_goal *goal,
                                               const cnnlens_evolve_fool_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_one_pixel_options) */
    int32_t reserved;     /* 0 */
    double difference;    /* F, of differential evolution; default 0.5 */
    int64_t pixels;       /* how many may change; default 1 */
    int64_t population;   /* default 400 */
    int64_t generations;  /* default 100 */
} cnnlens_one_pixel_options;

#define CNNLENS_ONE_PIXEL_OPTIONS_INIT { sizeof(cnnlens_one_pixel_options), 0, 0.5, 1, 400, 100 }

/* A few pixels, found by differential evolution. Su, Vargas & Sakurai 2019, arXiv:1710.08864 */
CNNLENS_API cnnlens_status cnnlens_one_pixel(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                             const cnnlens_attack_goal *goal, const cnnlens_one_pixel_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_square_options) */
    int32_t reserved;     /* 0 */
    double epsilon;       /* radius of the ball in the maximum norm; default 8/255 */
    double share;         /* of the picture that the first squares cover; default 0.05 */
    int64_t steps;        /* squares that are tried; default 1000 */
} cnnlens_square_options;

#define CNNLENS_SQUARE_OPTIONS_INIT { sizeof(cnnlens_square_options), 0, 8.0 / 255.0, 0.05, 1000 }

/* Random squares, kept where they help. Andriushchenko et al. 2020, arXiv:1912.00049 */
CNNLENS_API cnnlens_status cnnlens_square(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                          const cnnlens_attack_goal *goal, const cnnlens_square_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_nes_options) */
    int32_t reserved;     /* 0 */
    double epsilon;       /* radius of the ball in the maximum norm; default 8/255 */
    double step;          /* length of a step, in the same norm; default 1/255 */
    double deviation;     /* of the noise that samples add; default 0.001 */
    int64_t steps;        /* at most; default 50 */
    int64_t samples;      /* for each gradient; default 50 */
} cnnlens_nes_options;

#define CNNLENS_NES_OPTIONS_INIT { sizeof(cnnlens_nes_options), 0, 8.0 / 255.0, 1.0 / 255.0, 0.001, 50, 50 }

/* Projected gradient steps with a guessed gradient. Ilyas et al. 2018, arXiv:1804.08598 */
CNNLENS_API cnnlens_status cnnlens_nes(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                       const cnnlens_attack_goal *goal, const cnnlens_nes_options *options);

typedef struct {
    uint32_t struct_size;       /* sizeof(cnnlens_boundary_options) */
    int32_t reserved;           /* 0 */
    const cnnlens_array *start; /* pictures that are mistaken already, of the image's shape; NULL: the image in noise */
    double orthogonal;          /* first length of a sideways step, relative to the distance; default 0.01 */
    double towards;             /* first length of a step towards the image, likewise; default 0.01 */
    int64_t steps;              /* default 1000 */
} cnnlens_boundary_options;

#define CNNLENS_BOUNDARY_OPTIONS_INIT { sizeof(cnnlens_boundary_options), 0, 0, 0.01, 0.01, 1000 }

/* A walk along the border of the wrong class. Brendel, Rauber & Bethge 2018, arXiv:1712.04248 */
CNNLENS_API cnnlens_status cnnlens_boundary(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                            const cnnlens_attack_goal *goal, const cnnlens_boundary_options *options);

typedef struct {
    uint32_t struct_size;       /* sizeof(cnnlens_hop_skip_jump_options) */
    int32_t norm;               /* what is kept small: CNNLENS_NORM_MAXIMUM or CNNLENS_NORM_EUCLIDEAN (default) */
    const cnnlens_array *start; /* as for cnnlens_boundary */
    int64_t steps;              /* default 20 */
    int64_t samples;            /* for the first gradient; default 100 */
    int64_t most_samples;       /* for one gradient; default 1000 */
} cnnlens_hop_skip_jump_options;

#define CNNLENS_HOP_SKIP_JUMP_OPTIONS_INIT                                                                             \
    { sizeof(cnnlens_hop_skip_jump_options), CNNLENS_NORM_EUCLIDEAN, 0, 20, 100, 1000 }

/* The same with a guessed gradient and bisection. Chen, Jordan & Wainwright 2020, arXiv:1904.02144 */
CNNLENS_API cnnlens_status cnnlens_hop_skip_jump(cnnlens_array *out, cnnlens_session *session,
                                                 const cnnlens_array *image, const cnnlens_attack_goal *goal,
                                                 const cnnlens_hop_skip_jump_options *options);

/* ---- Pictures made by optimisation --------------------------------------------------------------------- */

/* `out` is N x C x H x W and says how large the picture is to be. Stopped by a callback, these functions give
 * CNNLENS_ECANCELLED and `out` holds the picture reached so far. The same seed gives the same picture, bit for bit.
 * `checkpoint` NULL: from the beginning; otherwise what cnnlens_session_checkpoint gave after a call with the same
 * options, which may have had fewer steps. */

/* What is optimised: pixels; the half spectrum, or a pyramid of smaller pictures, of planes that become colours; the
 * weights of a small network that gives every place a colour. */
enum { CNNLENS_PARAM_PIXELS = 0, CNNLENS_PARAM_FOURIER = 1, CNNLENS_PARAM_PYRAMID = 2, CNNLENS_PARAM_CPPN = 3 };

enum {
    CNNLENS_OPTIMIZER_GRADIENT = 0, /* the gradient over the mean of its absolute values */
    CNNLENS_OPTIMIZER_MOMENTUM = 1, /* its running sum, with a decay of 0.9 */
    CNNLENS_OPTIMIZER_ADAM = 2,     /* Kingma & Ba 2015, arXiv:1412.6980 */
    CNNLENS_OPTIMIZER_LBFGS = 3     /* with a strong Wolfe line search; `rate` is not looked at */
};

typedef struct {
    uint32_t struct_size;      /* sizeof(cnnlens_visualize_options) */
    int32_t parameterization;  /* CNNLENS_PARAM_*; default FOURIER */
    int32_t decorrelates;      /* 1: colours are mixed as in photographs; default 1 */
    int32_t transforms;        /* 1: padded, moved, scaled and turned at random before each step; default 1 */
    int32_t optimizer;         /* CNNLENS_OPTIMIZER_*; default ADAM */
    int32_t redirected_steps;  /* so many steps let a gradient into units that are off; default 16 */
    float rate;                /* of the optimiser; default 0.05 */
    float deviation;           /* of the noise at the start; default 0.01 */
    int64_t steps;             /* default 512 */
    uint64_t seed;             /* default 0 */
    const void *checkpoint;    /* default NULL */
    int64_t checkpoint_count;  /* bytes */
    cnnlens_progress progress; /* NULL: none. Its value is the objective's */
    void *payload;
} cnnlens_visualize_options;

#define CNNLENS_VISUALIZE_OPTIONS_INIT                                                                                 \
    { sizeof(cnnlens_visualize_options),                                                                               \
      CNNLENS_PARAM_FOURIER,                                                                                           \
      1,                                                                                                               \
      1,                                                                                                               \
      CNNLENS_OPTIMIZER_ADAM,                                                                                          \
      16,                                                                                                              \
      0.05f,                                                                                                           \
      0.01f,                                                                                                           \
      512,                                                                                                             \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0 }

/* What an objective reacts to. Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007. For networks that see
 * pictures in [0, 1]. */
CNNLENS_API cnnlens_status cnnlens_visualize(cnnlens_array *out, cnnlens_session *session,
                                             const cnnlens_objective *objective,
                                             const cnnlens_visualize_options *options);

enum {
    CNNLENS_CLASS_MODEL_SIMONYAN = 0,  /* score - penalty |x - center|^2; arXiv:1312.6034 */
    CNNLENS_CLASS_MODEL_YOSINSKI1 = 1, /* the four sets of table 2 of arXiv:1506.06579 */
    CNNLENS_CLASS_MODEL_YOSINSKI2 = 2,
    CNNLENS_CLASS_MODEL_YOSINSKI3 = 3,
    CNNLENS_CLASS_MODEL_YOSINSKI4 = 4
};

typedef struct {
    uint32_t struct_size;     /* sizeof(cnnlens_class_model_options) */
    int32_t preset;           /* CNNLENS_CLASS_MODEL_*; default SIMONYAN */
    int64_t steps;            /* default 200 */
    uint64_t seed;            /* default 0 */
    float rate;               /* root mean square change of a step, in units of the picture; default 0.01 */
    float penalty;            /* lambda; default 0.01 */
    float center[3];          /* the mean colour, where it begins; with other than 3 channels the first counts for all;
                                 default 0.5 */
    int32_t is_clamped;       /* 1: the picture stays in low...high; default 1 */
    float low;                /* default 0 */
    float high;               /* default 1 */
    const void *checkpoint;   /* default NULL */
    int64_t checkpoint_count; /* bytes */
    cnnlens_progress progress;
    void *payload;
} cnnlens_class_model_options;

#define CNNLENS_CLASS_MODEL_OPTIONS_INIT                                                                               \
    { sizeof(cnnlens_class_model_options),                                                                             \
      CNNLENS_CLASS_MODEL_SIMONYAN,                                                                                    \
      200,                                                                                                             \
      0,                                                                                                               \
      0.01f,                                                                                                           \
      0.01f,                                                                                                           \
      { 0.5f, 0.5f, 0.5f },                                                                                            \
      1,                                                                                                               \
      0.0f,                                                                                                            \
      1.0f,                                                                                                            \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0 }

/* The picture that a network takes for the best example of a class. `classes`: one for all pictures of `out`, or one
 * for each. */
CNNLENS_API cnnlens_status cnnlens_class_model(cnnlens_array *out, cnnlens_session *session, const int64_t *classes,
                                               int64_t class_count, const cnnlens_class_model_options *options);

typedef struct {
    uint32_t struct_size;      /* sizeof(cnnlens_invert_options) */
    int32_t optimizer;         /* CNNLENS_OPTIMIZER_*; default LBFGS */
    int64_t steps;             /* default 400 */
    uint64_t seed;             /* default 0 */
    float alpha;               /* default 6 */
    float beta;                /* default 2 */
    float strength;            /* how much the code counts against the priors; default 300 */
    float rate;                /* of the optimiser; default 0.02 */
    float center[3];           /* the mean colour, as above */
    float deviation;           /* of the noise at the start, for pixels; default 0.05 */
    int32_t parameterization;  /* CNNLENS_PARAM_*; default FOURIER */
    int32_t decorrelates;      /* 1: colours are mixed as in photographs; default 1 */
    const void *checkpoint;    /* default NULL */
    int64_t checkpoint_count;  /* bytes */
    cnnlens_progress progress; /* NULL: none. Its value is minus the loss */
    void *payload;
} cnnlens_invert_options;

#define CNNLENS_INVERT_OPTIONS_INIT                                                                                    \
    { sizeof(cnnlens_invert_options),                                                                                  \
      CNNLENS_OPTIMIZER_LBFGS,                                                                                         \
      400,                                                                                                             \
      0,                                                                                                               \
      6.0f,                                                                                                            \
      2.0f,                                                                                                            \
      300.0f,                                                                                                          \
      0.02f,                                                                                                           \
      { 0.5f, 0.5f, 0.5f },                                                                                            \
      0.05f,                                                                                                           \
      CNNLENS_PARAM_FOURIER,                                                                                           \
      1,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0 }

/* A picture with the code `code` at a layer. Mahendran & Vedaldi 2015, arXiv:1412.0035. Of pixels, it is not
 * clipped to a range. */
CNNLENS_API cnnlens_status cnnlens_invert(cnnlens_array *out, cnnlens_session *session, const char *layer,
                                          const cnnlens_array *code, const cnnlens_invert_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_deepdream_options) */
    int32_t octaves;      /* default 4 */
    int64_t steps;        /* of each octave; default 10 */
    uint64_t seed;        /* default 0 */
    double octave_scale;  /* default 1.4 */
    float step_size;      /* mean change of a pixel in one step, in units of the picture; default 1.5/255 */
    int32_t jitter;       /* pixels; default 32 */
    int32_t is_clamped;   /* 1: the picture stays in low...high; default 1 */
    float low;            /* default 0 */
    float high;           /* default 1 */
    int32_t tile; /* pixels: gradients a tile at a time, for pictures larger than memory; 0: the whole. Default 0 */
    cnnlens_progress progress;
    void *payload;
} cnnlens_deepdream_options;

#define CNNLENS_DEEPDREAM_OPTIONS_INIT                                                                                 \
    { sizeof(cnnlens_deepdream_options), 4, 10, 0, 1.4, 1.5f / 255.0f, 32, 1, 0.0f, 1.0f, 0, 0, 0 }

/* What a network begins to see in `image`, made stronger. Mordvintsev, Olah & Tyka 2015. out has image's shape. */
CNNLENS_API cnnlens_status cnnlens_deepdream(cnnlens_array *out, cnnlens_session *session, const cnnlens_array *image,
                                             const cnnlens_objective *objective,
                                             const cnnlens_deepdream_options *options);

typedef struct {
    uint32_t struct_size; /* sizeof(cnnlens_style_transfer_options) */
    int32_t optimizer;    /* CNNLENS_OPTIMIZER_ADAM or _LBFGS; default LBFGS */
    int64_t steps;        /* at each scale; default 1000 */
    uint64_t seed;        /* default 0 */
    float content_weight; /* default 5 */
    float style_weight;   /* default 100 */
    float tv_weight;      /* of colours in 0...255; default 1e-3 */
    float rate;           /* of Adam, in units of the picture; default 10/255 */
    double style_scale;   /* the longer side of the styles over that of out; default 1 */
    float unit;           /* the range of the picture's numbers; default 1 */
    float deviation;      /* of the noise at the start, times unit; default 0.001 */
    float center[3];      /* the mean colour, as above */
    int32_t memory;       /* pairs that L-BFGS remembers; default 10 */
    const char *const *content_layers;
    int64_t content_layer_count;
    const char *const *style_layers;
    int64_t style_layer_count;
    const float *blend_weights; /* one per style; NULL: all the same */
    int64_t blend_weight_count;
    const cnnlens_array *masks; /* one per style, 1 x 1 x h x w of any size: where it counts; data NULL: everywhere */
    int64_t mask_count;
    const double *scales; /* fractions of out's size, coarse to fine; NULL: 1 */
    int64_t scale_count;
    const cnnlens_array *start; /* the picture to begin with, of any size; NULL: noise */
    const void *checkpoint;     /* default NULL */
    int64_t checkpoint_count;   /* bytes */
    cnnlens_progress progress;  /* NULL: none. Its value is minus the loss */
    void *payload;
} cnnlens_style_transfer_options;

#define CNNLENS_STYLE_TRANSFER_OPTIONS_INIT                                                                            \
    { sizeof(cnnlens_style_transfer_options),                                                                          \
      CNNLENS_OPTIMIZER_LBFGS,                                                                                         \
      1000,                                                                                                            \
      0,                                                                                                               \
      5.0f,                                                                                                            \
      100.0f,                                                                                                          \
      1e-3f,                                                                                                           \
      10.0f / 255.0f,                                                                                                  \
      1.0,                                                                                                             \
      1.0f,                                                                                                            \
      0.001f,                                                                                                          \
      { 0.5f, 0.5f, 0.5f },                                                                                            \
      10,                                                                                                              \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0,                                                                                                               \
      0 }

/* The content of one picture (NULL: none, for a texture) in the style of others, 1 x C x h x w of any sizes. Gatys,
 * Ecker & Bethge 2016. Not clipped to a range. */
CNNLENS_API cnnlens_status cnnlens_style_transfer(cnnlens_array *out, cnnlens_session *session,
                                                  const cnnlens_array *content, const cnnlens_array *styles,
                                                  int64_t style_count, const cnnlens_style_transfer_options *options);

/* What the last of these calls left behind in the session. */

/* The objective's value at each step. */
CNNLENS_API int64_t cnnlens_session_history_count(const cnnlens_session *session);
CNNLENS_API cnnlens_status cnnlens_session_history(float *out, int64_t count, const cnnlens_session *session);
/* From where to go on, as bytes to keep. cnnlens_deepdream has none. */
CNNLENS_API int64_t cnnlens_session_checkpoint_count(const cnnlens_session *session);
CNNLENS_API cnnlens_status cnnlens_session_checkpoint(void *out, int64_t count, const cnnlens_session *session);

#ifdef __cplusplus
}
#endif

#endif
