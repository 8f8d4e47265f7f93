// Package kerror is the one exhaustive table of Kafka error codes: number, name, default text, retriable or not.
//
// Every part of the broker that refuses something does it with a Code from here, so that no error can turn into
// success on its way to the client: the zero value is None and has to be chosen on purpose.
//
// It owns no state, receives and sends nothing. Invariants: (1) every code of Apache Kafka 4.3 has a constant, the name
// and the retriability that Kafka gives it (kafka_test.go holds Kafka's table); (2) nothing here panics for any number.
//
// A new code: add the constant to codes.go; its name comes from the library, its text from there or from texts.go.
package kerror
