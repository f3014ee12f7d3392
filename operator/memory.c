/* Giving back what only the start needed. */
#include "memory.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int
give_back(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)arg;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = (info->dlpi_addr + part->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(page - 1);
        /* What was never writable has no changes that could get lost. */
        if (part->p_type == PT_LOAD && !(part->p_flags & PF_W) && end > begin) {
            /* Only advice: it is no matter if it isn't taken. */
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
        }
    }
    return 0;
}

void
memory_give_back(void)
{
    dl_iterate_phdr(give_back, NULL);
    malloc_trim(0);
}
