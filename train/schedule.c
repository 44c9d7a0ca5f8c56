/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

drae__schedule drae__schedule_create(const drae__train_config *config, size_t n_train) {
    drae__schedule s = {.lr = config->optimizer.lr,
                        .period = config->schedule.period > 0
                                      ? (double)config->schedule.period
                                      : config->schedule.period_epochs * (double)n_train,
                        .period_factor = config->schedule.period_factor,
                        .amplitude_factor = config->schedule.amplitude_factor,
                        .floor = config->schedule.floor,
                        .warmup = (double)config->schedule.warmup};
    return s;
}

double drae__schedule_rate(const drae__schedule *s, int64_t samples, int *restarts) {
    double t = (double)samples;
    double period = s->period;
    double top = s->lr;
    int k = 0;
    while (t >= period) {
        t -= period;
        period *= s->period_factor;
        top *= s->amplitude_factor;
        k++;
    }
    if (restarts != NULL) {
        *restarts = k;
    }
    double foot = fmin(s->floor, s->lr);
    top = fmax(top, foot);
    double rate = foot + (top - foot) * 0.5 * (1.0 + cos(PI * t / period));
    double risen = (double)samples + 1.0;
    return risen < s->warmup ? rate * (risen / s->warmup) : rate;
}
