#pragma once
/* The bytes of a simulated file: pages in chunks, both counted and shared until written, so that a
 * snapshot of a big file costs little. Absent pages read as zeros. Private to the simulator. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SECTOR_SIZE 512u
#define SIM_PAGE_SIZE 4096u

struct sim_chunk;

struct sim_content {
    uint64_t size;
    struct sim_chunk **chunks;
    size_t chunk_count;
    bool dense; /* zeros too get pages, so that their stamps are remembered */
};

void sim_content_done(struct sim_content *content);
/* `to` is empty before. */
void sim_content_share(struct sim_content *to, const struct sim_content *from);
/* Without regard to size; zeros where nothing is. */
void sim_content_read(const struct sim_content *content, void *out, size_t size, uint64_t offset);
/* Does not change size. `stamp`: sectors that carry a later stamp are left alone; UINT64_MAX writes
 * always and leaves the stamps. data NULL: zeros. */
void sim_content_write(struct sim_content *content, const void *data, size_t size, uint64_t offset,
        uint64_t stamp);
/* Sets the size; what lies beyond becomes zeros. */
void sim_content_resize(struct sim_content *content, uint64_t size);
/* Makes everything beyond the size zeros. */
void sim_content_cut(struct sim_content *content);
/* Bytes in pages that exist. */
uint64_t sim_content_used(const struct sim_content *content);
