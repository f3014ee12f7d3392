"""Tools of tests/bad_input/damage: what a broker answers for each partition, and damage to files.

damage.py fill PORT TOPIC PARTITIONS COUNT    produces records one after the other in each partition
damage.py ask PORT TOPIC PARTITIONS COUNT     prints, per partition, the codes of Fetch, ListOffsets and Produce, and what is there
damage.py leaders PORT TOPIC PARTITIONS       prints, per partition, the codes of OffsetForLeaderEpoch and DescribeProducers
damage.py flip-record FOLDER PARTITION N      flips a bit in the body of the Nth WAL record of that partition; prints how many it has
damage.py flip-header FOLDER PARTITION N      the same in the record's header
damage.py create PORT TOPIC PARTITIONS
damage.py churn PORT COUNT                    makes and deletes topics, for a metadata log with some length
damage.py ballast PORT TOPIC                  produces batches of 900 KB until it is stopped, whatever the broker says
damage.py ruin FILE                           flips a bit in every 64 bytes
damage.py flip FILE                           flips a bit in the middle of a file"""
import glob
import os
import struct
import sys
import time

import kafka
from kafka import Connection, Plain

APIS = kafka.schemas_read()


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def wal_records(folder, partition):
    """File and position of each frame of the partition, in order: docs/formats/wal.md."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "segment-*"))):
        with open(path, "rb") as file:
            data = file.read()
        at = 4096
        while True:
            at = data.find(b"FWRC", at)
            if at < 0:
                break
            body = at + 80
            if struct.unpack(">i", data[body + 20 : body + 24])[0] == partition and data[body : body + 2] == b"\1\1":
                found.append((path, at))
            at += 8
    return found


def produce(connection, topic, partition, value, data=None):
    choose = Plain(name=topic, acks=-1, timeout_ms=10000, index=partition, records=data or kafka.batch([value]),
        one_of=("topic_data", "partition_data"))
    answer = connection.call(APIS[0], 9, choose)["responses"][0]["partition_responses"][0]
    return answer["error_code"]


def offset_of(connection, topic, partition):
    choose = Plain(replica_id=-1, name=topic, partition_index=partition, timestamp=-1, current_leader_epoch=-1,
        one_of=("topics", "partitions"))
    answer = connection.call(APIS[2], 6, choose)["topics"][0]["partitions"][0]
    return answer["error_code"], answer["offset"]


def fetch(connection, topic, partition, offset):
    choose = Plain(replica_id=-1, max_wait_ms=0, max_bytes=2**31 - 1, topic=topic, partition=partition, partition_max_bytes=2**31 - 1,
        fetch_offset=offset, session_epoch=-1, current_leader_epoch=-1, last_fetched_epoch=-1, log_start_offset=-1,
        one_of=("topics", "partitions"))
    answer = connection.call(APIS[1], 11, choose)["responses"][0]["partitions"][0]
    return answer["error_code"], answer["records"] or b""


def read_all(connection, topic, partition, end):
    """The code and the offsets of the records that are there."""
    got, offset = [], 0
    while offset < end:
        error, data = fetch(connection, topic, partition, offset)
        if error or not data:
            return error, got
        at = 0
        while at + 61 <= len(data):
            base, size = struct.unpack(">qi", data[at : at + 12])
            got += [base] if base >= offset else []
            at += size + 12
        offset = got[-1] + 1
    return 0, got


def fill(port, topic, partitions, count):
    create(port, topic, partitions)
    with Connection(port) as connection:
        for i in range(count):
            for partition in range(partitions):
                error = produce(connection, topic, partition, b"record %d of partition %d" % (i, partition))
                assert error == 0, error


def ask(port, topic, partitions, count):
    with Connection(port) as connection:
        for partition in range(partitions):
            listed, end = offset_of(connection, topic, partition)
            error, got = read_all(connection, topic, partition, end if listed == 0 else count)
            missing = sorted(set(range(count)) - set(got))
            print(f"partition {partition}: list {listed} fetch {error} missing {missing} produce "
                f"{produce(connection, topic, partition, b'more') if os.environ.get('PRODUCE') else '-'}")


def leaders(port, topic, partitions):
    with Connection(port) as connection:
        for partition in range(partitions):
            choose = Plain(replica_id=-1, topic=topic, partition=partition, current_leader_epoch=-1, leader_epoch=0,
                one_of=("topics", "partitions"))
            epoch = connection.call(APIS[23], 4, choose)["topics"][0]["partitions"][0]
            asked = {"topics": [{"name": topic, "partition_indexes": [partition]}]}
            producers = connection.tell(APIS[61], 0, asked)["topics"][0]["partitions"][0]
            print(f"partition {partition}: epoch {epoch['error_code']} producers {producers['error_code']}")


def create(port, topic, partitions):
    with Connection(port) as connection:
        choose = Plain(name=topic, num_partitions=partitions, replication_factor=1, timeout_ms=10000, one_of=("topics",))
        error = connection.call(APIS[19], 5, choose)["topics"][0]["error_code"]
        assert error == 0, error


def churn(port, count):
    """Topics come and go: the metadata log grows by two records for each."""
    with Connection(port) as connection:
        for i in range(count):
            create_one = Plain(name=b"churn", num_partitions=1, replication_factor=1, timeout_ms=10000, one_of=("topics",))
            assert connection.call(APIS[19], 5, create_one)["topics"][0]["error_code"] == 0, i
            answer = connection.tell(APIS[20], 5, {"topic_names": [b"churn"], "timeout_ms": 10000})
            assert answer["responses"][0]["error_code"] == 0, answer


def ballast(port, topic):
    data = kafka.batch([b"x" * 900_000])
    while True:
        try:
            with Connection(port, 600) as connection:
                while True:
                    produce(connection, topic, 0, None, data)
                    time.sleep(0.02)  # a fast machine would fill the store of a test too
        except (OSError, kafka.Closed):
            time.sleep(0.1)


command, arguments = sys.argv[1], sys.argv[2:]
if command in ("fill", "ask"):
    {"fill": fill, "ask": ask}[command](int(arguments[0]), arguments[1].encode(), int(arguments[2]), int(arguments[3]))
elif command in ("flip-record", "flip-header"):
    records = wal_records(arguments[0], int(arguments[1]))
    path, at = records[int(arguments[2])]
    flip(path, at + (145 if command == "flip-record" else 33))
    print(f"{len(records)} records, {os.path.basename(path)} at {at}")
elif command == "leaders":
    leaders(int(arguments[0]), arguments[1].encode(), int(arguments[2]))
elif command == "create":
    create(int(arguments[0]), arguments[1].encode(), int(arguments[2]))
elif command == "churn":
    churn(int(arguments[0]), int(arguments[1]))
elif command == "ballast":
    ballast(int(arguments[0]), arguments[1].encode())
elif command == "ruin":
    for at in range(20, os.path.getsize(arguments[0]), 64):
        flip(arguments[0], at)
elif command == "flip":
    flip(arguments[0], os.path.getsize(arguments[0]) // 2)
else:
    sys.exit(__doc__)
