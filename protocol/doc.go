// Package protocol reads Kafka requests from bytes that strangers sent and writes responses.
//
// It owns no state and receives no messages: it is a set of functions over bytes, used by the connection actor in this
// order: ParseHeader (who asks for what, which correlation id), Check (is the body well formed and affordable, without
// allocating), Decode (the body as a kmsg request), and, when the answer is ready, EncodeResponse or EncodeFetch.
//
// Invariants:
//  1. No input makes a function panic. Check runs in time linear in len(body) and allocates nothing unless it refuses.
//  2. A body that Check accepts is a complete encoding of its (key, version) with nothing left over, and decoding it
//     allocates at most the budget that was given to Check; Decode does not verify that again.
//  3. Byte fields of a decoded request (record batches among them) alias the body; strings are copies.
//  4. The layout of requests comes from Apache Kafka's schemas only (check_table.go, generated), the decoding from
//     kmsg; tests hold the two together.
//
// To follow a new Kafka release: run go generate with its kafka-clients jar, raise kmsg, run the tests. Record batches
// are in package batch, error codes in kerror, named numbers in kafka, configuration in config.
package protocol
