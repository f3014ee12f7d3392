#pragma once
/* The bytes of objects and manifests: headers to structs and back. Pure: no waits, no memory.
 * Internal to store/. Format: docs/formats/object.md, manifest.md.
 *
 * Every read function takes what the caller knows already (object, position) and refuses a header
 * that names another place (O3), with a fault that says which object and position and what is
 * wrong. */

#include "base/attr.h"
#include "base/bytes.h"
#include "store/range.h"

#define OBJECT_HEADER_SIZE 40u
#define BLOCK_HEADER_SIZE 88u
#define SECTION_HEADER_SIZE 64u
#define FOOTER_SIZE 64u
#define INDEX_ENTRY_SIZE 40u
#define RANGE_SIZE 80u
#define DIRECTORY_ENTRY_SIZE 104u

#define OBJECT_MAGIC 0x46534f42u
#define BLOCK_MAGIC 0x4653424bu
#define FOOTER_MAGIC 0x46534654u

enum section_kind {
    SECTION_INDEX = 0x46534958,
    SECTION_CHECKPOINT = 0x46534350,
    SECTION_DIRECTORY = 0x46534452,
    SECTION_MANIFEST = 0x46534d46,
};

/* The place that a piece must name. */
struct place {
    uint64_t object_id;
    uint64_t position;
};

struct object_header {
    uint64_t object_id;
    int32_t broker_id;
    int64_t broker_epoch;
};
void object_header_write(const struct object_header *header, uint8_t out[OBJECT_HEADER_SIZE]);
MUST_CHECK int object_header_read(
        struct bytes bytes, uint64_t object_id, struct object_header *ret_header);

struct block_header {
    struct place place;
    struct partition_key key;
    int32_t leader_epoch;
    int64_t base_offset;
    int64_t end_offset;
    int64_t timestamp_max;
    uint32_t batch_count;
    uint32_t body_size;
    uint32_t body_crc;
};
void block_header_write(const struct block_header *header, uint8_t out[BLOCK_HEADER_SIZE]);
/* Looks at the header only; `bytes` may go on behind it. */
MUST_CHECK int block_header_read(
        struct bytes bytes, struct place place, struct block_header *ret_header);
/* The whole block: header, body CRC, and batches that tile the body in offset order inside the
 * header's offsets. `bytes` is exactly one block. */
MUST_CHECK int block_check(struct bytes bytes, struct place place, struct block_header *ret_header);

struct section_header {
    enum section_kind kind;
    struct place place;
    struct partition_key key;
    uint32_t entry_count;
    uint64_t body_size;
    uint32_t body_crc;
};
void section_header_write(const struct section_header *header, uint8_t out[SECTION_HEADER_SIZE]);
/* Looks at the header only. */
MUST_CHECK int section_header_read(struct bytes bytes, enum section_kind kind, struct place place,
        struct section_header *ret_header);
/* Header and body CRC; `bytes` is exactly the section. */
MUST_CHECK int section_check(struct bytes bytes, enum section_kind kind, struct place place,
        struct section_header *ret_header);
const char *section_kind_name(enum section_kind kind);

struct index_entry {
    uint64_t position;
    uint32_t size;
    uint32_t batch_count;
    int64_t base_offset;
    int64_t end_offset;
    int64_t timestamp_max;
};
void index_entry_write(const struct index_entry *entry, uint8_t out[INDEX_ENTRY_SIZE]);
/* From a section that index_check has passed. */
void index_entry_read(const uint8_t *data, struct index_entry *ret_entry);
/* A whole index section against its range: count, tiling of positions and offsets. */
MUST_CHECK int index_check(struct bytes bytes, const struct store_range *range);
static inline uint64_t
index_size(uint32_t block_count)
{
    return SECTION_HEADER_SIZE + (uint64_t)block_count * INDEX_ENTRY_SIZE;
}

void range_write(const struct store_range *range, uint8_t out[RANGE_SIZE]);
void range_read(const uint8_t *data, struct store_range *ret_range);
/* Numbers that no writer of ours makes: -EBADMSG. Ranges come from metadata and manifests, and
 * sizes in them decide how much is allocated. */
MUST_CHECK int store_range_check(const struct store_range *range);

struct footer {
    struct place place;
    uint64_t directory_position;
    uint64_t directory_size;
    uint32_t run_count;
    int32_t broker_id;
    int64_t broker_epoch;
};
void footer_write(const struct footer *footer, uint8_t out[FOOTER_SIZE]);
MUST_CHECK int footer_read(struct bytes bytes, struct place place, struct footer *ret_footer);

void directory_entry_write(const struct partition_key *key, const struct store_range *range,
        uint8_t out[DIRECTORY_ENTRY_SIZE]);
void directory_entry_read(
        const uint8_t *data, struct partition_key *ret_key, struct store_range *ret_range);
/* A whole directory section: count, and runs that tile the object from its header to `directory
 * position`. */
MUST_CHECK int directory_check(struct bytes bytes, struct place place, uint32_t run_count);

bool partition_key_equal(const struct partition_key *a, const struct partition_key *b);
uint64_t partition_key_hash(const struct partition_key *key);
