#pragma once
/* Shared by the files of credentials. */

#include "kube/credentials.h"

/* Whole content of a small file; owned. -ENOENT, -EFBIG... with a fault that names the path. */
MUST_CHECK int credentials_file(const char *path, struct bytes *ret_content);
/* Fills in all but where they come from. */
MUST_CHECK int kubeconfig_read(struct credentials *credentials);
/* Bytes of standard base64; owned. -EBADMSG. */
MUST_CHECK int base64_decode(struct bytes text, struct bytes *ret_content);
/* "Bearer TOKEN", the value of a header; owned. */
char *authorization_new(const char *scheme, const char *value);
/* Owned text. */
char *base64_encode(struct bytes content);
/* Text without spaces and line ends at its borders; owned. */
char *text_trimmed(struct bytes content);
void bytes_free(struct bytes *bytes);
