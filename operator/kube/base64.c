/* Base64 as kubeconfig files and Secrets have it. */
#include "base/fault.h"
#include "base/mem.h"
#include "kube/credentials_internal.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
base64_decode(struct bytes text, struct bytes *ret_content)
{
    uint8_t *out = mem_alloc(text.size / 4 * 3 + 4);
    size_t size = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        const char *at = c ? strchr(alphabet, c) : NULL;
        if (c == '\n' || c == '\r' || c == '=') {
            continue;
        }
        if (!at) {
            mem_free(out);
            return fault(-EBADMSG, "base64: byte %zu is no character of base64", i);
        }
        bits = bits << 6 | (uint32_t)(at - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[size++] = (uint8_t)(bits >> count);
        }
    }
    *ret_content = bytes_of(out, size);
    return 0;
}

char *
base64_encode(struct bytes content)
{
    char *out = mem_alloc((content.size + 2) / 3 * 4 + 1);
    size_t n = 0;
    for (size_t i = 0; i < content.size; i += 3) {
        uint32_t bits = (uint32_t)content.data[i] << 16;
        size_t left = content.size - i;
        bits |= left > 1 ? (uint32_t)content.data[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)content.data[i + 2] : 0;
        out[n++] = alphabet[bits >> 18 & 63];
        out[n++] = alphabet[bits >> 12 & 63];
        out[n++] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        out[n++] = left > 2 ? alphabet[bits & 63] : '=';
    }
    return out;
}
