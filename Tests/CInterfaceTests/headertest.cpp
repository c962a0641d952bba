/* SPDX-License-Identifier: Apache-2.0
 * The header compiles alone, as C++11, and its macros initialise its structs. */
#include "cnnlens.h"

int main(void)
{
    cnnlens_preprocessing_options preprocessing = CNNLENS_PREPROCESSING_OPTIONS_INIT;
    cnnlens_gradient_options gradient = CNNLENS_GRADIENT_OPTIONS_INIT;
    cnnlens_attribution_options attribution = CNNLENS_ATTRIBUTION_OPTIONS_INIT;
    cnnlens_cam_options cam = CNNLENS_CAM_OPTIONS_INIT;
    cnnlens_fgsm_options fgsm = CNNLENS_FGSM_OPTIONS_INIT;
    cnnlens_summary_row row = CNNLENS_SUMMARY_ROW_INIT;
    cnnlens_progress progress = 0;
    cnnlens_interrupt interrupt = 0;
    return preprocessing.struct_size == sizeof preprocessing && gradient.struct_size == sizeof gradient &&
                   attribution.struct_size == sizeof attribution && cam.struct_size == sizeof cam &&
                   fgsm.struct_size == sizeof fgsm && row.struct_size == sizeof row && !progress && !interrupt
               ? 0
               : 1;
}
