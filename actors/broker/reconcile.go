package broker

import (
	"fmt"
	"slices"
	"sort"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors"
	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/actors/replica"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// published handles a new image: log what was created, then bring the replicas in line.
func (b *Broker) published(ctx actor.Context, m *message.ImagePublished) {
	for _, t := range m.Created {
		b.log.Info(fmt.Sprintf("Topic creation callback fired for '%s'", t))
		delete(b.creating, t)
	}
	if len(m.Deleted) > 0 {
		ctx.Send(b.node.View.Groups, &message.TopicsDeleted{Names: m.Deleted})
	}
	b.reconfigure()
	b.meetNodes(ctx)
	b.reconcile(ctx)
}

// reconfigure takes dynamic broker configs over.
func (b *Broker) reconfigure() {
	im := b.node.View.Image()
	all, own := im.BrokerConfigs[""], im.BrokerConfigs[fmt.Sprint(b.node.View.NodeID)]
	cfg, err := config.EffectiveBroker(b.o.Settings, all, own)
	if err != nil {
		b.log.Warn("a dynamic broker config was skipped", "error", err)
	}
	if cfg != nil {
		b.config.Store(cfg)
	}
}

// reconcile compares the image with what runs, topic by topic; only topics that changed are looked at.
func (b *Broker) reconcile(ctx actor.Context) {
	im := b.node.View.Image()
	names := make([]string, 0, len(im.Topics))
	for name, t := range im.Topics {
		if b.seen[t.ID] != t || b.again[t.ID] && b.upToDate() {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		t := im.Topics[name]
		done := true
		for _, p := range t.Partitions {
			done = b.reconcilePartition(ctx, t, p) && done
		}
		b.seen[t.ID] = t
		if !done {
			b.again[t.ID] = true
		} else {
			delete(b.again, t.ID)
		}
	}
	var gone []kafka.TopicID
	for id := range b.seen {
		if im.ByID[id] == nil {
			gone = append(gone, id)
		}
	}
	slices.SortFunc(gone, func(x, y kafka.TopicID) int { return slices.Compare(x[:], y[:]) })
	for _, id := range gone {
		for _, p := range b.seen[id].Partitions {
			b.remove(ctx, p.Group)
		}
		delete(b.seen, id)
		delete(b.again, id)
	}
	b.sweepDeleted(ctx)
}

// reconcilePartition brings this node's replica of a partition in line; false: it has to be looked at again.
func (b *Broker) reconcilePartition(ctx actor.Context, t *cluster.Topic, p *cluster.Partition) bool {
	self := p.ReplicaOf(b.node.Self())
	c, stored := b.replicas[p.Group], b.stored(p.Group)
	switch {
	case b.leaving[p.Group]: // looked at again when it is gone
	case c == nil && self != 0 && stored == self:
		b.spawnReplica(ctx, t, p, self)
	case c == nil && !b.upToDate(): // for all that this node knew before, the partition may live elsewhere by now
		return self == 0 && stored == 0 && b.st.inSegments[p.Group] == nil
	case c == nil:
		if stored != 0 || b.st.inSegments[p.Group] != nil {
			b.log.Info("what is left of a replica that its partition has no more is removed", "topic", t.Name, "partition", int32(p.Index))
			b.dismiss(ctx, p.Group)
		}
		if self != 0 {
			b.spawnReplica(ctx, t, p, self)
		}
	case c.self != self: // the group lives without it; perhaps there is to be another
		b.log.Info("a replica that its partition has no more is removed", "partition", c.name)
		b.remove(ctx, p.Group)
	default:
		if !sameConfigs(c.configs, t.Configs) {
			c.configs = t.Configs
			ctx.Send(c.pid, &message.ConfigChanged{Configs: t.Configs})
		}
		if !slices.Equal(c.target, p.TargetVoters) {
			c.target = p.TargetVoters
			ctx.Send(c.pid, &message.TargetChanged{Target: c.target})
		}
	}
	return true
}

// upToDate says that the image has everything in it that this node ever applied, in earlier lives as well. Until then it may
// name replicas that were dismissed since: with their data they lost what they voted, and must not begin anew under the same
// Raft id. What is applied was in the log on disk before, so the log's end at the start is far enough.
func (b *Broker) upToDate() bool { return b.node.View.Image().Index >= b.metaLast }

// stored is the Raft id of the replica whose data was found on disk; 0: there is none. A replica is born in the log before it has
// segments, so segments alone are left-overs.
func (b *Broker) stored(g wal.GroupID) wal.ReplicaID {
	r := b.st.recovery.Groups[g]
	switch {
	case r == nil || r.Birth == nil:
		return 0
	case r.Birth.Self == 0:
		return b.node.Self()
	}
	return r.Birth.Self
}

// dismiss lets the data go that was found on disk of a group.
func (b *Broker) dismiss(ctx actor.Context, g wal.GroupID) {
	delete(b.st.recovery.Groups, g)
	delete(b.st.inSegments, g)
	ctx.Send(b.node.SegmentWriter, &message.WriteSegment{Append: wal.SegmentAppend{Group: g, Delete: true}})
	ctx.Send(b.node.WAL, &message.WriteLog{Write: wal.Write{Group: g, Drop: true}})
}

// replicaGone starts the partition's next replica here, if there is one.
func (b *Broker) replicaGone(ctx actor.Context, m *message.ReplicaGone) {
	delete(b.leaving, m.Group)
	if ref, ok := b.node.View.Image().ByGroup[m.Group]; ok && !b.stopping {
		b.reconcilePartition(ctx, ref.Topic, ref.Partition)
	}
}

func sameConfigs(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			return false
		}
	}
	return true
}

