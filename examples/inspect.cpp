// SPDX-License-Identifier: Apache-2.0
// The same from C++: handles in unique_ptr, and a heatmap beside the score.
//
//     inspect_cpp ENGINE PATCHES.raw [REGION]     PATCHES.raw holds S*S bytes a patch
//     inspect_cpp --version
//
// Exit status as inspect.c's. A hot pixel is one at or above the top of the region's fixed scale.
#include <drae/drae.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

struct Release {
    void operator()(drae_engine *engine) const { drae_engine_close(engine); }
    void operator()(drae_session *session) const { drae_session_destroy(session); }
};
using Engine = std::unique_ptr<drae_engine, Release>;
using Session = std::unique_ptr<drae_session, Release>;

static int inspect(const char *engine_path, const char *patches_path, int region) {
    char error[DRAE_ERROR_TEXT_BYTES];
    drae_engine *opened = nullptr;
    if (drae_engine_open(engine_path, nullptr, error, sizeof error, &opened) != DRAE_OK) {
        std::fprintf(stderr, "%s\n", error);
        return 3;
    }
    Engine engine(opened);
    drae_session *created = nullptr;
    if (drae_session_create(engine.get(), nullptr, error, sizeof error, &created) != DRAE_OK) {
        std::fprintf(stderr, "%s\n", error);
        return 3;
    }
    Session session(created);

    std::size_t patch_bytes = 0;
    if (drae_output_patch_bytes(engine.get(), DRAE_OUTPUT_HEAT_FIXED, &patch_bytes) != DRAE_OK) {
        return 3;
    }
    std::ifstream file(patches_path, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)),
                                  std::istreambuf_iterator<char>());
    if (bytes.empty() || bytes.size() % patch_bytes != 0) {
        std::fprintf(stderr, "%s: not a whole number of patches of %zu bytes, or none\n",
                     patches_path, patch_bytes);
        return 3;
    }
    int result = 0;
    std::vector<std::uint8_t> heat(patch_bytes);
    drae_session_set_output(session.get(), DRAE_OUTPUT_HEAT_FIXED, heat.data(), heat.size());
    const auto region_of_patch = static_cast<std::uint8_t>(region);
    for (std::size_t i = 0; (i + 1) * patch_bytes <= bytes.size(); i++) {
        const auto *patch = reinterpret_cast<const std::uint8_t *>(bytes.data()) + i * patch_bytes;
        float score = 0.0F;
        drae_verdict verdict = DRAE_VERDICT_REJECT;
        if (drae_session_infer(session.get(), 1, patch, &region_of_patch, &score, &verdict) !=
            DRAE_OK) {
            std::fprintf(stderr, "%s\n", drae_session_error(session.get()));
            return 3;
        }
        std::size_t hot = 0;
        for (std::uint8_t h : heat) {
            hot += h == 255;
        }
        std::printf("%zu %.9g %s, %zu hot pixels\n", i, static_cast<double>(score),
                    verdict == DRAE_VERDICT_GOOD     ? "good"
                    : verdict == DRAE_VERDICT_REJECT ? "REJECT"
                                                     : "undecided",
                    hot);
        result = verdict == DRAE_VERDICT_GOOD ? result : 1;
    }
    return result;
}

int main(int argc, char **argv) {
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::printf("%s\n", drae_build_info());
        return 0;
    }
    if (argc != 3 && argc != 4) {
        std::fprintf(stderr, "usage: %s ENGINE PATCHES.raw [REGION]\n", argv[0]);
        return 2;
    }
    char *end = nullptr;
    const long region = argc == 4 ? std::strtol(argv[3], &end, 10) : 0;
    if (argc == 4 && (end == argv[3] || *end != '\0' || region < 0 || region > 255)) {
        std::fprintf(stderr, "region %s: not a number from 0 to 255\n", argv[3]);
        return 2;
    }
    return inspect(argv[1], argv[2], static_cast<int>(region));
}
