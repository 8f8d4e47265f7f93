"""confluent-kafka-python (librdkafka) against a broker. usage: confluent.py BOOTSTRAP PREFIX"""
import sys
import threading

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

bootstrap, prefix = sys.argv[1], sys.argv[2]
topic, N = prefix + "-topic", 40

admin = AdminClient({"bootstrap.servers": bootstrap})
for f in admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=-1)]).values():
    f.result(30)
for f in admin.create_partitions([NewPartitions(topic, 3)]).values():
    f.result(30)
sent = set()
for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    errors = []
    p = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": codec, "linger.ms": 5})
    for i in range(N):
        value = f"{codec}-{i}".encode() * 20
        p.produce(topic, value=value, key=str(i).encode(), headers={"h": b"x"},
                  on_delivery=lambda e, m: errors.append(e) if e else None)
        sent.add(value)
    assert p.flush(30) == 0
    assert not errors, errors
    print("OK produce", codec, flush=True)

for members in (1, 2, 3):
    for strategy in ("range", "cooperative-sticky"):
        group = f"{prefix}-group-{members}-{strategy}"
        got, lock, done, errors = set(), threading.Lock(), threading.Event(), []

        def run():
            c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                          "enable.auto.commit": False, "check.crcs": True, "partition.assignment.strategy": strategy})
            c.subscribe([topic])
            try:
                while not done.is_set():
                    m = c.poll(0.2)
                    if m is None:
                        continue
                    assert not m.error(), m.error()
                    with lock:
                        got.add(m.value())
                        if got >= sent:
                            done.set()
                try:
                    c.commit(asynchronous=False)
                except KafkaException as e:
                    print("commit:", e, flush=True)
            except Exception as e:
                errors.append(e)
                done.set()
            c.close()

        threads = [threading.Thread(target=run, daemon=True) for _ in range(members)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(90)
        assert not errors, errors
        assert got == sent, (len(got), len(sent))
        print("OK group of", members, strategy, flush=True)

c = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{prefix}-group-1-range"})
parts = [TopicPartition(topic, p) for p in range(3)]
assert sum(c.get_watermark_offsets(p, 10)[1] for p in parts) == len(sent)
assert sum(max(p.offset, 0) for p in c.committed(parts, 10)) == len(sent)
c.close()
print("OK commits survive", flush=True)

groups = [g.group_id for g in admin.list_consumer_groups().result(10).valid]
assert f"{prefix}-group-1-range" in groups, groups
for f in admin.describe_consumer_groups([f"{prefix}-group-1-range"]).values():
    f.result(10)
for f in admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values():
    assert "retention.ms" in f.result(10)
for f in admin.delete_consumer_groups([f"{prefix}-group-1-range"]).values():
    f.result(10)
for f in admin.delete_topics([topic]).values():
    f.result(30)
print("OK admin", flush=True)
