/* SPDX-License-Identifier: Apache-2.0
 * The shortest program: which pixels of a grey square move the network's first choice.
 *
 *     saliency MODEL.onnx
 */
#include <stdio.h>
#include <stdlib.h>

#include "cnnlens.h"

enum { SIDE = 224 };

static float picture[3 * SIDE * SIDE], map[SIDE * SIDE];

int main(int argc, char **argv)
{
    cnnlens_model *file = NULL, *model = NULL;
    cnnlens_session *session = NULL;
    cnnlens_array image = { picture, 4, { 1, 3, SIDE, SIDE } };
    cnnlens_array out = { map, 3, { 1, SIDE, SIDE } };
    int64_t target, strongest = 0;
    int failed, pixel;

    if (argc != 2) {
        fprintf(stderr, "usage: saliency MODEL.onnx\n");
        return 2;
    }
    for (pixel = 0; pixel < 3 * SIDE * SIDE; pixel++) {
        int y = pixel / SIDE % SIDE, x = pixel % SIDE;
        picture[pixel] = abs(y - SIDE / 2) < 50 && abs(x - SIDE / 2) < 50 ? 0.2f : 0.8f;
    }
    failed = cnnlens_model_open(&file, argv[1]) || cnnlens_model_seeing_images(&model, file, NULL) ||
             cnnlens_session_new(&session, model) || cnnlens_saliency(&out, session, &image, NULL, NULL) ||
             cnnlens_session_targets(&target, 1, session);
    if (failed) {
        fprintf(stderr, "saliency: %s\n", cnnlens_last_error());
    } else {
        for (pixel = 0; pixel < SIDE * SIDE; pixel++)
            if (map[pixel] > map[strongest])
                strongest = pixel;
        printf("class %d, most sensitive at row %d, column %d\n", (int)target, (int)strongest / SIDE,
               (int)strongest % SIDE);
    }
    cnnlens_session_free(session);
    cnnlens_model_free(model);
    cnnlens_model_free(file);
    return failed != 0;
}
