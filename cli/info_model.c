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
        const drae__threshold_origin *from = &calibration->from[i];
        drae__info_number(print, "undecided", (double)calibration->undecided[i], 9);
        drae__info_text(print, "method", drae__method_name(from->method));
        if (from->method != DRAE__METHOD_UNKNOWN) {
            drae__info_number(print, "low", from->low, 9);
            drae__info_number(print, "high", from->high, 9);
            drae__info_number(print, "rate", from->rate, 9);
            drae__info_number(print, "effect", from->effect, 9);
            drae__info_uint(print, "good", from->n_good);
            drae__info_uint(print, "products", from->n_products);
            drae__info_uint(print, "defective", from->n_defective);
        }
        drae__info_close(print);
    }
    drae__info_close(print);
    const drae__calibration_origin *o = &calibration->origin;
    drae__info_open(print, "calibration");
    drae__info_text(print, "version", o->version);
    drae__info_text(print, "unit", drae__rate_unit_name(o->unit));
    drae__info_number(print, "rate", o->rate, 9);
    drae__info_number(print, "undecided_rate", o->undecided_rate, 9);
    drae__info_number(print, "cost_miss", o->cost_miss, 9);
    drae__info_number(print, "cost_reject", o->cost_reject, 9);
    drae__info_text(print, "disjoint", drae__disjoint_name(o->disjoint));
    drae__info_text(print, "data_hash", o->data_hash);
    drae__info_text(print, "defects_hash", o->defects_hash);
    drae__info_close(print);
}
