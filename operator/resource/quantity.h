#pragma once
/* Quantities of Kubernetes: a number with a fraction, and a suffix or an exponent. */

#include <stdint.h>

/* Bytes of a quantity like 12Gi, rounded up; -1: cannot be read. */
int64_t quantity_bytes(const char *text);
/* Thousandths of it, rounded up: 500m is 500. -1: cannot be read, or more than can be counted. */
int64_t quantity_milli(const char *text);
