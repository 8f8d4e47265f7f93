package main

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/broker"
	"chronik/actors/message"
)

// ask sends a question to the broker from outside of the actors and waits for the answer.
func (n *server) ask(h *broker.Handle, build func(message.ReplyTo) any, patience time.Duration) (any, error) {
	future := actor.NewFuture(n.runtime.System, patience)
	n.runtime.System.Root.Send(h.Broker, build(message.ReplyTo{PID: future.PID()}))
	return future.Result()
}

func cryptoSeed(seed *[32]byte) error {
	_, err := rand.Read(seed[:])
	return err
}

// childRand hands every actor that asks a source of its own.
func childRand() func() *mathrand.Rand {
	var base [32]byte
	_ = cryptoSeed(&base) // crypto/rand does not fail on the platforms that we run on
	var n atomic.Uint64
	return func() *mathrand.Rand {
		seed := base
		binary.LittleEndian.PutUint64(seed[:], n.Add(1))
		return mathrand.New(mathrand.NewChaCha8(seed))
	}
}
