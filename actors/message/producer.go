package message

import (
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
)

// AllocateProducerID asks the node's producer id actor for an id that nobody else has.
type AllocateProducerID struct{ ReplyTo }

// AllocateProducerIDReply answers AllocateProducerID; the id is fresh, to be used from epoch 0 on.
type AllocateProducerIDReply struct {
	Answered
	Reason kerror.Code
	ID     kafka.ProducerID
}
