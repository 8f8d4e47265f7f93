// Package cluster holds what every connection may read without asking an actor: the committed metadata image and the
// leadership of each partition, as immutable values behind atomic pointers (View).
//
// Written by: the metadata actor (Image, after apply), the broker actor (Leadership, from local replicas and the peer
// links; Replicas and other local PIDs). Read by: connections, api handlers, coordinators.
//
// Invariants: (1) an Image and all that hangs on it is never changed after it was published; (2) images are published in
// the order of their Index; (3) a Leadership is replaced as a whole and only by one of a higher term, or of the same
// term with a higher Version; (4) a leader is named only with the epoch in which it leads.
package cluster
