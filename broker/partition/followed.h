#pragma once
/* Partitions of other brokers, read here for consumers of this broker's rack (KIP-392).
 *
 * F1  A broker that does not lead a partition serves of it only what committed objects hold: no
 *     offset at or beyond the committed end that its own replica of the metadata knows, and it
 *     names no greater high watermark. Crash: the leader acknowledges, dies with its volume, and a
 *     consumer elsewhere has read what then never was; or a former leader, paused, goes on serving
 *     its own tail under another leader's offsets.
 *
 * F2  Only while this broker's lease is valid: cut off from the controller it knows no new end, no
 *     deletion and no new log start, and sends its consumers to the leader.
 *
 * What is followed has no tail, no producers, no WAL: a struct partition that shard_find does not
 * find. It is made by the first reader, closed when the topic goes or the partition is opened
 * anywhere anew, and dropped when FOLLOWED_MAX others are read more recently. */

#include "partition/shard.h"

#define FOLLOWED_MAX 4096 /* per reactor */

/* NULL: no such partition, this broker leads it, no lease (F2), or all FOLLOWED_MAX are in use.
 * Valid until the next wait unless held. partition_read, watches, partition_log_start work on it.
 */
struct partition *shard_find_followed(struct shard *shard, struct partition_key key);
