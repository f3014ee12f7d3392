#pragma once
/* The frame of a record, shared by its writer and its reader. Private to this room. */

#define RECORD_HEADER_SIZE 8u /* type, version, size of the body */
#define RECORD_VERSION 1u
