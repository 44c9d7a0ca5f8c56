/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/info_print.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define PLAIN_DIGITS 6 /* people do not need a float's last bit */

static void print_quoted(const char *text) {
    (void)putchar('"');
    for (const char *c = text; *c != '\0';) {
        size_t n = drae__utf8_length(c);
        if (n == 0) {
            (void)printf("\xef\xbf\xbd"); /* U+FFFD for what is no UTF-8 */
            n = 1;
        } else if (*c == '"' || *c == '\\') {
            (void)printf("\\%c", *c);
        } else if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            (void)printf("\\u%04x", (unsigned)(unsigned char)*c);
        } else {
            (void)printf("%.*s", (int)n, c);
        }
        c += n;
    }
    (void)putchar('"');
}

static void print_name(drae__info_print *print, const char *name) {
    if (!print->json) {
        (void)printf("%*s%s: ", 2 * print->depth, "", name);
        return;
    }
    (void)printf("%s\n%*s", print->first ? "" : ",", 2 * (print->depth + 1), "");
    print_quoted(name);
    (void)printf(": ");
    print->first = false;
}

static void print_plain(drae__info_print *print, const char *name, const char *value) {
    print_name(print, name);
    (void)printf(print->json ? "%s" : "%s\n", value);
}

void drae__info_begin(drae__info_print *print, bool json) {
    print->json = json;
    print->depth = 0;
    print->first = true;
    if (json) {
        (void)putchar('{');
    }
}

void drae__info_end(drae__info_print *print) {
    if (print->json) {
        (void)printf("\n}\n");
    }
}

void drae__info_open(drae__info_print *print, const char *name) {
    if (print->json) {
        print_name(print, name);
        (void)putchar('{');
    } else {
        (void)printf("%*s%s:\n", 2 * print->depth, "", name);
    }
    print->depth++;
    print->first = true;
}

void drae__info_close(drae__info_print *print) {
    print->depth--;
    if (print->json) {
        (void)printf("\n%*s}", 2 * (print->depth + 1), "");
    }
    print->first = false;
}

void drae__info_text(drae__info_print *print, const char *name, const char *value) {
    print_name(print, name);
    if (print->json) {
        print_quoted(value);
        return;
    }
    value = value[0] == '\0' ? "-" : value;
    for (const char *c = value; *c != '\0'; c++) {
        (void)putchar((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
    }
    (void)putchar('\n');
}

void drae__info_int(drae__info_print *print, const char *name, int64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    print_plain(print, name, text);
}

void drae__info_uint(drae__info_print *print, const char *name, uint64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    print_plain(print, name, text);
}

void drae__info_bool(drae__info_print *print, const char *name, bool value) {
    print_plain(print, name, print->json ? (value ? "true" : "false") : (value ? "yes" : "no"));
}

void drae__info_number(drae__info_print *print, const char *name, double value, int digits) {
    char text[48];
    if (!isfinite(value)) {
        print_plain(print, name, print->json ? "null" : "none");
        return;
    }
    digits = print->json || digits < PLAIN_DIGITS ? digits : PLAIN_DIGITS;
    (void)snprintf(text, sizeof text, "%.*g", digits, value);
    print_plain(print, name, text);
}
