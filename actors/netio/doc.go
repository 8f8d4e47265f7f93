// Package netio is the network and the clock of production: env.Network over TCP, env.Clock over time.
//
// A socket costs one goroutine, its reader, and a second one only while something waits to be written. The reader checks a
// frame's length before it allocates, and stops when MaxInflight frames are not released yet: that is the back-pressure
// to the client's TCP. Send never blocks; beyond MaxQueued bytes the connection is closed as stalled.
//
// Invariants: (1) the handler's methods run on the reader's goroutine, one at a time; Closed is the last; (2) frames leave
// in the order of Send, each whole or not at all as far as the peer can tell; (3) done runs exactly once per Send.
package netio
