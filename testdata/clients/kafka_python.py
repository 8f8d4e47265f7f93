"""kafka-python against a broker: codecs, groups of 1 to 3 members, commits that survive, admin calls.

usage: kafka_python.py BOOTSTRAP PREFIX   (PREFIX makes topic and group names unique)
"""
import sys
import threading

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

bootstrap, prefix = sys.argv[1], sys.argv[2]
topic, group, N = prefix + "-topic", prefix + "-group", 40

admin = KafkaAdminClient(bootstrap_servers=bootstrap)
admin.create_topics([NewTopic(name=topic, num_partitions=3, replication_factor=-1)])

sent = set()
for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type=codec, linger_ms=5)
    futures = []
    for i in range(N):
        value = f"{codec}-{i}".encode() * 20
        futures.append(producer.send(topic, value=value, key=str(i).encode(), headers=[("h", b"x")]))
        sent.add(value)
    for f in futures:
        assert f.get(timeout=30).offset >= 0
    producer.close()
    print("OK produce", codec, flush=True)


def consumer():
    return KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                         enable_auto_commit=False, check_crcs=True, session_timeout_ms=10000, max_poll_records=50)


for members in (1, 2, 3):
    group = f"{prefix}-group-{members}"
    got, lock, done = set(), threading.Lock(), threading.Event()
    errors = []

    def run():
        try:
            c = consumer()
            while not done.is_set():
                for records in c.poll(timeout_ms=200).values():
                    with lock:
                        got.update(r.value for r in records)
                c.commit()
                with lock:
                    if got >= sent:
                        done.set()
            c.close()
        except Exception as e:
            errors.append(e)
            done.set()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(members)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(90)
    assert not errors, errors
    assert got == sent, (len(got), len(sent))
    print("OK group of", members, flush=True)

# a second life of the same group sees nothing again
c = consumer()
partitions = [TopicPartition(topic, p) for p in range(3)]
ends = c.end_offsets(partitions)
assert sum(ends.values()) == len(sent), ends
committed = sum(c.committed(p) or 0 for p in partitions)
assert committed == len(sent), committed
assert not c.poll(timeout_ms=3000)
c.close()
print("OK commits survive", flush=True)

names = [g[0] if isinstance(g, tuple) else getattr(g, "group_id", None) or g["group_id"] for g in admin.list_groups()] \
    if hasattr(admin, "list_groups") else [g[0] for g in admin.list_consumer_groups()]
assert group in names, names
describe = getattr(admin, "describe_groups", None) or admin.describe_consumer_groups
assert describe([group])
(getattr(admin, "delete_groups", None) or admin.delete_consumer_groups)([group])
admin.delete_topics([topic])
admin.close()
print("OK admin", flush=True)
