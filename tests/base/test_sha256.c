/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 against the examples of FIPS 180-4, in one piece and in pieces of every size. */
#include "tests/base/suites.h"

#include "base/sha256.h"

#include <string.h>

static void expect(const void *data, size_t n, size_t piece, const char *hex) {
    drae__sha256 hash;
    uint8_t digest[32];
    char text[65];
    drae__sha256_init(&hash);
    for (size_t i = 0; i < n; i += piece) {
        drae__sha256_update(&hash, (const uint8_t *)data + i, n - i < piece ? n - i : piece);
    }
    drae__sha256_final(&hash, digest);
    drae__sha256_hex(digest, text);
    ck_assert_str_eq(text, hex);
}

START_TEST(known_answers) {
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    expect("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t piece = 1; piece <= sizeof two - 1; piece++) {
        expect(two, sizeof two - 1, piece,
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }
}
END_TEST

START_TEST(a_million_a) {
    static char data[1000000];
    static const size_t pieces[] = {1000000, 64, 63, 65, 999, 128};
    memset(data, 'a', sizeof data);
    expect(data, sizeof data, pieces[_i],
           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* Lengths around the padding's edge (55, 56, 64 bytes): the same in one piece and byte by byte. */
START_TEST(pieces_do_not_matter) {
    uint8_t data[200];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    for (size_t n = 50; n <= 130; n++) {
        drae__sha256 hash;
        uint8_t digest[32];
        char text[65];
        drae__sha256_init(&hash);
        drae__sha256_update(&hash, data, n);
        drae__sha256_update(&hash, data, 0);
        drae__sha256_final(&hash, digest);
        drae__sha256_hex(digest, text);
        expect(data, n, 1, text);
        expect(data, n, 17, text);
    }
}
END_TEST

Suite *suite_sha256(void) {
    Suite *suite = suite_create("sha256");
    TCase *tcase = tcase_create("sha256");
    tcase_add_test(tcase, known_answers);
    tcase_add_loop_test(tcase, a_million_a, 0, 6);
    tcase_add_test(tcase, pieces_do_not_matter);
    suite_add_tcase(suite, tcase);
    return suite;
}
