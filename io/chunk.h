/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a chunk as they lie in an HDF5 file -> elements of one byte; private to io/. Done here
 * and not by libhdf5 so that hostile bytes meet only zlib and bounded loops, and so that threads
 * unpack side by side.
 */
#ifndef DRAE_IO_CHUNK_H
#define DRAE_IO_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* H5Z numbers of the filters that are read. */
enum { DRAE__FILTER_DEFLATE = 1, DRAE__FILTER_SHUFFLE = 2, DRAE__FILTER_FLETCHER32 = 3 };

/*
 * Undoes the filters, last first, leaving out those whose bit is set in mask. src holds n_src
 * stored bytes; dst gets exactly n_dst elements of one byte (shuffling single bytes changes
 * nothing). spare has n_dst + 64 bytes, for checksums inside a compressed stream. False when the
 * bytes are damaged or their number is wrong. Any thread.
 */
bool drae__chunk_decode(const uint32_t *filters, uint32_t n_filters, uint32_t mask,
                        const uint8_t *src, size_t n_src, uint8_t *dst, size_t n_dst,
                        uint8_t *spare);

/* Fletcher's checksum as HDF5 writes it: big-endian 16-bit words, sums modulo 65535. */
uint32_t drae__chunk_fletcher32(const uint8_t *data, size_t n_bytes);

#endif
