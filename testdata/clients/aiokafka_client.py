"""aiokafka against a broker. usage: aiokafka_client.py BOOTSTRAP PREFIX"""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

bootstrap, prefix = sys.argv[1], sys.argv[2]
topic, N = prefix + "-topic", 40


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name=topic, num_partitions=3, replication_factor=1)])
    sent = set()
    for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
        for idempotent in (False, True):
            producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type=codec,
                                        enable_idempotence=idempotent)
            await producer.start()
            for i in range(N):
                value = f"{codec}-{idempotent}-{i}".encode() * 20
                await producer.send(topic, value, key=str(i).encode())
                sent.add(value)
            await producer.flush()
            await producer.stop()
        print("OK produce", codec, flush=True)

    for members in (1, 2, 3):
        group = f"{prefix}-group-{members}"
        got, done = set(), asyncio.Event()

        async def run():
            c = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                                 enable_auto_commit=False, check_crcs=True)
            await c.start()
            while not done.is_set():
                for records in (await c.getmany(timeout_ms=200)).values():
                    got.update(r.value for r in records)
                if c.assignment():
                    try:
                        await c.commit()
                    except Exception as e:  # a rebalance is going on: the next poll joins again
                        print("commit:", repr(e), flush=True)
                if got >= sent:
                    done.set()
            await c.stop()

        await asyncio.wait_for(asyncio.gather(*[run() for _ in range(members)]), 90)
        assert got == sent
        print("OK group of", members, flush=True)

    c = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=f"{prefix}-group-1", enable_auto_commit=False)
    await c.start()
    parts = [TopicPartition(topic, p) for p in range(3)]
    assert sum((await c.end_offsets(parts)).values()) == len(sent)
    assert sum([await c.committed(p) or 0 for p in parts]) == len(sent)
    await c.stop()
    print("OK commits survive", flush=True)
    groups = [g[0] for g in await admin.list_consumer_groups()]
    assert f"{prefix}-group-1" in groups, groups
    assert await admin.describe_consumer_groups([f"{prefix}-group-1"])
    await admin.delete_topics([topic])
    await admin.close()
    print("OK admin", flush=True)


asyncio.run(main())
