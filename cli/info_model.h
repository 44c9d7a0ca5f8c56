/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about a model for `drae info`. */
#ifndef DRAE_CLI_INFO_MODEL_H
#define DRAE_CLI_INFO_MODEL_H

#include "cli/info_print.h"
#include "model/model.h"

void drae__info_arch(drae__info_print *print, const drae__arch *arch, drae__ssim_window window);
void drae__info_provenance(drae__info_print *print, const drae__provenance *provenance);
void drae__info_calibration(drae__info_print *print, const drae__calibration *calibration);

#endif
