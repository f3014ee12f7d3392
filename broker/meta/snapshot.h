#pragma once
/* The frame of an encoded state, shared by its writer and its reader. Private to this room. */

#define STATE_MAGIC 0x464d5354u /* "FMST" */
#define STATE_VERSION 1u
