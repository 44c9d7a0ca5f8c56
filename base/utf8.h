/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, for what goes into JSON. */
#ifndef DRAE_BASE_UTF8_H
#define DRAE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the sequence at s (terminated text), 0 when it is none: RFC 3629, section 4. */
static inline size_t drae__utf8_length(const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        return 1;
    }
    size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 0;
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        n = 4;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
               (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : n;
}

#endif
