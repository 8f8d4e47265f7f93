// Package broker is the root actor of a node: it opens what is on disk, forms or joins the cluster, and spawns everything
// else.
//
// It owns the node's children, the View's leadership table and local PIDs, the ticker, the listeners, and the formation of
// a new cluster. It receives ImagePublished (spawn and stop replicas), LeadershipChanged (View, gossip, coordinators),
// EnsureTopic, DiskState, NodeReady, Shutdown, and from the links PeerUp, PeerDown, PeerRefused, Adopt and Gossip.
//
// Invariants:
//
//  1. A replica's Birth is in the WAL before its Raft instance runs.
//
//  2. A replica runs here exactly when the image assigns the partition to this directory; a group found on disk and not in
//     the image is kept and not started; its data goes only when the topic's deletion was applied: group numbers are given
//     out in order, so one below Image.NextGroup that belongs to no topic was deleted.
//
//  3. One code path: standalone is a cluster of one voter.
//
//  4. A node that has no cluster answers clients, with retriable errors, and waits.
//
//  5. A cluster is formed once, by the one node with --bootstrap, after every peer has said over a proved link that it is
//     blank. It stores the first snapshot before anybody hears of it; a member gives it to a blank node only when that node's
//     directory is the one that was registered.
//
//  6. A replica without data on disk is born only from an image with everything that this node ever applied; data of another
//     Raft id than such an image names goes.
//
//  7. Whom a node talks to is decided by checkPeer alone: same cluster, same directory, same peer lists.
//
// Where to change what: start.go opening and refusals; form.go new clusters; admit.go nodes that join, come back without their disk, or leave; peers.go links, strangers, gossip; reconcile.go
// replicas; leaders.go leadership; moving.go how leaderships leave this node; rest.go who is ticked; topics.go automatic creation; shutdown.go the way out.
package broker
