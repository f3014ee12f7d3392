#pragma once
/* CRC-32C (Castagnoli), as in Kafka record batches v2 and in every format of ours. By ISA-L, which
 * uses the CPU's carry-less multiplication and CRC instruction where they exist. */

#include "base/bytes.h"

/* The CRC of `bytes`, with the usual inversion before and after. */
uint32_t crc32c(struct bytes bytes);
/* Continues: crc32c_extend(crc32c(a), b) == crc32c(a followed by b). */
uint32_t crc32c_extend(uint32_t crc, struct bytes bytes);
/* The CRC of a followed by b, out of both CRCs and b's size. Takes as long as that of a few KiB. */
uint32_t crc32c_combine(uint32_t before, uint32_t after, uint32_t after_size);
