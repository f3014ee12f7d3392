#pragma once
/* The frame of an encoded state, shared by its writer and its reader. Private to this room. */

#define STATE_MAGIC 0x464d5354u /* "FMST" */
/* 2: brokers have an internal listener and a state, partitions a target. 3: brokers say where
 * their WAL is, and who recovers it. 4: brokers have an endpoint for each listener. */
#define STATE_VERSION 4u
