// Package message holds every message that actors send each other, one file per receiver.
//
// Requests are verb and noun, answers end in Reply and carry a Reason first, facts are past tense. A message is never
// changed after it was sent. Requests name who wants the answer by ReplyTo; the answer carries the asker's token back.
package message
