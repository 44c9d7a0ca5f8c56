/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/info_model.h"

#include <stdio.h>

void drae__info_arch(drae__info_print *print, const drae__arch *arch, drae__ssim_window window) {
    drae__info_open(print, "network");
    drae__info_text(print, "arch", "drae");
    drae__info_text(print, "block", "preact");
    drae__info_int(print, "width", arch->width);
    drae__info_int(print, "latent", arch->latent);
    drae__info_int(print, "size", arch->size);
    drae__info_number(print, "slope", (double)arch->slope, 6);
    drae__info_number(print, "bn_eps", (double)arch->bn_eps, 6);
    drae__info_text(print, "ssim_window", window == DRAE__SSIM_UNIFORM ? "uniform" : "gaussian");
    drae__info_number(print, "gflop_per_patch", drae__arch_flops(arch) * 1e-9, 4);
    drae__info_close(print);
}

void drae__info_provenance(drae__info_print *print, const drae__provenance *provenance) {
    drae__info_open(print, "provenance");
    drae__info_text(print, "data_hash", provenance->data_hash);
    drae__info_text(print, "revision", provenance->revision);
    drae__info_text(print, "precision", provenance->precision);
    drae__info_uint(print, "seed", provenance->seed);
    drae__info_int(print, "steps", provenance->steps);
    drae__info_int(print, "samples", provenance->samples);
    drae__info_number(print, "val_con", provenance->val_con, 9);
    drae__info_close(print);
}

void drae__info_calibration(drae__info_print *print, const drae__calibration *calibration) {
    drae__info_bool(print, "calibrated", calibration->n_regions > 0);
    if (calibration->n_regions == 0) {
        return;
    }
    drae__info_open(print, "regions");
    for (int i = 0; i < calibration->n_regions; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        drae__info_open(print, name);
        drae__info_text(print, "score", drae__score_name(calibration->kind[i]));
        drae__info_number(print, "threshold", (double)calibration->threshold[i], 9);
        drae__info_number(print, "anchor", (double)calibration->anchor[i], 9);
        drae__info_close(print);
    }
    drae__info_close(print);
}
