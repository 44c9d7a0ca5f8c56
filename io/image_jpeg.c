/* SPDX-License-Identifier: Apache-2.0 */
#include "io/image_private.h"

#include <stdbool.h>
#include <stdlib.h>
#include <turbojpeg.h>

#define FLAGS TJFLAG_ACCURATEDCT

drae_status drae__gray_from_jpeg(const char *path, const uint8_t *data, size_t n, drae__gray *image,
                                 drae__err *err) {
    drae_status status = DRAE_OK;
    uint8_t *raw = NULL;
    tjhandle handle = tjInitDecompress();
    if (handle == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory to decode the JPEG", path);
    }
    int width, height, sampling, colors;
    if (tjDecompressHeader3(handle, data, (unsigned long)n, &width, &height, &sampling, &colors) !=
        0) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "%s: damaged JPEG: %s", path, tjGetErrorStr2(handle));
        goto done;
    }
    if (colors == TJCS_CMYK || colors == TJCS_YCCK) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: CMYK JPEG, gray or RGB is read", path);
        goto done;
    }
    DRAE__TRY(drae__gray_make(path, "JPEG", width, height, 8, image, err));
    /* Colours go through RGB, so that gray means the same for every format. */
    bool gray = colors == TJCS_GRAY;
    size_t samples = gray ? 1 : 3;
    size_t pixels = (size_t)width * (size_t)height;
    raw = malloc(pixels * samples);
    if (raw == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory to decode the JPEG", path);
        goto done;
    }
    if (tjDecompress2(handle, data, (unsigned long)n, raw, width, 0, height,
                      gray ? TJPF_GRAY : TJPF_RGB, FLAGS) != 0) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "%s: damaged JPEG: %s", path, tjGetErrorStr2(handle));
        goto done;
    }
    if (gray) {
        for (size_t i = 0; i < pixels; i++) {
            image->pixels[i] = raw[i];
        }
    } else {
        drae__luma_row8(raw, samples, pixels, image->pixels);
    }
done:
    free(raw);
    (void)tjDestroy(handle);
    return status;
}
