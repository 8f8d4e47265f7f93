// Package kafka holds the named numbers of the Kafka protocol: offset, leader epoch, node id, partition index, producer
// id and epoch, sequence, generation, timestamp, topic id.
//
// It owns no state and imports nothing of this project, so that every other package can speak the field's own terms
// and the compiler refuses to mix an offset with an index or an epoch with a term.
//
// To change what a number means, change it here; to change how it travels, see package protocol.
package kafka
