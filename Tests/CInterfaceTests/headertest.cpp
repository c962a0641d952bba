/* SPDX-License-Identifier: Apache-2.0
 * The header compiles alone, as C++11, and its macros initialise its structs. */
#include "cnnlens.h"

int main(void)
{
    cnnlens_preprocessing_options preprocessing = CNNLENS_PREPROCESSING_OPTIONS_INIT;
    cnnlens_gradient_options gradient = CNNLENS_GRADIENT_OPTIONS_INIT;
    cnnlens_attribution_options attribution = CNNLENS_ATTRIBUTION_OPTIONS_INIT;
    cnnlens_cam_options cam = CNNLENS_CAM_OPTIONS_INIT;
    cnnlens_attack_goal goal = CNNLENS_ATTACK_GOAL_INIT;
    cnnlens_view_options view = CNNLENS_VIEW_OPTIONS_INIT;
    cnnlens_fgsm_options fgsm = CNNLENS_FGSM_OPTIONS_INIT;
    cnnlens_pgd_options pgd = CNNLENS_PGD_OPTIONS_INIT;
    cnnlens_lbfgs_attack_options lbfgs_attack = CNNLENS_LBFGS_ATTACK_OPTIONS_INIT;
    cnnlens_deepfool_options deepfool = CNNLENS_DEEPFOOL_OPTIONS_INIT;
    cnnlens_cw_options cw = CNNLENS_CW_OPTIONS_INIT;
    cnnlens_fool_options fool = CNNLENS_FOOL_OPTIONS_INIT;
    cnnlens_evolve_fool_options evolve_fool = CNNLENS_EVOLVE_FOOL_OPTIONS_INIT;
    cnnlens_one_pixel_options one_pixel = CNNLENS_ONE_PIXEL_OPTIONS_INIT;
    cnnlens_square_options square = CNNLENS_SQUARE_OPTIONS_INIT;
    cnnlens_nes_options nes = CNNLENS_NES_OPTIONS_INIT;
    cnnlens_boundary_options boundary = CNNLENS_BOUNDARY_OPTIONS_INIT;
    cnnlens_hop_skip_jump_options hop_skip_jump = CNNLENS_HOP_SKIP_JUMP_OPTIONS_INIT;
    cnnlens_summary_row row = CNNLENS_SUMMARY_ROW_INIT;
    cnnlens_progress progress = 0;
    cnnlens_interrupt interrupt = 0;
    return preprocessing.struct_size == sizeof preprocessing && gradient.struct_size == sizeof gradient &&
                   attribution.struct_size == sizeof attribution && cam.struct_size == sizeof cam &&
                   goal.struct_size == sizeof goal && view.struct_size == sizeof view &&
                   fgsm.struct_size == sizeof fgsm && pgd.struct_size == sizeof pgd &&
                   lbfgs_attack.struct_size == sizeof lbfgs_attack && deepfool.struct_size == sizeof deepfool &&
                   cw.struct_size == sizeof cw && fool.struct_size == sizeof fool &&
                   evolve_fool.struct_size == sizeof evolve_fool && one_pixel.struct_size == sizeof one_pixel &&
                   square.struct_size == sizeof square && nes.struct_size == sizeof nes &&
                   boundary.struct_size == sizeof boundary && hop_skip_jump.struct_size == sizeof hop_skip_jump &&
                   row.struct_size == sizeof row && !progress && !interrupt
               ? 0
               : 1;
}