// spawnReplica starts a partition's replica, new or found on disk.
func (b *Broker) spawnReplica(ctx actor.Context, t *cluster.Topic, p *cluster.Partition, self wal.ReplicaID) {
	name := fmt.Sprintf("%s-%d", t.Name, p.Index)
	birth := wal.Birth{Group: p.Group, Name: name, Topic: t.ID, Partition: int32(p.Index), Voters: p.BirthVoters()}
	if self != b.node.Self() {
		birth.Self = self
	}
	restored := b.st.recovery.Groups[p.Group]
	if restored == nil || restored.Birth == nil {
		ctx.Send(b.node.WAL, &message.WriteLog{Write: wal.Write{Group: p.Group, Birth: &birth}})
	}
	produce, err := replica.New(replica.Options{Node: b.node, Birth: birth, Restored: restored, Segments: b.st.inSegments[p.Group], Configs: t.Configs,
		First: birth.Voters[0] == self, Target: p.TargetVoters, Incarnation: b.nextIncarnation(), FlushBytes: b.o.FlushBytes, KeepBytes: b.o.KeepBytes})
	if err != nil {
		b.log.Error("a replica cannot start and stays offline", "partition", name, "error", err)
		return
	}
	delete(b.st.recovery.Groups, p.Group) // what was found belongs to the replica now
	delete(b.st.inSegments, p.Group)
	pid := ctx.Spawn(b.node.Runtime.Props(actors.KindReplica, produce))
	at, _ := slices.BinarySearch(b.order, p.Group)
	b.order = slices.Insert(b.order, at, p.Group)
	b.node.Replicas.Store(int64(len(b.order)))
	b.awake.add(p.Group)
	b.replicas[p.Group] = &child{pid: pid, self: self, target: p.TargetVoters, topic: t.ID, name: name, configs: t.Configs}
	b.node.View.SetReplica(p.Group, pid)
	if b.disk.Full {
		d := b.disk
		ctx.Send(pid, &d)
	}
	b.log.Info(fmt.Sprintf("Successfully created Raft replica for %s with %d peers", name, b.peersOf(p, self)))
}

// peersOf counts the voters beside this replica.
func (b *Broker) peersOf(p *cluster.Partition, self wal.ReplicaID) int {
	n := len(p.Voters)
	if slices.Contains(p.Voters, self) {
		n--
	}
	return n
}

// sweepDeleted lets the data go of groups that were found on disk and whose topic's deletion was applied: this node was down,
// or ended between two steps of a deletion. Group numbers are given out in order by the metadata log, so one below the next to
// come that belongs to no topic was deleted; that is knowledge, not a guess.
func (b *Broker) sweepDeleted(ctx actor.Context) {
	im := b.node.View.Image()
	found := make([]wal.GroupID, 0, len(b.st.recovery.Groups))
	for g := range b.st.recovery.Groups {
		found = append(found, g)
	}
	for g := range b.st.inSegments {
		if b.st.recovery.Groups[g] == nil {
			found = append(found, g)
		}
	}
	slices.Sort(found)
	for _, g := range found {
		if _, alive := im.ByGroup[g]; alive || g == wal.MetaGroup || g >= im.NextGroup || b.replicas[g] != nil {
			continue
		}
		b.log.Info("what is left of a deleted partition is removed", "group", uint64(g))
		b.dismiss(ctx, g)
	}
}

// remove stops a replica whose topic's deletion was applied, or that its partition has no more, and lets its data go.
func (b *Broker) remove(ctx actor.Context, g wal.GroupID) {
	if _, lives := b.node.View.Image().ByGroup[g]; lives {
		b.node.View.SetReplica(g, nil)
	} else {
		b.node.View.ForgetGroup(g)
	}
	delete(b.leading, g)
	c := b.replicas[g]
	if c == nil {
		return
	}
	delete(b.replicas, g)
	if at, ok := slices.BinarySearch(b.order, g); ok {
		b.order = slices.Delete(b.order, at, at+1)
		b.awake.remove(g)
	}
	b.node.Replicas.Store(int64(len(b.order)))
	b.leaving[g] = true
	ctx.Send(c.pid, &message.StopReplica{Delete: true})
	ctx.Poison(c.pid)
}
