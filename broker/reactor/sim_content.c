/* Copy-on-write pages of simulated files. */
#include "reactor/sim_content.h"

#include "base/attr.h"
#include "base/check.h"
#include "base/mem.h"

#include <string.h>

#define CHUNK_PAGES 64u
#define CHUNK_SIZE (CHUNK_PAGES * SIM_PAGE_SIZE)
#define PAGE_SECTORS (SIM_PAGE_SIZE / SIM_SECTOR_SIZE)

struct page {
    unsigned refs;
    uint64_t stamps[PAGE_SECTORS];
    uint8_t data[SIM_PAGE_SIZE];
};

struct sim_chunk {
    unsigned refs;
    unsigned used;
    struct page *pages[CHUNK_PAGES];
};

static void
page_unref(struct page *page)
{
    if (page && --page->refs == 0) {
        mem_free(page);
    }
}

static void
chunk_unref(struct sim_chunk *chunk)
{
    if (!chunk || --chunk->refs > 0) {
        return;
    }
    for (size_t i = 0; i < CHUNK_PAGES; i++) {
        page_unref(chunk->pages[i]);
    }
    mem_free(chunk);
}

void
sim_content_done(struct sim_content *content)
{
    for (size_t i = 0; i < content->chunk_count; i++) {
        chunk_unref(content->chunks[i]);
    }
    mem_free(content->chunks);
    *content = (struct sim_content){ 0 };
}

void
sim_content_share(struct sim_content *to, const struct sim_content *from)
{
    *to = *from;
    to->chunks = NULL;
    if (from->chunk_count == 0) {
        return;
    }
    to->chunks = mem_dup(from->chunks, from->chunk_count * sizeof from->chunks[0]);
    for (size_t i = 0; i < to->chunk_count; i++) {
        if (to->chunks[i]) {
            to->chunks[i]->refs++;
        }
    }
}

static const struct page *
page_at(const struct sim_content *content, uint64_t offset)
{
    size_t chunk = (size_t)(offset / CHUNK_SIZE);
    if (chunk >= content->chunk_count || !content->chunks[chunk]) {
        return NULL;
    }
    return content->chunks[chunk]->pages[offset % CHUNK_SIZE / SIM_PAGE_SIZE];
}

static struct sim_chunk *
chunk_own(struct sim_content *content, size_t index)
{
    if (index >= content->chunk_count) {
        size_t count = MAX(index + 1, content->chunk_count * 2);
        content->chunks = mem_realloc(content->chunks, count * sizeof content->chunks[0]);
        memset(content->chunks + content->chunk_count, 0,
                (count - content->chunk_count) * sizeof content->chunks[0]);
        content->chunk_count = count;
    }
    struct sim_chunk *chunk = content->chunks[index];
    if (chunk && chunk->refs == 1) {
        return chunk;
    }
    struct sim_chunk *own = mem_alloc(sizeof *own);
    if (chunk) {
        memcpy(own, chunk, sizeof *own);
        for (size_t i = 0; i < CHUNK_PAGES; i++) {
            if (own->pages[i]) {
                own->pages[i]->refs++;
            }
        }
        chunk->refs--;
    }
    own->refs = 1;
    content->chunks[index] = own;
    return own;
}

/* A page that only this content has. */
static struct page *
page_own(struct sim_content *content, uint64_t offset)
{
    struct sim_chunk *chunk = chunk_own(content, (size_t)(offset / CHUNK_SIZE));
    struct page **place = &chunk->pages[offset % CHUNK_SIZE / SIM_PAGE_SIZE];
    if (*place && (*place)->refs == 1) {
        return *place;
    }
    struct page *own = mem_alloc(sizeof *own);
    if (*place) {
        memcpy(own, *place, sizeof *own);
        (*place)->refs--;
    } else {
        chunk->used++;
    }
    own->refs = 1;
    *place = own;
    return own;
}

void
sim_content_read(const struct sim_content *content, void *out, size_t size, uint64_t offset)
{
    uint8_t *at = out;
    while (size > 0) {
        size_t skip = (size_t)(offset % SIM_PAGE_SIZE);
        size_t n = MIN(size, SIM_PAGE_SIZE - skip);
        const struct page *page = page_at(content, offset);
        if (page) {
            memcpy(at, page->data + skip, n);
        } else {
            memset(at, 0, n);
        }
        at += n;
        offset += n;
        size -= n;
    }
}

static bool
is_zeros(const uint8_t *data, size_t size)
{
    return !data || size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* Within one sector. */
static void
write_sector(struct sim_content *content, const uint8_t *data, size_t size, uint64_t offset,
        uint64_t stamp)
{
    const struct page *page = page_at(content, offset);
    size_t skip = (size_t)(offset % SIM_PAGE_SIZE);
    size_t sector = skip / SIM_SECTOR_SIZE;
    if (page && stamp != UINT64_MAX && page->stamps[sector] > stamp) {
        return;
    }
    /* Pre-zeroed files would fill the memory: absent pages are zeros already. */
    if (!page && !content->dense && is_zeros(data, size)) {
        return;
    }
    struct page *own = page_own(content, offset);
    if (data) {
        memcpy(own->data + skip, data, size);
    } else {
        memset(own->data + skip, 0, size);
    }
    if (stamp != UINT64_MAX) {
        own->stamps[sector] = stamp;
    }
}

void
sim_content_write(
        struct sim_content *content, const void *data, size_t size, uint64_t offset, uint64_t stamp)
{
    const uint8_t *at = data;
    while (size > 0) {
        size_t n = MIN(size, SIM_SECTOR_SIZE - (size_t)(offset % SIM_SECTOR_SIZE));
        write_sector(content, at, n, offset, stamp);
        at = at ? at + n : NULL;
        offset += n;
        size -= n;
    }
}

static void
cut_chunk(struct sim_content *content, size_t index)
{
    for (size_t i = 0; i < CHUNK_PAGES; i++) {
        uint64_t start = (uint64_t)index * CHUNK_SIZE + i * SIM_PAGE_SIZE;
        uint64_t keep = content->size > start ? content->size - start : 0;
        if (keep < SIM_PAGE_SIZE && content->chunks[index]->pages[i]) {
            struct page *page = page_own(content, start);
            memset(page->data + keep, 0, SIM_PAGE_SIZE - (size_t)keep);
        }
    }
}

void
sim_content_cut(struct sim_content *content)
{
    for (size_t i = (size_t)(content->size / CHUNK_SIZE); i < content->chunk_count; i++) {
        if (content->chunks[i]) {
            cut_chunk(content, i);
        }
    }
}

void
sim_content_resize(struct sim_content *content, uint64_t size)
{
    bool shorter = size < content->size;
    content->size = size;
    if (shorter) {
        sim_content_cut(content);
    }
}

uint64_t
sim_content_used(const struct sim_content *content)
{
    uint64_t used = 0;
    for (size_t i = 0; i < content->chunk_count; i++) {
        used += content->chunks[i] ? (uint64_t)content->chunks[i]->used * SIM_PAGE_SIZE : 0;
    }
    return used;
}
